//! Raw feature columns in memory, and passes over those that are not.
//!
//! A [`Frame`] is a batch of columns as they are read: numbers and texts, with missing values.
//! What is fitted on frames asks for passes; a pass adds up [`FrameSums`] chunk by chunk. Parts
//! may be made in parallel; they are merged in the order of the chunks.
//!
//! ```
//! use learn::frame::{Column, Frame};
//!
//! let cities = [Some("Bern"), None];
//! let frame = Frame::new(vec![Column::Numbers(&[1.0, f64::NAN]), Column::Texts(&cities)]);
//! assert_eq!((frame.len(), frame.columns().len()), (2, 2));
//! ```

use std::marker::PhantomData;
use std::ops::Range;

use crate::signature::Kind;

/// Values of one feature.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// NaN is missing.
    Numbers(&'a [f64]),
    /// None is missing.
    Texts(&'a [Option<&'a str>]),
}

impl<'a> Column<'a> {
    /// How many values.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the values are.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Numbers(_) => Kind::Numeric,
            Self::Texts(_) => Kind::Categorical,
        }
    }

    fn slice(&self, rows: Range<usize>) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(&values[rows]),
            Self::Texts(values) => Self::Texts(&values[rows]),
        }
    }
}

/// A batch of rows: one column per feature of a signature, in its order.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    rows: usize,
    columns: Vec<Column<'a>>,
}

impl<'a> Frame<'a> {
    /// Of these columns.
    ///
    /// # Panics
    /// When the columns differ in length: a bug of the caller.
    pub fn new(columns: Vec<Column<'a>>) -> Self {
        let rows = columns.first().map_or(0, Column::len);
        assert!(
            columns.iter().all(|column| column.len() == rows),
            "columns of one length"
        );
        Self { rows, columns }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The columns.
    pub fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }

    /// Some of the rows.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let slice = |column: &Column<'a>| column.slice(rows.clone());
        Self {
            rows: rows.len(),
            columns: self.columns.iter().map(slice).collect(),
        }
    }
}

/// Rows that something is fitted on.
#[derive(Clone, Debug)]
pub struct LabelledFrame<'a> {
    /// The features.
    pub frame: Frame<'a>,
    /// The label of each row: the index of its class, or a number.
    pub y: &'a [f64],
    /// What each row weighs; 1 without.
    pub weights: Option<&'a [f64]>,
    /// The fold of each row, from 0; 0 without.
    pub folds: Option<&'a [u32]>,
}

impl<'a> LabelledFrame<'a> {
    /// What a row weighs.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    /// The fold that a row is in.
    pub fn fold(&self, row: usize) -> usize {
        self.folds.map_or(0, |folds| folds[row] as usize)
    }

    /// Some of the rows.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        Self {
            frame: self.frame.slice(rows.clone()),
            y: &self.y[rows.clone()],
            weights: self.weights.map(|weights| &weights[rows.clone()]),
            folds: self.folds.map(|folds| &folds[rows]),
        }
    }
}

/// What one pass over frames adds up.
pub trait FrameSums: Clone + Send + Sync + 'static {
    /// Why rows are refused.
    type Error;

    /// Adds a chunk of rows.
    ///
    /// # Errors
    /// A row that cannot be added: the pass has failed then.
    fn add(&mut self, rows: &LabelledFrame<'_>) -> Result<(), Self::Error>;

    /// Merges the sums of later rows.
    fn merge(&mut self, later: Self);
}

/// Frames that can be passed over as often as a fit needs.
pub trait FramePasses {
    /// Why a pass fails.
    type Error;

    /// One pass over all rows. `start` holds the sums over no rows.
    ///
    /// # Errors
    /// Those of the sums, and of reading.
    fn pass<S: FrameSums>(&mut self, start: S) -> Result<S, Self::Error>
    where
        Self::Error: From<S::Error>;
}

/// Rows that are all in memory, passed over in chunks: for tests and small data.
#[derive(Clone, Debug)]
pub struct InMemory<'a, E> {
    rows: LabelledFrame<'a>,
    chunk: usize,
    error: PhantomData<fn() -> E>,
}

impl<'a, E> InMemory<'a, E> {
    /// These rows in chunks of so many.
    pub fn new(rows: LabelledFrame<'a>, chunk: usize) -> Self {
        Self {
            rows,
            chunk,
            error: PhantomData,
        }
    }
}

impl<E> FramePasses for InMemory<'_, E> {
    type Error = E;

    fn pass<S: FrameSums>(&mut self, start: S) -> Result<S, E>
    where
        E: From<S::Error>,
    {
        let (mut all, rows) = (start.clone(), self.rows.frame.len());
        for first in (0..rows).step_by(self.chunk) {
            let mut part = start.clone();
            part.add(&self.rows.slice(first..(first + self.chunk).min(rows)))?;
            all.merge(part);
        }
        Ok(all)
    }
}
