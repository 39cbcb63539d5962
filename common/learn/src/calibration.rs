//! Calibration: from the raw score of two classes to a probability whose share of positives is what
//! it says. It is fitted on rows that the estimator was not fitted on, as scikit-learn's
//! `CalibratedClassifierCV` does with a `FrozenEstimator`.
//!
//! - sigmoid (Platt 1999): two numbers, by Newton's steps over streamed rows.
//! - isotonic (Zadrozny and Elkan 2002): the non-decreasing function of least squares, by pool
//!   adjacent violators over rows that come sorted; between its points it is linear.
//!
//! ```
//! use learn::calibration::{Calibration, Isotonic};
//!
//! let mut rows = Isotonic::default();
//! for (score, positive) in [(-1.0, false), (0.0, true), (0.5, false), (2.0, true)] {
//!     rows.add(score, positive, 1.0);
//! }
//! let calibration = rows.finish().unwrap();
//! assert_eq!(calibration.apply(0.25), 0.5);
//! assert_eq!(calibration.apply(1.25), 0.75);
//! assert_eq!(calibration.apply(9.0), 1.0);
//! ```

use serde::{Deserialize, Serialize};

use crate::model::math::{exp_of_negative, sigmoid};
use crate::model::sum::Sum;

/// Newton's steps at most.
const MOST_STEPS: u32 = 100;
/// Steps end once the loss can fall by this share of the rows' weight at most.
const ENOUGH: f64 = 1e-26;

/// How scores are calibrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Probabilities are the estimator's own.
    #[default]
    None,
    /// By a logistic function of the score.
    Sigmoid,
    /// By a non-decreasing function of the score.
    Isotonic,
}

impl Method {
    /// Its name in `models.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sigmoid => "sigmoid",
            Self::Isotonic => "isotonic",
        }
    }
}

/// What makes a probability of a raw score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
pub enum Calibration {
    /// 1 / (1 + exp(a * score + b)).
    Sigmoid {
        /// Negative where a higher score means a higher probability.
        a: f64,
        /// What a score of 0 has.
        b: f64,
    },
    /// Linear between these points, and constant beyond them.
    Isotonic {
        /// Scores, ascending.
        x: Vec<f64>,
        /// Their probabilities.
        y: Vec<f64>,
    },
}

impl Calibration {
    /// The probability of a raw score; NaN of NaN.
    pub fn apply(&self, score: f64) -> f64 {
        match self {
            Self::Sigmoid { a, b } => sigmoid(-(a * score + b)),
            Self::Isotonic { .. } if score.is_nan() => score,
            Self::Isotonic { x, y } => {
                let above = x.partition_point(|x| *x <= score);
                match (above.checked_sub(1), x.get(above)) {
                    (None, _) => y[0],
                    (Some(below), None) => y[below],
                    (Some(below), Some(next)) => {
                        let share = (score - x[below]) / (next - x[below]);
                        y[below] + (y[above] - y[below]) * share
                    }
                }
            }
        }
    }

    /// How it was fitted.
    pub fn method(&self) -> Method {
        match self {
            Self::Sigmoid { .. } => Method::Sigmoid,
            Self::Isotonic { .. } => Method::Isotonic,
        }
    }

    /// That its numbers make a calibration.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let sound = match self {
            Self::Sigmoid { a, b } => a.is_finite() && b.is_finite(),
            Self::Isotonic { x, y } => {
                !x.is_empty()
                    && x.len() == y.len()
                    && x.iter().all(|x| x.is_finite())
                    && x.windows(2).all(|pair| pair[0] < pair[1])
                    && y.is_sorted()
                    && y.iter().all(|y| (0.0..=1.0).contains(y))
            }
        };
        match sound {
            true => Ok(()),
            false => Err(format!(
                "its {} calibration is not made of finite numbers, ascending from 0 to 1",
                self.method().name()
            )),
        }
    }
}

/// Sums over rows for one of Newton's steps; mergeable.
#[derive(Clone, Debug)]
pub struct SigmoidSums {
    at: [f64; 2],
    /// Targets of a negative and a positive, drawn from 0 and 1 by Platt's prior.
    targets: [f64; 2],
    loss: Sum,
    gradient: [Sum; 2],
    hessian: [Sum; 3],
}

impl SigmoidSums {
    /// Adds rows: raw scores, labels of 0 or 1, and what the rows weigh, if any does.
    ///
    /// # Panics
    /// With fewer weights than rows: a bug of the caller.
    pub fn add(&mut self, scores: &[f64], labels: &[f64], weights: Option<&[f64]>) {
        let [a, b] = self.at;
        for (row, (&score, &label)) in scores.iter().zip(labels).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            let target = self.targets[usize::from(label == 1.0)];
            let z = a * score + b;
            let tail = libm::log1p(exp_of_negative(-z.abs()));
            // ln(1 + e^z) and ln(1 + e^-z).
            let (of_positive, of_negative) = (z.max(0.0) + tail, (-z).max(0.0) + tail);
            let terms = target * of_positive + (1.0 - target) * of_negative;
            self.loss.add(weight * terms);
            let p = sigmoid(-z);
            let (slope, curve) = (weight * (target - p), weight * p * (1.0 - p));
            self.gradient[0].add(slope * score);
            self.gradient[1].add(slope);
            self.hessian[0].add(curve * score * score);
            self.hessian[1].add(curve * score);
            self.hessian[2].add(curve);
        }
    }

    /// Merges the sums of later rows.
    pub fn merge(&mut self, later: &Self) {
        self.loss.merge(&later.loss);
        for (ours, theirs) in self.gradient.iter_mut().zip(&later.gradient) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.hessian.iter_mut().zip(&later.hessian) {
            ours.merge(theirs);
        }
    }

    /// Newton's step, and twice the fall of the loss that it promises.
    fn newton(&self) -> ([f64; 2], f64) {
        let [g, h] = [self.gradient[0].value(), self.gradient[1].value()];
        let [aa, ab, bb] = [0, 1, 2].map(|i| self.hessian[i].value());
        let determinant = aa * bb - ab * ab;
        // Scores that are all alike say nothing of a.
        let step = match determinant > 1e-12 * aa * bb {
            true => [
                (bb * g - ab * h) / determinant,
                (aa * h - ab * g) / determinant,
            ],
            false => [0.0, h / bb],
        };
        (step, g * step[0] + h * step[1])
    }
}

