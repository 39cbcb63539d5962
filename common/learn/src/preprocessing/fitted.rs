//! Fitted preprocessing, as it is kept in `model.json`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::moments::Scale;
use super::plan::check_clip;
use super::target::TargetTable;
use crate::signature::{Kind, Signature};

/// How the columns of a signature become the numbers of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<FittedColumn>", into = "Vec<FittedColumn>")]
pub struct Preprocessing {
    columns: Vec<FittedColumn>,
}

/// How one column becomes numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FittedColumn {
    /// Numbers: clipped, imputed, standardised, in this order.
    Numeric(Numeric),
    /// Categories: imputed, encoded, standardised, in this order.
    Categorical(Categorical),
    /// Left out.
    Dropped(Dropped),
}

/// A column of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numeric {
    /// Name of the feature.
    pub name: String,
    /// Lowest and highest number; null for no bound.
    pub clip: [Option<f64>; 2],
    /// What takes the place of a missing number; without, it stays missing.
    pub impute: Option<f64>,
    /// Whether a second column is 1 where the number was missing.
    pub missing_indicator: bool,
    /// What standardises the numbers.
    pub scale: Option<Scale>,
}

/// A column of categories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Categorical {
    /// Name of the feature.
    pub name: String,
    /// What takes the place of a missing value; without, missing is a category.
    pub impute: Option<String>,
    /// Whether a last column is 1 where the value was missing.
    pub missing_indicator: bool,
    /// The categories that are kept, in order; null for missing, last.
    pub categories: Vec<Option<String>>,
    /// Whether training rows had rarer categories: those and unknown ones are one more category.
    pub other: bool,
    /// How a category becomes numbers.
    pub encoding: Encoding,
    /// What standardises each column that comes out; none for none.
    pub scales: Vec<Scale>,
}

/// How a category becomes numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// One column per category, and one for `other` where it is.
    OneHot,
    /// The position of the category, `other` last; -1 for an unknown one without it.
    Ordinal,
    /// The smoothed mean of the target.
    Target {
        /// The encodings.
        table: TargetTable,
        /// The classes that have a column each; none where one column says it all.
        classes: Vec<String>,
        /// Training rows of each category, in a last column; 0 for `other` and unknown ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        frequencies: Option<Vec<u64>>,
    },
}

/// A column that is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// Name of the feature.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

impl Preprocessing {
    /// Of these columns.
    ///
    /// # Errors
    /// [`Error::Invalid`]: no column, two of one name, a number that is not finite, lengths that
    /// do not fit each other, categories out of order.
    pub fn new(columns: Vec<FittedColumn>) -> Result<Self, Error> {
        let mut names = BTreeSet::new();
        for column in &columns {
            let name = column.name();
            if !names.insert(name) {
                return Err(Error::Invalid(format!("two columns are named {name:?}")));
            }
            let why = |what| Error::Invalid(format!("column {name:?}: {what}"));
            column.check().map_err(why)?;
        }
        let preprocessing = Self { columns };
        let mut names = BTreeSet::new();
        let outputs = preprocessing.output_columns();
        if outputs.is_empty() {
            return Err(Error::Invalid("no column comes out of it".to_owned()));
        }
        match outputs.iter().find(|output| !names.insert(&output.name)) {
            Some(twice) => Err(Error::Invalid(format!(
                "two columns would be named {:?}: rename a feature in features.sql",
                twice.name
            ))),
            None => Ok(preprocessing),
        }
    }

    /// Of numbers that stay as they are; a row that lacks one has no prediction.
    ///
    /// # Errors
    /// [`Error::Invalid`]: no name, or one that occurs twice.
    pub fn unchanged(names: &[String]) -> Result<Self, Error> {
        let column = |name: &String| {
            FittedColumn::Numeric(Numeric {
                name: name.clone(),
                clip: [None, None],
                impute: None,
                missing_indicator: false,
                scale: None,
            })
        };
        Self::new(names.iter().map(column).collect())
    }

