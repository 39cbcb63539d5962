//! Weighted mean and variance, by the method of Chan, Golub and LeVeque.

use serde::{Deserialize, Serialize};

use crate::squares::Squares;

/// Weight, mean, and weighted sum of squared differences from it.
///
/// The mean is kept with what rounding took from it: numbers far from zero and close to each other
/// would lose half of the digits of their variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) weight: f64,
    mean: f64,
    lost: f64,
    squares: Squares,
}

impl Moments {
    /// Of rows of one value.
    pub(super) fn of(value: f64, weight: f64) -> Self {
        Self {
            weight,
            mean: value,
            lost: 0.0,
            squares: Squares::default(),
        }
    }

    /// Of many values: their mean first, and then their differences from it.
    pub(super) fn of_all(values: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let (mut weight, mut sum) = (0.0, 0.0);
        for (value, w) in values.clone() {
            weight += w;
            sum += w * value;
        }
        if weight == 0.0 {
            return Self::default();
        }
        let mean = sum / weight;
        let around = |unit: f64| {
            let (mut squares, mut rest) = (0.0, 0.0);
            for (value, w) in values.clone() {
                let apart = (value - mean) * unit;
                squares += w * apart * apart;
                rest += w * apart;
            }
            (squares - rest * rest / weight, rest)
        };
        let (squares, rest) = around(1.0);
        Self {
            weight,
            mean,
            lost: rest / weight,
            squares: Squares::of(squares, |unit| around(unit).0),
        }
    }

    /// Adds rows of one value.
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        self.merge(&Self::of(value, weight));
    }

    /// Adds the rows of another.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.weight == 0.0 {
            return;
        }
        if self.weight == 0.0 {
            *self = *other;
            return;
        }
        let weight = self.weight + other.weight;
        let apart = (other.mean - self.mean) + (other.lost - self.lost);
        let step = self.lost + apart * (other.weight / weight);
        let mean = self.mean + step;
        // What the addition lost, whichever of both is larger (Knuth).
        let added = mean - self.mean;
        self.lost = (self.mean - (mean - added)) + (step - added);
        self.mean = mean;
        let weights = self.weight * other.weight / weight;
        let mut later = other.squares;
        later.add(|unit| (apart * unit) * (apart * unit) * weights);
        self.squares.merge(&later);
        self.weight = weight;
    }

    /// The mean, rounded once.
    pub(super) fn mean(&self) -> f64 {
        self.mean + self.lost
    }

    /// Sum of squared differences from the mean, over the weight.
    pub(super) fn variance(&self) -> f64 {
        let (variance, unit) = self.spread();
        variance / unit / unit
    }

    /// The variance in some unit, and this unit.
    fn spread(&self) -> (f64, f64) {
        if self.weight == 0.0 {
            return (0.0, 1.0);
        }
        let (variance, unit) = self.squares.variance(self.weight);
        (variance.max(0.0), unit)
    }

    /// What standardises these rows; none where the sums overflowed.
    pub(super) fn scale(&self) -> Option<Scale> {
        let mean = self.mean();
        let (variance, unit) = self.spread();
        // As scikit-learn: what rounding alone may have made is a constant, and is not scaled.
        let rounding = self.weight * mean * f64::EPSILON * unit;
        let constant = variance <= self.weight * f64::EPSILON * variance + rounding * rounding;
        let deviation = if constant {
            1.0
        } else {
            variance.sqrt() / unit
        };
        let scale = Scale { mean, deviation };
        scale.is_valid().then_some(scale)
    }
}

/// What standardises a column: (value - mean) / deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Of the training rows.
    pub mean: f64,
    /// Standard deviation of the training rows; 1 for a constant.
    pub deviation: f64,
}

impl Scale {
    /// A value, standardised.
    pub fn apply(&self, value: f64) -> f64 {
        (value - self.mean) / self.deviation
    }

    pub(super) fn is_valid(&self) -> bool {
        self.mean.is_finite() && self.deviation.is_finite() && self.deviation > 0.0
    }
}
