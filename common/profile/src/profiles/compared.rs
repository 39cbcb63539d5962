//! How far what was counted lies from the training data, as far as cells tell.

use super::{FeatureBaseline, FeatureCounts, LabelCounts, ScoreBaseline, ScoreCounts};
use crate::drift::{Ks, NoiseFloor, Psi, PsiBucket, PsiKind};

/// A column of many values that has no more cells than these is cut at far values alone.
const FEWEST_CELLS: usize = 5;
/// Share of the training data in one such cell from which a shift can't be seen.
const MOST_IN_CELL: f64 = 0.5;

/// A column in the cells of a baseline: in training, and as it was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    cuts: Vec<f64>,
    /// The value of each cell, where training had few; empty where it had many; `None` where that
    /// is not known.
    values: Option<Vec<f64>>,
    low: Option<f64>,
    high: Option<f64>,
    /// In training.
    pub then: Side,
    /// As it was counted.
    pub now: Side,
}

/// One side of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// Nulls and NaN.
    pub missing: u64,
    /// Infinite values.
    pub infinite: u64,
    /// Values below everything in the training data, which are in the first cell too.
    pub below: u64,
    /// Values above everything in the training data, which are in the last cell too.
    pub above: u64,
    /// Finite values by cell.
    pub cells: Vec<u64>,
    /// Whether all finite values are the one value of their cell.
    exact: bool,
    /// Mean of the finite values.
    pub mean: Option<f64>,
    /// Population standard deviation of the finite values.
    pub std: Option<f64>,
}

/// Values between two edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
    /// Values in training.
    pub then: u64,
    /// Values as they were counted.
    pub now: u64,
}

impl FeatureBaseline {
    /// Beside the training data.
    pub fn compared(&self, now: &FeatureCounts) -> Compared {
        let few = self.values.as_deref().filter(|values| !values.is_empty());
        let side = |counts: &FeatureCounts, exact: bool| Side {
            exact,
            missing: (counts.nulls + counts.nans) as u64,
            infinite: counts.infinities as u64,
            below: counts.below as u64,
            above: counts.above as u64,
            cells: counts.cells.iter().map(|cell| *cell as u64).collect(),
            mean: counts.mean(self),
            std: counts.std(self),
        };
        Compared {
            then: side(&self.reference, few.is_some()),
            now: side(now, few.is_some_and(|values| now.is_of(self, values))),
            cuts: self.cuts.clone(),
            values: self.values.clone(),
            low: self.min,
            high: self.max,
        }
    }
}

impl ScoreBaseline {
    /// Beside the scores of the training data.
    pub fn compared(&self, now: &ScoreCounts) -> Compared {
        Compared {
            cuts: self.cuts.clone(),
            values: None,
            low: Some(0.0),
            high: Some(1.0),
            then: Side::of_scores(&self.reference),
            now: Side::of_scores(now),
        }
    }
}

