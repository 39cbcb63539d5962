//! Why a row has its score: the features that moved it most, kept with the predictions.
//!
//! What a feature adds is what its inputs add to the raw score together, by
//! [`Estimator::contributions`]: exact of linear models, beside a row of means, and TreeSHAP of
//! trees. The raw score is that of the positive class, of the class that is predicted, or the
//! number itself, before any calibration.
//!
//! ```
//! use learn::estimator::LinearRegression;
//! use learn::explanation::Explanation;
//! use learn::preprocessing::Preprocessing;
//!
//! let names = ["age", "rooms"].map(str::to_owned);
//! let estimator = LinearRegression { coefficients: vec![-1.0, 50.0], intercept: 0.0 };
//! let explanation = Explanation { reasons: 1, centre: vec![30.0, 3.0] };
//! let preprocessing = Preprocessing::unchanged(&names).unwrap();
//! let reasons = explanation.of_row(&preprocessing, &estimator, &[40.0, 4.0], 0);
//! assert_eq!(reasons[0].feature, "rooms");
//! assert_eq!(reasons[0].contribution, 50.0);
//! ```

use serde::{Deserialize, Serialize};

use crate::estimator::Estimator;
use crate::preprocessing::{FittedColumn, Preprocessing};

/// The column of predictions that holds them: a JSON list of [`Reason`]s.
pub const TOP_REASONS: &str = "top_reasons";
/// Reasons of a row at most.
pub const MOST: usize = 100;

/// What explanations take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// How many features are named.
    pub reasons: usize,
    /// The mean of each input over the training rows, beside which a linear model is explained.
    pub centre: Vec<f64>,
}

/// A feature, and what it adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Name of the feature.
    pub feature: String,
    /// To the raw score.
    pub contribution: f64,
}

impl Explanation {
    /// The features that add most to output `output` of a row of inputs, in size, largest first; of
    /// equal ones the first of the signature. Those that add nothing are no reasons.
    pub fn of_row(
        &self,
        preprocessing: &Preprocessing,
        estimator: &dyn Estimator,
        row: &[f64],
        output: usize,
    ) -> Vec<Reason> {
        let Some(parts) = estimator.contributions(row, &self.centre) else {
            return Vec::new();
        };
        let mut parts = parts.iter().skip(output * (estimator.inputs() + 1));
        let reason = |column: &FittedColumn| Reason {
            feature: column.name().to_owned(),
            contribution: parts.by_ref().take(column.width()).sum(),
        };
        let mut reasons: Vec<Reason> = preprocessing.columns().iter().map(reason).collect();
        reasons.retain(|reason| reason.contribution != 0.0);
        reasons.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        reasons.truncate(self.reasons);
        reasons
    }
}
