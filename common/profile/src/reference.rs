//! What is kept beside a model of the data that it was trained on: `reference.json`. Pure.

use serde::{Deserialize, Serialize};

use crate::categories::{Categories, Known};
use crate::cells::{Cells, CellsError, Counted, Fine, Sketch};
use crate::grid::{self, Hidden};
use crate::profiles::{ClassCounts, OfNumber, score_cuts, score_shares};
use learn::task::PROBABILITY;

/// The format that is written.
pub const FORMAT_VERSION: u32 = 3;
/// Those of earlier releases, whose columns all lie on grids: a [`Former`] reads them.
pub const FORMER_VERSIONS: [u32; 2] = [1, 2];

/// The training data as later data is compared with it, as it is in `reference.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Rows of the training data.
    pub rows: u64,
    /// Rows of the positive class among them.
    pub positives: u64,
    /// One profile per feature, in the model's order.
    pub features: Vec<FeatureProfile>,
    /// The model's scores on the training data.
    pub score: ScoreProfile,
    /// Columns of few values that the model does not use and that scored rows can carry; empty
    /// where there are none, and in a reference that was made before they were profiled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryProfile>,
}

/// The distribution of one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureProfile {
    /// Name of the feature.
    pub name: String,
    /// Its values.
    pub profile: ColumnProfile,
}

/// The distribution of a column, as it was before anything was imputed or encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnProfile {
    /// Of numbers, in cells that are cut at its quantiles.
    Cells(Counted),
    /// Of numbers, on a grid of its mean and deviation: of an older model.
    Grid(grid::Profile),
    /// Of categories.
    Categories(Categories),
}

/// The distribution of the model's scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreProfile {
    /// Probabilities in cells that are cut at their quantiles, and at thresholds that people
    /// choose.
    Cells(ScoreCells),
    /// Probabilities on a grid: of an older model.
    Grid(ScoreGrid),
    /// Numbers in cells that are cut at their quantiles.
    Numbers(Box<OfNumber<Counted>>),
}

/// Scores in cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreCells {
    /// The column that scoring writes.
    pub name: String,
    /// The cells.
    pub cells: Cells,
    /// What training held.
    pub counts: ClassCounts,
}

/// Probabilities on a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreGrid {
    /// Of the rows whose label is negative.
    pub negative: grid::Profile,
    /// Of the rows whose label is positive.
    pub positive: grid::Profile,
}

impl ColumnProfile {
    /// In cells, whatever it is.
    ///
    /// # Errors
    /// Numbers that contradict each other.
    pub fn counted(&self) -> Result<Counted, CellsError> {
        match self {
            Self::Cells(counted) => Ok(counted.clone()),
            Self::Grid(profile) => profile.counted(),
            Self::Categories(categories) => Ok(categories.counted()),
        }
    }

    /// Of categories: which values training had beside the most frequent ones, where it is kept.
    pub fn known(&self) -> Option<&Known> {
        match self {
            Self::Cells(_) | Self::Grid(_) => None,
            Self::Categories(categories) => categories.known.as_ref(),
        }
    }

    /// What counts beside the cells how much of a shift they hide; `None` where they hide none.
    pub fn hidden(&self) -> Option<Hidden> {
        match self {
            Self::Cells(_) | Self::Categories(_) => None,
            Self::Grid(profile) => Some(Hidden::new(profile)),
        }
    }
}

impl ScoreProfile {
    /// Of probabilities and labels in memory.
    pub fn of(threshold: f64, scores: &[f64], labels: &[u8]) -> Self {
        let mut sketch = Sketch::default();
        sketch.see(scores);
        scores.iter().for_each(|score| sketch.keep(*score));
        let fine = sketch.fine((0.5, 0.25), &score_cuts(threshold));
        let mut counts = ClassCounts::new(&fine.cells);
        for (score, label) in scores.iter().zip(labels) {
            counts.add(&fine.cells, Some(*score), Some(*label), 1);
        }
        Self::chosen(&fine, &counts)
    }

    /// The cells that are chosen once all scores were counted in fine ones.
    pub fn chosen(fine: &Fine, counts: &ClassCounts) -> Self {
        let rows: Vec<i64> = counts
            .side()
            .cells
            .iter()
            .map(|rows| *rows as i64)
            .collect();
        let chosen = fine.coarse(&score_shares(), &rows);
        Self::Cells(ScoreCells {
            name: PROBABILITY.to_owned(),
            counts: counts.put_together(&chosen),
            cells: chosen.cells,
        })
    }

    /// As [`ColumnProfile::hidden`].
    pub fn hidden(&self) -> Option<Hidden> {
        match self {
            Self::Cells(_) | Self::Numbers(_) => None,
            Self::Grid(score) => Some(Hidden::new(&score.negative.together(&score.positive))),
        }
    }
}

/// How often each value of a column occurred in training, as `reference.json` holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryProfile {
    /// Name of the column.
    pub name: String,
    /// Rows of the training data; 0 where there are too many values.
    pub rows: u64,
    /// Rows without a value among them.
    pub nulls: u64,
    /// Each value with its rows, in the order of the values; `None` where there are too many to be
    /// counted.
    pub values: Option<Vec<(String, u64)>>,
}

/// A reference as earlier releases wrote it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Former {
    #[serde(rename = "format_version")]
    _format_version: u32,
    rows: u64,
    positives: u64,
    features: Vec<FormerFeature>,
    score: ScoreGrid,
    #[serde(default)]
    categories: Vec<CategoryProfile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormerFeature {
    name: String,
    profile: grid::Profile,
}

impl From<Former> for Reference {
    fn from(former: Former) -> Self {
        let feature = |of: FormerFeature| FeatureProfile {
            name: of.name,
            profile: ColumnProfile::Grid(of.profile),
        };
        Self {
            format_version: FORMAT_VERSION,
            rows: former.rows,
            positives: former.positives,
            features: former.features.into_iter().map(feature).collect(),
            score: ScoreProfile::Grid(former.score),
            categories: former.categories,
        }
    }
}
