//! How far the rows lie from those of training, as a report says it.

use std::cmp::Reverse;

use chrono::{Datelike, Days, NaiveDate};
use profile::categories::most_without_code;
use profile::drift::{Ks, Psi, Thresholds, Verdict};
use profile::grid::MOST_HIDDEN;
use serde::{Deserialize, Serialize};

/// How far the rows lie from those of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The probability of the positive class.
    pub score: ColumnDrift,
    /// Every feature, the one that drifted most first.
    pub features: Vec<ColumnDrift>,
    /// Columns of few values that the rows carry and the model does not use, in the order of the
    /// rows.
    #[serde(default)]
    pub categories: Vec<CategoryDrift>,
    /// Columns that are judged together, the score among them: what chance explains is shared by
    /// so many.
    pub comparisons: u64,
    /// Features whose verdict is warn or alert, of those that are judged.
    pub drifted_features: u64,
    /// The largest index of a feature that is judged; `null` when none is known.
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
    /// What an index of each stays below by chance, for the most buckets that one can have; shared
    /// by all columns and periods.
    pub noise_floor: Vec<f64>,
    /// Those in which a column breaks that does not in the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<OddPeriod>,
}

/// A period in which a column is unlike training, and unlike the other periods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OddPeriod {
    /// Name of the column.
    pub column: String,
    /// First date of the period.
    pub date: NaiveDate,
    /// The column's index in it.
    pub psi: f64,
    /// What chance explains of that.
    pub noise_floor: f64,
    /// Share of the rows that lack a value, where it is far above that of all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<f64>,
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

impl Period {
    /// The first date of the period that a date lies in.
    pub fn begin_of(self, date: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => Some(date),
            Self::Week => {
                let since_monday = date.weekday().num_days_from_monday();
                date.checked_sub_days(Days::new(u64::from(since_monday)))
            }
            Self::Month => date.with_day(1),
            Self::Year => date.with_ordinal(1),
        }
        .unwrap_or(date)
    }
}

/// Values of a column that has few distinct ones, where a side lacks some.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// Not in training, ascending.
    pub new: Vec<f64>,
    /// In training and not now, ascending.
    pub vanished: Vec<f64>,
}

/// The rows that a column is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparedWith {
    /// Those of the training data.
    #[default]
    Training,
    /// Those of the holdout: scores of a model that is surer of the rows that it was trained on.
    Holdout,
    /// Scores of either, which profiles do not say.
    Either,
}

impl ComparedWith {
    fn is_training(&self) -> bool {
        *self == Self::Training
    }

    /// Where a number is of, in a sentence.
    pub fn within(self) -> &'static str {
        match self {
            Self::Training => "in training",
            Self::Holdout => "on the holdout",
            Self::Either => "at training",
        }
    }

    /// The same as a name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Holdout => "holdout",
            Self::Either => "at training",
        }
    }

    /// The same at the head of a column of a table.
    pub fn head(self) -> &'static str {
        match self {
            Self::Training => "Training",
            Self::Holdout => "Holdout",
            Self::Either => "At training",
        }
    }
}

/// How far one column lies from the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Name of the column.
    pub name: String,
    /// The judgement.
    pub verdict: Verdict,
    /// Whether the verdict of the report is on this column too.
    #[serde(default = "yes")]
    pub judged: bool,
    /// Share of the training data that lies so close together, beside far values, that a shift
    /// within it is not seen; `null` where it is small. Such a column is never ok.
    #[serde(default)]
    pub hidden: Option<f64>,
    /// Population stability index, which the verdict is on; `null` when a side has no rows.
    pub psi: Option<Psi>,
    /// Kolmogorov and Smirnov's distance, which is shown and never decides; `null` when a side has
    /// no finite values.
    pub ks: Option<Ks>,
    /// Jensen and Shannon's distance over the buckets of `psi`, to the base 2, from 0 to 1; it
    /// never decides.
    pub jensen_shannon: Option<f64>,
    /// How far the mean moved, in standard deviations of training; `null` when training has no
    /// spread.
    pub mean_shift: Option<f64>,
    /// Standard deviation now, divided by that in training; `null` when training has no spread.
    pub std_ratio: Option<f64>,
    /// Values that are new or vanished; `null` where a side has more than 64 distinct ones, or they
    /// are not known.
    pub values: Option<Values>,
    /// The rows of each category, of a feature that holds categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<CategoryShares>,
    /// The index of each period, rounded to six places.
    pub psi_by_period: Vec<Option<f64>>,
    /// Which rows `reference` is of.
    #[serde(default, skip_serializing_if = "ComparedWith::is_training")]
    pub compared_with: ComparedWith,
    /// The column in training, or on the holdout.
    pub reference: Summary,
    /// The column now.
    pub current: Summary,
    /// Both distributions; values that are far out on either side are left out.
    pub histogram: Vec<Bin>,
}

