//! Reading baselines and profiles of the first release, which counted what lies beyond the training
//! data beside the cells, and infinities of both signs together.

use serde::{Deserialize, Serialize};

use super::{
    Baseline, ClassCounts, ClassScores, FORMAT_VERSION, FeatureBaseline, Kind, Profile,
    ScoreCounts, Weights,
};
use crate::cells::{Cells, CellsError, Counts};
use crate::grid;
use learn::model::Classes;

/// What profiles were counted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerBaseline {
    format_version: u32,
    model: String,
    timezone: String,
    target: String,
    classes: Classes,
    threshold: f64,
    features: Vec<FormerFeature>,
    score: FormerScore,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormerFeature {
    name: String,
    center: f64,
    scale: f64,
    min: Option<f64>,
    max: Option<f64>,
    cuts: Vec<f64>,
    /// The values of the training data, one in each cell, where they were few; empty where they
    /// were many. The very first baselines do not say.
    #[serde(default)]
    values: Option<Vec<f64>>,
    reference: ReadCounts,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormerScore {
    cuts: Vec<f64>,
    reference: ClassCounts,
}

/// What was counted of a feature, by this release or by the first one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadCounts {
    nulls: i64,
    nans: i64,
    #[serde(default)]
    minus_infinities: i64,
    /// The first release did not count the sign.
    #[serde(alias = "infinities")]
    plus_infinities: i64,
    /// The first release counted what lies below and above the training data in the first and last
    /// cell, and here.
    #[serde(default)]
    below: Option<i64>,
    #[serde(default)]
    above: Option<i64>,
    sum: i128,
    squares: i128,
    cells: Vec<i64>,
}

/// What was counted of a day, by this release or by the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadProfile {
    score: ScoreCounts,
    features: Vec<ReadCounts>,
    #[serde(default)]
    weights: Option<Weights>,
}

impl FormerBaseline {
    /// The same cells, with those beyond the training data.
    ///
    /// # Errors
    /// Numbers that contradict each other.
    pub fn now(self) -> Result<Baseline, CellsError> {
        let features = self.features.into_iter().map(FormerFeature::now);
        Ok(Baseline {
            format_version: FORMAT_VERSION,
            model: self.model,
            timezone: self.timezone,
            task: None,
            target: self.target,
            classes: Some(self.classes),
            values: Vec::new(),
            threshold: Some(self.threshold),
            interval: None,
            weight: None,
            features: features.collect::<Result<_, _>>()?,
            score: ClassScores::of_grid(self.score.cuts, self.score.reference)?.into(),
        })
    }
}

impl FormerFeature {
    fn now(self) -> Result<FeatureBaseline, CellsError> {
        let before = self.cuts.len() + 1;
        let most = self.reference.cells.iter().max().copied().unwrap_or(0);
        let count: i64 = self.reference.cells.iter().sum();
        let many = self.values.as_ref().is_some_and(Vec::is_empty);
        let hidden = grid::hidden(many, before, most as f64 / count.max(1) as f64);
        let ends = self.min.zip(self.max);
        let (cuts, _) = grid::frame(ends, self.cuts);
        let cells = Cells::new((self.center, self.scale), ends, cuts)?;
        let cells = cells.around_if(self.values.unwrap_or_default());
        Ok(FeatureBaseline {
            name: self.name,
            kind: Kind::Grid,
            hidden,
            values: Vec::new(),
            reference: self.reference.now(&cells),
            cells,
        })
    }
}

impl ReadCounts {
    /// The same rows in these cells, of which some lie beyond the training data.
    pub fn now(self, cells: &Cells) -> Counts {
        let mut counted = self.cells;
        let begins = cells.min().is_some() && cells.cuts().first().copied() == cells.min();
        if let Some(below) = self.below.filter(|_| begins) {
            if let Some(first) = counted.first_mut() {
                *first -= below;
            }
            counted.insert(0, below);
        }
        let after = cells.max().map(f64::next_up);
        let ends = after.is_some() && cells.cuts().last().copied() == after;
        if let Some(above) = self.above.filter(|_| ends) {
            if let Some(last) = counted.last_mut() {
                *last -= above;
            }
            counted.push(above);
        }
        Counts {
            nulls: self.nulls,
            nans: self.nans,
            minus_infinities: self.minus_infinities,
            plus_infinities: self.plus_infinities,
            sum: self.sum,
            squares: self.squares,
            cells: counted,
        }
    }
}

impl ReadProfile {
    /// Of scores, of features in the model's order, and of weights, if there are any.
    pub fn new(score: ScoreCounts, features: Vec<ReadCounts>, weights: Option<Weights>) -> Self {
        Self {
            score,
            features,
            weights,
        }
    }

    /// The same rows in the cells of a baseline; `None` where they were counted by others, or a
    /// person has made them unreadable.
    pub fn now(self, baseline: &Baseline) -> Option<Profile> {
        if self.features.len() != baseline.features.len() {
            return None;
        }
        let features = self.features.into_iter().zip(&baseline.features);
        let profile = Profile {
            score: self.score,
            weights: self.weights.filter(|_| baseline.weight.is_some()),
            features: features
                .map(|(of, feature)| of.now(&feature.cells))
                .collect(),
        };
        Some(profile).filter(|profile| profile.is_sound(baseline))
    }
}
