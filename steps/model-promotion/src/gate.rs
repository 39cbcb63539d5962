//! When a candidate may become the champion. Pure.

use learn::metrics::Interval;
use learn::metrics::paired::Difference;
use learn::task::{Metric, Report};
use serde::{Deserialize, Serialize};
use settings::GateCompare;

use crate::past_champion::PastChampion;

/// What a champion must hold to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    /// What is compared.
    pub(crate) metric: Metric,
    /// The least that any champion must reach; the most, where lower is better; `None` where
    /// anything will do.
    pub(crate) floor: Option<f64>,
    /// Non-inferiority margin: how much worse than the champion a candidate may be; not negative.
    pub(crate) margin: f64,
    /// Days whose champions the candidate is compared with as well; `None` in verdicts of releases
    /// that compared with the current champion alone.
    #[serde(default)]
    pub(crate) window: Option<u32>,
    /// What of the difference to the champion must be within the margin.
    #[serde(default)]
    pub(crate) compare: GateCompare,
    /// What holds in each segment of the holdout, where something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) segments: Option<SegmentRules>,
}

/// What a candidate must hold to in each segment of the holdout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentRules {
    /// As that of the gate.
    pub(crate) floor: Option<f64>,
    /// How much worse than the champion it may be.
    pub(crate) margin: Option<f64>,
    /// Rows below which a segment is not judged.
    pub(crate) rows: u64,
}

/// A champion to compare with: its version and its metrics on the candidate's holdout.
pub(crate) struct Champion<'a> {
    pub(crate) version: u64,
    pub(crate) report: &'a Report,
    /// The candidate's metric less its own, or why that is not known.
    pub(crate) difference: Result<Difference, String>,
}

impl Gate {
    /// How a value reaches a floor, and how it misses it.
    pub(crate) fn verbs(&self) -> (&'static str, &'static str) {
        match self.metric.lower_is_better() {
            true => ("is within", "is above"),
            false => ("reaches", "is below"),
        }
    }

    /// Whether the candidate passes, and why.
    pub(crate) fn decide(
        &self,
        candidate: &Report,
        champion: Option<Champion<'_>>,
    ) -> (bool, String) {
        let name = self.metric.name;
        let Some(value) = candidate.number(self.metric.name) else {
            return (
                false,
                format!(
                    "{name} of the candidate is undefined on the holdout, for example because all labels are equal"
                ),
            );
        };
        let (reaches, misses) = self.verbs();
        let rank = |value| self.metric.higher_is_better(value);
        if let Some(floor) = self.floor.filter(|floor| rank(value) < rank(*floor)) {
            return (
                false,
                format!("{name} {value:.5} {misses} the floor {floor}"),
            );
        }
        let Some(champion) = champion else {
            let floor = match self.floor {
                Some(floor) => format!(" {reaches} the floor {floor}, and"),
                None => ":".to_owned(),
            };
            return (
                true,
                format!("{name} {value:.5}{floor} there was no champion"),
            );
        };
        let Champion {
            version,
            report,
            difference,
        } = champion;
        let Some(before) = report.number(self.metric.name) else {
            return (
                false,
                format!("{name} of champion version {version} is undefined on the holdout"),
            );
        };
        let estimate = rank(value) + self.margin >= rank(before);
        let passes = match (self.compare, &difference) {
            (GateCompare::Estimate, _) => estimate,
            (GateCompare::Interval, Ok(difference)) => {
                let interval = self.interval(difference);
                let worse = rank(interval.low).min(rank(interval.high));
                worse + self.margin >= 0.0
            }
            (GateCompare::Interval, Err(_)) => false,
        };
        let judged = match (passes, self.compare) {
            (true, _) => "is not worse",
            (false, _) if !estimate => "is worse",
            (false, _) => "may be worse",
        };
        let mut text = format!(
            "{name} {value:.5} {judged} than {before:.5} of champion version {version} by more than the margin {}",
            self.margin
        );
        if let (GateCompare::Interval, Err(why)) = (self.compare, &difference) {
            text += &format!(
                ": its interval is not known, because {why}; GATE_COMPARE: estimate needs none"
            );
        }
        (passes, text)
    }

    /// Of a difference of the metric, within what it can be.
    fn interval(&self, difference: &Difference) -> Interval {
        let interval = difference.interval();
        self.metric.possible_difference(difference.value, interval)
    }

    /// How sure the difference to a champion is; empty where that is not known.
    pub(crate) fn certainty(
        &self,
        version: u64,
        difference: &Result<Difference, String>,
    ) -> String {
        let Ok(difference) = difference else {
            return String::new();
        };
        let Interval { low, high } = self.interval(difference);
        format!(
            "; the difference to version {version} is {:.5}, with a 95 % interval from {low:.5} to \
             {high:.5}",
            difference.value
        )
    }

