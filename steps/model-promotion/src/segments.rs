//! Segments of the holdout: what holds for all rows must hold for each of them.

use anyhow::Result;
use catalog::manifest::DatasetManifest;
use learn::task::Metric;
use runtime::failure::Failure;
use settings::GateArgs;
use store::Store;
use table::categories::SegmentColumns;
use table::scoring::Segments;

use crate::comparison::Contender;
use crate::gate::{Gate, SegmentRules};
use crate::verdict::JudgedSegment;

/// Segments that a reason names; the others are counted.
const NAMED: usize = 3;

/// What the settings ask for; `None` where they ask for nothing.
///
/// # Errors
/// A floor that the metric can't reach: exit 2.
pub(crate) fn rules(flags: &GateArgs, metric: Metric) -> Result<Option<SegmentRules>> {
    let (floor, margin) = (flags.segment_floor(metric)?, flags.gate_segment_margin);
    let rows = flags.gate_segment_rows;
    let asked = floor.is_some() || margin.is_some();
    Ok(asked.then_some(SegmentRules {
        floor,
        margin,
        rows,
    }))
}

/// The columns that the candidate's holdout is divided by, as a report on the candidate would
/// divide rows; none where the gate does not look at segments.
///
/// # Errors
/// There is none, or the setting names one that is not there: exit 2.
pub(crate) async fn columns(
    store: &Store,
    gate: &Gate,
    setting: &SegmentColumns,
    candidate: &Contender,
    holdout: &DatasetManifest,
) -> Result<Vec<String>> {
    if gate.segments.is_none() {
        return Ok(Vec::new());
    }
    let trained = match setting {
        SegmentColumns::Automatic => candidate.manifest.load_reference(store).await?.categories,
        _ => Vec::new(),
    };
    let columns = setting.carried(&holdout.columns, &trained)?;
    if columns.is_empty() {
        return Err(Failure::usage(
            "GATE_SEGMENT_FLOOR or GATE_SEGMENT_MARGIN is set, and the holdout has no segment \
             column: name one in SEGMENT_COLUMNS (--segment-columns) that has the role ignored \
             and is in the result of features.sql, or remove both settings",
        ));
    }
    Ok(columns.iter().map(|column| column.name.clone()).collect())
}

/// What the segments say.
pub(crate) struct Judged {
    pub(crate) passes: bool,
    /// Goes on a sentence that says why the candidate passes on all rows.
    pub(crate) reason: String,
    pub(crate) segments: Vec<JudgedSegment>,
}

impl Gate {
    /// Whether a candidate holds to the rules in each segment, beside the champion of a version.
    pub(crate) fn decide_by_segments(
        &self,
        rules: SegmentRules,
        candidate: Segments,
        champion: Option<(u64, Segments)>,
    ) -> Judged {
        let rank = |value| self.metric.higher_is_better(value);
        let (mut refusals, mut segments) = (Vec::new(), Vec::new());
        for of in candidate.segments {
            let (version, before) = champion
                .as_ref()
                .and_then(|(version, theirs)| {
                    let same = |other: &&table::scoring::Segment| {
                        (&other.column, &other.value) == (&of.column, &of.value)
                    };
                    let found = theirs.segments.iter().find(same)?;
                    Some((*version, found.metric))
                })
                .unzip();
            let before = before.flatten();
            let value = of.metric.filter(|_| of.rows >= rules.rows);
            let why = value.and_then(|value| {
                let below = rules.floor.filter(|floor| rank(value) < rank(*floor));
                if let Some(floor) = below {
                    let misses = match self.metric.lower_is_better() {
                        true => "above",
                        false => "below",
                    };
                    return Some(format!("{misses} the floor {floor}"));
                }
                let (margin, before) = (rules.margin?, before?);
                let is_worse = rank(value) + margin < rank(before);
                is_worse.then(|| {
                    let version = version.unwrap_or_default();
                    format!("worse than {before:.5} of version {version} by more than {margin}")
                })
            });
            if let (Some(why), Some(value)) = (&why, value) {
                let shown = match &of.value {
                    Some(value) => format!("{value:?}"),
                    None => "null".to_owned(),
                };
                refusals.push(format!(
                    "{} {value:.5} where {} is {shown} ({} rows) is {why}",
                    self.metric.name, of.column, of.rows
                ));
            }
            segments.push(JudgedSegment {
                refuses: value.map(|_| why.is_some()),
                column: of.column,
                value: of.value,
                rows: of.rows,
                candidate: of.metric,
                champion: before.filter(|_| rules.margin.is_some()),
            });
        }
        let judged = segments.iter().filter(|of| of.refuses.is_some()).count();
        let mut reason = match refusals.len() {
            0 => format!("; so in {judged} segments of {} rows or more", rules.rows),
            refused => {
                let more = match refused.saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and so are {more} more segments"),
                };
                refusals.truncate(NAMED);
                format!(", but {}{more}", refusals.join(", "))
            }
        };
        let passed_over = segments.len() - judged;
        if passed_over > 0 {
            reason += &format!("; {passed_over} segments have too few rows, or one kind of label");
        }
        if !candidate.too_many.is_empty() {
            let names = candidate.too_many.join(", ");
            reason += &format!("; too many values to divide by: {names}");
        }
        Judged {
            passes: refusals.is_empty(),
            reason,
            segments,
        }
    }
}

