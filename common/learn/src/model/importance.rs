//! Which features move the prediction, and which of them cannot be separated.

use serde::{Deserialize, Serialize};

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
    /// Change of the raw score per unit of the feature: the log odds, or the predicted number.
    /// `None` where no one number says it.
    pub coefficient: Option<f64>,
    /// Population standard deviation of the feature in training.
    pub std: f64,
    /// |coefficient| * std: change of the raw score over one standard deviation. Comparable
    /// between features.
    pub importance: f64,
    /// Variance inflation factor: 1 for a feature that others say nothing about. `None` when it
    /// is constant, or a combination of others.
    pub vif: Option<f64>,
    /// Features of which this one is a combination, or which together with it make up another one.
    /// Where this is not empty the coefficient alone means nothing: only the sum of effects
    /// over the group does.
    pub collinear_with: Vec<String>,
}

/// What is known of the features of a fit.
pub(crate) trait Spread {
    /// Names, in the order of the model.
    fn names(&self) -> &[String];
    /// Population standard deviation.
    fn deviation(&self, j: usize) -> f64;
    /// Pearson's correlation; `None` when either is constant.
    fn related(&self, i: usize, j: usize) -> Option<f64>;
}

impl Spread for Moments {
    fn names(&self) -> &[String] {
        self.features()
    }

    fn deviation(&self, j: usize) -> f64 {
        self.std(j).unwrap_or(0.0)
    }

    fn related(&self, i: usize, j: usize) -> Option<f64> {
        self.correlation(i, j)
    }
}

/// Importance of every feature of a linear model, largest first; equal ones in its order.
///
/// # Panics
/// When there is not one coefficient a feature: a bug of the caller.
pub(crate) fn importance(coefficients: &[f64], moments: &impl Spread) -> Vec<Importance> {
    let size = |j: usize| coefficients[j].abs() * moments.deviation(j);
    ranked(moments, size, |j| Some(coefficients[j]))
}

/// Importance of every feature by its size, largest first; equal ones in the order of the model.
pub(crate) fn ranked(
    moments: &impl Spread,
    size: impl Fn(usize) -> f64,
    coefficient: impl Fn(usize) -> Option<f64>,
) -> Vec<Importance> {
    let (names, dependence) = (moments.names(), Dependence::of(moments));
    let of = |(j, feature): (usize, &String)| Importance {
        feature: feature.clone(),
        coefficient: coefficient(j),
        std: moments.deviation(j),
        importance: size(j),
        vif: dependence.vif[j],
        collinear_with: dependence.linked[j]
            .iter()
            .map(|&i| names[i].clone())
            .collect(),
    };
    let mut list: Vec<Importance> = names.iter().enumerate().map(of).collect();
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
    /// explain, and its row holds the weights of the explanation. What is on the diagonal
    /// of a swept one is its inflation factor.
    fn of(moments: &impl Spread) -> Self {
        let p = moments.names().len();
        let varies: Vec<usize> = (0..p)
            .filter(|&j| moments.related(j, j).is_some())
            .collect();
        let n = varies.len();
        let mut matrix: Vec<f64> = varies
            .iter()
            .flat_map(|&i| {
                varies
                    .iter()
                    .map(move |&j| moments.related(i, j).unwrap_or(0.0))
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