    /// The columns, in the order of the signature.
    pub fn columns(&self) -> &[FittedColumn] {
        &self.columns
    }

    /// That it is for the features of a signature.
    ///
    /// # Errors
    /// [`Error::Invalid`]: other names or kinds, or another order.
    pub fn check_signature(&self, signature: &Signature) -> Result<(), Error> {
        let features = signature.features();
        let own = self.columns.iter().map(|of| (of.name(), of.kind()));
        if own.eq(features.iter().map(|of| (of.name.as_str(), of.kind))) {
            return Ok(());
        }
        let reason = "its columns are not the features of the signature, in their order";
        Err(Error::Invalid(reason.to_owned()))
    }
}

impl TryFrom<Vec<FittedColumn>> for Preprocessing {
    type Error = Error;

    fn try_from(columns: Vec<FittedColumn>) -> Result<Self, Error> {
        Self::new(columns)
    }
}

impl From<Preprocessing> for Vec<FittedColumn> {
    fn from(preprocessing: Preprocessing) -> Self {
        preprocessing.columns
    }
}

impl FittedColumn {
    /// Name of the feature.
    pub fn name(&self) -> &str {
        match self {
            Self::Numeric(Numeric { name, .. })
            | Self::Categorical(Categorical { name, .. })
            | Self::Dropped(Dropped { name, .. }) => name,
        }
    }

    /// What the values of the feature are.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Numeric(_) => Kind::Numeric,
            Self::Categorical(_) => Kind::Categorical,
            Self::Dropped(dropped) => dropped.kind,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Numeric(numeric) => numeric.check(),
            Self::Categorical(categorical) => categorical.check(),
            Self::Dropped(_) => Ok(()),
        }
    }
}

impl Numeric {
    fn check(&self) -> Result<(), &'static str> {
        check_clip(self.clip)?;
        if self.impute.is_some_and(|value| !value.is_finite()) {
            return Err("what is imputed is not a finite number");
        }
        if self.scale.is_some_and(|scale| !scale.is_valid()) {
            return Err("mean and deviation must be finite, and the deviation above 0");
        }
        Ok(())
    }
}

impl Categorical {
    /// Kept categories, and `other`.
    pub(super) fn groups(&self) -> usize {
        self.categories.len() + usize::from(self.other)
    }

    /// Columns of the encoding.
    pub(super) fn width(&self) -> usize {
        match &self.encoding {
            Encoding::OneHot => self.groups(),
            Encoding::Ordinal => 1,
            Encoding::Target {
                table, frequencies, ..
            } => table.unknown.len() + usize::from(frequencies.is_some()),
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let order = |pair: &[Option<String>]| match (&pair[0], &pair[1]) {
            (Some(first), Some(second)) => first < second,
            (first, second) => first.is_some() && second.is_none(),
        };
        if !self.categories.windows(2).all(order) {
            return Err("its categories must be in order, each once, and missing last");
        }
        if let Encoding::Target {
            table,
            classes,
            frequencies,
        } = &self.encoding
        {
            let outputs = if classes.is_empty() { 1 } else { classes.len() };
            let length = self.groups() * outputs;
            if table.unknown.len() != outputs || table.encodings.len() != length {
                return Err("there must be one encoding per category and class");
            }
            let all = table.encodings.iter().chain(&table.unknown);
            if all.clone().any(|value| !value.is_finite()) {
                return Err("encodings must be finite numbers");
            }
            let count = frequencies.as_ref().map(Vec::len);
            if count.is_some_and(|count| count != self.categories.len()) {
                return Err("there must be one frequency per category, or none");
            }
        }
        if !self.scales.is_empty() && self.scales.len() != self.width() {
            return Err("there must be one scale per column, or none");
        }
        if self.scales.iter().any(|scale| !scale.is_valid()) {
            return Err("mean and deviation must be finite, and the deviation above 0");
        }
        Ok(())
    }
}
