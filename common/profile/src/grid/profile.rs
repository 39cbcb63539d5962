//! What training kept of a numeric column.

use serde::{Deserialize, Serialize};

use super::buckets::{Grid, OVERFLOW};
use crate::cells::{Cells, CellsError, Counted, Counts, shares, whole_units};

/// Up to this many distinct values were counted one by one.
const DISTINCT: usize = 64;
/// A column of many values that has no more cells than these is cut at far values alone.
const FEWEST_CELLS: usize = 5;
/// Share of the training data in one such cell from which a shift can't be seen.
const MOST_IN_CELL: f64 = 0.5;

/// The profile of one numeric column: counts on a [`Grid`], range and moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "File")]
pub struct Profile {
    grid: Grid,
    count: u64,
    nulls: u64,
    nans: u64,
    infinities: u64,
    min: Option<f64>,
    max: Option<f64>,
    /// Mean distance from the grid's centre; null where it overflowed.
    shift: Option<f64>,
    /// Sum of squared distances from the mean; null where it overflowed.
    squares: Option<f64>,
    /// Bucket and count of the filled ones, ascending; the sum is `count`.
    buckets: Vec<(i32, u64)>,
    /// Every distinct value with its count, ascending, where there are at most [`DISTINCT`].
    values: Option<Vec<(f64, u64)>>,
}