impl Side {
    fn of_scores(counts: &ScoreCounts) -> Self {
        let of =
            |number: fn(&LabelCounts) -> f64| counts.all().into_iter().map(number).sum::<f64>();
        let mut cells = Vec::new();
        for counts in counts.all() {
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
        Self {
            missing: counts
                .all()
                .into_iter()
                .map(|counts| counts.unscored as u64)
                .sum(),
            cells,
            mean: some(mean),
            std: some(variance.max(0.0).sqrt()),
            ..Self::default()
        }
    }

    /// Finite values.
    pub fn count(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// Rows in all.
    pub fn rows(&self) -> u64 {
        self.count() + self.missing + self.infinite
    }
}

impl Compared {
    /// Population stability index over the deciles of the training data, which are among the cuts,
    /// or over its values where they are few: that of a report, but for values within a bucket
    /// of the training data's ends. `None` when a side has no rows.
    pub fn psi(&self, floor: &NoiseFloor) -> Option<Psi> {
        let edges = match self.few() {
            Some(_) => (0..self.cuts.len()).collect(),
            None => self.deciles(),
        };
        let sum = |side: &Side, from: usize, to: usize| side.cells[from..to].iter().sum::<u64>();
        let mut buckets = vec![
            PsiBucket::new(
                PsiKind::Missing,
                None,
                None,
                self.then.missing,
                self.now.missing,
            ),
            PsiBucket::new(
                PsiKind::Infinite,
                None,
                None,
                self.then.infinite,
                self.now.infinite,
            ),
            PsiBucket::new(
                PsiKind::Below,
                None,
                self.low,
                self.then.below,
                self.now.below,
            ),
        ];
        // Cells from one decile up to before the next; what lies beyond the ends has buckets of its
        // own.
        let last = edges.len();
        for part in 0..=last {
            let from = part.checked_sub(1).map_or(0, |before| edges[before] + 1);
            let to = edges
                .get(part)
                .map_or(self.then.cells.len(), |edge| edge + 1);
            let lower = part
                .checked_sub(1)
                .map_or(self.low, |before| Some(self.cuts[edges[before]]));
            let upper = edges
                .get(part)
                .map_or(self.high, |edge| Some(self.cuts[*edge]));
            let beyond = |side: &Side| {
                let below = if part == 0 { side.below } else { 0 };
                below + if part == last { side.above } else { 0 }
            };
            let rows = |side: &Side| sum(side, from, to).saturating_sub(beyond(side));
            buckets.push(PsiBucket::new(
                PsiKind::Range,
                lower,
                upper,
                rows(&self.then),
                rows(&self.now),
            ));
        }
        buckets.push(PsiBucket::new(
            PsiKind::Above,
            self.high,
            None,
            self.then.above,
            self.now.above,
        ));
        Psi::of(buckets, floor)
    }

    /// The cuts that are nearest to the deciles of the training data, ascending, each once, as a
    /// report chooses them.
    pub fn deciles(&self) -> Vec<usize> {
        let mut below = 0_u128;
        let sums: Vec<u128> = self
            .then
            .cells
            .iter()
            .take(self.cuts.len())
            .map(|cell| {
                below += u128::from(*cell);
                below
            })
            .collect();
        let count = u128::from(self.then.count());
        let inner: Vec<usize> = (0..sums.len())
            .filter(|&cut| 0 < sums[cut] && sums[cut] < count)
            .collect();
        let mut cuts: Vec<usize> = (1..10_u128)
            .filter_map(|tenth| {
                inner
                    .iter()
                    .copied()
                    .min_by_key(|&cut| (sums[cut] * 10).abs_diff(tenth * count))
            })
            .collect();
        cuts.dedup();
        cuts
    }

    /// Buckets that [`Compared::psi`] has at most.
    pub fn buckets(&self) -> usize {
        let edges = match self.few() {
            Some(_) => self.cuts.len(),
            None => self.deciles().len(),
        };
        edges + 5
    }

    fn few(&self) -> Option<&[f64]> {
        self.values.as_deref().filter(|values| !values.is_empty())
    }

    /// The value of each cell, where both sides hold no others.
    fn exact(&self) -> Option<&[f64]> {
        self.few()
            .filter(|_| self.then.exact && (self.now.exact || self.now.count() == 0))
    }

    /// Share of the training data in a cell within which rows may have moved unseen: far values
    /// have taken nearly all cells. A report tells more, because it reads the rows.
    pub fn hidden(&self) -> f64 {
        let many = self.values.as_ref().is_some_and(Vec::is_empty);
        let most = self.then.cells.iter().max().copied().unwrap_or(0);
        let share = most as f64 / self.then.count().max(1) as f64;
        match many && self.then.cells.len() <= FEWEST_CELLS {
            true if share >= MOST_IN_CELL => share,
            _ => 0.0,
        }
    }

    /// Kolmogorov and Smirnov's distance at the cuts. `None` when a side has no finite values.
    pub fn ks(&self) -> Option<Ks> {
        let ks = Ks::of_cells(&self.then.cells, &self.now.cells, |_| false)?;
        Some(match self.exact() {
            Some(_) => Ks {
                error_bound: 0.0,
                ..ks
            },
            None => ks,
        })
    }

    /// The median of a side: exact for the few values of training, else interpolated within its
    /// cell; `None` without values.
    pub fn median(&self, side: &Side) -> Option<f64> {
        let half = side.count() as f64 / 2.0;
        let mut below = 0.0;
        for (index, cell) in side.cells.iter().enumerate() {
            let count = *cell as f64;
            if count > 0.0 && below + count >= half {
                if let Some(values) = self.few().filter(|_| side.exact) {
                    return values.get(index).copied();
                }
                let (from, to) = self.edges(index)?;
                return Some(from + (to - from) * (half - below) / count);
            }
            below += count;
        }
        None
    }

    /// Both sides over bars of equal width between the ends of the training data, each cell spread
    /// evenly: for the eye. Few values have a bar of no width each.
    pub fn bars(&self, bars: usize) -> Vec<Cell> {
        if let Some(values) = self.exact().filter(|values| values.len() <= bars) {
            let sides = self.then.cells.iter().zip(&self.now.cells);
            let bar = |(&value, (&then, &now)): (&f64, (&u64, &u64))| Cell {
                lower: value,
                upper: value,
                then,
                now,
            };
            return values.iter().zip(sides).map(bar).collect();
        }
        let Some((low, high)) = self.middle().filter(|(low, high)| low < high) else {
            return Vec::new();
        };
        let edge = |bar: usize| low + (high - low) * bar as f64 / bars as f64;
        let shares = |side: &Side| -> Vec<f64> {
            (0..=bars).map(|bar| self.below(side, edge(bar))).collect()
        };
        let (then, now) = (shares(&self.then), shares(&self.now));
        let between =
            |sums: &[f64], bar: usize| (sums[bar + 1] - sums[bar]).round().max(0.0) as u64;
        (0..bars)
            .map(|bar| Cell {
                lower: edge(bar),
                upper: edge(bar + 1),
                then: between(&then, bar),
                now: between(&now, bar),
            })
            .collect()
    }

    /// Where bars begin and end: far values would squeeze the rest.
    fn middle(&self) -> Option<(f64, f64)> {
        match self.cuts.len() {
            0 => Some((self.low?, self.high?)),
            few if few < 20 => Some((
                self.low?.min(self.cuts[0]),
                self.high?.max(self.cuts[few - 1]),
            )),
            many if self.low == Some(0.0)
                && self.high == Some(1.0)
                && self.cuts[many - 1] < 1.0 =>
            {
                Some((0.0, 1.0))
            }
            many => Some((self.cuts[0], self.cuts[many - 1])),
        }
    }

    /// Values of a side below `value`, each cell spread evenly.
    fn below(&self, side: &Side, value: f64) -> f64 {
        let index = self.cuts.partition_point(|cut| *cut <= value);
        let before: u64 = side.cells[..index].iter().sum();
        let part = self
            .edges(index)
            .filter(|(from, to)| from < to)
            .map_or(0.0, |(from, to)| {
                ((value - from) / (to - from)).clamp(0.0, 1.0)
            });
        before as f64 + side.cells[index] as f64 * part
    }

    /// Edges of a cell; those of the outer ones are the ends of the training data.
    fn edges(&self, index: usize) -> Option<(f64, f64)> {
        let lower = index
            .checked_sub(1)
            .map_or(self.low, |below| Some(self.cuts[below]));
        let upper = self.cuts.get(index).copied().or(self.high);
        Some((lower.or(upper)?, upper.or(lower)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{self, Grid, Profile};

    fn baseline(profile: &Profile) -> FeatureBaseline {
        let cuts = profile.cuts(&super::super::feature_shares());
        FeatureBaseline {
            name: "x".to_owned(),
            center: profile.grid().center(),
            scale: profile.grid().scale(),
            min: profile.min(),
            max: profile.max(),
            values: Some(super::super::values_in_cells(profile, &cuts)),
            reference: FeatureCounts::of_profile(profile, &cuts),
            cuts,
        }
    }

    /// Spread without a pattern over 0 to 1.
    fn spread(count: usize, seed: usize) -> impl Iterator<Item = f64> {
        (0..count).map(move |i| ((i * 7_919 + seed * 104_729) % 10_007) as f64 / 10_007.0)
    }

    #[test]
    fn the_index_and_the_distance_are_those_of_whole_profiles() {
        let floor = NoiseFloor::of(3);
        for (name, then, now) in [
            (
                "moved",
                spread(9_000, 1).collect::<Vec<f64>>(),
                spread(4_000, 2)
                    .map(|x| x * 0.8 + 0.3)
                    .collect::<Vec<f64>>(),
            ),
            (
                "same",
                spread(9_000, 3).collect(),
                spread(3_000, 4).collect(),
            ),
            (
                "few values",
                spread(9_000, 5).map(|x| (x * 5.0).floor()).collect(),
                spread(900, 6).map(|x| (x * x * 6.0).floor()).collect(),
            ),
            (
                "missing",
                spread(2_000, 7).collect(),
                spread(500, 8)
                    .map(|x| if x < 0.2 { f64::NAN } else { x })
                    .collect(),
            ),
        ] {
            let mut reference = Profile::new(Grid::new(0.5, 0.5));
            reference.add_all(&then);
            let mut current = Profile::new(reference.grid());
            current.add_all(&now);
            let baseline = baseline(&reference);
            let mut counts = FeatureCounts::new(&baseline);
            now.iter()
                .for_each(|value| counts.add(&baseline, *value, 1));
            let compared = baseline.compared(&counts);
            let (ours, theirs) = (
                compared.psi(&floor).unwrap(),
                drift::psi(&reference, &current, &floor).unwrap().unwrap(),
            );
            // Values within a bucket of the ends may count on the other side of them.
            assert!(
                (ours.value - theirs.value).abs() < 2e-3,
                "{name}: {} {}",
                ours.value,
                theirs.value
            );
            assert_eq!(
                (ours.reference_rows, ours.current_rows),
                (theirs.reference_rows, theirs.current_rows),
                "{name}"
            );
            let (ours, theirs) = (
                compared.ks().unwrap().statistic,
                drift::ks(&reference, &current).unwrap().unwrap().statistic,
            );
            assert!(
                ours <= theirs + 1e-12 && theirs - ours < 0.02,
                "{name}: {ours} {theirs}"
            );
            let finite: Vec<f64> = {
                let mut finite: Vec<f64> = now.iter().copied().filter(|x| x.is_finite()).collect();
                finite.sort_by(f64::total_cmp);
                finite
            };
            let median = compared.median(&compared.now).unwrap();
            if name != "few values" {
                assert!(
                    (median - finite[finite.len() / 2]).abs() < 0.02,
                    "{name}: {median}"
                );
            }
            let drawn: u64 = compared.bars(32).iter().map(|bar| bar.now).sum();
            assert!(drawn <= finite.len() as u64 + 32, "{name}: {drawn}");
        }
    }

    #[test]
    fn nothing_counted_is_compared_with_nothing() {
        let mut reference = Profile::new(Grid::new(0.0, 1.0));
        reference.add_all(&[1.0, 2.0, 3.0]);
        let baseline = baseline(&reference);
        let compared = baseline.compared(&FeatureCounts::new(&baseline));
        assert_eq!(
            (
                compared.psi(&NoiseFloor::of(1)),
                compared.ks(),
                compared.median(&compared.now)
            ),
            (None, None, None)
        );
    }
}
