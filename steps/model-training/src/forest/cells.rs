//! Numbers in cells of one byte: all that a forest is grown on.

use anyhow::Result;
use rayon::prelude::*;

use crate::tree_rows::sample::Sample;
use crate::tree_rows::table::Table;

/// The cell of a missing number.
pub(super) const MISSING: u8 = u8::MAX;
/// Bounds between the cells of other numbers, at most.
const BOUNDS: usize = MISSING as usize - 1;
/// Rows that the bounds are taken from.
const LOOKED_AT: u64 = 1 << 16;
/// Inputs that are read together: the numbers of a cache line.
const TOGETHER: usize = 16;

/// Rows in cells.
pub(super) struct Binned {
    rows: usize,
    columns: Vec<Column>,
}

/// An input of all rows.
#[derive(Default)]
pub(super) struct Column {
    /// By row. Cell `c` holds numbers below bound `c`, and not below the one before it.
    pub(super) cells: Vec<u8>,
    pub(super) bounds: Vec<f32>,
}

impl Binned {
    /// Of the rows of a table.
    pub(super) fn of(table: &Table, seed: u64) -> Result<Self> {
        let (rows, width) = (table.rows(), table.width());
        let values = table.values()?;
        let sample = Sample::new(rows as u64, Some(LOOKED_AT), seed);
        let looked_at = (0..rows).filter(|row| sample.place(*row as u64).is_some());
        let looked_at: Vec<usize> = looked_at.collect();
        let mut columns: Vec<Column> = (0..width).map(|_| Column::default()).collect();
        let groups = columns.par_chunks_mut(TOGETHER).enumerate();
        groups.for_each(|(group, columns)| {
            let first = group * TOGETHER;
            let of_row = |row: usize| &values.as_ref()[row * width + first..][..columns.len()];
            let mut seen = vec![Vec::with_capacity(looked_at.len()); columns.len()];
            for row in &looked_at {
                for (seen, value) in seen.iter_mut().zip(of_row(*row)) {
                    if !value.is_nan() {
                        seen.push(*value);
                    }
                }
            }
            for (column, seen) in columns.iter_mut().zip(seen) {
                column.bounds = bounds(seen);
                column.cells = Vec::with_capacity(rows);
            }
            for row in 0..rows {
                let of_row = &values.as_ref()[row * width + first..];
                for (column, value) in columns.iter_mut().zip(of_row) {
                    column.cells.push(column.cell(*value));
                }
            }
        });
        Ok(Self { rows, columns })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }
}

impl Column {
    fn cell(&self, value: f32) -> u8 {
        match value.is_nan() {
            true => MISSING,
            false => self.bounds.partition_point(|bound| *bound <= value) as u8,
        }
    }
}

/// Bounds halfway between numbers that differ: all of them, or about as many numbers between two.
fn bounds(mut seen: Vec<f32>) -> Vec<f32> {
    seen.sort_unstable_by(f32::total_cmp);
    let between = |pair: &[f32]| {
        let half = pair[0] / 2.0 + pair[1] / 2.0;
        // What rounds to the lower number would not part them.
        if half > pair[0] { half } else { pair[1] }
    };
    let differ = |pair: &&[f32]| pair[0] < pair[1];
    if seen.windows(2).filter(differ).count() <= BOUNDS {
        return seen.windows(2).filter(differ).map(between).collect();
    }
    let places = (1..=BOUNDS).map(|i| i * seen.len() / (BOUNDS + 1));
    let cuts = places.map(|place| &seen[place - 1..=place]);
    let mut bounds: Vec<f32> = cuts
        .map(|pair| {
            if differ(&pair) {
                between(pair)
            } else {
                pair[1]
            }
        })
        .collect();
    bounds.dedup();
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_numbers_have_a_cell_each() {
        let column = Column {
            bounds: bounds(vec![3.0, 1.0, 3.0, -2.0, 1.0]),
            cells: Vec::new(),
        };
        assert_eq!(column.bounds, [-0.5, 2.0]);
        let cells = [-9.0, -2.0, 1.0, 3.0, 9.0, f32::NAN].map(|value| column.cell(value));
        assert_eq!(cells, [0, 0, 1, 2, 2, MISSING]);
        let next = f32::from_bits(1.0_f32.to_bits() + 1);
        assert_eq!(bounds(vec![1.0, next]), [next]);
        assert!(bounds(vec![7.0; 4]).is_empty() && bounds(Vec::new()).is_empty());
    }

    #[test]
    fn many_numbers_are_spread_over_the_cells() {
        let numbers: Vec<f32> = (0..10_000).map(|i| (i * i) as f32).collect();
        let column = Column {
            bounds: bounds(numbers.clone()),
            cells: Vec::new(),
        };
        assert_eq!(column.bounds.len(), BOUNDS);
        let mut counts = [0; 256];
        for number in numbers {
            counts[usize::from(column.cell(number))] += 1;
        }
        assert_eq!(counts[usize::from(MISSING)], 0);
        assert!(
            counts[..255].iter().all(|count| (39..=40).contains(count)),
            "{counts:?}"
        );
        // Half of the numbers are alike: the others get the cells.
        let half: Vec<f32> = (0..1000)
            .map(|i| if i % 2 == 0 { 0.0 } else { i as f32 })
            .collect();
        let bounds = bounds(half);
        assert!(
            bounds.len() > 120 && bounds.is_sorted_by(|a, b| a < b),
            "{bounds:?}"
        );
    }
}