/// The search of a sigmoid: passes over the same rows, each of which [`SigmoidSums`] adds up.
#[derive(Clone, Debug)]
pub struct SigmoidFit {
    weight: f64,
    targets: [f64; 2],
    best: Option<Best>,
    trial: [f64; 2],
    length: f64,
    steps: u32,
}

#[derive(Clone, Copy, Debug)]
struct Best {
    loss: f64,
    at: [f64; 2],
    step: [f64; 2],
    promise: f64,
}

impl SigmoidFit {
    /// Of negatives and positives that weigh so much: their number, where rows do not weigh.
    pub fn new(negatives: f64, positives: f64) -> Self {
        Self {
            weight: negatives + positives,
            targets: [
                1.0 / (negatives + 2.0),
                (positives + 1.0) / (positives + 2.0),
            ],
            best: None,
            trial: [0.0, libm::log((negatives + 1.0) / (positives + 1.0))],
            length: 1.0,
            steps: 0,
        }
    }

    /// The sums of no rows, for the next pass.
    pub fn sums(&self) -> SigmoidSums {
        SigmoidSums {
            at: self.trial,
            targets: self.targets,
            loss: Sum::default(),
            gradient: [Sum::default(); 2],
            hessian: [Sum::default(); 3],
        }
    }

    /// Goes on by what a pass added up; the calibration once there is nothing to gain.
    pub fn advance(&mut self, sums: &SigmoidSums) -> Option<Calibration> {
        self.steps += 1;
        let loss = sums.loss.value();
        let enough = ENOUGH * self.weight;
        let best = match self.best.filter(|best| loss.is_nan() || loss >= best.loss) {
            // No gain: half of the step.
            Some(best) => {
                self.length /= 2.0;
                if best.promise <= 1e14 * enough || self.length < 1e-9 {
                    return Some(of(best.at));
                }
                best
            }
            None => {
                let (step, promise) = sums.newton();
                self.length = 1.0;
                Best {
                    loss,
                    at: self.trial,
                    step,
                    promise,
                }
            }
        };
        self.best = Some(best);
        if best.promise <= enough || self.steps == MOST_STEPS {
            return Some(of(best.at));
        }
        self.trial = [0, 1].map(|i| best.at[i] - self.length * best.step[i]);
        None
    }
}

fn of([a, b]: [f64; 2]) -> Calibration {
    Calibration::Sigmoid { a, b }
}

/// The search of an isotonic function over rows that come by ascending score. Memory grows with its
/// steps, which are far fewer than the rows.
#[derive(Clone, Debug, Default)]
pub struct Isotonic {
    steps: Vec<Step>,
    /// Rows of one score.
    tied: Option<Step>,
}

/// Rows that have one probability.
#[derive(Clone, Copy, Debug)]
struct Step {
    first: f64,
    last: f64,
    positives: f64,
    weight: f64,
}

impl Step {
    /// The share of positives.
    fn share(&self) -> f64 {
        self.positives / self.weight
    }
}

impl Isotonic {
    /// Adds a row, whose score is not below any before it. One that weighs nothing is left out.
    pub fn add(&mut self, score: f64, positive: bool, weight: f64) {
        if weight == 0.0 {
            return;
        }
        let positives = if positive { weight } else { 0.0 };
        match &mut self.tied {
            Some(tied) if tied.first == score => {
                tied.positives += positives;
                tied.weight += weight;
            }
            tied => {
                let before = tied.replace(Step {
                    first: score,
                    last: score,
                    positives,
                    weight,
                });
                self.close(before);
            }
        }
    }

    fn close(&mut self, tied: Option<Step>) {
        let Some(mut step) = tied else {
            return;
        };
        let falls = |before: &mut Step, step: &Step| step.share() <= before.share();
        while let Some(before) = self.steps.pop_if(|before| falls(before, &step)) {
            step = Step {
                first: before.first,
                last: step.last,
                positives: before.positives + step.positives,
                weight: before.weight + step.weight,
            };
        }
        self.steps.push(step);
    }

    /// The function; `None` without rows that weigh something.
    pub fn finish(mut self) -> Option<Calibration> {
        let tied = self.tied.take();
        self.close(tied);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for step in &self.steps {
            x.push(step.first);
            y.push(step.share());
            if step.last > step.first {
                x.push(step.last);
                y.push(step.share());
            }
        }
        (!x.is_empty()).then_some(Calibration::Isotonic { x, y })
    }
}

#[cfg(test)]
mod tests;
