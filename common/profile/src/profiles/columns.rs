//! What is counted of one column.

use serde::{Deserialize, Serialize};

use super::{FeatureBaseline, cell};
use crate::drift;
use crate::reference::ScoreProfile;

/// Sums are kept in units of 2^-50: as whole numbers they are the same in any order.
pub const UNIT: f64 = (1_u64 << 50) as f64;
/// Probabilities and their squares are kept in units of 2^-30, so that 8 * 10^9 rows of a day fit
/// 63 bits.
const SCORE_UNIT: f64 = (1_u64 << 30) as f64;
/// Farther from the centre, in units of the scale, values count as this far in sums; the grid of a
/// reference ends there.
const FARTHEST: f64 = 1_048_576.0;
/// Below it a square fits 63 bits in units of 2^-50.
const SMALL_SQUARE: f64 = 4_096.0;

/// What is counted of a feature. Negative numbers only stand in what is to be taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureCounts {
    /// Nulls.
    pub nulls: i64,
    /// NaN.
    pub nans: i64,
    /// Infinite values of either sign.
    pub infinities: i64,
    /// Values below everything in the training data.
    pub below: i64,
    /// Values above everything in the training data.
    pub above: i64,
    /// Sum of z = (value - center) / scale over finite values, in units of [`UNIT`]; |z| counts as
    /// 2^20 at most.
    pub sum: i128,
    /// Sum of the squares of z.
    pub squares: i128,
    /// Finite values by cell.
    pub cells: Vec<i64>,
}

impl FeatureCounts {
    pub(super) fn new(baseline: &FeatureBaseline) -> Self {
        Self {
            cells: vec![0; baseline.cuts.len() + 1],
            ..Self::default()
        }
    }

    /// The training data in the cells of a baseline.
    pub(super) fn of_profile(profile: &drift::Profile, cuts: &[f64]) -> Self {
        let (center, scale) = (profile.grid().center(), profile.grid().scale());
        let count = profile.count() as f64;
        let mean = profile.mean().map_or(0.0, |mean| (mean - center) / scale);
        let variance = profile.std().map_or(0.0, |std| (std / scale).powi(2));
        let whole = |value: f64| (value * UNIT).round_ties_even() as i128;
        Self {
            nulls: profile.nulls() as i64,
            nans: profile.nans() as i64,
            infinities: profile.infinities() as i64,
            below: 0,
            above: 0,
            sum: whole(mean * count),
            squares: whole((variance + mean * mean) * count),
            cells: profile
                .counts(cuts)
                .into_iter()
                .map(|count| count as i64)
                .collect(),
        }
    }

    /// Adds a value `times` times; -1 takes it off.
    #[inline]
    pub fn add(&mut self, baseline: &FeatureBaseline, value: f64, times: i64) {
        if value.is_nan() {
            self.nans += times;
        } else if value.is_infinite() {
            self.infinities += times;
        } else {
            self.cells[cell(&baseline.cuts, value)] += times;
            self.below += i64::from(baseline.min.is_some_and(|min| value < min)) * times;
            self.above += i64::from(baseline.max.is_some_and(|max| value > max)) * times;
            let (first, second) = units_of(baseline, value);
            self.sum += first * i128::from(times);
            self.squares += second * i128::from(times);
        }
    }

    /// Whether all finite values are the one value of their cell.
    pub(super) fn is_of(&self, baseline: &FeatureBaseline, values: &[f64]) -> bool {
        let (mut sum, mut squares) = (0_i128, 0_i128);
        for (value, count) in values.iter().zip(&self.cells) {
            let (first, second) = units_of(baseline, *value);
            sum += first * i128::from(*count);
            squares += second * i128::from(*count);
        }
        (sum, squares) == (self.sum, self.squares)
    }

    /// Counts rows without a value; a negative number takes them off.
    pub fn add_nulls(&mut self, times: i64) {
        self.nulls += times;
    }

    /// Finite values.
    pub fn count(&self) -> i64 {
        self.cells.iter().sum()
    }

    /// Rows in all.
    pub fn rows(&self) -> i64 {
        self.count() + self.nulls + self.nans + self.infinities
    }

    /// Mean of the finite values; `None` without any.
    pub fn mean(&self, baseline: &FeatureBaseline) -> Option<f64> {
        self.moments()
            .map(|(mean, _)| baseline.center + baseline.scale * mean)
    }

    /// Population standard deviation of the finite values; `None` without any.
    pub fn std(&self, baseline: &FeatureBaseline) -> Option<f64> {
        self.moments()
            .map(|(_, variance)| baseline.scale * variance.max(0.0).sqrt())
    }

    /// Mean and variance of z.
    fn moments(&self) -> Option<(f64, f64)> {
        let count = self.count() as f64;
        let mean = self.sum as f64 / UNIT / count;
        (count > 0.0).then(|| (mean, self.squares as f64 / UNIT / count - mean * mean))
    }

    /// Whether the numbers fit a baseline and none is negative.
    pub fn is_sound(&self, cells: usize) -> bool {
        let counts = [
            self.nulls,
            self.nans,
            self.infinities,
            self.below,
            self.above,
            self.count(),
        ];
        self.cells.len() == cells
            && self.cells.iter().chain(&counts).all(|count| *count >= 0)
            && self.squares >= 0
    }

