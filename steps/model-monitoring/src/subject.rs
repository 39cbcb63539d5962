//! What a report is about: results, their model, and the labels that came later.

use anyhow::{Context, Result};
use arrow::datatypes::DataType;
use common::config::Config;
use common::dataset::Role;
use common::drift::Thresholds;
use common::failure::Failure;
use common::labels;
use common::manifest::{self, Inputs, ModelManifest, ResultsManifest};
use common::model::Model;
use common::reference::{ModelMetrics, Reference};
use common::step::Step;
use common::store::{Object, Store};

/// Raised whenever the same inputs would give another report.
const ALGORITHM: u32 = 1;

/// Everything that a report is made from, read but for the rows.
pub(crate) struct Subject {
    pub(crate) results_key: String,
    pub(crate) results: ResultsManifest,
    pub(crate) manifest: ModelManifest,
    pub(crate) model: Model,
    pub(crate) reference: Reference,
    pub(crate) metrics: ModelMetrics,
    pub(crate) config: Config,
    pub(crate) label_files: Vec<Object>,
}

impl Subject {
    /// Reads it.
    ///
    /// # Errors
    /// Whatever is missing, damaged, or does not belong together: exit 2.
    pub(crate) async fn load(store: &Store, raw: &Store, results_key: &str, labels_glob: &str) -> Result<Self> {
        let results: ResultsManifest = manifest::require(store, results_key).await?;
        let manifest: ModelManifest = manifest::require(store, &results.model).await?;
        let subject = Self {
            results_key: results_key.to_owned(),
            model: manifest.load_model(store).await?,
            reference: manifest.load_reference(store).await?,
            metrics: manifest.load_metrics(store).await?,
            config: Config::load(store, &manifest.config).await?,
            label_files: labels::find(raw, labels_glob).await?,
            manifest,
            results,
        };
        subject.must_fit().with_context(|| format!("checking {}", subject.results.model))?;
        Ok(subject)
    }

    fn must_fit(&self) -> Result<()> {
        let profiled: Vec<&str> = self.reference.features.iter().map(|feature| feature.name.as_str()).collect();
        if profiled != self.model.features {
            return Err(Failure::usage(format!(
                "the model's features are {:?}, and its reference profile is of {profiled:?}: train the model again with \
                 cache=refresh",
                self.model.features
            )));
        }
        if self.keys().is_empty() {
            return Err(Failure::usage(format!(
                "the results hold none of the columns {:?}, which name a row: keep them in features.sql",
                self.config.dataset.key()
            )));
        }
        Ok(())
    }

    /// What the report depends on.
    pub(crate) fn inputs(&self, step: &Step, thresholds: &Thresholds) -> Inputs {
        Inputs::new(step.name(), ALGORITHM)
            .with("results", &self.results.header.fingerprint)
            .with("results created at", self.results.header.created_at.to_rfc3339())
            .with("model", &self.manifest.header.fingerprint)
            .with("timezone", step.timezone())
            .with("psi-warn", thresholds.warn)
            .with("psi-alert", thresholds.alert)
            .with("min-rows", thresholds.min_rows)
            .with_raw(&self.label_files)
    }

    /// The columns that name a row: those of the contract that the results have.
    pub(crate) fn keys(&self) -> Vec<String> {
        let in_results = |name: &String| self.results.columns.iter().any(|column| column.name == *name);
        self.config.dataset.key().into_iter().filter(in_results).collect()
    }

    /// The types of [`Subject::keys`] in raw files.
    pub(crate) fn key_types(&self) -> Vec<DataType> {
        let keys = self.keys();
        let column = |name: &String| self.config.dataset.columns.iter().find(|column| column.name == *name);
        keys.iter().filter_map(column).map(|column| column.column_type.data_type()).collect()
    }

    /// The column of time in the results, if there is one.
    pub(crate) fn time(&self) -> Option<&str> {
        self.results.columns.iter().find(|column| column.role == Role::Time).map(|column| column.name.as_str())
    }
}
