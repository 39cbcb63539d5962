//! A column in training beside the same column later, as far as cells say.

use super::{Cells, Parts, Side};
use crate::drift::{Ks, NoiseFloor, Psi};

/// Share of the values that bars leave out on either side: a few far values would squeeze the rest.
const TAIL: f64 = 0.002;
/// Up to so many values have a bar each.
const FEW_BARS: usize = 24;

/// A quantile, and where the true one lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// Interpolated within a cell.
    pub value: f64,
    /// The true quantile is not below it.
    pub low: f64,
    /// The true quantile is not above it.
    pub high: f64,
}

/// Values between two edges, or of one value where the edges are equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
    /// Values in training.
    pub then: u64,
    /// Values later.
    pub now: u64,
}

/// A column in training and later, in the same cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared<'a> {
    cells: &'a Cells,
    /// In training.
    pub then: Side,
    /// Later.
    pub now: Side,
}

impl<'a> Compared<'a> {
    /// Of two sides that were counted by these cells.
    pub fn new(cells: &'a Cells, then: Side, now: Side) -> Self {
        let ends = cells.min().zip(cells.max());
        Self {
            cells,
            then: then.within(ends),
            now,
        }
    }

    /// Population stability index over [`Parts`]. `None` when a side has no rows.
    pub fn psi(&self, floor: &NoiseFloor) -> Option<Psi> {
        let parts = Parts::new(self.cells, &self.then);
        parts.psi(&parts.rows(&self.now), floor)
    }

    /// Kolmogorov and Smirnov's distance at the cuts. `None` when a side has no finite values.
    pub fn ks(&self) -> Option<Ks> {
        let exact = self.then.exact && self.now.exact;
        Ks::of_cells(&self.then.cells, &self.now.cells, |cell| {
            exact || self.cells.value(cell).is_some()
        })
    }

    /// The least value of a side that a share `q` of its finite values does not exceed. `None`
    /// without values, or when `q` is not from 0 to 1.
    pub fn quantile(&self, side: &Side, q: f64) -> Option<Quantile> {
        let count = side.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let target = q * count as f64;
        let filled = side.cells.iter().enumerate().filter(|(_, rows)| **rows > 0);
        let (mut below, mut found) = (0, None);
        for (cell, rows) in filled {
            found = Some((cell, below, *rows));
            below += rows;
            if below as f64 >= target {
                break;
            }
        }
        let (cell, below, rows) = found?;
        let (low, high) = self.span(side, cell)?;
        let share = ((target - below as f64) / rows as f64).clamp(0.0, 1.0);
        Some(Quantile {
            // In halves, as the difference of two finite numbers can overflow.
            value: (low + 2.0 * ((high / 2.0 - low / 2.0) * share)).clamp(low, high),
            low,
            high,
        })
    }

    /// The values of training with their rows, ascending, where all of them are special; `None`
    /// where others are among them.
    pub fn few(&self) -> Option<Vec<(f64, u64)>> {
        let filled = self
            .then
            .cells
            .iter()
            .enumerate()
            .filter(|(_, rows)| **rows > 0);
        filled
            .map(|(cell, rows)| Some((self.cells.special(cell)?, *rows)))
            .collect()
    }

    /// Least and greatest value that a side can have in a cell; `None` where that is not known.
    fn span(&self, side: &Side, cell: usize) -> Option<(f64, f64)> {
        let special = self.cells.special(cell).filter(|_| side.exact);
        if let Some(value) = self.cells.value(cell).or(special) {
            return Some((value, value));
        }
        let (lower, upper) = self.cells.edges(cell);
        let low = side
            .ends
            .map(|(low, _)| lower.map_or(low, |lower| lower.max(low)));
        let high = side
            .ends
            .map(|(_, high)| upper.map_or(high, |upper| upper.min(high)));
        // Beyond the training data nothing more is known of a side without ends.
        let low = low.or(lower).or(self.cells.min()).or(upper)?;
        let high = high.or(upper).or(self.cells.max()).unwrap_or(low);
        Some((low, high.max(low)))
    }

    /// Both sides over bars of equal width, each cell spread evenly: for the eye. Few special
    /// values have a bar of no width each.
    pub fn bars(&self, bars: usize) -> Vec<Bar> {
        let filled: Vec<usize> = (0..self.cells.len())
            .filter(|cell| self.then.cells[*cell] + self.now.cells[*cell] > 0)
            .collect();
        let exact = |side: &Side| side.exact || side.count() == 0;
        if filled.len() <= FEW_BARS && exact(&self.then) && exact(&self.now) {
            let bar = |cell: &usize| {
                let value = self.cells.special(*cell)?;
                Some(Bar {
                    lower: value,
                    upper: value,
                    then: self.then.cells[*cell],
                    now: self.now.cells[*cell],
                })
            };
            return filled.iter().filter_map(bar).collect();
        }
        let sides = [&self.then, &self.now];
        let end = |q: f64, value: fn(Quantile) -> f64| {
            let quantiles = sides.map(|side| self.quantile(side, q));
            quantiles
                .into_iter()
                .flatten()
                .map(value)
                .collect::<Vec<_>>()
        };
        let low = end(TAIL, |of| of.low)
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        let high = end(1.0 - TAIL, |of| of.high)
            .into_iter()
            .fold(f64::NEG_INFINITY, f64::max);
        // In halves, as the difference of two finite numbers can overflow.
        let width = (high / 2.0 - low / 2.0) / bars as f64;
        if !(width.is_finite() && width > 0.0) {
            return Vec::new();
        }
        let edge = |bar: usize| match bar == bars {
            true => high,
            false => 2.0 * (low / 2.0 + width * bar as f64),
        };
        let sums = |side: &Side| -> Vec<u64> {
            // The last bar takes in its upper edge.
            let edges = (0..bars).map(edge).chain([high.next_up()]);
            edges
                .map(|edge| self.below(side, edge).round() as u64)
                .collect()
        };
        let (then, now) = (sums(&self.then), sums(&self.now));
        let rows = |sums: &[u64], bar: usize| sums[bar + 1].saturating_sub(sums[bar]);
        (0..bars)
            .map(|bar| Bar {
                lower: edge(bar),
                upper: edge(bar + 1),
                then: rows(&then, bar),
                now: rows(&now, bar),
            })
            .collect()
    }

    /// Values of a side below `value`, each cell spread evenly.
    fn below(&self, side: &Side, value: f64) -> f64 {
        let cell = self.cells.cell(value);
        let before: u64 = side.cells[..cell].iter().sum();
        let part = self
            .span(side, cell)
            .map_or(0.0, |(low, high)| match low < high {
                true => ((value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)).clamp(0.0, 1.0),
                false => f64::from(u8::from(value > high)),
            });
        before as f64 + side.cells[cell] as f64 * part
    }

    /// The cuts that are nearest to the tenths of the training data's finite values, ascending,
    /// each once.
    pub fn tenths(&self) -> Vec<usize> {
        let mut sum = 0;
        let cuts = self.cells.cuts().len();
        let below: Vec<u128> = self
            .then
            .cells
            .iter()
            .take(cuts)
            .map(|rows| {
                sum += u128::from(*rows);
                sum
            })
            .collect();
        let count = u128::from(self.then.count());
        let inside = |at: &usize| 0 < below[*at] && below[*at] < count;
        let mut tenths: Vec<usize> = (1..10_u128)
            .filter_map(|tenth| {
                let apart = |at: &usize| (below[*at] * 10).abs_diff(tenth * count);
                (0..cuts).filter(inside).min_by_key(apart)
            })
            .collect();
        tenths.dedup();
        tenths
    }
}
