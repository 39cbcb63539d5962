//! What is kept beside a model of the data that it was trained on: `reference.json`. Pure.

use serde::{Deserialize, Serialize};

use crate::drift::{Grid, GridMismatch, Profile};

/// The format of what says nothing of categories; [`WITH_CATEGORIES`] is read too.
pub const FORMAT_VERSION: u32 = 1;
/// The format of a reference that holds [`Reference::categories`], which programs of the first
/// release can't read.
pub const WITH_CATEGORIES: u32 = 2;

/// The training data as later data is compared with it, as it stands in `reference.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// [`FORMAT_VERSION`], or [`WITH_CATEGORIES`].
    pub format_version: u32,
    /// Rows of the training data.
    pub rows: u64,
    /// Rows of the positive class among them.
    pub positives: u64,
    /// One profile per feature, in the model's order.
    pub features: Vec<FeatureProfile>,
    /// The model's probabilities on the training data.
    pub score: ScoreProfile,
    /// Columns of few values that the model does not use and that scored rows can carry; empty
    /// where there are none, and in a reference that was made before they were profiled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryProfile>,
}

impl Reference {
    /// Takes in the columns that scored rows can carry.
    pub fn hold(&mut self, categories: Vec<CategoryProfile>) {
        if !categories.is_empty() {
            self.format_version = WITH_CATEGORIES;
        }
        self.categories = categories;
    }
}

/// The distribution of one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureProfile {
    /// Name of the feature.
    pub name: String,
    /// Its values, on a grid of their mean and standard deviation.
    pub profile: Profile,
}

/// The distribution of the probability of the positive class, apart for the rows of each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreProfile {
    /// Of the rows whose label is negative.
    pub negative: Profile,
    /// Of the rows whose label is positive.
    pub positive: Profile,
}

impl ScoreProfile {
    /// Of no rows yet, on the grid of [`ScoreProfile::grid`].
    pub fn empty() -> Self {
        Self {
            negative: Profile::new(Self::grid()),
            positive: Profile::new(Self::grid()),
        }
    }

    /// The grid of every score profile.
    pub fn grid() -> Grid {
        Grid::new(0.5, 0.25)
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Errors
    /// When the grids differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), GridMismatch> {
        self.negative.merge(&other.negative)?;
        self.positive.merge(&other.positive)
    }

    /// Of all rows.
    ///
    /// # Errors
    /// When the grids differ, which only a damaged file can bring about.
    pub fn all(&self) -> Result<Profile, GridMismatch> {
        let mut all = self.negative.clone();
        all.merge(&self.positive)?;
        Ok(all)
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
