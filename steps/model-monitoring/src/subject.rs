//! What a report is about: results, their model, and the labels that came later.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::datatypes::DataType;
use catalog::layout;
use catalog::manifest::Role;
use catalog::manifest::{self, Column, DatasetManifest, Inputs, ModelManifest, ResultsManifest};
use catalog::model_files::ModelMetrics;
use chrono::NaiveDate;
use chrono_tz::Tz;
use learn::explanation::TOP_REASONS;
use learn::fitted_model::{FittedModel, OfTwo};
use learn::task::PREDICTION;
use pages::content::{GateSegment, GateVerdict, Lineage};
use pages::judge::Rules;
use profile::profiles::Baseline;
use profile::reference::{CategoryProfile, Reference};
use runtime::failure::Failure;
use runtime::step::Step;
use serde::Deserialize;
use store::{Object, Store};
use table::categories;
use table::config::Config;
use table::labels;

use settings::monitored::SCORE;

/// Raised whenever the same inputs would give another report.
pub(crate) const ALGORITHM: u32 = 6;

/// Everything that a report is made from, read but for the rows.
pub(crate) struct Subject {
    pub(crate) results_key: String,
    pub(crate) results: ResultsManifest,
    pub(crate) manifest: ModelManifest,
    pub(crate) model: Arc<FittedModel>,
    /// What it says of two classes; `None` of another task.
    pub(crate) of_two: Option<OfTwo>,
    pub(crate) reference: Reference,
    /// What the rows are counted by.
    pub(crate) baseline: Baseline,
    pub(crate) metrics: ModelMetrics,
    pub(crate) config: Config,
    pub(crate) label_files: Vec<Object>,
    /// What to say of files where labels are looked for, none of which is one.
    pub(crate) unmatched_labels: Option<String>,
    pub(crate) gates: Vec<GateVerdict>,
    pub(crate) predict: Lineage,
    pub(crate) train: Option<Lineage>,
    pub(crate) holdout: Option<Lineage>,
    /// The first date of training and holdout, where their manifests say.
    pub(crate) trained_from: Option<NaiveDate>,
}

impl Subject {
    /// Reads it.
    ///
    /// # Errors
    /// Whatever is missing, damaged, or does not belong together: exit 2.
    pub(crate) async fn load(
        store: &Store,
        raw: &Store,
        results_key: &str,
        labels_glob: &str,
        timezone: Tz,
    ) -> Result<Self> {
        let results: ResultsManifest = manifest::require(store, results_key).await?;
        let manifest: ModelManifest = manifest::require(store, &results.model).await?;
        let (model, reference) = (
            manifest.load_model(store).await?,
            manifest.load_reference(store).await?,
        );
        let labels = labels::search(raw, labels_glob).await?;
        let (train, train_from) = lineage(store, &manifest.train_manifest).await?;
        let (holdout, holdout_from) = lineage(store, &manifest.holdout_manifest).await?;
        let subject = Self {
            of_two: model.of_two(),
            metrics: manifest.load_metrics(store).await?,
            baseline: manifest.baseline(&model, &reference, timezone)?,
            gates: gates(store, &results).await?,
            predict: Lineage::new(&results.predict_manifest, results.rows, &results.shards),
            train,
            holdout,
            // One of them alone does not say when both begin.
            trained_from: train_from.zip(holdout_from).map(|(a, b)| a.min(b)),
            results_key: results_key.to_owned(),
            model: Arc::new(model),
            reference,
            config: Config::load(store, &manifest.config).await?,
            unmatched_labels: labels.unmatched(labels_glob),
            label_files: labels.files,
            manifest,
            results,
        };
        subject
            .must_fit()
            .with_context(|| format!("checking {}", subject.results.model))?;
        Ok(subject)
    }

    fn must_fit(&self) -> Result<()> {
        let profiled: Vec<&str> = self
            .reference
            .features
            .iter()
            .map(|feature| feature.name.as_str())
            .collect();
        let features = self.model.features();
        if profiled != features {
            return Err(Failure::usage(format!(
                "the model's features are {:?}, and its reference profile is of {profiled:?}: train the model again with \
                 cache=refresh",
                features
            )));
        }
        if self.keys().is_empty() {
            return Err(Failure::usage(format!(
                "the results hold none of the columns {:?}, which identify a row: return them \
                 from features.sql, and train a new version",
                self.config.dataset.key()
            )));
        }
        Ok(())
    }

    /// What the report depends on.
    pub(crate) fn inputs(&self, step: &Step, rules: &Rules) -> Inputs {
        let thresholds = &rules.thresholds;
        let gates: Vec<&str> = self.gates.iter().map(|gate| gate.key.as_str()).collect();
        let there = |rows: &Option<Lineage>| if rows.is_some() { "there" } else { "deleted" };
        let inputs = Inputs::new(step.name(), ALGORITHM);
        // Reports of other models are those of earlier releases.
        let inputs = match &self.metrics.selection {
            Some(_) => inputs.with("selection", "shown"),
            None => inputs,
        };
        let inputs = match &self.unmatched_labels {
            Some(unmatched) => inputs.with("unmatched labels", unmatched),
            None => inputs,
        };
        inputs
            .with("gates", gates.join(" "))
            .with("training data", there(&self.train))
            .with("holdout", there(&self.holdout))
            .with("results", &self.results.header.fingerprint)
            .with(
                "results created at",
                self.results.header.created_at.to_rfc3339(),
            )
            .with("model", &self.manifest.header.fingerprint)
            .with("timezone", step.timezone())
            .with("psi-warn", thresholds.warn)
            .with("psi-alert", thresholds.alert)
            .with("min-rows", thresholds.min_rows)
            .with("monitor-columns", &rules.columns)
            .with_raw(&self.label_files)
    }

