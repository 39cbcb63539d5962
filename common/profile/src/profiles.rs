//! Profiles of predictions: what is counted per model version and day, for a dashboard that never
//! reads the rows. Pure.
//!
//! A [`Baseline`] is what is beside the model as its reference: the cells in which features and
//! scores are counted. A [`Profile`] of a day is made of whole numbers alone, sums included:
//! profiles add up and are taken off again exactly, in any order, so that one that was kept up to
//! date equals one that is counted again.

mod columns;
mod former;
mod numbers;
mod performance;
mod profile;
mod scores;
mod weights;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::cells::{Cells, CellsError, Compared, Counted, Counts, Side};
use learn::model::{ClassValue, Classes};
use learn::task::PROBABILITY;

pub use columns::{ClassCounts, LabelCounts};
pub use former::{FormerBaseline, ReadCounts, ReadProfile};
pub use numbers::{NumberCounts, NumberErrors, NumberScores, OfNumber, error_cuts};
pub use performance::{Calibration, Counts as ScoredCounts, Ranked, Weighed};
pub use profile::{Overflow, Profile};
pub use scores::{ScoreBaseline, ScoreCounts};
pub use weights::{WeightSums, Weights};

/// The format that this version of the code writes; [`FORMER_VERSION`] is read too.
pub const FORMAT_VERSION: u32 = 2;
/// The format of the first release.
pub const FORMER_VERSION: u32 = 1;

/// Thresholds that every model's scores are cut at, in hundredths.
const THRESHOLDS: std::ops::Range<u32> = 1..100;

/// More of them near 0, and as far from 1: scores of rare events lie there.
const SMALL_THRESHOLDS: [f64; 6] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005];

/// Shares of the training data at which its scores are cut, in thousandths.
pub fn score_shares() -> Vec<u16> {
    (5..1000).step_by(5).collect()
}

/// Values at which the scores of a model are cut whatever they are, so that what is counted at
/// these thresholds is exact: its own, every hundredth, and some near 0 and 1.
pub fn score_cuts(threshold: f64) -> Vec<f64> {
    // As a person writes them: 29 / 100 is the float of the text 0.29.
    let hundredths = THRESHOLDS.map(|hundredths| f64::from(hundredths) / 100.0);
    let small = SMALL_THRESHOLDS.iter();
    let mut cuts: Vec<f64> = hundredths
        .chain(small.flat_map(|small| [*small, 1.0 - small]))
        .chain(Some(threshold).filter(|threshold| threshold.is_finite()))
        .collect();
    cuts.sort_unstable_by(f64::total_cmp);
    cuts.dedup();
    cuts
}

/// What the profiles of a model version are counted by, and compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Fingerprint of the model.
    pub model: String,
    /// Time zone in which an instant is cut to its day.
    pub timezone: String,
    /// Name of the task, unless it is of two classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Name of the column that is predicted.
    pub target: String,
    /// The target's values, where they are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Classes>,
    /// The target's values, where they are more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ClassValue>,
    /// Of two classes: probability from which the positive one is predicted; one of the cuts of
    /// the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Of a number: what is added to the prediction for the ends of its interval, where it has one;
    /// the errors are cut there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Name of the column that says what a row weighs, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// One per feature, in the model's order.
    pub features: Vec<FeatureBaseline>,
    /// Of the scores.
    pub score: ScoreBaseline,
}

/// How training saw a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// In cells that are cut at its quantiles.
    #[default]
    Cells,
    /// On a grid, from which the cells were made: of an older model.
    Grid,
    /// As categories, each with a cell.
    Categories,
}

/// How one feature is counted, and what the training data held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureBaseline {
    /// Name of the feature.
    pub name: String,
    /// How training saw it.
    pub kind: Kind,
    /// Share of the training data within which rows may have moved unseen; 0 but on a grid.
    pub hidden: f64,
    /// Of categories: the values that have a cell each, in order. All others are in the last cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What it is counted by.
    pub cells: Cells,
    /// The training data in these cells.
    pub reference: Counts,
}

