//! Tracking in an MLflow server, by its REST interface.
//!
//! Several of its calls lose data and answer 200: what is sent is typed, numbers are finite, and
//! keys and values are fitted to its limits first. It has no unique keys and no compare-and-set:
//! what is created is found by its fingerprint before it is created again, and looked for once more
//! afterwards.

mod aliases;
mod artifacts;
mod begin;
mod client;
mod names;
mod registry;
mod runs;
mod settings;
mod views;
mod wire;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::TrackingArgs;
use super::tracker::Tracker;
use catalog::layout::ModelName;
use runtime::failure::Failure;
use runtime::retry::Budget;
use store::{Access, Role};

use client::Client;
pub(super) use settings::Login;

#[derive(Clone, Debug)]
pub(super) struct Mlflow {
    client: Client,
    /// The experiment of all runs, if one was named.
    experiment: Option<String>,
    /// For artifacts that the server wants in a bucket.
    access: Access,
    /// Ids of the experiments that were found, by name.
    experiments: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Mlflow {
    pub(super) fn open(uri: &str, args: &TrackingArgs, budget: Budget) -> Result<Self> {
        let access = Access {
            budget,
            ..Access::of_process(Role::Store)?
        };
        Self::open_as(Login::from_environment()?, access, uri, args)
    }

    pub(super) fn open_as(
        login: Login,
        access: Access,
        uri: &str,
        args: &TrackingArgs,
    ) -> Result<Self> {
        let experiment = args
            .experiment
            .as_deref()
            .map(str::trim)
            .filter(|name| !name.is_empty());
        if experiment.is_some_and(|name| name.chars().count() > names::NAME) {
            return Err(Failure::usage(format!(
                "MLFLOW_EXPERIMENT_NAME (--experiment) is longer than {} characters",
                names::NAME
            )));
        }
        Ok(Self {
            client: Client::new(uri, args, login, access.budget)?,
            access,
            experiment: experiment.map(str::to_owned),
            experiments: Arc::default(),
        })
    }

    /// What distinguishes one attempt to make something from all others, those of the same process
    /// included.
    fn creator() -> String {
        format!("{:016x}", RandomState::new().hash_one(std::process::id()))
    }

    /// Name of the experiment for the runs of a model.
    fn experiment_name(&self, model: &ModelName) -> String {
        self.experiment.clone().unwrap_or_else(|| model.to_string())
    }

    fn known_experiments(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.experiments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracker for Mlflow {
    fn within(&self, budget: Budget) -> Arc<dyn Tracker> {
        let budget = budget.min(self.client.budget);
        let access = Access {
            budget,
            ..self.access.clone()
        };
        Arc::new(Self {
            client: self.client.with_budget(budget),
            access,
            ..self.clone()
        })
    }
}
