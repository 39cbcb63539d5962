//! What one pass keeps of a numeric column.

use serde::{Deserialize, Serialize};

use super::grid::{Grid, GridMismatch, OVERFLOW};

/// Values are gathered in groups of this many, so that their mean is subtracted before they are
/// squared.
const BLOCK: usize = 256;
/// Up to this many distinct values are counted one by one: flags, grades and small counts are
/// profiled exactly.
const DISTINCT: usize = 64;
const BUCKETS: usize = 2 * (OVERFLOW as usize + 1);

/// A mergeable profile of one numeric column: counts on a [`Grid`], nulls, range and moments.
///
/// Counts and range do not depend on the order of adding and merging. Mean and variance do by their
/// last bits: merge in a fixed order. About 55 kB in memory at any number of rows; JSON holds the
/// filled buckets only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Profile {
    grid: Grid,
    /// By bucket, from the lowest; the sum is `count`.
    buckets: Vec<u64>,
    count: u64,
    nulls: u64,
    nans: u64,
    infinities: u64,
    min: f64,
    max: f64,
    /// Mean distance from the grid's centre: a small spread far from zero keeps its digits.
    shift: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
    /// Every distinct value with its count, ascending; `None` once there were more than
    /// [`DISTINCT`].
    values: Option<Vec<(f64, u64)>>,
}

/// Finite values in one range of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistogramBin {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
    /// How many values lie between them.
    pub count: u64,
}

