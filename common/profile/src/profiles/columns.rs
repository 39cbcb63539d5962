//! What is counted of probabilities.

use serde::{Deserialize, Serialize};

use crate::cells::{Cells, Chosen, Side, rounded};
use crate::grid;

/// Probabilities and their squares are kept in units of 2^-30, so that 8 * 10^9 rows of a day fit
/// 63 bits.
const SCORE_UNIT: f64 = (1_u64 << 30) as f64;

/// What is counted of a probability, apart for rows without a label and for two kinds of labelled
/// rows: of the negative and of the positive class where it is the positive class's, and of a wrong
/// and of a right prediction where it is the predicted class's. Sums are in units of 2^-30.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCounts {
    /// Rows whose label is not known.
    pub unlabelled: LabelCounts,
    /// Rows of the negative class, or wrong predictions.
    pub negative: LabelCounts,
    /// Rows of the positive class, or right predictions.
    pub positive: LabelCounts,
}

/// What is counted of the scores of one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelCounts {
    /// Rows without a score.
    pub unscored: i64,
    /// Sum of the scores.
    pub sum: i64,
    /// Sum of the squares of the scores.
    pub squares: i64,
    /// Scored rows by cell.
    pub cells: Vec<i64>,
}

impl ClassCounts {
    /// Of no rows yet.
    pub fn new(cells: &Cells) -> Self {
        Self::of_cells(cells.len())
    }

    fn of_cells(cells: usize) -> Self {
        let empty = LabelCounts {
            cells: vec![0; cells],
            ..LabelCounts::default()
        };
        Self {
            unlabelled: empty.clone(),
            negative: empty.clone(),
            positive: empty,
        }
    }

    /// What the grids of an older model say of its training data.
    pub(crate) fn of_grid(
        negative: &grid::Profile,
        positive: &grid::Profile,
        cuts: &[f64],
    ) -> Self {
        let counts = |profile: &grid::Profile| {
            let count = profile.count() as f64;
            let (mean, variance) = (
                profile.mean().unwrap_or(0.0),
                profile.variance().unwrap_or(0.0),
            );
            let cells = profile.counts(cuts);
            LabelCounts {
                unscored: profile.missing() as i64,
                sum: score_units(mean * count),
                squares: score_units((variance + mean * mean) * count),
                cells: cells.into_iter().map(|count| count as i64).collect(),
            }
        };
        Self {
            unlabelled: Self::of_cells(cuts.len() + 1).unlabelled,
            negative: counts(negative),
            positive: counts(positive),
        }
    }

    /// The counts of a label.
    pub fn of(&self, label: Option<u8>) -> &LabelCounts {
        match label {
            None => &self.unlabelled,
            Some(0) => &self.negative,
            Some(_) => &self.positive,
        }
    }

    /// Adds a row `times` times; -1 takes it off.
    #[inline]
    pub fn add(&mut self, cells: &Cells, score: Option<f64>, label: Option<u8>, times: i64) {
        let counts = match label {
            None => &mut self.unlabelled,
            Some(0) => &mut self.negative,
            Some(_) => &mut self.positive,
        };
        match score {
            Some(score) => {
                counts.cells[cells.cell(score)] += times;
                counts.sum += score_units(score) * times;
                counts.squares += score_units(score * score) * times;
            }
            None => counts.unscored += times,
        }
    }

    pub(super) fn all(&self) -> [&LabelCounts; 3] {
        [&self.unlabelled, &self.negative, &self.positive]
    }

    /// The same rows in the cells that were chosen of fine ones.
    pub(crate) fn put_together(&self, chosen: &Chosen) -> Self {
        let of = |counts: &LabelCounts| LabelCounts {
            cells: chosen.rows(&counts.cells),
            ..counts.clone()
        };
        Self {
            unlabelled: of(&self.unlabelled),
            negative: of(&self.negative),
            positive: of(&self.positive),
        }
    }

    /// All rows, as one side of a comparison.
    pub fn side(&self) -> Side {
        let of = |number: fn(&LabelCounts) -> f64| self.all().into_iter().map(number).sum::<f64>();
        let mut cells = Vec::new();
        for counts in self.all() {
            cells.resize(cells.len().max(counts.cells.len()), 0);
            cells
                .iter_mut()
                .zip(&counts.cells)
                .for_each(|(sum, cell)| *sum += *cell as u64);
        }
        let rows = cells.iter().sum::<u64>() as f64;
        let mean = of(LabelCounts::score_sum) / rows;
        let variance = of(LabelCounts::score_squares) / rows - mean * mean;
        let some = |value: f64| (rows > 0.0).then_some(value);
        let unscored = self.all().into_iter().map(|of| of.unscored as u64);
        let mean_and_std = (some(mean), some(variance.max(0.0).sqrt()));
        Side::of_cells(cells, unscored.sum(), mean_and_std)
    }

    /// Adds others, whose cells are the same; `None` when a number overflows.
    pub fn merge(&mut self, other: &Self) -> Option<()> {
        self.unlabelled.merge(&other.unlabelled)?;
        self.negative.merge(&other.negative)?;
        self.positive.merge(&other.positive)
    }
}

impl LabelCounts {
    /// Rows with a score.
    pub fn scored(&self) -> i64 {
        self.cells.iter().sum()
    }

    /// Sum of the scores.
    pub fn score_sum(&self) -> f64 {
        self.sum as f64 / SCORE_UNIT
    }

    /// Sum of the squares of the scores.
    pub fn score_squares(&self) -> f64 {
        self.squares as f64 / SCORE_UNIT
    }

    /// Whether the numbers fit that many cells and none is negative.
    pub fn is_sound(&self, cells: usize) -> bool {
        let sums = [self.unscored, self.sum, self.squares];
        self.cells.len() == cells && self.cells.iter().chain(&sums).all(|number| *number >= 0)
    }

    fn merge(&mut self, other: &Self) -> Option<()> {
        let numbers = [
            (&mut self.unscored, other.unscored),
            (&mut self.sum, other.sum),
            (&mut self.squares, other.squares),
        ];
        for (ours, theirs) in numbers
            .into_iter()
            .chain(self.cells.iter_mut().zip(other.cells.iter().copied()))
        {
            *ours = ours.checked_add(theirs)?;
        }
        Some(())
    }
}

fn score_units(score: f64) -> i64 {
    rounded(score * SCORE_UNIT) as i64
}