fn yes() -> bool {
    true
}

impl ColumnDrift {
    /// What this column brings to the verdict of the report; `None` where it brings nothing.
    pub fn judgement(&self) -> Option<Verdict> {
        self.judged.then_some(self.verdict)
    }
}

/// How far the values of a column that the model does not use lie from those of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryDrift {
    /// Name of the column.
    pub column: String,
    /// The judgement; insufficient data where the model's training profile does not hold the
    /// column.
    pub verdict: Verdict,
    /// Whether the verdict of the report is on this column too.
    pub judged: bool,
    /// Population stability index over the values of training, new values together, and nulls.
    pub psi: Option<f64>,
    /// What chance explains of it.
    pub noise_floor: Option<f64>,
    /// The rows of each value.
    #[serde(flatten)]
    pub shares: CategoryShares,
}

impl CategoryDrift {
    /// What this column brings to the verdict of the report; `None` where it brings nothing.
    pub fn judgement(&self) -> Option<Verdict> {
        self.judged.then_some(self.verdict)
    }
}

/// The rows of each value of a column of categories, in training and now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CategoryShares {
    /// Rows of training; 0 where its profile does not hold the column.
    pub reference_rows: u64,
    /// Rows now.
    pub rows: u64,
    /// Rows without a value in training.
    pub reference_nulls: u64,
    /// Rows without a value now.
    pub nulls: u64,
    /// Rows of training with a value that is not among `values`, where it had too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reference_rest: u64,
    /// Of these, rows whose value is in no other row of training; `None` where training had no such
    /// value, or does not say which values it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_unknown: Option<u64>,
    /// Rows now whose value training did not have, at least; `None` as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<u64>,
    /// Each value that training's profile holds, the one with the most rows there first.
    pub values: Vec<CategoryRows>,
    /// Rows now with a value that is not among them.
    pub new_rows: u64,
    /// Those values, the one with the most rows first; where they are too many, only one that the
    /// verdict is on, with its rows at least, and none where they are not known.
    pub new_values: Vec<CategoryRows>,
}

fn is_zero(rows: &u64) -> bool {
    *rows == 0
}

impl CategoryShares {
    /// Share of the training data whose values are counted together, without a trace of which they
    /// are; `None` where it is small.
    pub fn hidden(&self) -> Option<f64> {
        let hidden = self.reference_rest as f64 / self.reference_rows.max(1) as f64;
        (self.unknown.is_none() && hidden >= MOST_HIDDEN).then_some(hidden)
    }

    /// Rows of training that a value which is not listed had at most; `None` where none is listed.
    pub fn most_unlisted(&self) -> Option<u64> {
        let listed = self.values.iter().map(|value| value.reference);
        most_without_code(listed, self.reference_rest)
    }

    /// Orders values by their rows.
    pub fn sorted(mut self) -> Self {
        let known = |of: &CategoryRows| (Reverse(of.reference), of.value.clone());
        let new = |of: &CategoryRows| (Reverse(of.current), of.value.clone());
        self.values.sort_by_cached_key(known);
        self.new_values.sort_by_cached_key(new);
        self
    }
}

/// Rows of one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryRows {
    /// The value, cut to 100 characters.
    pub value: String,
    /// Rows of training.
    pub reference: u64,
    /// Rows now.
    pub current: u64,
}

/// A column in a few numbers; those of its finite values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Median, interpolated within a cell.
    pub median: Option<f64>,
    /// The true median is not below it.
    #[serde(default)]
    pub median_low: Option<f64>,
    /// The true median is not above it.
    #[serde(default)]
    pub median_high: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// Whether mean and standard deviation are bounds, as profiles count values far from those of
    /// training as nearer; never in a report, which sees the values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bounded: bool,
}

/// A bar of both histograms. Of a column with few distinct values each has one, and `lower` is
/// `upper`.
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
