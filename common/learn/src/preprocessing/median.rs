//! The exact median of numbers that are only passed over.
//!
//! A pass counts the numbers of a range in cells of equal width in the order of their bits; the
//! cell with the middle number is the range of the next pass. Counts do not depend on chunks or
//! on the order of merges, so neither does a single bit of the median.
//! A column takes 24 KiB, and not the megabyte of [`crate::metrics::select`]: a table may have
//! hundreds of columns, and all of them are searched in the same passes.

use crate::metrics::{from_ordered_bits, ordered_bits};

/// Cells of a pass.
const CELLS: u64 = 1024;

/// The place of a number among all numbers: larger for larger ones, and one for both zeros.
fn place(number: f64) -> u64 {
    ordered_bits(if number == 0.0 { 0.0 } else { number })
}

/// Numbers of a range of places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) count: u64,
    lowest: u64,
    highest: u64,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            count: 0,
            lowest: u64::MAX,
            highest: 0,
        }
    }
}

impl Cell {
    pub(super) fn add(&mut self, number: f64) {
        self.add_place(place(number));
    }

    fn add_place(&mut self, place: u64) {
        self.count += 1;
        self.lowest = self.lowest.min(place);
        self.highest = self.highest.max(place);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }
}

/// The search for a median, and what a pass counts for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Search {
    total: u64,
    below: u64,
    range: Cell,
    above: Option<u64>,
    cells: Vec<Cell>,
}

impl Search {
    /// Among numbers that a first pass has put into one cell.
    pub(super) fn new(all: Cell) -> Self {
        Self {
            total: all.count,
            below: 0,
            range: all,
            above: None,
            cells: Vec::new(),
        }
    }

    /// The median, once it is found. Of an even number, the mean of both in the middle.
    pub(super) fn median(&self) -> Option<f64> {
        if self.total == 0 || self.range.lowest != self.range.highest {
            return None;
        }
        let low = from_ordered_bits(self.range.lowest);
        let repeated = self.below + self.range.count > self.total / 2;
        let high = match self.above {
            Some(above) if !repeated => from_ordered_bits(above),
            _ => low,
        };
        let sum = low + high;
        Some(if sum.is_finite() {
            sum / 2.0
        } else {
            low / 2.0 + high / 2.0
        })
    }

    /// Begins a pass.
    pub(super) fn start(&mut self) {
        self.cells = vec![Cell::default(); CELLS as usize];
    }

    pub(super) fn add(&mut self, number: f64) {
        let (place, range) = (place(number), self.range);
        if (range.lowest..=range.highest).contains(&place) {
            let width = (range.highest - range.lowest) / CELLS + 1;
            self.cells[((place - range.lowest) / width) as usize].add_place(place);
        }
    }

    pub(super) fn merge(&mut self, later: &Self) {
        for (cell, later) in self.cells.iter_mut().zip(&later.cells) {
            cell.merge(later);
        }
    }

    /// Ends a pass: the cell with the lower of the middle numbers is searched next.
    pub(super) fn narrow(&mut self) {
        let middle = self.total.saturating_sub(1) / 2;
        let cells = std::mem::take(&mut self.cells);
        let mut filled = cells.into_iter().filter(|cell| cell.count > 0);
        while let Some(cell) = filled.next() {
            if self.below + cell.count > middle {
                self.range = cell;
                self.above = filled.next().map(|next| next.lowest).or(self.above);
                return;
            }
            self.below += cell.count;
        }
    }
}
