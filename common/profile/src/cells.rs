//! A numeric column in cells that are cut at quantiles of the training data. Pure.
//!
//! Values that training repeats have a cell of their own, and so has everything below and above its
//! range; nulls, NaN and infinities are counted apart. What is counted is whole numbers, which add
//! up and are taken off again in any order. One far value of training is one row in one cell: it
//! moves no other cut.

mod compared;
mod counts;
mod guide;
mod parts;
mod side;
mod sketch;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use compared::{Bar, Compared, Quantile};
pub use counts::{Counts, Excess, UNIT};
pub(crate) use counts::{of_sums, rounded, whole_units};
use guide::Guide;
pub use parts::Parts;
pub use side::Side;
pub use sketch::{Chosen, Distinct, FINE, Fine, Picker, SAMPLE, Sketch};

/// Where a value that is in no cell is counted, after the cells.
const NULL: usize = 0;
const NAN: usize = 1;
const MINUS_INFINITY: usize = 2;
const PLUS_INFINITY: usize = 3;
/// How many such places there are.
const BESIDE: usize = 4;

/// What cuts the finite values of a column, and how their sums are taken.
///
/// ```
/// use profile::cells::Counted;
///
/// let flag = Counted::of(&[0.0, 1.0, 1.0, 0.0]);
/// // Below 0, 0 itself, between, 1 itself, above 1.
/// assert_eq!(flag.counts.cells, [0, 2, 0, 2, 0]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "File")]
pub struct Cells {
    center: f64,
    scale: f64,
    min: Option<f64>,
    max: Option<f64>,
    cuts: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    around: Vec<f64>,
    /// Of the cuts.
    #[serde(skip)]
    guide: Guide,
}

/// What values are measured from and in: a centre that is not finite becomes 0, and a scale that is
/// not a positive number, as that of a constant column, becomes 1.
pub(crate) fn units(center: f64, scale: f64) -> (f64, f64) {
    // The inverse of the scale must be finite too.
    let usable = scale.is_finite() && scale > 1e-300;
    (
        if center.is_finite() { center } else { 0.0 },
        if usable { scale } else { 1.0 },
    )
}

/// Cells, and what training held in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// The cells.
    pub cells: Cells,
    /// What training held.
    pub counts: Counts,
}