    /// The columns that name a row: those of the contract that the results have.
    pub(crate) fn keys(&self) -> Vec<String> {
        let in_results = |name: &String| {
            self.results
                .columns
                .iter()
                .any(|column| column.name == *name)
        };
        self.config
            .dataset
            .key()
            .into_iter()
            .filter(in_results)
            .collect()
    }

    /// The types of [`Subject::keys`] in raw files.
    pub(crate) fn key_types(&self) -> Vec<DataType> {
        let keys = self.keys();
        let column = |name: &String| {
            self.config
                .dataset
                .columns
                .iter()
                .find(|column| column.name == *name)
        };
        keys.iter()
            .filter_map(column)
            .map(|column| column.column_type.data_type())
            .collect()
    }

    /// The column of time in the results, if there is one.
    pub(crate) fn time(&self) -> Option<&str> {
        self.with_role(Role::Time)
    }

    /// The column of what a row weighs in the results, if there is one.
    pub(crate) fn weight(&self) -> Option<&str> {
        self.with_role(Role::Weight)
    }

    /// The column of reasons, if scoring added it; data may have another one of that name.
    pub(crate) fn reasons(&self) -> Option<&'static str> {
        let columns = self.results.columns.iter();
        let mut added = columns.skip_while(|column| column.name != PREDICTION);
        added
            .any(|column| column.name == TOP_REASONS)
            .then_some(TOP_REASONS)
    }

    fn with_role(&self, role: Role) -> Option<&str> {
        let mut columns = self.results.columns.iter();
        let found = columns.find(|column| column.role == role);
        found.map(|column| column.name.as_str())
    }

    /// What is wrong with columns that the verdict should be on, or not, and that the model lacks.
    pub(crate) fn unknown(&self, rules: &Rules) -> Option<String> {
        let features = self.model.features().into_iter();
        let carried = self.segment_columns();
        let judged: Vec<String> = features.chain([SCORE.to_owned()]).chain(carried).collect();
        let (name, version) = (&self.results.model_name, self.results.model_version);
        let model = format!("model {name}, version {version},");
        rules.columns.unknown(&judged, Some(&model))
    }

    /// What training held of a column that the results carry; `None` where its profile does not
    /// say.
    pub(crate) fn category(&self, column: &str) -> Option<&CategoryProfile> {
        let named = |of: &&CategoryProfile| of.name == column;
        self.reference.categories.iter().find(named)
    }

    /// The columns of few values that the results carry beside ids, time, target and features.
    pub(crate) fn segment_columns(&self) -> Vec<String> {
        let divides = |column: &&Column| {
            column.role == Role::Ignored && categories::divides(&column.data_type)
        };
        // The first column that scoring adds.
        let prepared = self
            .results
            .columns
            .iter()
            .take_while(|column| column.name != PREDICTION);
        prepared
            .filter(divides)
            .map(|column| column.name.clone())
            .take(categories::MOST_COLUMNS)
            .collect()
    }
}

/// A verdict of the promotion, as far as a report shows it.
#[derive(Deserialize)]
struct Verdict {
    promoted: bool,
    reason: String,
    comparison: String,
    candidate: Candidate,
    workflow: String,
    #[serde(default)]
    segments: Vec<GateSegment>,
}

#[derive(Deserialize)]
struct Candidate {
    version: u64,
}

/// Comparisons in which no gate had a say: they come about when a workflow is run again.
const UNGATED: [&str; 3] = ["champion-already", "champion-before", "older"];

/// What the gates said of the version that scored.
async fn gates(store: &Store, results: &ResultsManifest) -> Result<Vec<GateVerdict>> {
    let Some((folder, _)) = results.model.rsplit_once('/') else {
        return Ok(Vec::new());
    };
    let mut gates = Vec::new();
    for object in store.glob(&layout::verdicts(folder)).await? {
        let verdict: Verdict = store.require_json(&object.key).await?;
        if verdict.candidate.version == results.model_version
            && !UNGATED.contains(&verdict.comparison.as_str())
        {
            gates.push(GateVerdict {
                key: object.key,
                promoted: verdict.promoted,
                reason: verdict.reason,
                comparison: verdict.comparison,
                workflow: verdict.workflow,
                segments: verdict.segments,
            });
        }
    }
    gates.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(gates)
}

/// The rows of a manifest that may have been deleted since, and their first date, where every raw
/// file says it.
async fn lineage(store: &Store, key: &str) -> Result<(Option<Lineage>, Option<NaiveDate>)> {
    let manifest: Option<DatasetManifest> = manifest::read(store, key).await?;
    let Some(DatasetManifest { rows, shards, .. }) = manifest else {
        return Ok((None, None));
    };
    let with_rows = shards.iter().filter(|shard| shard.rows > 0);
    let firsts = with_rows.map(|shard| Some(shard.time?.first.date()));
    let firsts: Option<Vec<NaiveDate>> = firsts.collect();
    let from = firsts.and_then(|firsts| firsts.into_iter().min());
    Ok((Some(Lineage::new(key, rows, &shards)), from))
}
