//! What grows trees, and what it is told and gives back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::estimator::family::{self, Request, Seen};
use crate::estimator::{AnyError, AnyPasses, EstimatorError, FitError, forest};
use crate::task::Target;

use super::{Look, Loss, Options, Tree, Units};

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
    fn grow_forest(&mut self, growth: &Growth<'_, forest::Options>) -> Result<Grown, AnyError>;
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

/// Trees for a request by what grows them beside the rows, and the loss that they minimise.
pub(in crate::estimator) fn grow_for<O: Serialize + DeserializeOwned>(
    rows: &mut dyn AnyPasses,
    request: &Request<'_>,
    loss: Option<Loss>,
    grow: impl FnOnce(&mut dyn Grower, &Growth<'_, O>) -> Result<Grown, AnyError>,
) -> Result<(Loss, Grown), AnyError> {
    let (options, _): (O, _) = family::options(request.options)?;
    let loss = loss.ok_or_else(|| EstimatorError::invalid("a target without a loss"))?;
    let grower = rows.grower_any();
    let grower = grower.ok_or_else(|| EstimatorError::invalid("nothing that grows trees"))?;
    let growth = Growth {
        loss,
        target: request.target,
        inputs: request.inputs,
        options: &options,
        quantiles: request.quantiles,
    };
    Ok((loss, grow(grower, &growth)?))
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
