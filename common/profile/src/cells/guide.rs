//! Finding the cell of a value with few comparisons.

use std::ops::Range;

/// Fewer cuts are searched as a whole.
const FEWEST: usize = 16;
/// Steps for each cut.
const STEPS: usize = 2;
/// One of so many cuts at each end is left to the first and the last step, so that one far value
/// does not put all others into one step.
const ENDS: usize = 16;

/// Steps of equal width over most of the range of some cuts, and which cuts are in each.
///
/// The step of a value never falls as the value rises, however its computation is rounded: cuts in
/// lower steps are below the value and cuts in higher ones above it, so that only those of its own
/// step are compared with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Guide {
    least: f64,
    /// Steps in one unit of the values.
    rate: f64,
    /// The first cut of each step, and the number of cuts after the last one; empty without steps.
    first: Vec<u32>,
}

impl Guide {
    /// For ascending cuts.
    pub(super) fn new(cuts: &[f64]) -> Self {
        if cuts.len() < FEWEST {
            return Self::default();
        }
        let steps = STEPS * cuts.len();
        let end = cuts.len() / ENDS;
        let (least, greatest) = (cuts[end], cuts[cuts.len() - 1 - end]);
        let mut guide = Self {
            least,
            rate: steps as f64 / (greatest - least),
            first: vec![0; steps + 1],
        };
        for cut in cuts {
            let step = guide.step(*cut);
            guide.first[step + 1] += 1;
        }
        for step in 0..steps {
            guide.first[step + 1] += guide.first[step];
        }
        guide
    }

    #[inline]
    fn step(&self, value: f64) -> usize {
        // What is no number, of cuts that are all equal, becomes 0; what is too large the last
        // step.
        (((value - self.least) * self.rate) as usize).min(self.first.len() - 2)
    }

    /// The cuts, of so many, that a finite value is to be compared with: those before are not above
    /// it, and those after are.
    #[inline]
    pub(super) fn near(&self, value: f64, cuts: usize) -> Range<usize> {
        if self.first.is_empty() {
            return 0..cuts;
        }
        let step = self.step(value);
        self.first[step] as usize..self.first[step + 1] as usize
    }
}

#[cfg(test)]
mod tests {
    use learn::splitmix;

    use super::*;

    /// Every way to look for a cell of a value gives the same one, at cuts and beside them.
    #[track_caller]
    fn check(mut cuts: Vec<f64>) {
        cuts.sort_by(f64::total_cmp);
        let guide = Guide::new(&cuts);
        let beside = cuts
            .iter()
            .flat_map(|cut| [cut.next_down(), *cut, cut.next_up(), -cut, cut * 0.5]);
        let ends = [0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1.0, -1.0];
        for value in beside.chain(ends).filter(|value| value.is_finite()) {
            let near = guide.near(value, cuts.len());
            let found = near.start + cuts[near].partition_point(|cut| *cut <= value);
            assert_eq!(
                found,
                cuts.partition_point(|cut| *cut <= value),
                "{value:?} in {cuts:?}"
            );
        }
    }

    fn numbers(count: u64) -> impl Iterator<Item = f64> {
        (0..count).map(|row| splitmix::number(1, row) as f64 / u64::MAX as f64)
    }

    #[test]
    fn the_cell_is_that_of_a_search_through_all_cuts() {
        check(numbers(FEWEST as u64 - 1).collect());
        check(numbers(4096).collect());
        check(numbers(300).map(|number| number - 0.5).collect());
        check(numbers(300).map(|number| (1.0 / number).powi(40)).collect());
        check(numbers(300).map(|number| number * 1e-310).collect());
        check(
            numbers(300)
                .map(|number| (number - 0.5) * f64::MAX * 2.0)
                .collect(),
        );
        check(vec![7.0; 100]);
        check((0..100).map(f64::from).chain([1e300]).collect());
        check([f64::MIN; 20].into_iter().chain([f64::MAX; 20]).collect());
        let cut = 1e9_f64;
        check(
            std::iter::successors(Some(cut), |cut| Some(cut.next_up()))
                .take(50)
                .collect(),
        );
    }

    #[test]
    fn few_cuts_are_compared_with_a_value() {
        let mut cuts: Vec<f64> = numbers(4096).map(|number| number.powi(4)).collect();
        cuts.sort_by(f64::total_cmp);
        let guide = Guide::new(&cuts);
        let compared = cuts.iter().map(|cut| guide.near(*cut, cuts.len()).len());
        let compared: usize = compared.sum();
        assert!(compared < 100 * cuts.len(), "{compared}");
    }
}
