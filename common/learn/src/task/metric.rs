//! Metrics by their names, and which side of each is better.

use serde::{Deserialize, Serialize, Serializer};

use crate::metrics::Interval;

/// Which side of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// The larger value.
    Larger,
    /// The smaller value.
    Smaller,
}

/// A metric of a task, by its name in the report; as such it is written and read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name of the metric.
    pub name: &'static str,
    /// Which values are better.
    pub better: Better,
}

impl Metric {
    /// Whether a smaller value is the better one.
    pub fn lower_is_better(self) -> bool {
        self.better == Better::Smaller
    }

    /// Whether each row moves it a little, so that a jackknife shows how sure it is: a single row
    /// decides a largest error.
    pub fn is_smooth(self) -> bool {
        self.name != "max_error"
    }

    /// A value, as if higher were always better.
    pub fn higher_is_better(self, value: f64) -> f64 {
        match self.lower_is_better() {
            true => -value,
            false => value,
        }
    }

    /// The part of an interval around `value` that it can be in.
    ///
    /// ```
    /// use learn::metrics::Interval;
    /// use learn::task::Metric;
    ///
    /// let loss = Metric::named("log_loss")?;
    /// let interval = Interval { low: -0.1, high: 0.3 };
    /// assert_eq!(loss.possible(0.1, interval), Interval { low: 0.0, high: 0.3 });
    /// # Ok::<(), learn::task::TaskError>(())
    /// ```
    pub fn possible(self, value: f64, interval: Interval) -> Interval {
        within(self.range(), value, interval)
    }

    /// The same around `difference`, its value of one model less that of another: such as one from
    /// -1 to 1 of shares, and any of what has no known end.
    ///
    /// ```
    /// use learn::metrics::Interval;
    /// use learn::task::Metric;
    ///
    /// let auc = Metric::named("roc_auc")?;
    /// let interval = Interval { low: 0.7, high: 1.1 };
    /// let possible = auc.possible_difference(0.9, interval);
    /// assert_eq!(possible, Interval { low: 0.7, high: 1.0 });
    /// # Ok::<(), learn::task::TaskError>(())
    /// ```
    pub fn possible_difference(self, difference: f64, interval: Interval) -> Interval {
        let [least, most] = self.range();
        within([least - most, most - least], difference, interval)
    }

    /// Whether it can be as good as `value`: what is to be small is 0 or more, and what is to be
    /// large is 1 at most.
    pub fn can_reach(self, value: f64) -> bool {
        let [least, most] = self.range();
        match self.better {
            Better::Smaller => value >= least,
            Better::Larger => value <= most,
        }
    }

    /// The worst value that it can have, where it is known that there is one.
    pub fn worst(self) -> Option<f64> {
        let [least, most] = self.range();
        let worst = match self.better {
            Better::Smaller => most,
            Better::Larger => least,
        };
        worst.is_finite().then_some(worst)
    }

    /// How far apart two values of it can be, where it is known that there is a limit.
    pub fn span(self) -> Option<f64> {
        let [least, most] = self.range();
        Some(most - least).filter(|span| span.is_finite())
    }

    /// The least and the most that it can be, as far as is known; infinite where it is not.
    fn range(self) -> [f64; 2] {
        const SHARES: [&str; 5] = ["accuracy", "precision", "recall", "f1", "auc"];
        match self.better {
            Better::Smaller if self.name == "brier" => [0.0, 1.0],
            Better::Smaller => [0.0, f64::INFINITY],
            Better::Larger if SHARES.iter().any(|of| self.name.ends_with(of)) => [0.0, 1.0],
            Better::Larger => [f64::NEG_INFINITY, 1.0],
        }
    }
}

/// The part of an interval that lies within a range; all of it where `value` does not, as that of
/// another program's metric may.
fn within([least, most]: [f64; 2], value: f64, Interval { low, high }: Interval) -> Interval {
    Interval {
        low: if value < least { low } else { low.max(least) },
        high: if value > most { high } else { high.min(most) },
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

pub(super) const fn larger(name: &'static str) -> Metric {
    Metric {
        name,
        better: Better::Larger,
    }
}

pub(super) const fn smaller(name: &'static str) -> Metric {
    Metric {
        name,
        better: Better::Smaller,
    }
}