/// Stored cells contradict themselves.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("cells are damaged: {0}")]
pub struct CellsError(&'static str);

impl CellsError {
    pub(crate) fn new(reason: &'static str) -> Self {
        Self(reason)
    }
}

impl Cells {
    /// Cells from ascending cuts; a cut belongs to the cell above it. `min` and `max` are the ends
    /// of the training data. A scale that is not a positive number (a constant column) becomes 1,
    /// a centre that is not finite becomes 0.
    ///
    /// # Errors
    /// Cuts that are not finite or do not ascend, and ends that contradict each other.
    pub fn new(
        (center, scale): (f64, f64),
        ends: Option<(f64, f64)>,
        cuts: Vec<f64>,
    ) -> Result<Self, CellsError> {
        Self::sorted((center, scale), ends, cuts).checked()
    }

    /// Of cuts that are known to be finite and to ascend.
    pub(crate) fn sorted(
        (center, scale): (f64, f64),
        ends: Option<(f64, f64)>,
        cuts: Vec<f64>,
    ) -> Self {
        let (center, scale) = units(center, scale);
        Self {
            center,
            scale,
            min: ends.map(|(min, _)| min),
            max: ends.map(|(_, max)| max),
            guide: Guide::new(&cuts),
            cuts,
            around: Vec::new(),
        }
    }

    /// The same cells, each around one of the few values of an older model's training data: none of
    /// them for the two cells beyond its ends.
    ///
    /// # Errors
    /// Another number of values than of cells.
    pub fn around(self, values: Vec<f64>) -> Result<Self, CellsError> {
        Self {
            around: values,
            ..self
        }
        .checked()
    }

    /// The same, where there are as many values as cells.
    pub(crate) fn around_if(self, values: Vec<f64>) -> Self {
        match self.inner().len() == values.len() {
            true => Self {
                around: values,
                ..self
            },
            false => self,
        }
    }

    /// What decides where a value is counted.
    pub(crate) fn decides(&self) -> impl PartialEq + use<> {
        (
            (self.center, self.scale),
            (self.min, self.max),
            self.cuts.clone(),
        )
    }

    fn checked(self) -> Result<Self, CellsError> {
        // Of an older model's cuts two may be equal: no value comes between them.
        if !self.cuts.iter().all(|cut| cut.is_finite()) || !self.cuts.is_sorted() {
            return Err(CellsError("the cuts do not ascend"));
        }
        match (self.min, self.max) {
            (None, None) => {}
            (Some(min), Some(max)) if min <= max => {}
            _ => return Err(CellsError("min and max contradict each other")),
        }
        if !self.around.is_empty() && self.inner().len() != self.around.len() {
            return Err(CellsError("there are not as many values as cells"));
        }
        Ok(self)
    }

    /// Where sums are taken from: the mean of the training data.
    pub fn center(&self) -> f64 {
        self.center
    }

    /// The unit of sums: the standard deviation of the training data.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Least value of the training data.
    pub fn min(&self) -> Option<f64> {
        self.min
    }

    /// Greatest value of the training data.
    pub fn max(&self) -> Option<f64> {
        self.max
    }

    /// What cuts the cells. A cut belongs to the cell above it.
    pub fn cuts(&self) -> &[f64] {
        &self.cuts
    }

    /// The cells of finite values.
    pub fn len(&self) -> usize {
        self.cuts.len() + 1
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Places in which rows are counted: the cells, and those beside them.
    pub fn places(&self) -> usize {
        self.len() + BESIDE
    }

    /// The cell of a finite value.
    #[inline]
    pub fn cell(&self, value: f64) -> usize {
        let near = self.guide.near(value, self.cuts.len());
        near.start + self.cuts[near].partition_point(|cut| *cut <= value)
    }

    /// The place of any value.
    #[inline]
    pub fn place(&self, value: f64) -> usize {
        if value.is_finite() {
            self.cell(value)
        } else if value.is_nan() {
            self.len() + NAN
        } else if value < 0.0 {
            self.len() + MINUS_INFINITY
        } else {
            self.len() + PLUS_INFINITY
        }
    }

    /// The place of nulls.
    pub fn null_place(&self) -> usize {
        self.len() + NULL
    }

    /// Cells of the training data's range: those before are below it, and those after above.
    pub fn inner(&self) -> std::ops::Range<usize> {
        match (self.min, self.max) {
            (Some(min), Some(max)) => self.cell(min)..self.cell(max) + 1,
            _ => 0..self.len(),
        }
    }

    /// Ends of a cell: finite values from the lower one up to before the upper one. `None` where
    /// there is none.
    pub fn edges(&self, cell: usize) -> (Option<f64>, Option<f64>) {
        let lower = cell.checked_sub(1).map(|below| self.cuts[below]);
        (lower, self.cuts.get(cell).copied())
    }

    /// The one value that a cell holds, where it can hold no other.
    pub fn value(&self, cell: usize) -> Option<f64> {
        match self.edges(cell) {
            (Some(lower), Some(upper)) if lower.next_up() >= upper => Some(lower),
            _ => None,
        }
    }

    /// The value that a cell represents: the only one that it can hold, or that it was cut around.
    pub fn special(&self, cell: usize) -> Option<f64> {
        let around = || {
            let place = cell.checked_sub(self.inner().start)?;
            self.around.get(place).copied()
        };
        self.value(cell).or_else(around)
    }
}

impl Counted {
    /// Values in memory, in cells cut by all of them.
    pub fn of(values: &[f64]) -> Self {
        Self::at(values, &[])
    }

    /// The same, cut at fixed values too.
    pub fn at(values: &[f64], fixed: &[f64]) -> Self {
        let mut sketch = Sketch::default();
        sketch.see(values);
        values.iter().for_each(|value| sketch.keep(*value));
        let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        let rows = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / rows;
        let squares = finite.iter().map(|value| (value - mean).powi(2));
        let fine = sketch.fine((mean, (squares.sum::<f64>() / rows).sqrt()), fixed);
        let mut counts = Counts::new(&fine.cells);
        for value in values {
            counts.add(&fine.cells, *value, 1);
        }
        fine.coarse(&shares(), &counts.cells).of(&counts)
    }

    /// Whether what is counted fits the cells, and no number is negative.
    pub fn is_sound(&self) -> bool {
        self.counts.is_sound(&self.cells)
    }
}

/// Shares of the training data at which a column is cut, in thousandths: every hundredth, and more
/// at the ends.
pub fn shares() -> Vec<u16> {
    [1].into_iter()
        .chain((10..1000).step_by(10))
        .chain([999])
        .collect()
}

/// Cells as they are stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    center: f64,
    scale: f64,
    min: Option<f64>,
    max: Option<f64>,
    cuts: Vec<f64>,
    #[serde(default)]
    around: Vec<f64>,
}

impl TryFrom<File> for Cells {
    type Error = CellsError;

    fn try_from(file: File) -> Result<Self, CellsError> {
        let ends = match (file.min, file.max) {
            (None, None) => None,
            (Some(min), Some(max)) => Some((min, max)),
            _ => return Err(CellsError("min and max contradict each other")),
        };
        Self::new((file.center, file.scale), ends, file.cuts)?.around(file.around)
    }
}
