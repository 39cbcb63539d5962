//! How sure a share is.

use serde::{Deserialize, Serialize};

use super::{Confusion, beta};

/// The 0.975 quantile of the normal distribution: two sides make 95 %.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// A range that holds the true share in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Of an estimate that is normally distributed.
    pub(super) fn normal(value: f64, standard_error: f64) -> Self {
        let half = Z * standard_error;
        Self {
            low: value - half,
            high: value + half,
        }
    }

    /// Of an estimate that is normally distributed, whose standard error is itself estimated, with
    /// so many degrees of freedom.
    pub(super) fn student(value: f64, standard_error: f64, degrees: u64) -> Self {
        let half = beta::student(0.05, degrees) * standard_error;
        Self {
            low: value - half,
            high: value + half,
        }
    }
}

/// Intervals of the metrics that are shares of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of the accuracy.
    pub accuracy: Option<Interval>,
    /// Of the precision; `None` when no row is predicted positive.
    pub precision: Option<Interval>,
    /// Of the recall; `None` when no row is positive.
    pub recall: Option<Interval>,
    /// Of the share of the positive class.
    pub base_rate: Option<Interval>,
}

/// Wilson's interval of a share at 95 %, without a correction for continuity; `None` without rows.
pub fn wilson(part: u64, whole: u64) -> Option<Interval> {
    if whole == 0 {
        return None;
    }
    let n = whole as f64;
    let share = part as f64 / n;
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the ends the two are equal but for rounding.
    let low = if part == 0 {
        0.0
    } else {
        (middle - half).max(0.0)
    };
    let high = if part == whole {
        1.0
    } else {
        (middle + half).min(1.0)
    };
    Some(Interval { low, high })
}

impl Confusion {
    /// Wilson's intervals of the metrics that are shares.
    pub fn intervals(&self) -> Intervals {
        let (right, predicted) = (
            self.true_positives + self.true_negatives,
            self.true_positives + self.false_positives,
        );
        Intervals {
            accuracy: wilson(right, self.rows()),
            precision: wilson(self.true_positives, predicted),
            recall: wilson(self.true_positives, self.positives()),
            base_rate: wilson(self.positives(), self.rows()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        wilson: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        part: u64,
        whole: u64,
        low: f64,
        high: f64,
    }

    #[test]
    fn wilsons_interval_is_that_of_scipy() {
        let text = include_str!("../../../testing/fixtures/intervals.json");
        for case in serde_json::from_str::<Fixture>(text)
            .expect("a fixture")
            .wilson
        {
            let Interval { low, high } = wilson(case.part, case.whole).expect("rows");
            assert!(
                (low - case.low).abs() < 1e-12 && (high - case.high).abs() < 1e-12,
                "{low} {high}"
            );
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn each_share_has_the_rows_that_it_is_of() {
        let confusion = Confusion {
            true_negatives: 5,
            false_positives: 2,
            false_negatives: 3,
            true_positives: 7,
        };
        let intervals = confusion.intervals();
        assert_eq!(intervals.accuracy, wilson(12, 17));
        assert_eq!(intervals.precision, wilson(7, 9));
        assert_eq!(intervals.recall, wilson(7, 10));
        assert_eq!(intervals.base_rate, wilson(10, 17));
        assert_eq!(Confusion::default().intervals(), Intervals::default());
    }
}
