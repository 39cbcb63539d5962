//! How far the rows lie from those of training, as a report says it.

use chrono::NaiveDate;
use common::drift::{Ks, Psi, Thresholds, Verdict};
use serde::{Deserialize, Serialize};

/// How far the rows lie from those of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The probability of the positive class.
    pub score: ColumnDrift,
    /// Every feature, the one that drifted most first.
    pub features: Vec<ColumnDrift>,
    /// Columns that are judged together, the score among them: what chance explains is shared by so many.
    pub comparisons: u64,
    /// Features whose verdict is warn or alert.
    pub drifted_features: u64,
    /// The largest index of a feature; `null` when none is known.
    pub psi_max: Option<f64>,
    /// What `psi_by_period` of each column is of; `null` when no row has a date.
    pub periods: Option<Periods>,
}

/// Stretches of time, each with rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Periods {
    /// How long each one is.
    pub unit: Period,
    /// The first date of each, in order.
    pub dates: Vec<NaiveDate>,
    /// Rows of each.
    pub rows: Vec<u64>,
    /// What an index of each stays below by chance, for the most buckets that one can have; shared by all columns and
    /// periods.
    pub noise_floor: Vec<f64>,
}

impl Periods {
    /// The judgement of an index of period `index`.
    pub fn verdict(&self, index: usize, psi: Option<f64>, thresholds: &Thresholds) -> Verdict {
        match psi {
            Some(psi) if self.rows[index] >= thresholds.min_rows => {
                thresholds.judge(psi, self.noise_floor[index])
            }
            _ => Verdict::InsufficientData,
        }
    }
}

/// How long a stretch of time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// A date.
    Day,
    /// From Monday on.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

/// Values of a column that has few distinct ones, where a side lacks some.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// Not in training, ascending.
    pub new: Vec<f64>,
    /// In training and not now, ascending.
    pub vanished: Vec<f64>,
}

/// How far one column lies from the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Its name.
    pub name: String,
    /// The judgement.
    pub verdict: Verdict,
    /// Population stability index, which the verdict is on; `null` when a side has no rows.
    pub psi: Option<Psi>,
    /// Kolmogorov and Smirnov's distance, which is shown and never decides; `null` when a side has no finite values.
    pub ks: Option<Ks>,
    /// Jensen and Shannon's distance over the buckets of `psi`, to the base 2, from 0 to 1; it never decides.
    pub jensen_shannon: Option<f64>,
    /// How far the mean moved, in standard deviations of training; `null` when training has no spread.
    pub mean_shift: Option<f64>,
    /// Standard deviation now, divided by that in training; `null` when training has no spread.
    pub std_ratio: Option<f64>,
    /// Values that are new or vanished; `null` where a side has more than 64 distinct ones.
    pub values: Option<Values>,
    /// The index of each period, rounded to six places.
    pub psi_by_period: Vec<Option<f64>>,
    /// The column in training.
    pub reference: Summary,
    /// The column now.
    pub current: Summary,
    /// Both distributions; values that are far out on either side are left out.
    pub histogram: Vec<Bin>,
}

/// A column in a few numbers; those of its finite values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows, those without a finite value included.
    pub rows: u64,
    /// Nulls, NaN and infinities.
    pub missing: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Population standard deviation.
    pub std: Option<f64>,
    /// Least value.
    pub min: Option<f64>,
    /// Median, interpolated within a bucket of the profile.
    pub median: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

/// A bar of both histograms. Of a column with few distinct values each has one, and `lower` is `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
    /// Values of the reference between them.
    pub reference: u64,
    /// Current values between them.
    pub current: u64,
}