/// A stored profile contradicts itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("profile is damaged: {0}")]
pub struct ProfileError(&'static str);

impl Profile {
    /// The grid of the buckets.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Finite values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Smallest finite value.
    pub fn min(&self) -> Option<f64> {
        self.min
    }

    /// Largest finite value.
    pub fn max(&self) -> Option<f64> {
        self.max
    }

    /// Mean of the finite values; `None` without any, or when it overflows.
    pub fn mean(&self) -> Option<f64> {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => Some(min),
            (None, _) | (_, None) => None,
            _ => Some(self.grid.center() + self.shift?).filter(|mean| mean.is_finite()),
        }
    }

    /// Population variance of the finite values, exactly 0 for a constant; `None` without any, or
    /// when it overflows.
    pub fn variance(&self) -> Option<f64> {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => Some(0.0),
            (None, _) | (_, None) => None,
            _ => Some(self.squares? / self.count as f64).filter(|variance| variance.is_finite()),
        }
    }

    /// Distinct finite values with their counts, ascending; `None` where there are more than 64.
    pub fn values(&self) -> Option<&[(f64, u64)]> {
        self.values.as_deref()
    }

    /// The cells that the profile comes to, with what it says of training: cut at the buckets that
    /// are nearest to the hundredths, or between few values.
    ///
    /// # Errors
    /// Numbers that contradict each other, which only a damaged file can bring about.
    pub fn counted(&self) -> Result<Counted, CellsError> {
        let cuts = self.cuts(&shares());
        let counts = self.counts(&cuts);
        let few = self.values.as_deref().unwrap_or_default();
        let around = match few.len() == cuts.len() + 1 {
            true => few.iter().map(|(value, _)| *value).collect(),
            false => Vec::new(),
        };
        let (center, scale) = (self.grid.center(), self.grid.scale());
        let count = self.count as f64;
        let mean = self.mean().map_or(0.0, |mean| (mean - center) / scale);
        let variance = self
            .variance()
            .map_or(0.0, |variance| variance.sqrt() / scale);
        let (framed, first) = frame(self.min.zip(self.max), cuts);
        let mut cells = vec![0; framed.len() + 1];
        for (cell, rows) in counts.iter().enumerate() {
            cells[first + cell] = *rows as i64;
        }
        let made = Cells::new((center, scale), self.min.zip(self.max), framed)?;
        Ok(Counted {
            cells: made.around_if(around),
            counts: Counts {
                nulls: self.nulls as i64,
                nans: self.nans as i64,
                minus_infinities: 0,
                plus_infinities: self.infinities as i64,
                sum: whole_units(mean * count),
                squares: whole_units((variance * variance + mean * mean) * count),
                cells,
            },
        })
    }

    /// Share of the training data in a cell within which rows may have moved unseen, as far as the
    /// profile alone says: far values have taken nearly all cells. [`Hidden`](super::Hidden) says
    /// more, because it sees the rows.
    pub fn hidden(&self) -> f64 {
        let counts = self.counts(&self.cuts(&shares()));
        let many = self
            .values
            .as_ref()
            .is_none_or(|values| values.len() != counts.len());
        let most = counts.iter().max().copied().unwrap_or(0);
        hidden(many, counts.len(), most as f64 / self.count.max(1) as f64)
    }

    /// Values of both, without their moments.
    pub(crate) fn together(&self, other: &Self) -> Self {
        let mut buckets = self.buckets.clone();
        buckets.extend_from_slice(&other.buckets);
        buckets.sort_unstable_by_key(|(bucket, _)| *bucket);
        let values = self.values.as_ref().zip(other.values.as_ref());
        let values = values.map(|(ours, theirs)| {
            let mut values = [&ours[..], theirs].concat();
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            summed(values)
        });
        let either = |a: Option<f64>, b: Option<f64>, of: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(of(a, b)),
            (a, b) => a.or(b),
        };
        Self {
            count: self.count + other.count,
            nulls: self.nulls + other.nulls,
            nans: self.nans + other.nans,
            infinities: self.infinities + other.infinities,
            min: either(self.min, other.min, f64::min),
            max: either(self.max, other.max, f64::max),
            shift: None,
            squares: None,
            buckets: summed(buckets),
            values: values.filter(|values| values.len() <= DISTINCT),
            grid: self.grid,
        }
    }

    /// Rows without a finite value.
    pub(crate) fn missing(&self) -> u64 {
        self.nulls + self.nans + self.infinities
    }

    /// Values that cut the finite values into cells at the given shares, in thousandths, as near as
    /// the buckets allow; the same value may not come twice, so there may be fewer. Of few
    /// distinct values every one has a cell of its own. A cut belongs to the cell above it.
    pub(crate) fn cuts(&self, thousandths: &[u16]) -> Vec<f64> {
        let cuts = match self.values {
            Some(_) => self.value_cuts(),
            None => self.cuts_at(thousandths, 1000),
        };
        // Below the centre the grid counts a cut to the bucket below it.
        cuts.into_iter()
            .map(|bucket| {
                if bucket < 0 {
                    self.grid.cut(bucket).next_up()
                } else {
                    self.grid.cut(bucket)
                }
            })
            .collect()
    }

    /// Finite values below the first of ascending `cuts`, between each two, and from the last on.
    /// Each bucket counts in the cell of its middle, which is exact where the cuts are those of
    /// [`Profile::cuts`] or values are few.
    pub(crate) fn counts(&self, cuts: &[f64]) -> Vec<u64> {
        let mut counts = vec![0; cuts.len() + 1];
        for (value, count) in self.points() {
            counts[cuts.partition_point(|cut| *cut <= value)] += count;
        }
        counts
    }

    /// Buckets in which the second and later of few distinct values lie: each has a cell of its
    /// own.
    fn value_cuts(&self) -> Vec<i32> {
        self.gaps().into_iter().map(|(_, cut)| cut).collect()
    }

    /// Buckets that cut the values at shares `1/of`, ascending, each once.
    fn cuts_at(&self, shares: &[u16], of: u16) -> Vec<i32> {
        let gaps = self.gaps();
        let mut cuts: Vec<i32> = shares
            .iter()
            .filter_map(|&share| {
                // In fractions of a row, to stay in whole numbers.
                let target = u128::from(share) * u128::from(self.count);
                let from =
                    gaps.partition_point(|(below, _)| u128::from(*below) * u128::from(of) < target);
                let near = &gaps[from.saturating_sub(1)..gaps.len().min(from + 1)];
                near.iter()
                    .min_by_key(|(below, _)| (u128::from(*below) * u128::from(of)).abs_diff(target))
                    .map(|&(_, cut)| cut)
            })
            .collect();
        cuts.dedup();
        cuts
    }

    /// Between each two filled buckets that follow each other: values below, and the bucket of the
    /// cut. It lies in the middle of the gap, so that noise around repeated values stays on its
    /// side.
    fn gaps(&self) -> Vec<(u64, i32)> {
        let filled: Vec<(i32, u64)> = self.filled().collect();
        let mut below = 0;
        filled
            .windows(2)
            .map(|pair| {
                below += pair[0].1;
                (below, pair[0].0 + 1 + (pair[1].0 - pair[0].0 - 1) / 2)
            })
            .collect()
    }

    /// Distinct values where they are few, else the middles of the filled buckets, with their
    /// counts.
    fn points(&self) -> Vec<(f64, u64)> {
        match &self.values {
            Some(values) => values.clone(),
            None => self
                .filled()
                .map(|(bucket, count)| {
                    let (from, to) = self.span(bucket);
                    (from / 2.0 + to / 2.0, count)
                })
                .collect(),
        }
    }

    /// Filled buckets with their counts, ascending.
    pub(super) fn filled(&self) -> impl Iterator<Item = (i32, u64)> {
        self.buckets.iter().copied()
    }

    /// Ends of a filled bucket, within the range of the values.
    fn span(&self, bucket: i32) -> (f64, f64) {
        let (min, max) = (
            self.min.unwrap_or(f64::NEG_INFINITY),
            self.max.unwrap_or(f64::INFINITY),
        );
        let within = |value: f64| value.clamp(min, max);
        (
            within(self.grid.cut(bucket)),
            within(self.grid.cut(bucket + 1)),
        )
    }
}

