//! Target encoding: a category becomes the mean of the target in its training rows, drawn towards
//! the mean of all rows, as scikit-learn's `TargetEncoder` with `smooth="auto"` does.

use serde::{Deserialize, Serialize};

use super::categories::{Category, Labels};
use super::error::Error;
use super::moments::Moments;

/// Encodings of the categories of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetTable {
    /// Per category, `other` last where there is one; and per class, if there are classes.
    pub encodings: Vec<f64>,
    /// Of a category that is not in the table, per class: the mean of the target.
    pub unknown: Vec<f64>,
}

impl TargetTable {
    /// The encodings of a category, one per class.
    pub(super) fn row(&self, group: Option<usize>) -> &[f64] {
        let outputs = self.unknown.len();
        group.map_or(&self.unknown, |group| {
            &self.encodings[group * outputs..(group + 1) * outputs]
        })
    }
}

/// The encodings from the rows of some folds.
pub(super) fn table(
    groups: &[Category],
    labels: Labels,
    within: impl Fn(usize) -> bool,
) -> Option<TargetTable> {
    let of_group = |group: &Category, output: usize| {
        let mut moments = Moments::default();
        for fold in (0..labels.folds).filter(|fold| within(*fold)) {
            moments.merge(&group.cells[fold * labels.outputs + output]);
        }
        moments
    };
    let mut encodings = vec![0.0; groups.len() * labels.outputs];
    let mut unknown = Vec::with_capacity(labels.outputs);
    for output in 0..labels.outputs {
        let of_groups: Vec<_> = groups.iter().map(|group| of_group(group, output)).collect();
        let mut all = Moments::default();
        of_groups.iter().for_each(|group| all.merge(group));
        if all.weight == 0.0 {
            return None;
        }
        for (group, moments) in of_groups.iter().enumerate() {
            encodings[group * labels.outputs + output] = encoding(moments, &all);
        }
        unknown.push(all.mean());
    }
    Some(TargetTable { encodings, unknown })
}

/// Equations 5 and 6 of Micci-Barreca (2001), the empirical Bayes estimate of the mean.
fn encoding(group: &Moments, all: &Moments) -> f64 {
    if group.weight == 0.0 {
        return all.mean();
    }
    let own = all.variance() * group.weight;
    let share = own / (own + group.variance());
    if share.is_nan() {
        all.mean()
    } else {
        share * group.mean() + (1.0 - share) * all.mean()
    }
}

/// For each fold, the encodings from the rows of all other folds.
pub(super) fn out_of_fold(groups: &[Category], labels: Labels) -> Result<Vec<TargetTable>, Error> {
    (0..labels.folds)
        .map(|fold| table(groups, labels, |other| other != fold).ok_or(Error::Fold { fold }))
        .collect()
}
