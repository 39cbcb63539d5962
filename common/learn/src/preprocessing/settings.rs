//! The part of `models.json` that says how columns are prepared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A category in fewer training rows is rare, unless `min_frequency` says otherwise; of one-hot
/// encoding.
pub const MIN_FREQUENCY: u64 = 10;
/// Columns that one-hot encoding makes of one column at most, `other` among them, unless
/// `max_categories` says otherwise.
pub const MAX_CATEGORIES: usize = 100;
/// Categories that are a number each for trees, unless a column says otherwise; more are encoded by
/// the target.
pub const ONE_HOT_OF_TREES: usize = 16;

/// How columns are prepared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// For every numeric column that does not say otherwise.
    pub numeric: ColumnSettings,
    /// For every categorical column that does not say otherwise.
    pub categorical: ColumnSettings,
    /// By name of the column.
    pub columns: BTreeMap<String, ColumnSettings>,
}

/// How one column is prepared. What is not said follows the model's family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnSettings {
    /// What takes the place of a missing value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impute: Option<Impute>,
    /// Whether a column says where a value was missing; made where training rows had any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_indicator: Option<bool>,
    /// How a category becomes numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encode>,
    /// Whether a column beside the mean of the target counts the training rows of the category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<bool>,
    /// A category in fewer training rows shares `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_frequency: Option<u64>,
    /// So many categories at most, `other` among them: the most frequent ones are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_categories: Option<usize>,
    /// Whether what comes out has mean 0 and standard deviation 1 in training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standardize: Option<bool>,
    /// The lowest and the highest number; null for no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<[Option<f64>; 2]>,
    /// Leaves the column out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<bool>,
}

/// What takes the place of a missing value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impute {
    /// The exact median of the training rows.
    Median,
    /// Their mean.
    Mean,
    /// This value.
    Constant(Value),
    /// Their most frequent value, of several the smallest.
    MostFrequent,
    /// Nothing: a number stays missing, and missing is a category of its own.
    None,
}

/// A number or a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// For numeric columns.
    Number(f64),
    /// For categorical columns.
    Text(String),
}

/// How a category becomes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encode {
    /// A column per category, and `other` for rare and unknown ones.
    OneHot,
    /// Its position in the sorted categories; -1 for an unknown one without `other`.
    Ordinal,
    /// The smoothed mean of the target in its training rows.
    Target,
}

/// What kind of model the columns are prepared for: it decides the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Numbers are imputed by their median, with an indicator, and standardised.
    Linear,
    /// Numbers stay as they are, missing ones too.
    Trees,
}

impl ColumnSettings {
    /// These settings, and those of `other` where they say nothing.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self {
            impute: self.impute.clone().or_else(|| other.impute.clone()),
            missing_indicator: self.missing_indicator.or(other.missing_indicator),
            encode: self.encode.or(other.encode),
            frequency: self.frequency.or(other.frequency),
            min_frequency: self.min_frequency.or(other.min_frequency),
            max_categories: self.max_categories.or(other.max_categories),
            standardize: self.standardize.or(other.standardize),
            clip: self.clip.or(other.clip),
            drop: self.drop.or(other.drop),
        }
    }
}