/// Of a column with so many cells, of which the largest holds such a share of the training data.
pub(crate) fn hidden(many: bool, cells: usize, most: f64) -> f64 {
    match many && cells <= FEWEST_CELLS && most >= MOST_IN_CELL {
        true => most,
        false => 0.0,
    }
}

/// Cuts with the ends of the training data beside them, so that what lies beyond these has cells of
/// its own, and how many cells there are before the first of the others.
pub(crate) fn frame(ends: Option<(f64, f64)>, cuts: Vec<f64>) -> (Vec<f64>, usize) {
    let Some((min, max)) = ends else {
        return (cuts, 0);
    };
    let first = cuts.first().is_none_or(|first| min <= *first);
    let after = max.next_up();
    let last = after.is_finite() && cuts.last().is_none_or(|last| *last <= after);
    let framed = first.then_some(min).into_iter().chain(cuts);
    (
        framed.chain(last.then_some(after)).collect(),
        usize::from(first),
    )
}

/// Counts of equal keys, which follow each other, put together.
fn summed<K: PartialEq>(counts: Vec<(K, u64)>) -> Vec<(K, u64)> {
    let mut sums: Vec<(K, u64)> = Vec::with_capacity(counts.len());
    for (key, count) in counts {
        match sums.last_mut().filter(|(last, _)| *last == key) {
            Some((_, sum)) => *sum += count,
            None => sums.push((key, count)),
        }
    }
    sums
}

/// `None` when the sum overflows.
fn total(mut counts: impl Iterator<Item = u64>) -> Option<u64> {
    counts.try_fold(0, u64::checked_add)
}

/// A profile as it is stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    grid: Grid,
    count: u64,
    nulls: u64,
    nans: u64,
    infinities: u64,
    min: Option<f64>,
    max: Option<f64>,
    shift: Option<f64>,
    squares: Option<f64>,
    buckets: Vec<(i32, u64)>,
    values: Option<Vec<(f64, u64)>>,
}

impl TryFrom<File> for Profile {
    type Error = ProfileError;

    fn try_from(file: File) -> Result<Self, ProfileError> {
        if !file.buckets.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(ProfileError("buckets are not in ascending order"));
        }
        if total(file.buckets.iter().map(|(_, count)| *count)) != Some(file.count) {
            return Err(ProfileError("the buckets do not sum up to the count"));
        }
        let inside = |bucket: &i32| (-OVERFLOW - 1..=OVERFLOW).contains(bucket);
        if !file.buckets.iter().all(|(bucket, _)| inside(bucket)) {
            return Err(ProfileError("a bucket lies outside the grid"));
        }
        if let Some(values) = &file.values {
            if values.len() > DISTINCT || !values.is_sorted_by(|a, b| a.0 < b.0) {
                return Err(ProfileError(
                    "values are too many or not in ascending order",
                ));
            }
            if total(values.iter().map(|(_, count)| *count)) != Some(file.count) {
                return Err(ProfileError("the values do not sum up to the count"));
            }
        }
        match (file.min, file.max) {
            (Some(min), Some(max)) if file.count > 0 && min <= max => {}
            (None, None) if file.count == 0 => {}
            _ => return Err(ProfileError("min and max do not fit the count")),
        }
        if total([file.count, file.nulls, file.nans, file.infinities].into_iter()).is_none() {
            return Err(ProfileError("the counts overflow"));
        }
        Ok(Self {
            grid: file.grid,
            count: file.count,
            nulls: file.nulls,
            nans: file.nans,
            infinities: file.infinities,
            min: file.min,
            max: file.max,
            shift: file.shift,
            squares: file.squares,
            buckets: file.buckets,
            values: file.values,
        })
    }
}

#[cfg(test)]
impl Profile {
    /// As training made it of such values.
    pub(super) fn of(grid: Grid, values: &[f64]) -> Self {
        use std::collections::BTreeMap;

        let (mut buckets, mut distinct) = (BTreeMap::new(), BTreeMap::new());
        for value in values {
            *buckets.entry(grid.bucket(*value)).or_insert(0_u64) += 1;
            *distinct.entry(value.to_bits()).or_insert(0_u64) += 1;
        }
        let rows = values.len() as f64;
        let shift = values
            .iter()
            .map(|value| value - grid.center())
            .sum::<f64>()
            / rows;
        let squares = values
            .iter()
            .map(|value| (value - grid.center() - shift).powi(2));
        let mut few: Vec<(f64, u64)> = distinct
            .iter()
            .map(|(bits, count)| (f64::from_bits(*bits), *count))
            .collect();
        few.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self {
            grid,
            count: values.len() as u64,
            nulls: 0,
            nans: 0,
            infinities: 0,
            min: values.iter().copied().reduce(f64::min),
            max: values.iter().copied().reduce(f64::max),
            shift: Some(shift).filter(|shift| shift.is_finite()),
            squares: Some(squares.sum()),
            buckets: buckets.into_iter().collect(),
            values: Some(few).filter(|few| few.len() <= DISTINCT),
        }
    }
}
