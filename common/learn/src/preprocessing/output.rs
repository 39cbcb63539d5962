//! The columns that come out, and where each comes from.

use std::ops::Range;

use super::fitted::{Categorical, Encoding, FittedColumn, Preprocessing};

/// A column that comes out of preprocessing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name, which no other has.
    pub name: String,
    /// The feature that it is made of.
    pub feature: String,
    /// What it says of the feature.
    pub origin: Origin,
}

/// What a column says of its feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The number itself.
    Number,
    /// Whether it was missing.
    Missing,
    /// Whether it is this category; `None` is the category of missing values.
    Category(Option<String>),
    /// Whether it is a rare or an unknown category.
    Other,
    /// The position of its category.
    Code,
    /// The mean of the target in its category; of this class, if there are classes.
    Target(Option<String>),
    /// How many training rows have its category.
    Frequency,
}

/// The columns of a one-hot feature: a row has at most one that is of its own category.
#[derive(Clone, Debug, PartialEq)]
pub struct OneHot {
    /// Their places.
    pub columns: Range<usize>,
    /// What each holds in the rows of other categories, and in those of its own, which is more.
    pub values: Vec<[f64; 2]>,
}

impl OutputColumn {
    fn new(feature: &str, origin: Origin) -> Self {
        let name = match &origin {
            Origin::Number | Origin::Code | Origin::Target(None) => feature.to_owned(),
            Origin::Missing => format!("{feature} (missing)"),
            Origin::Category(None) => format!("{feature} = (missing)"),
            Origin::Other => format!("{feature} = (other)"),
            Origin::Category(Some(category)) => format!("{feature} = {}", quoted(category)),
            Origin::Target(Some(class)) => format!("{feature} (target {class})"),
            Origin::Frequency => format!("{feature} (frequency)"),
        };
        Self {
            name,
            feature: feature.to_owned(),
            origin,
        }
    }
}

/// A category, in quotes where it reads like one of the words in parentheses, like quoted or like
/// nothing.
fn quoted(category: &str) -> String {
    if category.starts_with(['(', '"']) || category.trim() != category || category.is_empty() {
        format!("{category:?}")
    } else {
        category.to_owned()
    }
}

impl Preprocessing {
    /// The columns that come out, in order.
    pub fn output_columns(&self) -> Vec<OutputColumn> {
        self.columns().iter().flat_map(outputs).collect()
    }

    /// How many columns come out.
    pub fn width(&self) -> usize {
        self.columns().iter().map(FittedColumn::width).sum()
    }

    /// Of each one-hot feature the columns that come out for its categories.
    pub fn one_hot(&self) -> Vec<OneHot> {
        let mut first = 0;
        let mut all = Vec::new();
        for column in self.columns() {
            if let FittedColumn::Categorical(of) = column
                && matches!(of.encoding, Encoding::OneHot)
            {
                let value =
                    |at: usize, value| of.scales.get(at).map_or(value, |to| to.apply(value));
                all.push(OneHot {
                    columns: first..first + of.width(),
                    values: (0..of.width())
                        .map(|at| [value(at, 0.0), value(at, 1.0)])
                        .collect(),
                });
            }
            first += column.width();
        }
        all
    }
}

impl FittedColumn {
    /// How many columns come out.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Numeric(numeric) => 1 + usize::from(numeric.missing_indicator),
            Self::Categorical(of) => of.width() + usize::from(of.missing_indicator),
            Self::Dropped(_) => 0,
        }
    }
}

fn outputs(column: &FittedColumn) -> Vec<OutputColumn> {
    let (mut origins, indicator) = match column {
        FittedColumn::Numeric(numeric) => (vec![Origin::Number], numeric.missing_indicator),
        FittedColumn::Categorical(of) => (origins(of), of.missing_indicator),
        FittedColumn::Dropped(_) => (Vec::new(), false),
    };
    if indicator {
        origins.push(Origin::Missing);
    }
    let output = |origin| OutputColumn::new(column.name(), origin);
    origins.into_iter().map(output).collect()
}

fn origins(column: &Categorical) -> Vec<Origin> {
    match &column.encoding {
        Encoding::OneHot => {
            let categories = column.categories.iter().cloned().map(Origin::Category);
            categories
                .chain(column.other.then_some(Origin::Other))
                .collect()
        }
        Encoding::Ordinal => vec![Origin::Code],
        Encoding::Target {
            classes,
            frequencies,
            ..
        } => {
            let means = match classes.is_empty() {
                true => vec![None],
                false => classes.iter().cloned().map(Some).collect(),
            };
            let frequency = frequencies.as_ref().map(|_| Origin::Frequency);
            means
                .into_iter()
                .map(Origin::Target)
                .chain(frequency)
                .collect()
        }
    }
}
