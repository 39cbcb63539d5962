//! Changes of the contract that a message may advise.

use crate::dataset::{ColumnContract, ColumnType, Csv, Form};
use catalog::manifest::Role;

/// A change of the contract, for one column. By default it changes nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    column_type: Option<ColumnType>,
    form: Option<Form>,
    /// Of all CSV files.
    csv: Option<Csv>,
    /// Whether the column may be null then: rows without a target are left out.
    pub(super) nullable: bool,
}

impl Change {
    pub(super) fn of_type(other: ColumnType) -> Self {
        Self {
            column_type: Some(other),
            ..Self::default()
        }
    }

    pub(super) fn of_form(form: Form) -> Self {
        Self {
            form: Some(form),
            ..Self::default()
        }
    }

    pub(super) fn of_csv(csv: Csv) -> Self {
        Self {
            csv: Some(csv),
            ..Self::default()
        }
    }

    /// The same, where `nulls` are null too in CSV files, which are written as `known` otherwise.
    pub(super) fn with_nulls(
        &self,
        nulls: impl IntoIterator<Item = String>,
        known: &Csv,
        nullable: bool,
    ) -> Self {
        // A list would replace that of the contract, or of another message, and lose its texts.
        let mut csv = self.csv.as_ref().unwrap_or(known).clone();
        csv.nulls.extend(nulls);
        Self {
            csv: Some(csv),
            nullable,
            ..self.clone()
        }
    }

    pub(super) fn apply(&self, column: &mut ColumnContract, csv: &mut Csv) {
        if let Some(other) = self.column_type {
            if loses_format(column, other) {
                column.format = None;
            }
            column.column_type = other;
        }
        if let Some(form) = &self.form {
            column.format = Some(form.clone());
        }
        if let Some(other) = &self.csv {
            csv.clone_from(other);
        }
        column.nullable |= self.nullable;
    }

    /// Whether the values of other columns change too.
    pub(super) fn is_of_file(&self) -> bool {
        self.csv.is_some()
    }

    /// Whether it is of CSV files alone.
    pub(super) fn is_dialect(&self) -> bool {
        self.csv.is_some() && self.column_type.is_none() && self.form.is_none()
    }
}

/// The line of the contract that gives a column another type, if its role allows that.
pub(super) fn typed(column: &ColumnContract, other: ColumnType) -> Option<String> {
    use ColumnType::{Bool, Date, Float32, Float64, Int32, Int64, Timestamp, TimestampTz, Utf8};
    let fits = match column.role {
        Role::Id => !matches!(other, Float32 | Float64),
        Role::Time => matches!(other, Date | Timestamp | TimestampTz),
        // A float is a number to predict, and has no classes.
        Role::Target if matches!(other, Float32 | Float64) => {
            column.allowed.is_empty() && column.positive.is_none()
        }
        Role::Target => matches!(other, Bool | Int32 | Int64 | Utf8),
        Role::Weight => matches!(other, Int32 | Int64 | Float32 | Float64),
        Role::Feature | Role::Ignored => true,
    };
    // Without a list the classes are 0 and 1, and texts have none.
    let lists = column.role == Role::Target
        && (other == Utf8 || column.column_type == Bool && matches!(other, Int32 | Int64));
    let listed = if lists {
        " with every class in \"allowed\""
    } else {
        ""
    };
    let format = if loses_format(column, other) {
        " without \"format\""
    } else {
        ""
    };
    fits.then(|| format!("\"type\": \"{other}\"{format}{listed}"))
}

/// Whether the column has a form that values of another type can't have.
fn loses_format(column: &ColumnContract, other: ColumnType) -> bool {
    let format = column.format.as_ref();
    format.is_some_and(|format| format.suits(other).is_err())
}
