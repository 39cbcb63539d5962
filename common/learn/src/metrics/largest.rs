//! Rows whose errors are so large that they decide the metrics of all, such as one whose label is
//! 1e20. Streamed and mergeable.
//!
//! ```
//! use learn::metrics::largest::LargestErrors;
//!
//! let mut errors = LargestErrors::default();
//! for row in 0..200 {
//!     let label = if row == 17 { 1e20 } else { 1.0 };
//!     errors.add(row, label, 2.0, 1.0);
//! }
//! let (rows, share) = errors.deciding().unwrap();
//! assert_eq!((rows.len(), rows[0].row, rows[0].label), (1, 17, 1e20));
//! assert!(share > 0.99);
//! ```

/// Rows that are kept, and named at most.
const KEPT: usize = 5;
/// The share of the squared error that few rows should not make.
const MOST: f64 = 0.5;
/// Of so many rows none should, nor should several whose errors are alike, of so many for each.
const ONE: u64 = 100;
/// Errors that are not alike may come from a long tail: of so many rows for each they do not.
const SEVERAL: u64 = 1000;
/// An error that is at least this part of another is alike: predictions of the same wrong label
/// differ.
const ALIKE: f64 = 0.9;

/// A row, with what was predicted of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erring {
    /// Its number, or whatever else says where it is.
    pub row: u64,
    /// What it is.
    pub label: f64,
    /// What was predicted.
    pub prediction: f64,
    /// What it weighs.
    pub weight: f64,
    /// The error, by the root of the weight: its square is the row's part of the squared error.
    size: f64,
}

impl Erring {
    /// Whether it errs as much as a row that does not err less.
    fn is_like(&self, larger: &Self) -> bool {
        self.size >= ALIKE * larger.size
    }
}

/// The largest errors, and the squares of all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LargestErrors {
    rows: u64,
    /// The largest first; of equal ones the one that came first.
    largest: Vec<Erring>,
    /// In units of the largest square, so that they do not overflow.
    squares: f64,
}

impl LargestErrors {
    /// Whether metrics of so many rows leave room for rows that decide them; rows do not weigh.
    pub fn may_decide(rows: u64, largest: f64, rmse: f64) -> bool {
        let of_mean = (largest / rmse) * (largest / rmse);
        rows >= ONE && of_mean * KEPT as f64 > MOST * rows as f64
    }

    /// Adds a row. An error that is not finite does not count.
    pub fn add(&mut self, row: u64, label: f64, prediction: f64, weight: f64) {
        self.rows += 1;
        let size = weight.sqrt() * (prediction - label).abs();
        if size > 0.0 && size.is_finite() {
            self.see(Erring {
                row,
                label,
                prediction,
                weight,
                size,
            });
            self.squares += self.part(size);
        }
    }

    /// Adds those of later rows.
    pub fn merge(&mut self, later: &Self) {
        let size = later.largest.first().map_or(0.0, |of| of.size);
        later.largest.iter().for_each(|of| self.see(*of));
        self.rows += later.rows;
        if size > 0.0 {
            self.squares += later.squares * self.part(size);
        }
    }

    /// The fewest rows that make most of the squared error, with those that err as much as the last
    /// of them, at most five, and what share of it they make; `None` where the fewest are too many,
    /// or of too few.
    pub fn deciding(&self) -> Option<(&[Erring], f64)> {
        let first = self.largest.first()?;
        let mut share = 0.0;
        for (of, count) in self.largest.iter().zip(1_u64..) {
            share += self.part(of.size) / self.squares;
            let each = if of.is_like(first) { ONE } else { SEVERAL };
            if count * each > self.rows {
                return None;
            }
            if share > MOST {
                let end = self.largest.partition_point(|other| other.is_like(of));
                let found = &self.largest[..end];
                let parts = found.iter().map(|of| self.part(of.size));
                return Some((found, parts.sum::<f64>() / self.squares));
            }
        }
        None
    }

    /// The square of an error in units of the largest one.
    fn part(&self, size: f64) -> f64 {
        let ratio = self.largest.first().map_or(1.0, |of| size / of.size);
        ratio * ratio
    }

