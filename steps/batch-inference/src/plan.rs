//! What scoring depends on, and its groups.

use anyhow::{Context, Result};
use common::dataset::Role;
use common::failure::Failure;
use common::fanout::{self, Shard};
use common::layout;
use common::manifest::{self, Column, DatasetManifest, Inputs, ModelManifest, ResultsManifest};
use common::step::{Outputs, Step};
use common::store::Store;
use common::tracking::{ModelUri, Tracking};
use serde::{Deserialize, Serialize};

/// Raised whenever the same inputs would give other bytes.
const ALGORITHM: u32 = 2;
/// What scoring adds to the columns of the data.
const ADDED: [(&str, &str); 5] = [
    ("prediction", ""),
    ("probability", "Float64"),
    ("model_name", "Utf8"),
    ("model_version", "Int64"),
    ("data_version", "Utf8"),
];

/// What `map` and `commit` have to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) model: ModelUri,
    /// Key of the model's manifest.
    pub(crate) model_manifest: String,
    pub(crate) predict_manifest: String,
    /// Columns of the scored parts; the last five are added by scoring.
    pub(crate) columns: Vec<Column>,
}

impl Job {
    /// Columns that are kept from the prepared parts.
    pub(crate) fn kept(&self) -> &[Column] {
        &self.columns[..self.columns.len() - ADDED.len()]
    }
}

pub(crate) type Plan = fanout::Plan<Job>;

pub(crate) async fn plan(
    step: &Step,
    tracking: &Tracking,
    store: &Store,
    uri: &ModelUri,
    predict_manifest: &str,
    parallelism: usize,
) -> Result<Outputs> {
    let version = tracking.version(&uri.model_name, uri.version).await?;
    let model: ModelManifest = manifest::require(store, &version.model).await?;
    let predict: DatasetManifest = manifest::require(store, predict_manifest).await?;
    must_fit(uri, &model, &predict).with_context(|| format!("checking {predict_manifest}"))?;

    let inputs = Inputs::new(step.name(), ALGORITHM)
        .with("model", uri)
        .with("model fingerprint", &model.header.fingerprint)
        .with("predict data", predict.content())
        // It cuts the days of the profiles.
        .with("timezone", step.timezone());
    let folder = layout::scored(&predict.data_version, &uri.model_name, uri.version);
    let committed: Option<ResultsManifest> =
        manifest::reusable(store, &layout::manifest(&folder), &inputs, step.cache()).await?;
    let plan = Plan {
        inputs,
        job: Job {
            model: uri.clone(),
            model_manifest: version.model,
            predict_manifest: predict_manifest.to_owned(),
            columns: columns(&predict)?,
        },
        shards: predict
            .parts
            .into_iter()
            .map(|part| Shard {
                ordinal: part.ordinal,
                key: part.key,
                bytes: part.bytes,
                stamp: part.sha256,
            })
            .collect(),
    };
    let (key, groups) = plan.write(store, parallelism).await?;
    Ok(Outputs::new()
        .set("plan", key)
        .set("groups", groups)
        .set("reused", committed.is_some()))
}

/// The rows must be prepared as the model's training data was.
fn must_fit(uri: &ModelUri, model: &ModelManifest, predict: &DatasetManifest) -> Result<()> {
    if model.config != predict.config {
        return Err(Failure::usage(format!(
            "the rows were prepared with configuration {}, and {uri} was trained with {}: prepare them with the model's own \
             (data-prep plan --split=predict --config={})",
            &predict.config[..12.min(predict.config.len())],
            &model.config[..12.min(model.config.len())],
            model.config
        )));
    }
    let features: Vec<&String> = with_role(predict, Role::Feature)
        .map(|column| &column.name)
        .collect();
    if features != model.features.iter().collect::<Vec<_>>() {
        return Err(Failure::usage(format!(
            "the rows have the features {features:?}, and {uri} was trained on {:?}",
            model.features
        )));
    }
    Ok(())
}

fn with_role(dataset: &DatasetManifest, role: Role) -> impl Iterator<Item = &Column> {
    dataset
        .columns
        .iter()
        .filter(move |column| column.role == role)
}

/// Ids, time, target, features, and what scoring adds.
fn columns(predict: &DatasetManifest) -> Result<Vec<Column>> {
    let roles = [Role::Id, Role::Time, Role::Target, Role::Feature];
    let mut columns: Vec<Column> = roles
        .iter()
        .flat_map(|&role| with_role(predict, role))
        .cloned()
        .collect();
    if let Some(taken) = columns
        .iter()
        .find(|column| ADDED.iter().any(|(name, _)| column.name == *name))
    {
        return Err(Failure::usage(format!(
            "column {:?} of the data has the name of a column that scoring adds: give it another name in features.sql",
            taken.name
        )));
    }
    let target = with_role(predict, Role::Target)
        .next()
        .ok_or_else(|| Failure::usage("the rows have no target column"))?;
    let type_of_target = target.data_type.clone();
    columns.extend(ADDED.map(|(name, data_type)| Column {
        name: name.to_owned(),
        data_type: if data_type.is_empty() {
            type_of_target.clone()
        } else {
            data_type.to_owned()
        },
        role: Role::Ignored,
    }));
    Ok(columns)
}
