//! The features of prepared rows, as a model takes them: columns of a signature.

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};

use crate::categories;
use crate::parts;
use crate::values;
use catalog::manifest::{self, Role};
use learn::frame::{Column, Frame};
use learn::signature::{Feature, Kind, Signature};
use profile::categories::code;
use profile::profiles::FeatureBaseline;
use runtime::failure::Failure;

/// The features among prepared columns. `natural` says that texts and booleans are categories;
/// without it every feature is a number, and booleans are 0 and 1.
///
/// # Errors
/// No feature, or one of a type that no model takes: exit 2, with the SQL that helps.
pub fn signature(columns: &[manifest::Column], natural: bool) -> Result<Signature> {
    let features = columns.iter().filter(|column| column.role == Role::Feature);
    let features = features.map(|column| {
        Ok(Feature {
            name: column.name.clone(),
            kind: kind(column, natural)?,
            nullable: true,
        })
    });
    let features = features.collect::<Result<Vec<Feature>>>()?;
    Signature::new(features).map_err(|error| {
        Failure::usage(format!(
            "{error}; name features in dataset.json, or compute some in features.sql"
        ))
    })
}

/// What a feature of a type is. `natural` says that texts and booleans are categories, as with
/// `models.json`.
///
/// # Errors
/// A type that no model takes: exit 2, with the SQL that helps.
pub fn kind(column: &manifest::Column, natural: bool) -> Result<Kind> {
    let (name, of) = (&column.name, column.data_type.as_str());
    let is = |kinds: &[&str]| kinds.iter().any(|kind| of.starts_with(kind));
    let (is_text, is_boolean) = (categories::holds_texts(of), of == "Boolean");
    if natural && (is_text || is_boolean) {
        return Ok(Kind::Categorical);
    }
    // An `Interval` is none.
    let numbers = [
        "Int8", "Int16", "Int32", "Int64", "UInt", "Float", "Decimal",
    ];
    if is(&numbers) || is_boolean {
        return Ok(Kind::Numeric);
    }
    let advice = match is(&["Date", "Timestamp"]) {
        true => format!(
            ", such as date_part('month', \"{name}\") or date_part('epoch', \"{name}\") / 86400"
        ),
        false => String::new(),
    };
    Err(Failure::usage(match is_text {
        true => format!(
            "feature {name:?} is of type {of}: without models.json a feature is a number or a \
             boolean; add a models.json beside dataset.json, such as {{\"candidates\": \"auto\"}}, \
             whose models encode texts, and list it in the files of kustomization.yaml; or encode \
             it in features.sql, such as CASE WHEN ... THEN 1 ELSE 0 END, or leave it out"
        ),
        false => format!(
            "feature {name:?} is of type {of}: a feature is a number, a text or a boolean; take it \
             apart in features.sql{advice}, or leave it out"
        ),
    }))
}

/// The values of a feature as rows are counted by them: numbers, or the codes of categories. Null
/// stays null.
///
/// # Errors
/// A column of a type that is not its kind: exit 2.
pub fn counted(column: &ArrayRef, feature: &FeatureBaseline) -> Result<Float64Array> {
    let Some(names) = feature.categories() else {
        return parts::numbers(column, &feature.name);
    };
    let texts = categories::texts(column)?;
    let codes = texts.iter().map(|text| Some(code(names, text?)));
    Ok(codes.collect())
}

/// The features of a batch.
#[derive(Debug)]
pub struct Features {
    rows: usize,
    columns: Vec<Values>,
}

#[derive(Debug)]
enum Values {
    /// NaN is missing.
    Numbers(Float64Array),
    Texts(StringArray),
}

impl Features {
    /// Of a batch that holds the columns of a signature at these places.
    ///
    /// # Errors
    /// A column of a type that is not its kind: exit 2.
    pub fn of(batch: &RecordBatch, places: &[usize], signature: &Signature) -> Result<Self> {
        let features = signature.features().iter().zip(places);
        let columns = features.map(|(feature, place)| {
            let (column, name) = (batch.column(*place), &feature.name);
            Ok(match feature.kind {
                Kind::Numeric => Values::Numbers(parts::floats(column, name)?),
                Kind::Categorical => Values::Texts(texts(column, name)?),
            })
        });
        Ok(Self {
            rows: batch.num_rows(),
            columns: columns.collect::<Result<Vec<Values>>>()?,
        })
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Hands the rows over as a frame.
    pub fn with<R>(&self, take: impl FnOnce(&Frame<'_>) -> R) -> R {
        let texts: Vec<Vec<Option<&str>>> = self
            .columns
            .iter()
            .map(|column| match column {
                Values::Numbers(_) => Vec::new(),
                Values::Texts(texts) => texts.iter().collect(),
            })
            .collect();
        let columns = self
            .columns
            .iter()
            .zip(&texts)
            .map(|(column, texts)| match column {
                Values::Numbers(numbers) => Column::Numbers(numbers.values()),
                Values::Texts(_) => Column::Texts(texts),
            });
        take(&Frame::new(columns.collect()))
    }
}

fn texts(column: &dyn Array, name: &str) -> Result<StringArray> {
    values::texts(column).with_context(|| format!("reading feature {name:?} as categories"))
}
