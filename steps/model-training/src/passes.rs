//! Passes over the training rows, as a family of estimators asks for them.

use anyhow::Result;
use learn::estimator::boosting::Grower;
use learn::estimator::{AnyError, AnyPasses, Erased};
use learn::rows::{self, Rows};
use runtime::threads::wait;

use crate::training_rows::{Sums, TrainingRows};

/// The training rows, for a fit that runs on a thread of its own.
pub(crate) struct TrainingPasses {
    rows: TrainingRows,
}

impl TrainingPasses {
    pub(crate) fn new(rows: TrainingRows) -> Self {
        Self { rows }
    }
}

impl AnyPasses for TrainingPasses {
    fn pass_any(&mut self, start: Erased) -> Result<Erased, AnyError> {
        let sums = wait(self.rows.sum(Fitting(start)));
        sums.map(|sums| sums.0).map_err(fit_error)
    }

    fn grower(&mut self) -> Option<&mut dyn Grower> {
        Some(&mut self.rows)
    }
}

/// Sums of a fit.
#[derive(Clone)]
struct Fitting<S>(S);

impl<S: rows::Sums> Sums for Fitting<S>
where
    AnyError: From<S::Error>,
{
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        let added = self.0.add(rows);
        added.map_err(|error| anyhow::Error::new(RefusedRow(AnyError::from(error))))
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.0.merge(later.0);
        Ok(())
    }
}

/// A row that a fit refuses, on its way through the passes.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
pub(crate) struct RefusedRow(pub(crate) AnyError);

/// A failure of the passes, on its way through the fit.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(crate) struct PassFailure(pub(crate) anyhow::Error);

/// A failure of the passes, as a fit hands it on.
pub(crate) fn fit_error(error: anyhow::Error) -> AnyError {
    match error.downcast::<RefusedRow>() {
        Ok(RefusedRow(error)) => error,
        Err(error) => AnyError::from(PassFailure(error)),
    }
}
