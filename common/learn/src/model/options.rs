//! The options of a fit.

use serde::{Deserialize, Serialize};

/// How to weigh the classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeight {
    /// Each class weighs the same in total: a row weighs rows / (2 * rows of its class).
    #[default]
    Balanced,
    /// Each row weighs 1.
    None,
}

/// What to minimise and when to stop.
///
/// The objective is scikit-learn's: sum of weight * log loss + ((1 - `l1_ratio`) / 2 *
/// |coefficients|^2 + `l1_ratio` * sum of |coefficients|) / C, on raw features, with a free
/// intercept.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Inverse strength of the penalty; positive.
    pub c: f64,
    /// Share of the penalty that is of the coefficients' size, from 0 to 1: it makes some of them
    /// exactly 0.
    pub l1_ratio: f64,
    /// Weights of the classes.
    pub class_weight: ClassWeight,
    /// Maximum number of Newton steps.
    pub max_iter: u32,
    /// Steps go on while a component of the gradient of objective / rows exceeds it; positive.
    pub tol: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            c: 1.0,
            l1_ratio: 0.0,
            class_weight: ClassWeight::Balanced,
            max_iter: 1000,
            tol: 1e-10,
        }
    }
}