    fn see(&mut self, new: Erring) {
        let before = self.largest.first().map_or(new.size, |of| of.size);
        let at = self.largest.partition_point(|of| of.size >= new.size);
        if at < KEPT {
            self.largest.truncate(KEPT - 1);
            self.largest.insert(at, new);
        }
        self.squares *= self.part(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splitmix::uniform;

    /// Of labels from 0 to 1, some of them others, predicted as 0.5; in parts.
    fn errors(rows: u64, others: &[(u64, f64)]) -> LargestErrors {
        let label = |row: u64| {
            let found = others.iter().find(|(at, _)| *at == row);
            found.map_or_else(|| uniform(5, row), |(_, label)| *label)
        };
        let mut all = LargestErrors::default();
        let mut merged = LargestErrors::default();
        for first in (0..rows).step_by(70) {
            let mut part = LargestErrors::default();
            for row in first..rows.min(first + 70) {
                part.add(row, label(row), 0.5, 1.0);
                all.add(row, label(row), 0.5, 1.0);
            }
            merged.merge(&part);
        }
        assert_eq!(all.largest, merged.largest);
        assert!((all.squares / merged.squares - 1.0).abs() < 1e-12);
        merged
    }

    fn deciding(rows: u64, others: &[(u64, f64)]) -> Option<(Vec<u64>, f64)> {
        let errors = errors(rows, others);
        let (found, share) = errors.deciding()?;
        Some((found.iter().map(|of| of.row).collect(), share))
    }

    #[test]
    fn the_fewest_rows_that_make_most_of_the_error_are_found() {
        for far in [1e20, -1e200, 1e300] {
            let (rows, share) = deciding(300, &[(217, far)]).unwrap();
            assert_eq!(rows, [217]);
            assert!(share > 0.999_999, "{share}");
        }
        // The squares of the others sum up to about 8 of 100 rows.
        let (rows, share) = deciding(100, &[(3, 4.5)]).unwrap();
        assert_eq!(rows, [3]);
        assert!((0.6..0.72).contains(&share), "{share}");
        assert_eq!(deciding(100, &[(3, 2.5)]), None);
        let alike = [(2100, 1e20), (7, 1e20), (1400, 1e20)];
        let (rows, share) = deciding(3000, &alike).unwrap();
        assert_eq!(rows, [7, 1400, 2100]);
        assert!((share - 1.0).abs() < 1e-12, "{share}");
    }

    #[test]
    fn rows_that_err_alike_are_found_together() {
        for second in [1e6, 0.95e6] {
            let (rows, share) = deciding(300, &[(40, second), (250, 1e6)]).unwrap();
            assert_eq!(rows.len(), 2, "{rows:?}");
            assert!(share > 0.999_999, "{share}");
        }
        // One makes 61 %, and the other errs less.
        let (rows, share) = deciding(300, &[(40, 0.8e6), (250, 1e6)]).unwrap();
        assert_eq!(rows, [250]);
        assert!((share - 1.0 / 1.64).abs() < 1e-5, "{share}");
        let many: Vec<(u64, f64)> = (0..9).map(|row| (row * 30, 1e6)).collect();
        let (rows, share) = deciding(500, &many).unwrap();
        assert_eq!(rows, [0, 30, 60, 90, 120]);
        assert!((share - 5.0 / 9.0).abs() < 1e-5, "{share}");
        let apart = [(3, 1e20), (4, 0.8e20), (5, 0.8e20)];
        assert_eq!(deciding(1999, &apart), None);
        let (rows, share) = deciding(2000, &apart).unwrap();
        assert_eq!(rows, [3, 4, 5]);
        assert!((share - 1.0).abs() < 1e-12, "{share}");
    }

    #[test]
    fn of_few_rows_and_of_usual_ones_none_decides() {
        assert_eq!(deciding(99, &[(3, 1e20)]), None);
        assert_eq!(deciding(199, &[(3, 1e20), (4, 1e20)]), None);
        assert_eq!(deciding(3000, &[]), None);
        assert_eq!(LargestErrors::default().deciding(), None);
        let mut none = LargestErrors::default();
        (0..200).for_each(|row| none.add(row, 1.0, 1.0, 1.0));
        assert_eq!(none.deciding(), None);
    }

    #[test]
    fn a_row_counts_by_its_weight() {
        let mut errors = LargestErrors::default();
        for row in 0..400 {
            let weight = if row == 9 { 900.0 } else { 1.0 };
            errors.add(row, 0.0, 1.0, weight);
        }
        let (found, share) = errors.deciding().unwrap();
        assert_eq!((found.len(), found[0].row, found[0].weight), (1, 9, 900.0));
        assert!((share - 900.0 / 1299.0).abs() < 1e-12, "{share}");
        errors.add(400, -1e308, 1e308, 1.0);
        assert!(errors.deciding().is_some());
    }

    #[test]
    fn metrics_rule_out_that_rows_decide() {
        assert!(LargestErrors::may_decide(300, 1e20, 1e20 / 300_f64.sqrt()));
        assert!(!LargestErrors::may_decide(99, 1e20, 1e19));
        assert!(!LargestErrors::may_decide(300, 1.0, 0.5));
    }
}
