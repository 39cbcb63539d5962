//! The memory that growing trees takes.
//!
//! Three times compete for the most of it: while cells are found, each input has a sketch of its
//! quantiles; while rows are put into the cells, these stand beside the mapped rows; and while
//! trees grow, their open nodes have histograms.

use super::Options;
use crate::estimator::family::HeldRows;

/// Bytes of a row's number in the mapped file.
const NUMBER: u64 = 4;
/// Bytes of the mapped file that are in memory at once: while cells are made, its pages are given
/// back as they have been read.
const MAPPED: u64 = 64 << 20;
/// Bytes of a label or a weight while it is read and handed over.
const LABEL: u64 = 12;
/// Bytes of the place of a row among all rows, where some weigh nothing and are passed over.
const PLACE: u64 = 8;
/// Bytes of a row, and of each of its raw scores, while trees grow, as they were measured.
const OF_ROW: u64 = 20;
const OF_SCORE: u64 = 40;
/// Rows that are turned by column together, for the sketches.
const TURNED: u64 = 1 << 16;
/// Bytes of the sums of a cell in a histogram: two numbers.
const OF_CELL: u64 = 16;
/// Nodes whose children are made ahead, two histograms for each.
const AHEAD: u64 = 8;

impl Options {
    /// Bytes of memory at most for rows of so many inputs and raw scores, the mapped file of the
    /// rows included.
    pub(super) fn bytes(&self, rows: HeldRows, outputs: u64) -> u64 {
        let inputs = rows.inputs as u64;
        let validation = rows.validation;
        let rows = self.rows_of(rows.fit);
        let mapped = rows.saturating_mul(NUMBER * inputs).min(MAPPED);
        let mapped = mapped.saturating_add(rows.saturating_mul(LABEL + PLACE));
        let cells = rows.saturating_mul(self.of_two_cells(inputs) * inputs) / 8;
        let turned = rows.min(TURNED) * NUMBER * inputs;
        let sketching = mapped
            .saturating_add(turned)
            .saturating_add(self.of_sketch(rows).saturating_mul(inputs));
        let binning = mapped.saturating_add(cells);
        let growing = cells
            .saturating_add(rows.saturating_mul(OF_ROW + OF_SCORE * outputs))
            .saturating_add(self.histograms(rows, inputs))
            .saturating_add(
                validation.saturating_mul(NUMBER * inputs + LABEL + PLACE + 2 * NUMBER * outputs),
            );
        sketching.max(binning).max(growing)
    }

    /// Bits of a number's cell, by row and by column, and of whether it is missing.
    fn of_two_cells(&self, inputs: u64) -> u64 {
        let bins = u64::from(self.max_bin);
        let by_row = if inputs * bins <= 1 << 16 { 16 } else { 32 };
        let by_column = if bins <= 256 { 8 } else { 16 };
        by_row + by_column + 1
    }

    /// Bytes of the sketch of an input's quantiles: a queue of values, and summaries by level.
    fn of_sketch(&self, rows: u64) -> u64 {
        let bins = u64::from(self.max_bin);
        let (mut levels, mut summary) = (1, 0);
        while levels < u64::from(u32::BITS) {
            summary = (2 * levels * bins + 1).min(rows);
            if summary << levels >= rows {
                break;
            }
            levels += 1;
        }
        summary * (32 + 16 * (levels + 3))
    }

    /// Bytes of the histograms of the nodes of a tree that may still be split.
    fn histograms(&self, rows: u64, inputs: u64) -> u64 {
        let at_depth = |depth: u32| 1_u64.checked_shl(depth).unwrap_or(u64::MAX);
        let nodes = match (self.max_leaves, self.max_depth) {
            // Those of the last level are never split.
            (0, depth) => at_depth(depth.saturating_sub(1)),
            (leaves, 0) => u64::from(leaves) + 2 * AHEAD,
            (leaves, depth) => u64::from(leaves).min(at_depth(depth)) + 2 * AHEAD,
        };
        let of_node = OF_CELL * inputs * u64::from(self.max_bin);
        nodes.min(rows).saturating_mul(of_node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(options: &Options, fit: u64, validation: u64, inputs: usize) -> u64 {
        let rows = HeldRows {
            fit,
            validation,
            inputs,
        };
        options.bytes(rows, 1)
    }

    #[test]
    fn more_of_anything_never_takes_less() {
        let of = Options::default();
        let mut before = 0;
        for rows in (0..2_000_000).step_by(9973) {
            let now = bytes(&of, rows, 0, 20);
            assert!(now >= before, "{rows}: {now} after {before}");
            before = now;
        }
        let level_by_level = |max_depth: u32| Options {
            max_leaves: 0,
            max_depth,
            ..Options::default()
        };
        let at = |depth| bytes(&level_by_level(depth), 50_000, 0, 200);
        assert!((1..20).all(|depth| at(depth) <= at(depth + 1)));
        // No more nodes than rows, however deep.
        assert_eq!(at(17), at(20));
        assert!(bytes(&of, 50_000, 10_000_000, 200) > bytes(&of, 50_000, 0, 200));
    }

    #[test]
    fn rows_beside_some_that_weigh_nothing_are_announced() {
        let of = Options::default();
        let (rows, inputs) = (1_000_000, 5);
        // Where few weigh nothing: numbers, label and weight, and the place twice, once as it is
        // handed over.
        let taken = rows * (4 * inputs as u64 + 4 + 4 + 2 * 8);
        let announced = bytes(&of, 1000, rows, inputs) - bytes(&of, 1000, 0, inputs);
        assert!(announced >= taken, "{announced} of {taken}");
    }
}