/// A stored profile contradicts itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("profile is damaged: {0}")]
pub struct ProfileError(&'static str);

impl Profile {
    /// Of no rows yet.
    pub fn new(grid: Grid) -> Self {
        Self {
            grid,
            buckets: vec![0; BUCKETS],
            count: 0,
            nulls: 0,
            nans: 0,
            infinities: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            shift: 0.0,
            squares: 0.0,
            values: Some(Vec::new()),
        }
    }

    /// Adds one value. [`Profile::add_all`] is faster.
    pub fn add(&mut self, value: f64) {
        self.add_all(&[value]);
    }

    /// Adds values; NaN and infinite ones are counted apart.
    pub fn add_all(&mut self, values: &[f64]) {
        let mut finite = [0.0; BLOCK];
        for chunk in values.chunks(BLOCK) {
            let mut count = 0;
            for &value in chunk {
                if value.is_finite() {
                    // -0 becomes 0: they are the same value.
                    finite[count] = value + 0.0;
                    count += 1;
                } else if value.is_nan() {
                    self.nans += 1;
                } else {
                    self.infinities += 1;
                }
            }
            if count > 0 {
                self.add_finite(&finite[..count]);
            }
        }
    }

    fn add_finite(&mut self, values: &[f64]) {
        for &value in values {
            self.buckets[position(self.grid.bucket(value))] += 1;
            self.min = self.min.min(value);
            self.max = self.max.max(value);
        }
        for &value in values {
            let Some(distinct) = &mut self.values else {
                break;
            };
            count_value(distinct, value, 1);
            if distinct.len() > DISTINCT {
                self.values = None;
            }
        }
        let rows = values.len() as f64;
        let center = self.grid.center();
        let shift = values.iter().map(|value| value - center).sum::<f64>() / rows;
        let squares = values
            .iter()
            .map(|value| (value - center - shift).powi(2))
            .sum();
        self.combine(values.len() as u64, shift, squares);
    }

    /// Adds `rows` nulls.
    pub fn add_nulls(&mut self, rows: u64) {
        self.nulls += rows;
    }

    /// Merges `other`, whose rows come after these.
    ///
    /// # Errors
    /// When the grids differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), GridMismatch> {
        self.grid.must_equal(&other.grid)?;
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *ours += theirs;
        }
        self.nulls += other.nulls;
        self.nans += other.nans;
        self.infinities += other.infinities;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if let (Some(ours), Some(theirs)) = (&mut self.values, &other.values) {
            for &(value, count) in theirs {
                count_value(ours, value, count);
            }
        }
        if other.values.is_none()
            || self
                .values
                .as_ref()
                .is_some_and(|values| values.len() > DISTINCT)
        {
            self.values = None;
        }
        if other.count > 0 {
            self.combine(other.count, other.shift, other.squares);
        }
        Ok(())
    }

    /// Chan, Golub and LeVeque's update of mean and variance.
    fn combine(&mut self, added: u64, shift: f64, squares: f64) {
        let before = self.count as f64;
        self.count += added;
        let share = added as f64 / self.count as f64;
        let apart = shift - self.shift;
        self.shift += apart * share;
        self.squares += if before == 0.0 {
            squares
        } else {
            squares + apart * apart * before * share
        };
    }

    /// The grid of the buckets.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Rows in all: finite values, nulls, NaN and infinities.
    pub fn rows(&self) -> u64 {
        self.count + self.nulls + self.nans + self.infinities
    }

    /// Finite values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Nulls.
    pub fn nulls(&self) -> u64 {
        self.nulls
    }

    /// Values that are NaN.
    pub fn nans(&self) -> u64 {
        self.nans
    }

    /// Values that are infinite, of either sign.
    pub fn infinities(&self) -> u64 {
        self.infinities
    }

    /// Smallest finite value.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest finite value.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// Mean of the finite values; `None` without any, or when it overflows.
    pub fn mean(&self) -> Option<f64> {
        let mean = if self.min == self.max {
            self.min
        } else {
            self.grid.center() + self.shift
        };
        (self.count > 0 && mean.is_finite()).then_some(mean)
    }

    /// Population variance of the finite values, exactly 0 for a constant; `None` without any, or
    /// when it overflows.
    pub fn variance(&self) -> Option<f64> {
        let variance = if self.min == self.max {
            0.0
        } else {
            self.squares / self.count as f64
        };
        (self.count > 0 && variance.is_finite()).then_some(variance)
    }

    /// Population standard deviation of the finite values.
    pub fn std(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// Distinct finite values with their counts, ascending; `None` where there are more than 64.
    pub fn values(&self) -> Option<&[(f64, u64)]> {
        self.values.as_deref()
    }

    /// The value below which a share `q` of the finite values lies: exact for few distinct values,
    /// else interpolated within a bucket. `None` without values, or when `q` is not from 0 to
    /// 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let target = q * self.count as f64;
        let mut below = 0;
        if let Some(values) = &self.values {
            let reached = values.iter().find(|(_, count)| {
                below += count;
                below as f64 >= target
            });
            return reached.or(values.last()).map(|&(value, _)| value);
        }
        for (bucket, count) in self.filled() {
            if (below + count) as f64 >= target {
                let (lower, upper) = self.span(bucket);
                let share = (target - below as f64) / count as f64;
                return Some((lower + share * (upper - lower)).clamp(self.min, self.max));
            }
            below += count;
        }
        Some(self.max)
    }

    /// Values that cut the finite values into ten parts as equal as the buckets allow. Fewer than
    /// nine where values repeat, none for a constant.
    pub fn edges_of_deciles(&self) -> Vec<f64> {
        self.decile_cuts()
            .into_iter()
            .map(|bucket| self.grid.cut(bucket))
            .collect()
    }

    /// Values that cut the finite values into cells at the given shares, in thousandths, as near as
    /// the buckets allow; the same value may not come twice, so there may be fewer. Of few
    /// distinct values every one has a cell of its own. A cut belongs to the cell above it.
    pub fn cuts(&self, thousandths: &[u16]) -> Vec<f64> {
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
    pub fn counts(&self, cuts: &[f64]) -> Vec<u64> {
        let mut counts = vec![0; cuts.len() + 1];
        for (value, count) in self.points() {
            counts[cuts.partition_point(|cut| *cut <= value)] += count;
        }
        counts
    }

    /// Buckets in which the second and later parts begin, ascending.
    pub(super) fn decile_cuts(&self) -> Vec<i32> {
        self.cuts_at(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 10)
    }

    /// Buckets in which the second and later of few distinct values lie: each has a cell of its
    /// own.
    pub(super) fn value_cuts(&self) -> Vec<i32> {
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

    /// `bins` ranges of equal width over all finite values, for a chart. A constant is one bin of
    /// no width. Empty without values or bins.
    pub fn histogram(&self, bins: usize) -> Vec<HistogramBin> {
        match (self.min(), self.max()) {
            (Some(min), Some(max)) => self.histogram_between(min, max, bins),
            _ => Vec::new(),
        }
    }

    /// `bins` ranges of equal width from `lower` to `upper`: two profiles over the same range make
    /// one chart. Values outside are left out. Each bucket counts in the bin of its middle; few
    /// distinct values are counted exactly.
    pub fn histogram_between(&self, lower: f64, upper: f64, bins: usize) -> Vec<HistogramBin> {
        let inside = |value: f64| (lower..=upper).contains(&value);
        let points = self.points();
        if lower == upper && bins > 0 {
            let count = points
                .iter()
                .filter(|(value, _)| inside(*value))
                .map(|(_, count)| count)
                .sum();
            return vec![HistogramBin {
                lower,
                upper,
                count,
            }];
        }
        // In halves, as the difference of two finite numbers can overflow.
        let width = (upper / 2.0 - lower / 2.0) / bins as f64;
        if !(width.is_finite() && width > 0.0) {
            return Vec::new();
        }
        let edge = |i: usize| {
            if i == bins {
                upper
            } else {
                2.0 * (lower / 2.0 + width * i as f64)
            }
        };
        let mut histogram: Vec<HistogramBin> = (0..bins)
            .map(|i| HistogramBin {
                lower: edge(i),
                upper: edge(i + 1),
                count: 0,
            })
            .collect();
        for (value, count) in points.into_iter().filter(|(value, _)| inside(*value)) {
            let bin = ((value / 2.0 - lower / 2.0) / width) as usize;
            histogram[bin.min(bins - 1)].count += count;
        }
        histogram
    }

    /// Filled buckets with their counts, ascending.
    pub(super) fn filled(&self) -> impl Iterator<Item = (i32, u64)> {
        self.buckets
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(position, &count)| (position as i32 - OVERFLOW - 1, count))
    }

    /// Ends of a filled bucket, within the range of the values.
    fn span(&self, bucket: i32) -> (f64, f64) {
        let within = |value: f64| value.clamp(self.min, self.max);
        (
            within(self.grid.cut(bucket)),
            within(self.grid.cut(bucket + 1)),
        )
    }
}

