//! Segments of the holdout: what holds for all rows must hold for each of them.

use anyhow::Result;
use catalog::manifest::DatasetManifest;
use learn::metrics::Interval;
use learn::task::Metric;
use settings::GateArgs;
use store::Store;
use table::categories::SegmentColumns;
use table::scoring::{Segment, Segments};

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
    Ok(flags.judges_segments().then_some(SegmentRules {
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
    let Some(rules) = gate.segments else {
        return Ok(Vec::new());
    };
    let trained = match setting {
        SegmentColumns::Automatic => candidate.manifest.load_reference(store).await?.categories,
        _ => Vec::new(),
    };
    let columns = setting.carried(&holdout.columns, &trained)?;
    if columns.is_empty() {
        return Err(settings::without_segments(rules.floor));
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

/// What a rule says of a segment.
struct Finding {
    breaks: bool,
    /// Follows the metric's value.
    reason: String,
}

/// The champion's version, and the segment as it measures it.
type Theirs<'a> = (u64, Option<&'a Segment>);

impl Gate {
    /// Whether a candidate holds to the rules in each segment, beside the champion of a version. It
    /// breaks one only where the whole 95 % interval lies beyond it; of a metric that has no
    /// intervals the values decide.
    pub(crate) fn decide_by_segments(
        &self,
        rules: SegmentRules,
        candidate: Segments,
        champion: Option<(u64, Segments)>,
    ) -> Judged {
        let (mut refusals, mut segments) = (Vec::new(), Vec::new());
        for of in candidate.segments {
            let theirs = champion.as_ref().map(|(version, theirs)| {
                let same =
                    |other: &&Segment| (&other.column, &other.value) == (&of.column, &of.value);
                (*version, theirs.segments.iter().find(same))
            });
            let (refuses, reason) = match self.findings(rules, &of, theirs) {
                Ok(findings) => {
                    let join = |of: &mut dyn Iterator<Item = &Finding>| {
                        let reasons = of.map(|of| of.reason.as_str());
                        reasons.collect::<Vec<_>>().join(" and ")
                    };
                    let broken = join(&mut findings.iter().filter(|of| of.breaks));
                    if !broken.is_empty() {
                        refusals.push(format!("{} {broken}", self.named(&of)));
                    }
                    (Some(!broken.is_empty()), join(&mut findings.iter()))
                }
                Err(why) => (None, why),
            };
            let theirs = theirs.and_then(|(_, theirs)| theirs);
            segments.push(JudgedSegment {
                rows: of.rows,
                candidate: of.metric,
                interval: self.interval_in(&of),
                champion: theirs.and_then(|of| of.metric),
                difference: theirs.and_then(|theirs| self.ahead(&of, theirs)),
                refuses,
                reason,
                column: of.column,
                value: of.value,
            });
        }
        let judged = segments.iter().filter(|of| of.refuses.is_some()).count();
        let mut reason = match refusals.len() {
            0 => format!(
                "; no limit is broken in {judged} segments of {} rows or more",
                rules.rows
            ),
            refused => {
                let more = match refused.saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and so are {more} more segments"),
                };
                let named = &refusals[..refused.min(NAMED)];
                format!(", but {}{more}", named.join(", "))
            }
        };
        if judged < segments.len() {
            reason += &format!(
                "; not judged: {} of {} segments",
                segments.len() - judged,
                segments.len()
            );
        }
        if !candidate.too_many.is_empty() {
            let names = candidate.too_many.join(", ");
            reason += &format!("; columns with too many values for segments: {names}");
        }
        Judged {
            passes: refusals.is_empty(),
            reason,
            segments,
        }
    }

    /// The interval of the metric in a segment, within what it can be.
    fn interval_in(&self, of: &Segment) -> Option<Interval> {
        Some(self.metric.possible(of.metric?, of.interval()?))
    }

    /// Likewise of the metric less that of another model.
    fn ahead(&self, of: &Segment, theirs: &Segment) -> Option<Interval> {
        let ahead = of.metric? - theirs.metric?;
        Some(self.metric.possible_difference(ahead, of.less(theirs)?))
    }

    /// What each rule says of a segment, or why it is not judged.
    fn findings(
        &self,
        rules: SegmentRules,
        of: &Segment,
        theirs: Option<Theirs<'_>>,
    ) -> Result<Vec<Finding>, String> {
        let name = self.metric.name;
        if of.rows < rules.rows {
            return Err(format!("has fewer than {} rows", rules.rows));
        }
        let undefined = |of: &str| {
            format!(
                "{name} of {of} is undefined, for example because all labels are \
                                equal"
            )
        };
        let value = of.metric.ok_or_else(|| undefined("the candidate"))?;
        let known = |interval: Option<Interval>| match interval {
            None if self.metric.is_smooth() => Err(format!(
                "has no interval of {name}: too few entities, or too few with one of the labels"
            )),
            interval => Ok(interval),
        };
        let mut findings = Vec::new();
        if let Some(floor) = rules.floor {
            findings.push(self.by_floor(floor, value, known(self.interval_in(of))?));
        }
        if let Some((margin, (version, theirs))) = rules.margin.zip(theirs) {
            let of_version = format!("version {version}");
            let theirs = theirs.ok_or_else(|| undefined(&of_version))?;
            let before = theirs.metric.ok_or_else(|| undefined(&of_version))?;
            let difference = known(self.ahead(of, theirs))?;
            let before = (before, of_version.as_str());
            findings.push(self.by_margin(margin, value, before, difference));
        }
        if findings.is_empty() {
            let reason = "has no champion to be compared with".to_owned();
            findings.push(Finding {
                breaks: false,
                reason,
            });
        }
        Ok(findings)
    }

    fn by_floor(&self, floor: f64, value: f64, interval: Option<Interval>) -> Finding {
        let rank = |value| self.metric.higher_is_better(value);
        let (reaches, misses) = self.verbs();
        let breaks = self.best_end(value, interval) < rank(floor);
        let reason = match (rank(value) < rank(floor), interval) {
            (false, _) => format!("{reaches} the floor {floor}"),
            (true, Some(of)) if breaks => {
                format!("{misses} the floor {floor} (95 % interval {})", ends(of))
            }
            (true, None) => format!("{misses} the floor {floor}"),
            (true, Some(_)) => {
                format!("{misses} the floor {floor}, but its 95 % interval reaches it")
            }
        };
        Finding { breaks, reason }
    }

    fn by_margin(
        &self,
        margin: f64,
        value: f64,
        (before, version): (f64, &str),
        difference: Option<Interval>,
    ) -> Finding {
        let ahead = value - before;
        let breaks = self.best_end(ahead, difference) + margin < 0.0;
        let worse = format!("is worse than {before:.5} of {version} by more than {margin}");
        let within = self.metric.higher_is_better(ahead) + margin >= 0.0;
        let reason = match (within, difference) {
            (true, _) => format!("is at most {margin} worse than {before:.5} of {version}"),
            (false, Some(of)) if breaks => {
                format!("{worse} (95 % interval of the difference {})", ends(of))
            }
            (false, None) => worse,
            (false, Some(_)) => {
                format!("{worse}, but the 95 % interval of the difference reaches that")
            }
        };
        Finding { breaks, reason }
    }

    /// The better end of an interval, or the value where there is none; higher is better.
    fn best_end(&self, value: f64, interval: Option<Interval>) -> f64 {
        let rank = |value| self.metric.higher_is_better(value);
        interval.map_or(rank(value), |of| rank(of.low).max(rank(of.high)))
    }

    /// A segment with its value, as a reason names it.
    fn named(&self, of: &Segment) -> String {
        let value = match &of.value {
            Some(value) => format!("{value:?}"),
            None => "null".to_owned(),
        };
        format!(
            "{} {:.5} where {} is {value} ({} rows)",
            self.metric.name,
            of.metric.unwrap_or(f64::NAN),
            of.column,
            of.rows
        )
    }
}

/// The ends of an interval, as a reason shows them.
fn ends(of: Interval) -> String {
    format!("{:.5} to {:.5}", of.low, of.high)
}

#[cfg(test)]
mod tests {
    use settings::GateCompare;

    use super::*;

    /// Two segments, of which the second is of these rows. Left out one after the other, 32 groups
    /// of entities move its metric up and down by `spread`: its standard error is 5.57 times as
    /// much, and either side of its interval 11.36 times.
    fn segments(metric: Option<f64>, rows: u64, spread: f64) -> Segments {
        let of = |value: &str, metric: Option<f64>, rows, spread: f64| {
            let moved = |metric| (0..32).map(move |i| metric + [spread, -spread][i % 2]);
            Segment {
                column: "region".to_owned(),
                value: (!value.is_empty()).then(|| value.to_owned()),
                rows,
                metric,
                without: metric.map(|metric| moved(metric).collect()),
            }
        };
        Segments {
            segments: vec![
                of("north", Some(0.8), 900, 0.0),
                of("", metric, rows, spread),
            ],
            too_many: Vec::new(),
        }
    }

    fn gate(metric: Metric, segments: Option<SegmentRules>) -> Gate {
        Gate {
            metric,
            floor: None,
            margin: 0.0,
            window: None,
            compare: GateCompare::Estimate,
            segments,
        }
    }

    #[test]
    fn each_segment_of_enough_rows_holds_to_floor_and_margin() {
        let [auc, loss] = ["roc_auc", "log_loss"].map(|name| Metric::named(name).unwrap());
        // Metric, its value and spread, rows, floor, margin, the champion's value and spread, and
        // the refusal.
        let (certain, sure, unsure) = (0.0, 0.001, 0.01);
        let table = [
            (auc, Some((0.7, certain)), 200, Some(0.6), None, None, ""),
            (auc, Some((0.6, certain)), 200, Some(0.6), None, None, ""),
            (
                auc,
                Some((0.58, sure)),
                200,
                Some(0.6),
                None,
                None,
                "roc_auc 0.58000 where region is null (200 rows) is below the floor 0.6 (95 % interval 0.56864 to 0.59136)",
            ),
            (auc, Some((0.58, unsure)), 200, Some(0.6), None, None, ""),
            (auc, Some((0.58, sure)), 199, Some(0.6), None, None, ""),
            (auc, None, 200, Some(0.6), None, None, ""),
            (
                auc,
                Some((0.5, certain)),
                200,
                None,
                Some(0.25),
                Some((0.75, certain)),
                "",
            ),
            // What moves both alike moves no difference.
            (
                auc,
                Some((0.7, unsure)),
                200,
                None,
                Some(0.02),
                Some((0.73, unsure)),
                "worse than 0.73000 of version 7 by more than 0.02",
            ),
            (
                auc,
                Some((0.7, unsure)),
                200,
                None,
                Some(0.02),
                Some((0.73, -unsure)),
                "",
            ),
            (auc, Some((0.7, sure)), 200, None, Some(0.02), None, ""),
            (
                loss,
                Some((0.9, sure)),
                200,
                Some(0.85),
                None,
                None,
                "log_loss 0.90000 where region is null (200 rows) is above the floor 0.85",
            ),
            (loss, Some((0.9, unsure)), 200, Some(0.85), None, None, ""),
            (
                loss,
                Some((0.6, sure)),
                200,
                None,
                Some(0.0),
                Some((0.5, sure)),
                "worse than 0.50000",
            ),
        ];
        for (metric, ours, rows, floor, margin, theirs, refusal) in table {
            let rules = SegmentRules {
                floor,
                margin,
                rows: 200,
            };
            let gate = gate(metric, Some(rules));
            let of = |measured: Option<(f64, f64)>| {
                let (value, spread) = measured.unzip();
                segments(value, rows, spread.unwrap_or_default())
            };
            let champion = theirs.map(|_| (7, of(theirs)));
            let judged = gate.decide_by_segments(rules, of(ours), champion);
            assert_eq!(judged.passes, refusal.is_empty(), "{}", judged.reason);
            assert!(judged.reason.contains(refusal), "{}", judged.reason);
            let refuses = judged.segments[1].refuses;
            let expected = (ours.is_some() && rows >= 200).then_some(!refusal.is_empty());
            assert_eq!(refuses, expected, "{}", judged.reason);
        }
    }

    #[test]
    fn intervals_end_where_the_metric_does() {
        // Metric, values of candidate and champion, their spreads, and the ends that the metric's
        // range gives; the other ends are those of the jackknife.
        let table = [
            (
                "roc_auc",
                [0.99, 0.97],
                [0.01, 0.0],
                [None, Some(1.0)],
                [None; 2],
            ),
            (
                "log_loss",
                [0.02, 0.3],
                [0.01, 0.0],
                [Some(0.0), None],
                [None; 2],
            ),
            ("r2", [0.98, 0.5], [0.01, 0.0], [None, Some(1.0)], [None; 2]),
            (
                "brier",
                [0.02, 0.98],
                [0.01, 0.01],
                [Some(0.0), None],
                [Some(-1.0), None],
            ),
        ];
        for (name, values, [ours, theirs], metric_ends, difference_ends) in table {
            let metric = Metric::named(name).unwrap();
            let rules = SegmentRules {
                floor: None,
                margin: Some(2.0),
                rows: 200,
            };
            let gate = gate(metric, Some(rules));
            // They move apart, where both move.
            let candidate = segments(Some(values[0]), 900, ours);
            let champion = segments(Some(values[1]), 900, -theirs);
            let judged = gate.decide_by_segments(rules, candidate, Some((7, champion)));
            let judged = &judged.segments[1];
            let close =
                |found: Option<Interval>, value: f64, spread: f64, ends: [Option<f64>; 2]| {
                    let found = found.expect("an interval");
                    let half = 11.36 * spread;
                    let low = ends[0].unwrap_or(value - half);
                    let high = ends[1].unwrap_or(value + half);
                    let near = (found.low - low).abs() < 1e-3 && (found.high - high).abs() < 1e-3;
                    assert!(near, "{name}: {found:?}, not {low} to {high}");
                    for (found, end) in [(found.low, ends[0]), (found.high, ends[1])] {
                        assert!(end.is_none_or(|end| found == end), "{name}: {found}");
                    }
                };
            close(judged.interval, values[0], ours, metric_ends);
            let ahead = values[0] - values[1];
            close(judged.difference, ahead, ours + theirs, difference_ends);
        }
    }

    #[test]
    fn a_segment_whose_interval_is_undefined_is_not_judged() {
        let gate = gate(Metric::named("roc_auc").unwrap(), None);
        let rules = SegmentRules {
            floor: Some(0.6),
            margin: None,
            rows: 200,
        };
        let mut of = segments(Some(0.1), 900, 0.0);
        of.segments[1].without = None;
        let judged = gate.decide_by_segments(rules, of, None);
        assert!(judged.passes);
        assert!(
            judged.reason.contains("; not judged: 1 of 2 segments"),
            "{}",
            judged.reason
        );
    }
}
