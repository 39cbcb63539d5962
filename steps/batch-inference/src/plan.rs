//! What scoring depends on, and its groups.

use anyhow::{Context, Result};
use catalog::fanout::{self, Shard};
use catalog::layout;
use catalog::manifest::Role;
use catalog::manifest::{self, Column, DatasetManifest, Inputs, ModelManifest, ResultsManifest};
use runtime::failure::Failure;
use runtime::step::{Outputs, Step};
use serde::{Deserialize, Serialize};
use settings::published::{self, ADDED_BY_SCORING};
use store::Store;
use table::categories::{SegmentColumns, divides, is_text};
use tracking::{ModelUri, Tracking};

/// Raised whenever the same inputs would give other bytes.
pub(crate) const ALGORITHM: u32 = 2;

/// What `map` and `commit` have to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) model: ModelUri,
    /// Key of the model's manifest.
    pub(crate) model_manifest: String,
    pub(crate) predict_manifest: String,
    /// Columns of the scored parts; the last ones are added by scoring.
    pub(crate) columns: Vec<Column>,
    /// How many are, unless they are those of two classes without reasons.
    #[serde(default = "of_two", skip_serializing_if = "is_of_two")]
    pub(crate) added: usize,
}

fn of_two() -> usize {
    2 + ADDED_BY_SCORING.len()
}

fn is_of_two(added: &usize) -> bool {
    *added == of_two()
}

impl Job {
    /// Columns that are kept from the prepared parts.
    pub(crate) fn kept(&self) -> &[Column] {
        &self.columns[..self.columns.len() - self.added]
    }

    /// How many of them, the last ones, divide the rows in a report.
    pub(crate) fn carried(&self) -> usize {
        let kept = self.kept().iter();
        kept.filter(|column| column.role == Role::Ignored).count()
    }
}

pub(crate) type Plan = fanout::Plan<Job>;

pub(crate) struct Request {
    pub(crate) model: ModelUri,
    pub(crate) predict_manifest: String,
    pub(crate) parallelism: usize,
    pub(crate) segment_columns: SegmentColumns,
}

pub(crate) async fn plan(
    step: &Step,
    tracking: &Tracking,
    store: &Store,
    request: &Request,
) -> Result<Outputs> {
    let (uri, key) = (&request.model, &request.predict_manifest);
    let version = tracking.version(&uri.model_name, uri.version).await?;
    let model: ModelManifest = manifest::require(store, &version.model).await?;
    let predict: DatasetManifest = manifest::require(store, key).await?;
    must_fit(uri, &model, &predict).with_context(|| format!("checking {key}"))?;

    let carried = carried(store, &request.segment_columns, &model, &predict).await?;
    let mut inputs = Inputs::new(step.name(), ALGORITHM)
        .with("model", uri)
        .with("model fingerprint", &model.header.fingerprint)
        .with("predict data", predict.content())
        // It cuts the days of the profiles.
        .with("timezone", step.timezone());
    // Where nothing is carried, results are those of earlier releases.
    if !carried.is_empty() {
        let names: Vec<&str> = carried.iter().map(|of| of.name.as_str()).collect();
        inputs = inputs.with("segment columns", names.join(", "));
    }
    let folder = layout::scored(&predict.data_version, &uri.model_name, uri.version);
    let committed: Option<ResultsManifest> =
        manifest::reusable(store, &layout::manifest(&folder), &inputs, step.cache()).await?;
    let predictions = model.load_model(store).await?.predicted(&[], &[]);
    let plan = Plan {
        inputs,
        job: Job {
            model: uri.clone(),
            model_manifest: version.model,
            predict_manifest: key.clone(),
            columns: published::scored_columns(&predict.columns, carried, &predictions)?,
            added: predictions.len() + ADDED_BY_SCORING.len(),
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
    let (key, groups) = plan.write(store, request.parallelism).await?;
    Ok(Outputs::new()
        .set("plan", key)
        .set("groups", groups)
        .set("reused", committed.is_some()))
}

/// The columns that are kept beside ids, time, target and features.
///
/// # Errors
/// A column that the setting names and that is none of these: exit 2.
async fn carried(
    store: &Store,
    setting: &SegmentColumns,
    model: &ModelManifest,
    predict: &DatasetManifest,
) -> Result<Vec<Column>> {
    let possible = with_role(predict, Role::Ignored).any(|column| divides(&column.data_type));
    let trained = match setting {
        SegmentColumns::Automatic if possible => model.load_reference(store).await?.categories,
        _ => Vec::new(),
    };
    let mut carried = Vec::new();
    for column in setting.carried(&predict.columns, &trained)? {
        // Nobody asked for this column, so its name must not break the night.
        if *setting == SegmentColumns::Automatic && !published::can_hold(&column.name) {
            continue;
        }
        carried.push(match is_text(&column.data_type) {
            true => Column {
                data_type: "Utf8".to_owned(),
                ..column.clone()
            },
            false => column.clone(),
        });
    }
    Ok(carried)
}

/// The rows must be prepared as the model's training data was.
fn must_fit(uri: &ModelUri, model: &ModelManifest, predict: &DatasetManifest) -> Result<()> {
    if model.config != predict.config {
        return Err(Failure::usage(format!(
            "the rows were prepared with configuration {}, and {uri} was trained with {}: prepare them with the model's own \
             (data-prep plan --split=predict --config={}, and the --selection that batch-inference resolve gives)",
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
