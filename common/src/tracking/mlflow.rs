//! Tracking in an MLflow server, by its REST interface.
//!
//! Several of its calls lose data and answer 200: what is sent is typed, numbers are finite, and keys and values are
//! fitted to its limits first. It has no unique keys and no compare-and-set: what is created is found by its fingerprint
//! before it is created again, and looked for once more afterwards.

mod artifacts;
mod client;
mod names;
mod registry;
mod runs;
mod settings;
mod views;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::TrackingArgs;
use crate::layout::ModelName;
use crate::retry::Budget;

use client::Client;
pub(super) use settings::Login;

/// An MLflow server.
#[derive(Clone, Debug)]
pub(super) struct Mlflow {
    client: Client,
    /// The experiment of all runs, if one was named.
    experiment: Option<String>,
    /// Ids of the experiments that were found, by name.
    experiments: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Mlflow {
    pub(super) fn open(uri: &str, args: &TrackingArgs, budget: Budget) -> Result<Self> {
        Self::open_as(Login::from_environment()?, uri, args, budget)
    }

    pub(super) fn open_as(login: Login, uri: &str, args: &TrackingArgs, budget: Budget) -> Result<Self> {
        let experiment = args.experiment.as_deref().map(str::trim).filter(|name| !name.is_empty());
        Ok(Self {
            client: Client::new(uri, args, login, budget)?,
            experiment: experiment.map(|name| names::value(name, names::NAME)),
            experiments: Arc::default(),
        })
    }

    /// The same with another budget for each call.
    pub(super) fn with_budget(&self, budget: Budget) -> Self {
        Self { client: self.client.with_budget(budget.min(self.client.budget)), ..self.clone() }
    }

    /// Name of the experiment for the runs of a model.
    fn experiment_name(&self, model: &ModelName) -> String {
        self.experiment.clone().unwrap_or_else(|| model.to_string())
    }

    fn known_experiments(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.experiments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
