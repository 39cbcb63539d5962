//! Rows in memory, and passes over rows that are not.
//!
//! A fit never holds a data set: it asks for passes, and each pass adds up [`Sums`] chunk by
//! chunk. Parts may be made in parallel; they are merged in the order of the chunks, so that the
//! same rows in the same chunks give the same bits.
//!
//! ```
//! use learn::rows::{InMemory, Passes, RowError, Rows, Sums};
//!
//! #[derive(Clone)]
//! struct Total(f64);
//!
//! impl Sums for Total {
//!     type Error = RowError;
//!     fn add(&mut self, rows: Rows<'_>) -> Result<(), RowError> {
//!         self.0 += rows.y.iter().sum::<f64>();
//!         Ok(())
//!     }
//!     fn merge(&mut self, later: Self) {
//!         self.0 += later.0;
//!     }
//! }
//!
//! let rows = Rows { x: &[1.0, 2.0, 3.0], y: &[0.5, 1.5, 2.5], weights: None };
//! let mut passes = InMemory::<RowError>::new(rows, 2);
//! assert_eq!(passes.pass(Total(0.0)).unwrap().0, 4.5);
//! ```

use std::marker::PhantomData;

/// Rows that are worked on together.
pub(crate) const BLOCK: usize = 256;

/// A chunk of rows.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Row-major, as many values a row as there are features.
    pub x: &'a [f64],
    /// The label of each row: the index of its class, or a number.
    pub y: &'a [f64],
    /// What each row weighs; 1 without.
    pub weights: Option<&'a [f64]>,
}

/// What one pass adds up.
pub trait Sums: Clone + Send + Sync + 'static {
    /// Why rows are refused.
    type Error;

    /// Adds a chunk.
    ///
    /// # Errors
    /// A row that cannot be added. Nothing of the chunk is added then.
    fn add(&mut self, rows: Rows<'_>) -> Result<(), Self::Error>;

    /// Merges the sums of later rows.
    fn merge(&mut self, later: Self);

    /// Bytes of memory that they take: it decides how many parts are added up at the same time.
    fn bytes(&self) -> u64 {
        0
    }
}

/// Rows that can be passed over as often as a fit needs.
pub trait Passes {
    /// Why a pass fails.
    type Error;

    /// One pass over all rows. `start` holds the sums over no rows.
    ///
    /// # Errors
    /// Those of the sums, and of reading.
    fn pass<S: Sums>(&mut self, start: S) -> Result<S, Self::Error>
    where
        Self::Error: From<S::Error>;
}

/// A row that nothing can be fitted or measured on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RowError {
    /// A feature is NaN or infinite.
    #[error(
        "feature {feature} is {value} in row {row}: fill or filter such values before training"
    )]
    Feature {
        /// Name of the feature.
        feature: String,
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
    },
    /// The label is not one of the task's.
    #[error("label is {value} in row {row}: it must be {expected}")]
    Label {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
        /// What a label is.
        expected: String,
    },
    /// The prediction cannot be measured.
    #[error("prediction is {value} in row {row}: it must be {expected}")]
    Prediction {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
        /// What a prediction is.
        expected: &'static str,
    },
    /// The weight is negative or no number.
    #[error("weight is {value} in row {row}: it must be a finite number, 0 or more")]
    Weight {
        /// Position in the rows of this call, from 0.
        row: usize,
        /// The value that was found.
        value: f64,
    },
}

impl<'a> Rows<'a> {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// What a row weighs.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    /// The rows in chunks of `size`, of `width` features each.
    pub fn chunks(self, width: usize, size: usize) -> impl Iterator<Item = Rows<'a>> {
        (0..self.len()).step_by(size).map(move |start| {
            let end = (start + size).min(self.len());
            Rows {
                x: &self.x[start * width..end * width],
                y: &self.y[start..end],
                weights: self.weights.map(|weights| &weights[start..end]),
            }
        })
    }

    /// That features are finite and weights are weights.
    ///
    /// # Errors
    /// The first value that is not.
    ///
    /// # Panics
    /// When the slices do not hold the same rows: a bug of the caller.
    pub fn check(&self, features: &[String]) -> Result<(), RowError> {
        let width = features.len();
        assert_eq!(
            self.x.len(),
            self.len() * width,
            "one value per row and feature"
        );
        if let Some(at) = self.x.iter().position(|value| !value.is_finite()) {
            return Err(RowError::Feature {
                feature: features[at % width].clone(),
                row: at / width,
                value: self.x[at],
            });
        }
        check_weights(self.weights, self.len())
    }

    /// That labels are finite numbers.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_numbers(&self) -> Result<(), RowError> {
        self.check_labels(|y| y.is_finite(), || "a finite number".to_owned())
    }

    /// That labels are indices of `classes` classes.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_classes(&self, classes: usize) -> Result<(), RowError> {
        let expected = || format!("the index of a class, from 0 to {}", classes - 1);
        self.check_labels(|y| class_of(y, classes).is_some(), expected)
    }

    fn check_labels(
        &self,
        fits: impl Fn(f64) -> bool,
        expected: impl Fn() -> String,
    ) -> Result<(), RowError> {
        match self.y.iter().position(|&y| !fits(y)) {
            Some(row) => Err(RowError::Label {
                row,
                value: self.y[row],
                expected: expected(),
            }),
            None => Ok(()),
        }
    }
}

/// The class that a label is the index of.
pub(crate) fn class_of(label: f64, classes: usize) -> Option<usize> {
    let class = label as usize;
    (class as f64 == label && class < classes).then_some(class)
}

/// That weights are finite and not negative.
///
/// # Errors
/// The first that is neither.
///
/// # Panics
/// When there is not one weight a row: a bug of the caller.
pub(crate) fn check_weights(weights: Option<&[f64]>, rows: usize) -> Result<(), RowError> {
    let Some(weights) = weights else {
        return Ok(());
    };
    assert_eq!(weights.len(), rows, "one weight per row");
    let bad = |weight: &f64| !(weight.is_finite() && *weight >= 0.0);
    match weights.iter().position(bad) {
        Some(row) => Err(RowError::Weight {
            row,
            value: weights[row],
        }),
        None => Ok(()),
    }
}

/// Rows that are all in memory, passed over in chunks: for tests and small data.
#[derive(Clone, Debug)]
pub struct InMemory<'a, E> {
    rows: Rows<'a>,
    chunk: usize,
    error: PhantomData<fn() -> E>,
}

impl<'a, E> InMemory<'a, E> {
    /// These rows in chunks of so many.
    pub fn new(rows: Rows<'a>, chunk: usize) -> Self {
        Self {
            rows,
            chunk,
            error: PhantomData,
        }
    }
}

impl<E> Passes for InMemory<'_, E> {
    type Error = E;

    fn pass<S: Sums>(&mut self, start: S) -> Result<S, E>
    where
        E: From<S::Error>,
    {
        let width = self.rows.x.len().checked_div(self.rows.len()).unwrap_or(0);
        let mut all = start.clone();
        for chunk in self.rows.chunks(width, self.chunk) {
            let mut part = start.clone();
            part.add(chunk)?;
            all.merge(part);
        }
        Ok(all)
    }
}
