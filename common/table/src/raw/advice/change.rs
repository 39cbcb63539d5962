//! Changes of the contract that a message may advise.

use crate::dataset::{ColumnContract, ColumnType, Csv, Form};

use super::types::loses_format;

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