/// How probabilities are counted, and what the model gave on its training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassScores {
    /// The column that scoring writes.
    pub name: String,
    /// How training saw it.
    pub kind: Kind,
    /// What it is counted by: see [`score_cuts`] and [`score_shares`].
    pub cells: Cells,
    /// Rows of the training data by cell and label; no row lacks a label.
    pub reference: ClassCounts,
}

impl Baseline {
    /// Whether profiles that are counted by one are those counted by the other: what is said
    /// besides may differ, and so may the weights, which a profile may lack.
    pub fn counts_as(&self, other: &Self) -> bool {
        let of_features = |baseline: &Self| -> Vec<_> {
            let features = baseline.features.iter();
            features
                .map(|of| {
                    let counted = (of.kind == Kind::Categories, of.values.clone());
                    (
                        of.name.clone(),
                        counted,
                        of.cells.decides(),
                        of.reference.clone(),
                    )
                })
                .collect()
        };
        let besides = |baseline: &Self| {
            (
                (baseline.model.clone(), baseline.timezone.clone()),
                (baseline.target.clone(), baseline.classes.clone()),
                (
                    baseline.values.clone(),
                    baseline.threshold,
                    baseline.interval,
                ),
            )
        };
        besides(self) == besides(other)
            && of_features(self) == of_features(other)
            && self.score.decides() == other.score.decides()
    }

    /// The time zone in which an instant is cut to its day.
    pub fn timezone(&self) -> Tz {
        self.timezone.parse().unwrap_or(Tz::UTC)
    }

    /// What a label that a database shows counts as: 1 for the positive class and 0 for the
    /// negative one; of more classes 1 where it is what was `predicted` and 0 where it is another
    /// one; of a number itself. `None` for everything else.
    pub fn label(&self, shown: Option<&str>, predicted: Option<&str>) -> Option<f64> {
        let shown = shown?;
        let is = |class: &ClassValue| class.to_string() == shown;
        if self.score.numbers().is_some() {
            let number = shown.parse::<f64>().ok();
            return number.filter(|number| number.is_finite());
        }
        match &self.classes {
            Some(classes) if is(&classes.positive) => Some(1.0),
            Some(classes) => is(&classes.negative).then_some(0.0),
            None => {
                let right = f64::from(u8::from(predicted == Some(shown)));
                self.values.iter().any(is).then_some(right)
            }
        }
    }

    /// Whole numbers that a profile holds, which is its size: each takes 8 bytes.
    pub fn counters(&self) -> usize {
        let features = self.features.iter().map(FeatureBaseline::counters);
        // A weight takes twice as much, and there are no more of them than of the score.
        let of_score = self.score.counters() * if self.weight.is_some() { 3 } else { 1 };
        features.sum::<usize>() + of_score + 3
    }
}

impl FeatureBaseline {
    /// Names of the values by cell, of categories.
    pub fn categories(&self) -> Option<&[String]> {
        (self.kind == Kind::Categories).then_some(self.values.as_slice())
    }

    /// Of cells and what training held in them.
    pub(crate) fn of_cells(name: String, counted: &Counted) -> Self {
        Self {
            name,
            kind: Kind::Cells,
            hidden: 0.0,
            cells: counted.cells.clone(),
            values: Vec::new(),
            reference: counted.counts.clone(),
        }
    }

    fn counters(&self) -> usize {
        self.cells.len() + 8
    }

    /// The training data.
    pub fn side(&self) -> Side {
        Side::of(&self.cells, &self.reference)
    }

    /// What was counted, beside the training data.
    pub fn compared(&self, now: &Counts) -> Compared<'_> {
        Compared::new(&self.cells, self.side(), Side::of(&self.cells, now))
    }
}

impl ClassScores {
    /// Of an older model's probabilities.
    pub(crate) fn of_grid(cuts: Vec<f64>, reference: ClassCounts) -> Result<Self, CellsError> {
        Ok(Self {
            name: PROBABILITY.to_owned(),
            kind: Kind::Grid,
            cells: Cells::new((0.5, 0.25), Some((0.0, 1.0)), cuts)?,
            reference,
        })
    }

    /// What was counted, beside the scores of the training data.
    pub fn compared(&self, now: &ClassCounts) -> Compared<'_> {
        Compared::new(&self.cells, self.reference.side(), now.side())
    }
}
