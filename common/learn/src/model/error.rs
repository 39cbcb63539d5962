//! Why a fit fails.

/// Why no model could be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// There is nothing to learn from.
    #[error("no rows to train on: check the training manifest and the filter of the data contract")]
    NoRows,
    /// Only one class occurs.
    #[error("all {rows} training rows have label {label}: a classifier needs rows of both classes")]
    OneClass {
        /// The label that occurs.
        label: u8,
        /// How many rows have it.
        rows: u64,
    },
    /// An option makes no sense.
    #[error("{name} is {value}: it must be a positive finite number")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// An option is no share.
    #[error("{name} is {value}: it must be from 0 to 1")]
    Share {
        /// Name of the option.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// The spread of a feature overflows.
    #[error(
        "feature {feature} is too large to train on (its spread overflows): `alameda dataset profile` \
         shows its least and greatest values; make a value that stands for a missing one null in \
         features.sql, or divide all of them there by a power of ten"
    )]
    Overflow {
        /// Name of the feature.
        feature: String,
    },
    /// Sums of a pass are NaN or infinite.
    #[error(
        "the sums over the training rows are not finite: a feature holds NaN, infinite or overflowing values"
    )]
    NotFinite,
    /// Two passes saw different data.
    #[error(
        "a pass over the training rows saw {found} rows where the first pass saw {expected}: the data changed while training"
    )]
    RowsChanged {
        /// Rows of the moments.
        expected: u64,
        /// Rows of the later pass.
        found: u64,
    },
    /// No Newton step could be computed.
    #[error(
        "the Hessian cannot be factored, even with a ridge: drop collinear features or lower C"
    )]
    Singular,
}
