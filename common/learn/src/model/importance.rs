//! Which features move the prediction, and which of them cannot be told apart.

use serde::{Deserialize, Serialize};

use super::Model;
use super::moments::Moments;

/// A feature whose variance is explained by others up to this share is collinear with them.
const UNEXPLAINED: f64 = 1e-6;
/// Standardised weight from which a feature takes part in such an explanation.
const TAKES_PART: f64 = 0.01;

/// Influence of one feature on the log odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Name of the feature.
    pub feature: String,
    /// Change of the log odds per unit of the feature.
    pub coefficient: f64,
    /// Population standard deviation of the feature in training.
    pub std: f64,
    /// |coefficient| * std: change of the log odds over one standard deviation. Comparable between features.
    pub importance: f64,
    /// Variance inflation factor: 1 for a feature that others tell nothing about. `None` when it
    /// is constant, or a combination of others.
    pub vif: Option<f64>,
    /// Features of which this one is a combination, or which together with it make up another one.
    /// Where this is not empty the coefficient alone means nothing: only the sum of effects
    /// over the group does.
    pub collinear_with: Vec<String>,
}

/// Importance of every feature, largest first; equal ones in the order of the model.
///
/// # Panics
/// When `moments` are not of the model's features: a bug of the caller.
pub fn importance(model: &Model, moments: &Moments) -> Vec<Importance> {
    assert_eq!(
        model.features,
        moments.features(),
        "moments of other features"
    );
    let dependence = Dependence::of(moments);
    let mut list: Vec<Importance> = model
        .features
        .iter()
        .enumerate()
        .map(|(j, feature)| {
            let (coefficient, std) = (model.coefficients[j], moments.std(j).unwrap_or(0.0));
            Importance {
                feature: feature.clone(),
                coefficient,
                std,
                importance: coefficient.abs() * std,
                vif: dependence.vif[j],
                collinear_with: dependence.linked[j]
                    .iter()
                    .map(|&i| model.features[i].clone())
                    .collect(),
            }
        })
        .collect();
    list.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    list
}

struct Dependence {
    vif: Vec<Option<f64>>,
    /// Features that are linked with each one, ascending.
    linked: Vec<Vec<usize>>,
}

impl Dependence {
    /// Sweeps the correlation matrix feature by feature (Goodnight 1979). What is left on the
    /// diagonal of a feature that is not swept is its variance that the swept ones do not
    /// explain, and its row holds the weights of the explanation. What stands on the diagonal
    /// of a swept one is its inflation factor.
    fn of(moments: &Moments) -> Self {
        let p = moments.features().len();
        let varies: Vec<usize> = (0..p)
            .filter(|&j| moments.correlation(j, j).is_some())
            .collect();
        let n = varies.len();
        let mut matrix: Vec<f64> = varies
            .iter()
            .flat_map(|&i| {
                varies
                    .iter()
                    .map(move |&j| moments.correlation(i, j).unwrap_or(0.0))
            })
            .collect();
        let mut swept = vec![false; n];
        for k in 0..n {
            if matrix[k * n + k] > UNEXPLAINED {
                sweep(&mut matrix, n, k);
                swept[k] = true;
            }
        }

        let mut linked = vec![Vec::new(); p];
        for k in (0..n).filter(|&k| !swept[k]) {
            let group: Vec<usize> = (0..n)
                .filter(|&i| i == k || (swept[i] && matrix[i * n + k].abs() > TAKES_PART))
                .map(|i| varies[i])
                .collect();
            for &i in &group {
                linked[i].extend(group.iter().copied().filter(|&other| other != i));
            }
        }
        for links in &mut linked {
            links.sort_unstable();
            links.dedup();
        }

        let mut vif = vec![None; p];
        for (k, &j) in varies.iter().enumerate() {
            if swept[k] && linked[j].is_empty() {
                vif[j] = Some(matrix[k * n + k].abs().max(1.0));
            }
        }
        Self { vif, linked }
    }
}

/// Inverts the matrix in place with respect to row and column `k`.
fn sweep(matrix: &mut [f64], n: usize, k: usize) {
    let pivot = matrix[k * n + k];
    let row: Vec<f64> = (0..n).map(|j| matrix[k * n + j] / pivot).collect();
    for i in (0..n).filter(|&i| i != k) {
        let factor = matrix[i * n + k];
        for j in (0..n).filter(|&j| j != k) {
            matrix[i * n + j] -= factor * row[j];
        }
        matrix[i * n + k] = -factor / pivot;
    }
    for j in (0..n).filter(|&j| j != k) {
        matrix[k * n + j] = row[j];
    }
    matrix[k * n + k] = 1.0 / pivot;
}