    /// Whether the candidate passes beside the best champion of the window too, and why; what is
    /// passed over is named.
    pub(crate) fn decide_by_past(
        &self,
        candidate: &Report,
        past: &[PastChampion],
    ) -> (bool, String) {
        let days = self.window.unwrap_or_default();
        let of_window = format!("the champions of the last {days} days");
        let mut reason = String::new();
        let refused = self.refuses(candidate, past);
        match self.best(past) {
            Some((version, value)) if refused => {
                reason += &format!(
                    ", but is worse than {value:.5} of version {version}, the best of {of_window}: \
                     small losses would add up"
                );
            }
            Some((version, value)) => {
                reason +=
                    &format!("; nor than {value:.5} of version {version}, the best of {of_window}");
            }
            None => {}
        }
        let passed_over: Vec<String> = past
            .iter()
            .filter_map(|past| {
                let why = past.passed_over.as_ref()?;
                Some(format!("version {} ({why})", past.version))
            })
            .collect();
        if !passed_over.is_empty() {
            reason += &format!("; not compared, of {of_window}: {}", passed_over.join(", "));
        }
        (!refused, reason)
    }

    /// Whether a champion of the window is better by more than the margin.
    pub(crate) fn refuses(&self, candidate: &Report, past: &[PastChampion]) -> bool {
        let rank = |value| self.metric.higher_is_better(value);
        match (candidate.number(self.metric.name), self.best(past)) {
            (Some(value), Some((_, best))) => rank(value) + self.margin < rank(best),
            _ => false,
        }
    }

    fn best(&self, past: &[PastChampion]) -> Option<(u64, f64)> {
        past.iter()
            .filter_map(|past| Some((past.version, past.value?)))
            .max_by(|a, b| {
                let rank = |value| self.metric.higher_is_better(value);
                rank(a.1).total_cmp(&rank(b.1)).then(a.0.cmp(&b.0))
            })
    }

    /// Whether a verdict answers the question of this gate.
    pub(crate) fn is_that_of(&self, verdict: &Self) -> bool {
        let same = Self {
            window: None,
            ..*self
        } == Self {
            window: None,
            ..*verdict
        };
        same && (verdict.window.is_none() || verdict.window == self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use learn::metrics::Classification;

    fn report(metric: Metric, value: Option<f64>) -> Report {
        let mut report = Classification::new(0.5).report(None);
        let field = match metric.name {
            "log_loss" => &mut report.log_loss,
            "roc_auc" => &mut report.roc_auc,
            other => panic!("{other:?} is not tested"),
        };
        *field = value;
        Report::Binary(Box::new(report))
    }

    #[test]
    fn floor_and_margin_decide() {
        let (auc, loss) = (
            Metric::named("roc_auc").unwrap(),
            Metric::named("log_loss").unwrap(),
        );
        // Metric, floor, margin, candidate, champion, passes, part of the reason.
        let table = [
            (
                auc,
                0.6,
                0.005,
                Some(0.61),
                None,
                true,
                "roc_auc 0.61000 reaches the floor 0.6, and there was no champion",
            ),
            (auc, 0.6, 0.005, Some(0.6), None, true, "reaches"),
            (
                auc,
                0.6,
                0.005,
                Some(0.59),
                None,
                false,
                "roc_auc 0.59000 is below the floor 0.6",
            ),
            (auc, 0.6, 0.005, None, None, false, "undefined"),
            (
                auc,
                0.6,
                0.005,
                Some(0.75),
                Some(Some(0.74)),
                true,
                "is not worse than 0.74000 of champion version 7",
            ),
            (
                auc,
                0.6,
                0.005,
                Some(0.746),
                Some(Some(0.75)),
                true,
                "by more than the margin 0.005",
            ),
            (
                auc,
                0.6,
                0.005,
                Some(0.744),
                Some(Some(0.75)),
                false,
                "roc_auc 0.74400 is worse than 0.75000",
            ),
            (
                auc,
                0.6,
                0.0,
                Some(0.75),
                Some(Some(0.75)),
                true,
                "is not worse",
            ),
            (
                auc,
                0.6,
                0.5,
                Some(0.55),
                Some(Some(0.5)),
                false,
                "is below the floor",
            ),
            (
                auc,
                0.6,
                0.005,
                Some(0.75),
                Some(None),
                false,
                "of champion version 7 is undefined",
            ),
            (
                loss,
                0.6,
                0.01,
                Some(0.59),
                None,
                true,
                "log_loss 0.59000 is within the floor 0.6",
            ),
            (
                loss,
                0.6,
                0.01,
                Some(0.61),
                None,
                false,
                "log_loss 0.61000 is above the floor 0.6",
            ),
            (
                loss,
                0.6,
                0.01,
                Some(0.505),
                Some(Some(0.5)),
                true,
                "is not worse",
            ),
            (
                loss,
                0.6,
                0.01,
                Some(0.52),
                Some(Some(0.5)),
                false,
                "log_loss 0.52000 is worse than 0.50000",
            ),
        ];
        for (metric, floor, margin, candidate, champion, passes, expected) in table {
            let gate = Gate {
                metric,
                floor: Some(floor),
                margin,
                window: None,
                compare: GateCompare::Estimate,
                segments: None,
            };
            let champion = champion.map(|value| report(metric, value));
            let (passed, reason) = gate.decide(
                &report(metric, candidate),
                champion.as_ref().map(|report| Champion {
                    version: 7,
                    report,
                    difference: Err("of tests".to_owned()),
                }),
            );
            assert_eq!(passed, passes, "{reason}");
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
