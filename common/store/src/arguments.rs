//! The stores of a step, by its flags and variables.

use anyhow::{Context, Result};
use clap::Args;

use super::{Access, Environment, Role, Store};
use runtime::failure::Failure;
use runtime::step::Step;

impl Access {
    /// As a step reaches a server.
    ///
    /// # Errors
    /// Those of [`Environment::of_process`].
    pub fn of_step(step: &Step, role: Role) -> Result<Self> {
        Ok(Self {
            role,
            environment: match step.variables() {
                Some(variables) => Environment::of(variables.clone()),
                None => Environment::of_process()?,
            },
            budget: step.retry_budget(),
            scratch: step.work().clone(),
            uploads: step.opened(),
        })
    }
}

impl Store {
    /// Opens the object store of a step.
    ///
    /// # Errors
    /// No URL, or one that no store can be opened by: exit 2.
    pub fn of(step: &Step) -> Result<Self> {
        let url = step.store_url().ok_or_else(|| {
            Failure::usage(
                "--store-url is missing: give it, or set STORE_URL, such as \
                 --store-url .alameda/store",
            )
        })?;
        Self::create_with(url, &Access::of_step(step, Role::Store)?)
            .context("opening the store (--store-url, STORE_URL)")
    }

    /// Opens the raw files that lie at `url`, which must exist.
    ///
    /// # Errors
    /// A URL that no store can be opened by: exit 2.
    pub fn raw(step: &Step, url: &str) -> Result<Self> {
        Self::open_with(url, &Access::of_step(step, Role::Raw)?)
            .context("opening the raw files (--raw-url, RAW_URL)")
    }
}

/// Where raw files lie, for the verbs that read them.
#[derive(Clone, Debug, Args)]
pub struct RawArgs {
    /// Root of the raw files: a folder, a file:// URL, or s3://BUCKET/PREFIX
    #[arg(long, env = "RAW_URL")]
    pub raw_url: String,
}

impl RawArgs {
    /// Opens the raw files, which must exist.
    ///
    /// # Errors
    /// Those of [`Store::raw`].
    pub fn open(&self, step: &Step) -> Result<Store> {
        Store::raw(step, &self.raw_url)
    }
}