#[cfg(test)]
mod tests {
    use settings::GateCompare;
    use table::scoring::Segment;

    use super::*;

    fn segments(metric: Option<f64>, rows: u64) -> Segments {
        let of = |value: &str, metric, rows| Segment {
            column: "region".to_owned(),
            value: (!value.is_empty()).then(|| value.to_owned()),
            rows,
            metric,
        };
        Segments {
            segments: vec![of("north", Some(0.8), 900), of("", metric, rows)],
            too_many: Vec::new(),
        }
    }

    #[test]
    fn each_segment_of_enough_rows_holds_to_floor_and_margin() {
        let [auc, loss] = ["roc_auc", "log_loss"].map(|name| Metric::named(name).unwrap());
        // Metric, its value, rows, floor, margin, the champion's value, and the refusal.
        let table = [
            (auc, Some(0.7), 200, Some(0.6), None, None, ""),
            (auc, Some(0.6), 200, Some(0.6), None, None, ""),
            (
                auc,
                Some(0.59),
                200,
                Some(0.6),
                None,
                None,
                "roc_auc 0.59000 where region is null (200 rows) is below the floor 0.6",
            ),
            (auc, Some(0.59), 199, Some(0.6), None, None, ""),
            (auc, None, 200, Some(0.6), None, None, ""),
            (auc, Some(0.7), 200, None, Some(0.02), Some(0.72), ""),
            (
                auc,
                Some(0.7),
                200,
                None,
                Some(0.02),
                Some(0.73),
                "worse than 0.73000 of version 7 by more than 0.02",
            ),
            (auc, Some(0.7), 200, None, Some(0.02), None, ""),
            (
                loss,
                Some(0.9),
                200,
                Some(0.85),
                None,
                None,
                "log_loss 0.90000 where region is null (200 rows) is above the floor 0.85",
            ),
            (
                loss,
                Some(0.6),
                200,
                None,
                Some(0.0),
                Some(0.5),
                "worse than 0.50000",
            ),
        ];
        for (metric, value, rows, floor, margin, before, refusal) in table {
            let rules = SegmentRules {
                floor,
                margin,
                rows: 200,
            };
            let gate = Gate {
                metric,
                floor: None,
                margin: 0.0,
                window: None,
                compare: GateCompare::Estimate,
                segments: Some(rules),
            };
            let champion = before.map(|_| (7, segments(before, rows)));
            let judged = gate.decide_by_segments(rules, segments(value, rows), champion);
            assert_eq!(judged.passes, refusal.is_empty(), "{}", judged.reason);
            assert!(judged.reason.contains(refusal), "{}", judged.reason);
            let told = judged.segments[1].refuses;
            let expected = (value.is_some() && rows >= 200).then_some(!refusal.is_empty());
            assert_eq!(told, expected, "{}", judged.reason);
        }
    }
}
