//! Where training cuts a column: from rows that are picked by their number, and counted exactly.

use super::{Cells, Counted, Counts};
use learn::splitmix;

/// Rows that are looked at for the cuts, about; all rows where there are no more. Which ones
/// depends on the number of each row alone, so the cuts are the same on any number of threads and
/// in any memory.
pub const SAMPLE: u64 = 1 << 14;
/// Fine cells that are counted before the cuts are chosen: each holds about so small a part of the
/// rows.
pub const FINE: usize = 1 << 12;
/// Up to so many distinct values have a cell each.
const FEW: usize = 64;
/// A value has a cell of its own where so many hundredths of the finite values are that value...
const SPIKE: u64 = 1;
/// ... and no fewer rows: that a few of few rows are alike is chance.
const SPIKE_ROWS: u64 = 10;

/// Picks about [`SAMPLE`] of so many rows.
#[derive(Clone, Copy, Debug)]
pub struct Picker {
    most: u64,
}

impl Picker {
    /// Of so many rows.
    pub fn of(rows: u64) -> Self {
        let most = match rows {
            0..=SAMPLE => u64::MAX,
            rows => ((u128::from(SAMPLE) << 64) / u128::from(rows)) as u64,
        };
        Self { most }
    }

    /// Whether a row is picked, by its number.
    pub fn picks(self, row: u64) -> bool {
        // A stride would meet with what repeats in the rows.
        splitmix::number(0, row) <= self.most
    }
}

/// Distinct finite values with their rows, ascending; [`None`] once there were more than `FEW`.
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct(Option<Vec<(f64, u64)>>);

impl Default for Distinct {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl Distinct {
    /// Counts a finite value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.add_times(value, 1);
    }

    fn add_times(&mut self, value: f64, times: u64) {
        let Some(values) = &mut self.0 else {
            return;
        };
        // -0 becomes 0: they are the same value.
        let value = value + 0.0;
        match values.binary_search_by(|(other, _)| other.total_cmp(&value)) {
            Ok(at) => values[at].1 += times,
            Err(_) if values.len() == FEW => self.0 = None,
            Err(at) => values.insert(at, (value, times)),
        }
    }

    /// Adds those of other rows.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            None => self.0 = None,
            Some(values) => values
                .iter()
                .for_each(|(value, rows)| self.add_times(*value, *rows)),
        }
    }

    /// The values with their rows; `None` where there are more than 64.
    pub fn values(&self) -> Option<&[(f64, u64)]> {
        self.0.as_deref()
    }
}

/// The first look at a column: its ends, its distinct values where they are few, and the values of
/// the rows that were picked.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    ends: Option<(f64, f64)>,
    count: u64,
    distinct: Distinct,
    picked: Vec<f64>,
}

impl Sketch {
    /// Looks at values of all rows.
    pub fn see(&mut self, values: &[f64]) {
        // One zero, whichever sign: which of two a minimum gives depends on the processor.
        let finite = || {
            let finite = values.iter().filter(|value| value.is_finite());
            finite.map(|value| value + 0.0)
        };
        let mut ends = self.ends.unwrap_or((f64::INFINITY, f64::NEG_INFINITY));
        let mut count = 0;
        for value in finite() {
            ends = (ends.0.min(value), ends.1.max(value));
            count += 1;
        }
        if count > 0 {
            self.ends = Some(ends);
            self.count += count;
        }
        if self.distinct.0.is_some() {
            finite().for_each(|value| self.distinct.add(value));
        }
    }

    /// Keeps the value of a row that is picked.
    pub fn keep(&mut self, value: f64) {
        if value.is_finite() {
            self.picked.push(value + 0.0);
        }
    }

    /// Least and greatest finite value.
    pub fn ends(&self) -> Option<(f64, f64)> {
        self.ends
    }

    /// The distinct finite values with their rows, ascending; `None` where there are more than 64.
    pub fn distinct(&self) -> Option<&[(f64, u64)]> {
        self.distinct.values()
    }

