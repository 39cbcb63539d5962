//! Precision, recall and F1 of one class, by weight.

/// What the rows of one class weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Of the class, and predicted to be.
    pub right: f64,
    /// Predicted to be of the class.
    pub predicted: f64,
    /// Of the class.
    pub actual: f64,
}

/// scikit-learn's `zero_division=0`.
fn or_zero(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Share {
    /// Share of the predicted that are of the class; 0 when none is predicted.
    pub fn precision(&self) -> f64 {
        or_zero(self.right, self.predicted)
    }

    /// Share of the class that is found; 0 when there is none.
    pub fn recall(&self) -> f64 {
        or_zero(self.right, self.actual)
    }

    /// Harmonic mean of precision and recall; 0 when both are.
    pub fn f1(&self) -> f64 {
        or_zero(2.0 * self.right, self.predicted + self.actual)
    }

    /// Whether a row is of the class or predicted to be.
    pub fn occurs(&self) -> bool {
        self.predicted > 0.0 || self.actual > 0.0
    }
}

/// -ln of a probability, clipped as scikit-learn clips it: one certain and wrong row does not make
/// the mean infinite.
pub(super) fn log_loss(probability: f64) -> f64 {
    -libm::log(probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON))
}
