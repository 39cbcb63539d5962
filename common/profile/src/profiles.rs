//! Profiles of predictions: what is counted per model version and day, for a dashboard that never
//! reads the rows. Pure.
//!
//! A [`Baseline`] is made from the model's reference profile and fixes the cells in which features
//! and scores are counted. A [`Profile`] of a day is made of whole numbers alone, sums included:
//! profiles add up and are taken off again exactly, in any order, so that one that was kept up to
//! date equals one that is counted anew.

mod columns;
mod compared;
mod performance;
mod profile;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::drift;
use crate::reference::Reference;
use learn::model::{ClassValue, Classes, Model};

pub use columns::{FeatureCounts, LabelCounts, ScoreCounts, UNIT};
pub use compared::{Cell, Compared, Side};
pub use performance::{Calibration, Counts, Ranked};
pub use profile::{Overflow, Profile};

/// The format that this version of the code writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The column that scoring adds for the probability of the positive class.
pub const SCORE: &str = "probability";

/// Thresholds that every model's scores are cut at, in hundredths.
const THRESHOLDS: std::ops::Range<u32> = 1..100;

/// More of them near 0, and as far from 1: scores of rare events lie there.
const SMALL_THRESHOLDS: [f64; 6] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005];

/// Shares of the training data at which a feature is cut, in thousandths: every hundredth, and more
/// at the ends.
fn feature_shares() -> Vec<u16> {
    [1].into_iter()
        .chain((10..1000).step_by(10))
        .chain([999])
        .collect()
}

/// Shares of the training data at which its scores are cut, in thousandths.
fn score_shares() -> Vec<u16> {
    (5..1000).step_by(5).collect()
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
    /// Name of the column that is predicted.
    pub target: String,
    /// The target's values.
    pub classes: Classes,
    /// Probability from which the positive class is predicted; one of the cuts of the score.
    pub threshold: f64,
    /// One per feature, in the model's order.
    pub features: Vec<FeatureBaseline>,
    /// Of the probability of the positive class.
    pub score: ScoreBaseline,
}

/// How one feature is counted, and what the training data held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureBaseline {
    /// Name of the feature.
    pub name: String,
    /// Where sums are taken from: about the mean of the training data.
    pub center: f64,
    /// The unit of sums: about the standard deviation of the training data.
    pub scale: f64,
    /// Least value of the training data.
    pub min: Option<f64>,
    /// Greatest value of the training data.
    pub max: Option<f64>,
    /// Ascending values that cut the cells. A cut belongs to the cell above it.
    pub cuts: Vec<f64>,
    /// The values of the training data, one in each cell, where they are few; empty where they are
    /// many. `None` in a baseline that an earlier release made, which does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<f64>>,
    /// The training data in these cells.
    pub reference: FeatureCounts,
}

/// How scores are counted, and what the model gave on its training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreBaseline {
    /// Ascending probabilities that cut the cells: every hundredth, some near 0 and 1, the model's
    /// threshold, and what cuts the training data's scores into two hundred parts. A cut
    /// belongs to the cell above it.
    pub cuts: Vec<f64>,
    /// Rows of the training data by cell and label, as near as the reference profile tells; no row
    /// lacks a label.
    pub reference: ScoreCounts,
}

impl Baseline {
    /// From what was saved beside a model; `fingerprint` is the model's.
    pub fn new(fingerprint: &str, model: &Model, reference: &Reference, timezone: Tz) -> Self {
        let shares = feature_shares();
        let features = reference.features.iter().map(|feature| {
            let (profile, grid) = (&feature.profile, feature.profile.grid());
            let cuts = profile.cuts(&shares);
            FeatureBaseline {
                name: feature.name.clone(),
                center: grid.center(),
                scale: grid.scale(),
                min: profile.min(),
                max: profile.max(),
                values: Some(values_in_cells(profile, &cuts)),
                reference: FeatureCounts::of_profile(profile, &cuts),
                cuts,
            }
        });
        Self {
            format_version: FORMAT_VERSION,
            model: fingerprint.to_owned(),
            timezone: timezone.name().to_owned(),
            target: model.target.clone(),
            classes: model.classes.clone(),
            threshold: model.threshold,
            features: features.collect(),
            score: ScoreBaseline::new(model.threshold, reference),
        }
    }

    /// Whether profiles that are counted by one are those counted by the other: what is told
    /// besides may differ.
    pub fn counts_as(&self, other: &Self) -> bool {
        let counted = |baseline: &Self| {
            let mut baseline = baseline.clone();
            baseline.features.iter_mut().for_each(|of| of.values = None);
            baseline
        };
        counted(self) == counted(other)
    }

    /// The time zone in which an instant is cut to its day.
    pub fn timezone(&self) -> Tz {
        self.timezone.parse().unwrap_or(Tz::UTC)
    }

    /// 1 for the positive class and 0 for the negative one, as a database shows them; `None` for
    /// everything else.
    pub fn label(&self, shown: Option<&str>) -> Option<u8> {
        let shown = shown?;
        let is = |class: &ClassValue| class.to_string() == shown;
        if is(&self.classes.positive) {
            Some(1)
        } else {
            is(&self.classes.negative).then_some(0)
        }
    }

    /// Whole numbers that a profile holds, which tells its size: each takes 8 bytes.
    pub fn counters(&self) -> usize {
        self.features
            .iter()
            .map(|feature| feature.cuts.len() + 10)
            .sum::<usize>()
            + 3 * (self.score.cuts.len() + 3)
            + 3
    }
}

impl ScoreBaseline {
    /// Of a model with this threshold.
    pub fn new(threshold: f64, reference: &Reference) -> Self {
        // Grids of scores are all the same, so this cannot fail; without it there are the
        // hundredths.
        let of_training = reference
            .score
            .all()
            .map_or_else(|_| Vec::new(), |all| all.cuts(&score_shares()));
        let mut cuts: Vec<f64> = of_training
            .into_iter()
            .filter(|cut| 0.0 < *cut && *cut < 1.0)
            .collect();
        // As a person writes them: 29 / 100 is the float of the text 0.29.
        cuts.extend(THRESHOLDS.map(|hundredths| f64::from(hundredths) / 100.0));
        cuts.extend(
            SMALL_THRESHOLDS
                .iter()
                .flat_map(|small| [*small, 1.0 - small]),
        );
        cuts.extend(Some(threshold).filter(|threshold| threshold.is_finite()));
        cuts.sort_unstable_by(f64::total_cmp);
        cuts.dedup();
        Self {
            reference: ScoreCounts::of_profiles(&reference.score, &cuts),
            cuts,
        }
    }
}

/// The value in each cell, where a column has few; none where it has many, or two of them share a
/// cell.
fn values_in_cells(profile: &drift::Profile, cuts: &[f64]) -> Vec<f64> {
    let values = profile.values().unwrap_or_default();
    if values.len() != cuts.len() + 1 {
        return Vec::new();
    }
    values.iter().map(|(value, _)| *value).collect()
}

/// The cell of a value among ascending cuts, from 0 to their number.
fn cell(cuts: &[f64], value: f64) -> usize {
    cuts.partition_point(|cut| *cut <= value)
}
