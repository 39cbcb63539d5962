//! What grows trees, and what it is given and gives back.

use super::boosting_options::Options;
use super::{Look, Loss, Tree, Units, forest_options};
use crate::estimator::seen::Seen;
use crate::estimator::{AnyError, FitError};
use crate::task::Target;

/// What grows trees on rows that it holds.
pub trait Grower {
    /// Grows trees.
    ///
    /// # Errors
    /// Rows that cannot be used, and those of reading.
    fn grow(&mut self, growth: &Growth<'_>) -> Result<Grown, AnyError>;

    /// Grows the trees of a forest.
    ///
    /// # Errors
    /// Those of [`Grower::grow`].
    fn grow_forest(
        &mut self,
        growth: &Growth<'_, forest_options::Options>,
    ) -> Result<Grown, AnyError>;
}

/// What is to be grown.
#[derive(Debug)]
pub struct Growth<'a, O = Options> {
    /// What the trees minimise.
    pub loss: Loss,
    /// What is predicted.
    pub target: &'a Target,
    /// Names of the numbers in a row.
    pub inputs: &'a [String],
    /// What trees are grown.
    pub options: &'a O,
    /// Levels of the two quantiles that trees are grown for as well, which add to the raw scores
    /// after those of the loss.
    pub quantiles: Option<[f64; 2]>,
}

/// What was grown.
#[derive(Clone, Debug)]
pub struct Grown {
    /// In the order in which they are added: round by round, in each raw score by raw score; then
    /// those of each quantile.
    pub trees: Vec<Tree>,
    /// What the raw scores began with.
    pub base_score: Vec<f32>,
    /// Those of the trees and of what they began with.
    pub units: Units,
    /// What the training rows held.
    pub seen: Seen,
    /// Some of the training rows, row-major, that the importance of inputs is taken from.
    pub sample: Vec<f64>,
}

impl<O> Growth<'_, O> {
    /// The units that trees are grown in, and the raw scores that they begin with: those that
    /// minimise the loss without trees.
    ///
    /// # Errors
    /// Those of [`Look::labels`] and [`Look::units`].
    pub fn start(&self, look: &Look) -> Result<(Units, Vec<f32>), FitError> {
        let (mean, shares) = look.labels(self.target)?;
        let units = look.units(self.target)?;
        let mean = units.label(mean).into();
        Ok((units, self.loss.scores_of(mean, &shares)))
    }
}
