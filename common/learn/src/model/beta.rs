//! Where a streamed pass is made: coordinates, and the parameters in them.

use super::sum::Sum;

/// The parameters of one streamed pass, in coordinates in which the fit is well conditioned:
/// z = (x - centre) * 2^-k, eta = intercept + coefficients . z.
///
/// The scale is a power of two, so that it rounds nothing: features that are exactly collinear
/// stay so, and the way back to the raw coefficients is exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Beta {
    pub(super) centre: Vec<f64>,
    pub(super) inverse_scale: Vec<f64>,
    pub(super) coefficients: Vec<f64>,
    pub(super) intercept: f64,
    /// Weight of a row of the negative and of the positive class.
    pub(super) weights: [f64; 2],
    /// The middle of the rows, in z, from which [`NewtonSums`](super::NewtonSums) measures how
    /// large the terms of the gradient are; it changes no other sum.
    pub(super) middle: Vec<f64>,
}

impl Beta {
    pub(super) fn moved(&self, step: &[f64], length: f64) -> Self {
        let mut next = self.clone();
        for (coefficient, step) in next.coefficients.iter_mut().zip(step) {
            *coefficient += length * step;
        }
        next.intercept += length * step[self.coefficients.len()];
        next
    }

    /// The coefficients, then the intercept.
    pub(super) fn all(&self) -> impl Iterator<Item = f64> {
        self.coefficients.iter().copied().chain([self.intercept])
    }

    /// On the way to other parameters, which are reached exactly at a length of 1: what is 0 there
    /// is 0 then.
    pub(super) fn towards(&self, target: &[f64], length: f64) -> Self {
        let step = self.all().zip(target).map(|(from, to)| to - from);
        let mut next = self.moved(&step.collect::<Vec<f64>>(), length);
        if length == 1.0 {
            let (slopes, intercept) = target.split_at(self.coefficients.len());
            next.coefficients.copy_from_slice(slopes);
            next.intercept = intercept.iter().sum();
        }
        next
    }

    /// The same parameters, measured from another middle.
    pub(super) fn around(self, middle: Vec<f64>) -> Self {
        Self { middle, ..self }
    }

    /// The same function of x in other coordinates.
    pub(super) fn in_coordinates(&self, centre: Vec<f64>, inverse_scale: Vec<f64>) -> Self {
        let mut intercept = Sum::default();
        intercept.add(self.intercept);
        let mut coefficients = Vec::with_capacity(centre.len());
        for (j, coefficient) in self.coefficients.iter().enumerate() {
            let shift = (centre[j] - self.centre[j]) * self.inverse_scale[j];
            intercept.add(coefficient * shift);
            coefficients.push(coefficient * (self.inverse_scale[j] / inverse_scale[j]));
        }
        Self {
            middle: vec![0.0; centre.len()],
            centre,
            inverse_scale,
            coefficients,
            intercept: intercept.value(),
            weights: self.weights,
        }
    }

    /// Coefficients and intercept for raw features.
    pub(super) fn raw(&self) -> (Vec<f64>, f64) {
        let mut intercept = Sum::default();
        intercept.add(self.intercept);
        let mut coefficients = Vec::with_capacity(self.coefficients.len());
        for ((coefficient, scale), centre) in self
            .coefficients
            .iter()
            .zip(&self.inverse_scale)
            .zip(&self.centre)
        {
            let raw = coefficient * scale;
            intercept.add(-raw * centre);
            coefficients.push(raw);
        }
        (coefficients, intercept.value())
    }
}