    /// Adds others, whose cells are the same; `None` when a number overflows.
    pub(super) fn merge(&mut self, other: &Self) -> Option<()> {
        for (ours, theirs) in [
            (&mut self.nulls, other.nulls),
            (&mut self.nans, other.nans),
            (&mut self.infinities, other.infinities),
            (&mut self.below, other.below),
            (&mut self.above, other.above),
        ]
        .into_iter()
        .chain(self.cells.iter_mut().zip(other.cells.iter().copied()))
        {
            *ours = ours.checked_add(theirs)?;
        }
        self.sum = self.sum.checked_add(other.sum)?;
        self.squares = self.squares.checked_add(other.squares)?;
        Some(())
    }
}

/// What a value adds to the sum and to the sum of squares.
#[inline]
fn units_of(baseline: &FeatureBaseline, value: f64) -> (i128, i128) {
    let z = ((value - baseline.center) * (1.0 / baseline.scale)).clamp(-FARTHEST, FARTHEST);
    (units(z), units(z * z))
}

fn units(value: f64) -> i128 {
    let whole = (value * UNIT).round_ties_even();
    // The wide conversion is a call.
    if value.abs() < SMALL_SQUARE {
        i128::from(whole as i64)
    } else {
        whole as i128
    }
}

/// What is counted of the probability of the positive class, apart for rows without a label, of the
/// negative and of the positive class. Sums are in units of 2^-30.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreCounts {
    /// Rows whose label is not known.
    pub unlabelled: LabelCounts,
    /// Rows of the negative class.
    pub negative: LabelCounts,
    /// Rows of the positive class.
    pub positive: LabelCounts,
}

/// What is counted of the scores of one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelCounts {
    /// Rows without a score.
    pub unscored: i64,
    /// Sum of the scores.
    pub sum: i64,
    /// Sum of the squares of the scores.
    pub squares: i64,
    /// Scored rows by cell.
    pub cells: Vec<i64>,
}

impl ScoreCounts {
    /// Of no rows yet, with a cell more than cuts.
    pub fn new(cuts: &[f64]) -> Self {
        let empty = LabelCounts {
            cells: vec![0; cuts.len() + 1],
            ..LabelCounts::default()
        };
        Self {
            unlabelled: empty.clone(),
            negative: empty.clone(),
            positive: empty,
        }
    }

    pub(super) fn of_profiles(profiles: &ScoreProfile, cuts: &[f64]) -> Self {
        let counts = |profile: &drift::Profile| {
            let count = profile.count() as f64;
            let (mean, variance) = (
                profile.mean().unwrap_or(0.0),
                profile.variance().unwrap_or(0.0),
            );
            LabelCounts {
                unscored: (profile.rows() - profile.count()) as i64,
                sum: score_units(mean * count),
                squares: score_units((variance + mean * mean) * count),
                cells: profile
                    .counts(cuts)
                    .into_iter()
                    .map(|count| count as i64)
                    .collect(),
            }
        };
        Self {
            unlabelled: Self::new(cuts).unlabelled,
            negative: counts(&profiles.negative),
            positive: counts(&profiles.positive),
        }
    }

    /// The counts of a label.
    pub fn of(&self, label: Option<u8>) -> &LabelCounts {
        match label {
            None => &self.unlabelled,
            Some(0) => &self.negative,
            Some(_) => &self.positive,
        }
    }

    /// Adds a row `times` times; -1 takes it off.
    #[inline]
    pub fn add(&mut self, cuts: &[f64], score: Option<f64>, label: Option<u8>, times: i64) {
        let counts = match label {
            None => &mut self.unlabelled,
            Some(0) => &mut self.negative,
            Some(_) => &mut self.positive,
        };
        match score {
            Some(score) => {
                counts.cells[cell(cuts, score)] += times;
                counts.sum += score_units(score) * times;
                counts.squares += score_units(score * score) * times;
            }
            None => counts.unscored += times,
        }
    }

    pub(super) fn all(&self) -> [&LabelCounts; 3] {
        [&self.unlabelled, &self.negative, &self.positive]
    }

    pub(super) fn merge(&mut self, other: &Self) -> Option<()> {
        self.unlabelled.merge(&other.unlabelled)?;
        self.negative.merge(&other.negative)?;
        self.positive.merge(&other.positive)
    }
}

impl LabelCounts {
    /// Rows with a score.
    pub fn scored(&self) -> i64 {
        self.cells.iter().sum()
    }

    /// Sum of the scores.
    pub fn score_sum(&self) -> f64 {
        self.sum as f64 / SCORE_UNIT
    }

    /// Sum of the squares of the scores.
    pub fn score_squares(&self) -> f64 {
        self.squares as f64 / SCORE_UNIT
    }

    /// Whether the numbers fit that many cells and none is negative.
    pub fn is_sound(&self, cells: usize) -> bool {
        let sums = [self.unscored, self.sum, self.squares];
        self.cells.len() == cells && self.cells.iter().chain(&sums).all(|number| *number >= 0)
    }

    fn merge(&mut self, other: &Self) -> Option<()> {
        let numbers = [
            (&mut self.unscored, other.unscored),
            (&mut self.sum, other.sum),
            (&mut self.squares, other.squares),
        ];
        for (ours, theirs) in numbers
            .into_iter()
            .chain(self.cells.iter_mut().zip(other.cells.iter().copied()))
        {
            *ours = ours.checked_add(theirs)?;
        }
        Some(())
    }
}

fn score_units(score: f64) -> i64 {
    (score * SCORE_UNIT).round_ties_even() as i64
}