fn position(bucket: i32) -> usize {
    (bucket + OVERFLOW + 1) as usize
}

fn count_value(values: &mut Vec<(f64, u64)>, value: f64, count: u64) {
    match values.binary_search_by(|(other, _)| other.total_cmp(&value)) {
        Ok(at) => values[at].1 += count,
        Err(at) => values.insert(at, (value, count)),
    }
}

/// `None` when the sum overflows.
fn total(mut counts: impl Iterator<Item = u64>) -> Option<u64> {
    counts.try_fold(0, u64::checked_add)
}

/// How a profile is stored. Numbers that overflowed are null.
#[derive(Serialize, Deserialize)]
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
    /// Bucket and count of the filled ones, ascending.
    buckets: Vec<(i32, u64)>,
    values: Option<Vec<(f64, u64)>>,
}

impl From<Profile> for File {
    fn from(profile: Profile) -> Self {
        Self {
            grid: profile.grid,
            count: profile.count,
            nulls: profile.nulls,
            nans: profile.nans,
            infinities: profile.infinities,
            min: profile.min(),
            max: profile.max(),
            shift: Some(profile.shift).filter(|value| value.is_finite()),
            squares: Some(profile.squares).filter(|value| value.is_finite()),
            buckets: profile.filled().collect(),
            values: profile.values,
        }
    }
}

impl TryFrom<File> for Profile {
    type Error = ProfileError;

    fn try_from(file: File) -> Result<Self, ProfileError> {
        let mut profile = Self::new(file.grid);
        if !file.buckets.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(ProfileError("buckets are not in ascending order"));
        }
        if total(file.buckets.iter().map(|(_, count)| *count)) != Some(file.count) {
            return Err(ProfileError("the buckets do not sum up to the count"));
        }
        for (bucket, count) in file.buckets {
            if !(-OVERFLOW - 1..=OVERFLOW).contains(&bucket) {
                return Err(ProfileError("a bucket lies outside the grid"));
            }
            profile.buckets[position(bucket)] = count;
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
            (Some(min), Some(max)) if file.count > 0 && min <= max => {
                (profile.min, profile.max) = (min, max)
            }
            (None, None) if file.count == 0 => {}
            _ => return Err(ProfileError("min and max do not fit the count")),
        }
        if total([file.count, file.nulls, file.nans, file.infinities].into_iter()).is_none() {
            return Err(ProfileError("the counts overflow"));
        }
        Ok(Self {
            count: file.count,
            nulls: file.nulls,
            nans: file.nans,
            infinities: file.infinities,
            shift: file.shift.unwrap_or(f64::INFINITY),
            squares: file.squares.unwrap_or(f64::INFINITY),
            values: file.values,
            ..profile
        })
    }
}