    /// Adds that of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.ends = match (self.ends, other.ends) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
        self.count += other.count;
        self.distinct.merge(&other.distinct);
        self.picked.extend_from_slice(&other.picked);
    }

    /// Cells to count all rows in, before their cuts are chosen: around each of few values, else at
    /// [`FINE`] quantiles of the picked rows and around the values that these repeat; and at the
    /// values of `fixed`, which stay cuts.
    pub fn fine(mut self, moments: (f64, f64), fixed: &[f64]) -> Fine {
        self.picked.sort_unstable_by(f64::total_cmp);
        // Where few rows are all there is, that each value is there says nothing.
        let few = self
            .distinct
            .values()
            .filter(|values| self.count >= 2 * values.len() as u64);
        let mut cuts: Vec<f64> = fixed.to_vec();
        if let Some((min, max)) = self.ends {
            cuts.extend([min, max.next_up()]);
        }
        let around = |value: f64| [value, value.next_up()];
        match few {
            Some(values) => cuts.extend(values.iter().flat_map(|(value, _)| around(*value))),
            None => {
                let step = self.picked.len().div_ceil(FINE).max(1);
                cuts.extend(self.picked.iter().step_by(step));
                // In half the share: what the sample says is near the truth.
                let enough = (self.picked.len() as u64 * SPIKE / 200).max(SPIKE_ROWS / 2);
                let runs = self.picked.chunk_by(|a, b| a == b);
                let repeated = runs.filter(|run| run.len() as u64 >= enough);
                cuts.extend(repeated.flat_map(|run| around(run[0])));
            }
        }
        cuts.retain(|cut| cut.is_finite());
        cuts.sort_unstable_by(f64::total_cmp);
        cuts.dedup();
        let is_few = few.is_some();
        Fine {
            cells: Cells::sorted(moments, self.ends, cuts),
            is_few,
            fixed: fixed.to_vec(),
        }
    }
}

/// Fine cells, of which cells are put together once they are counted.
#[derive(Clone, Debug)]
pub struct Fine {
    /// To count in.
    pub cells: Cells,
    is_few: bool,
    fixed: Vec<f64>,
}

/// The cells that were chosen, and which fine ones each takes in.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The cells.
    pub cells: Cells,
    /// The fine cell that each begins with.
    begins: Vec<usize>,
}

impl Fine {
    /// Cells at the cuts that are nearest to such shares of the rows, in thousandths, and around
    /// each value that a hundredth of the rows or more are. `rows` are counted by fine cell.
    pub fn coarse(&self, thousandths: &[u16], rows: &[i64]) -> Chosen {
        let cuts = self.cells.cuts();
        let mut sum = 0;
        // Rows below each cut.
        let below: Vec<u128> = rows
            .iter()
            .take(cuts.len())
            .map(|rows| {
                sum += *rows as u128;
                sum
            })
            .collect();
        let count: u128 = rows.iter().map(|rows| *rows as u128).sum();
        let inner = self.cells.inner();
        let mut kept = vec![false; cuts.len()];
        for cell in inner
            .clone()
            .filter(|cell| self.cells.value(*cell).is_some())
        {
            let rows = rows[cell] as u128;
            let is_spike =
                rows >= u128::from(SPIKE_ROWS) && rows * 100 >= u128::from(SPIKE) * count;
            if self.is_few || is_spike {
                kept[cell - 1] = true;
                kept[cell] = true;
            }
        }
        // The ends, where they are cuts.
        for end in [inner.start.checked_sub(1), Some(inner.end - 1)] {
            if let Some(kept) = end.and_then(|end| kept.get_mut(end)) {
                *kept = true;
            }
        }
        for (kept, cut) in kept.iter_mut().zip(cuts) {
            *kept |= self.fixed.contains(cut);
        }
        // A cut at the greatest value would make it look like one that repeats.
        let is_max = |at: &usize| Some(cuts[*at]) == self.cells.max();
        if !self.is_few {
            for share in thousandths {
                let target = u128::from(*share) * count;
                let from = below.partition_point(|below| below * 1000 < target);
                let near = from.saturating_sub(1)..below.len().min(from + 1);
                let near = near.filter(|at| !is_max(at));
                let nearest = near.min_by_key(|at| (below[*at] * 1000).abs_diff(target));
                if let Some(nearest) = nearest {
                    kept[nearest] = true;
                }
            }
        }
        let begins: Vec<usize> = (0..cuts.len())
            .filter(|at| kept[*at])
            .map(|at| at + 1)
            .collect();
        let (center, scale) = (self.cells.center(), self.cells.scale());
        let ends = self.cells.min().zip(self.cells.max());
        let chosen = begins.iter().map(|begin| cuts[begin - 1]).collect();
        Chosen {
            cells: Cells::sorted((center, scale), ends, chosen),
            begins: std::iter::once(0).chain(begins).collect(),
        }
    }
}

impl Chosen {
    /// Rows by fine cell, put together.
    pub fn rows(&self, fine: &[i64]) -> Vec<i64> {
        let ends = self.begins.iter().skip(1).copied().chain([fine.len()]);
        let ranges = self.begins.iter().copied().zip(ends);
        ranges
            .map(|(from, to)| fine[from..to].iter().sum())
            .collect()
    }

    /// What was counted by fine cell, in these.
    pub fn of(self, fine: &Counts) -> Counted {
        let counts = Counts {
            cells: self.rows(&fine.cells),
            ..fine.clone()
        };
        Counted {
            cells: self.cells,
            counts,
        }
    }
}
