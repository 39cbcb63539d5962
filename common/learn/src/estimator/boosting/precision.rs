//! Trees of a program that compares doubles, beside the single precision that trees compare here.

use super::{GradientBoosting, single};

/// Share of the rows that may go another way than in the program that grew the trees.
const FEW: f64 = 0.001;

/// The bounds of splits by input.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    by_input: Vec<OfInput>,
}

/// Ascending: as doubles, and as they are compared here.
#[derive(Clone, Debug)]
struct OfInput {
    doubles: Vec<f64>,
    singles: Vec<f32>,
}

/// Rows that go another way here, because their numbers or the bounds have more digits than single
/// precision keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moved {
    /// Such rows.
    pub rows: u64,
    /// Of so many rows.
    pub of: u64,
    /// The first: its input and the number.
    pub first: Option<(usize, f64)>,
}

impl Bounds {
    /// Of the doubles that a file has for each input, and of the trees that were read of it; a
    /// number up to a double goes left.
    pub fn new(doubles: Vec<Vec<f64>>, trees: &GradientBoosting) -> Self {
        let mut singles = vec![Vec::new(); doubles.len()];
        let nodes = trees.trees.iter().flat_map(|tree| tree.nodes());
        for node in nodes.filter(|node| !node.is_leaf()) {
            singles[node.input as usize].push(node.value);
        }
        let by_input = doubles.into_iter().zip(singles);
        let by_input = by_input.map(|(mut doubles, mut singles)| {
            // A bound beyond every number parts what is missing from what is there.
            doubles.retain(|bound| bound.abs() < f32::MAX.into());
            singles.retain(|bound| bound.abs() < f32::MAX);
            doubles.sort_by(f64::total_cmp);
            singles.sort_by(f32::total_cmp);
            OfInput { doubles, singles }
        });
        Self {
            by_input: by_input.collect(),
        }
    }

    /// Looks at rows.
    pub(super) fn look(&self, rows: &[f64], moved: &mut Moved) {
        let width = self.by_input.len();
        if width == 0 {
            return;
        }
        for row in rows.chunks_exact(width) {
            moved.of += 1;
            let numbers = row.iter().zip(&self.by_input).enumerate();
            let mut other = numbers.filter(|(_, (number, bounds))| bounds.moves(**number));
            if let Some((input, (number, _))) = other.next() {
                moved.rows += 1;
                moved.first.get_or_insert((input, *number));
            }
        }
    }
}

impl OfInput {
    /// Whether a number is beyond another number of bounds here; a missing one is beyond none.
    fn moves(&self, number: f64) -> bool {
        let doubles = self.doubles.partition_point(|bound| *bound < number);
        let here = single(number);
        doubles != self.singles.partition_point(|bound| *bound <= here)
    }
}

impl Moved {
    /// Adds later rows.
    pub(super) fn merge(&mut self, later: Self) {
        self.rows += later.rows;
        self.of += later.of;
        self.first = self.first.or(later.first);
    }

    /// Whether scores would be those of other trees.
    pub fn are_many(&self) -> bool {
        self.rows as f64 > FEW * self.of as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::boosting::tests::stump;

    #[test]
    fn rows_that_single_precision_moves_are_counted() {
        let trees = stump(1_700_000_128.0);
        let doubles = vec![Vec::new(), vec![f64::MAX, 1_700_000_050.5]];
        let bounds = Bounds::new(doubles, &trees);
        let mut moved = Moved::default();
        let rows = [
            [0.1, 1_700_000_000.0],
            [0.1, 1_700_000_050.5],
            // Beyond the double, and rounded down to below the single.
            [0.1, 1_700_000_060.0],
            [0.1, 1_700_000_200.0],
            [0.1, f64::NAN],
        ];
        bounds.look(rows.as_flattened(), &mut moved);
        let first = Some((1, 1_700_000_060.0));
        assert_eq!(
            moved,
            Moved {
                rows: 1,
                of: 5,
                first
            }
        );
        assert!(moved.are_many());
        moved.of = 1000;
        assert!(!moved.are_many());
    }
}
