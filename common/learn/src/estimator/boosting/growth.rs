//! Trees of what comes with the training rows.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Grower, Grown, Growth, Loss};
use crate::estimator::family::Request;
use crate::estimator::{AnyError, AnyPasses, EstimatorError, options};

/// Trees for a request by what grows them beside the rows, and the loss that they minimise.
pub(in crate::estimator) fn grow_for<O: Serialize + DeserializeOwned>(
    rows: &mut dyn AnyPasses,
    request: &Request<'_>,
    loss: Option<Loss>,
    grow: impl FnOnce(&mut dyn Grower, &Growth<'_, O>) -> Result<Grown, AnyError>,
) -> Result<(Loss, Grown), AnyError> {
    let (options, _): (O, _) = options::parse(request.options)?;
    let loss = loss.ok_or_else(|| EstimatorError::invalid("a target without a loss"))?;
    let grower = rows.grower();
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
