//! Why preprocessing is refused, with the way out.

/// Why preprocessing cannot be fitted, read or applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A setting that does not fit its column.
    #[error("preprocessing of column {column:?}: {reason}")]
    Setting {
        /// Name of the column.
        column: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A setting for all columns of a kind that does not fit them.
    #[error("preprocessing of `{kind}` columns: {reason}")]
    Kind {
        /// The key of the settings, `numeric` or `categorical`.
        kind: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Settings that leave nothing to learn from.
    #[error("preprocessing drops every feature: keep at least one")]
    NothingLeft,
    /// A number is infinite, and is not clipped.
    #[error(
        "column {column:?} is {value}, and a model takes finite numbers only: bound it by `clip: \
         [low, high]` in models.json, or make such values null in features.sql"
    )]
    Infinite {
        /// Name of the column.
        column: String,
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
    },
    /// More distinct values than a fit keeps in memory.
    #[error(
        "column {column:?} has more than {limit} distinct values{of}: group them in \
         features.sql, or leave the column out by `drop: true` in models.json"
    )]
    Distinct {
        /// Name of the column.
        column: String,
        /// How many are kept.
        limit: usize,
        /// What the limit depends on.
        of: String,
    },
    /// Distinct values that take too much memory.
    #[error(
        "the distinct texts of column {column:?} take more than {limit} bytes: shorten or group \
         them in features.sql, or leave the column out by `drop: true` in models.json"
    )]
    Texts {
        /// Name of the column.
        column: String,
        /// How many bytes are kept.
        limit: usize,
    },
    /// Distinct values of all columns that take more memory than there is.
    #[error(
        "the distinct values of all columns together take more than the {limit} bytes of memory \
         that they may take; column {column:?} takes the most ({distinct} values so far): group its \
         values in features.sql, or leave the column out by `drop: true` in models.json"
    )]
    Memory {
        /// Name of the column whose values take the most.
        column: String,
        /// Its distinct values when the limit was reached.
        distinct: usize,
        /// How many bytes there are for all columns.
        limit: u64,
    },
    /// Nothing to impute from.
    #[error(
        "column {column:?} has no value in any training row: set `impute: {{\"constant\": ...}}` \
         for it in models.json, or leave it out by `drop: true` there"
    )]
    AllMissing {
        /// Name of the column.
        column: String,
    },
    /// Sums of a column overflow.
    #[error(
        "the values of column {column:?} spread too far to be standardised: bound them by `clip: \
         [low, high]` in models.json, or set `standardize: false` there"
    )]
    Overflow {
        /// Name of the column.
        column: String,
    },
    /// There are no rows, or none that weighs anything.
    #[error("no training row has a weight above 0: preprocessing can't be fitted")]
    NoRows,
    /// A fold leaves nothing outside of it.
    #[error(
        "no row is outside of fold {fold}: target encoding needs rows in at least two of the \
         folds"
    )]
    Fold {
        /// Index of the fold.
        fold: usize,
    },
    /// A label that is neither a finite number nor the index of a class.
    #[error("label is {value} in row {row}: it must be {expected}")]
    Label {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
        /// What a label is.
        expected: String,
    },
    /// A weight that is negative or no number.
    #[error("weight is {value} in row {row}: it must be a finite number, 0 or more")]
    Weight {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
    },
    /// A fitted state that nothing can be done with.
    #[error("the model's preprocessing is invalid: {0}")]
    Invalid(String),
}

impl Error {
    /// Whether settings are wrong, and not data.
    pub fn is_setting(&self) -> bool {
        matches!(
            self,
            Self::Setting { .. } | Self::Kind { .. } | Self::NothingLeft
        )
    }

    pub(super) fn setting(column: &str, reason: impl Into<String>) -> Self {
        Self::Setting {
            column: column.to_owned(),
            reason: reason.into(),
        }
    }
}
