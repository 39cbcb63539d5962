//! The objective and its derivatives at one point.

use super::beta::Beta;

/// A gradient is zero from this share of its terms on: see [`Point::relative_gradient`]. Newton's
/// method ends far below, at 1e-12 or less, or does not end near it at all.
const STATIONARY: f64 = 1e-7;
/// Of the curvature along a coordinate: where less is left of it beside the intercept, sixteen
/// digits do not separate the two.
const UNRESOLVED: f64 = 1e-14;

/// Objective and derivatives at one point, in its own coordinates.
pub(super) struct Point {
    pub(super) beta: Beta,
    pub(super) objective: f64,
    pub(super) gradient: Vec<f64>,
    pub(super) hessian: Vec<f64>,
    /// What the size of each coordinate costs beside, the intercept's last: no part of `gradient`.
    pub(super) l1: Vec<f64>,
    /// Of the Hessian of the loss without the penalty, by coefficient.
    pub(super) curvature: Vec<f64>,
    /// In raw coordinates, of objective / rows.
    pub(super) max_gradient: f64,
    /// Largest component of the gradient as a share of the terms that it sums: 0 where these
    /// cancel, 1 where all push the same way, whatever the scale and offset of the features.
    pub(super) relative_gradient: f64,
    /// The coefficient that it belongs to; the number of features for the intercept.
    pub(super) steepest: usize,
    /// Mean and variance of each coordinate, of rows that weigh as much as they curve the loss.
    pub(super) mean: Vec<f64>,
    pub(super) variance: Vec<f64>,
}

impl Point {
    /// The middle of the rows, in its coordinates.
    pub(super) fn middle(&self) -> Vec<f64> {
        self.mean.clone()
    }

    /// Whether the gradient is zero, but for rounding.
    pub(super) fn is_stationary(&self) -> bool {
        self.relative_gradient <= STATIONARY
    }

    /// Whether a step along some coordinate is less than half of what it has to be: a ridge
    /// outweighs its curvature, or what all rows share leaves no digits for where they differ.
    pub(super) fn hides_a_coordinate(&self, ridge: f64) -> bool {
        let total = self.hessian.last().copied().unwrap_or(0.0);
        self.curvature
            .iter()
            .zip(&self.variance)
            .any(|(all, variance)| {
                let own = variance * total;
                *all > 0.0 && (own <= UNRESOLVED * all || (ridge > 0.0 && own <= ridge))
            })
    }
}
