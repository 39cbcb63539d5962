//! What is to be trained: the manifests, checked against each other, and what the model will depend
//! on.

use anyhow::{Context, Result};
use catalog::layout::{self, ModelName, Split};
use catalog::manifest::{self, DatasetManifest, Inputs, ModelManifest};
use learn::calibration::Method;
use learn::models::{Chosen, shown};
use learn::signature::{Kind, Signature};
use runtime::failure::Failure;
use settings::SegmentsArgs;
use store::Store;
use table::categories::SegmentColumns;
use table::config::Config;
use table::dataset::Goal;
use table::features;
use table::models;
use table::scoring;

use crate::choice::{self, Choice};
use crate::{ALGORITHM, Training, categories};

/// As `ALGORITHM`, of models that prepare categories. 2: `reference.json` holds the scores that
/// training rows would have as rows to score, where the target encodes categories.
const CATEGORIES: u32 = 2;

/// What several candidates are chosen by, among the inputs of a model.
const CHOOSING: [&str; 4] = ["candidates", "metric", "validation", "refit"];

/// What is beside the options of a fit, among the inputs of a model.
const BESIDE: [&str; 5] = [
    "calibration",
    "threshold",
    "interval",
    "interval-by",
    "preprocessing",
];

/// A checked training.
pub(crate) struct Job {
    pub(crate) model_name: ModelName,
    pub(crate) data: Data,
    /// The features, in the model's order.
    pub(crate) signature: Signature,
    /// What is fitted, and how it is chosen.
    pub(crate) choice: Choice,
    /// The text of `models.json`.
    pub(crate) models: Option<Vec<u8>>,
    pub(crate) segment_columns: SegmentColumns,
    /// What the model depends on.
    pub(crate) inputs: Inputs,
}

/// What a model is trained and measured on.
pub(crate) struct Data {
    pub(crate) train: DatasetManifest,
    pub(crate) train_key: String,
    pub(crate) holdout: DatasetManifest,
    pub(crate) holdout_key: String,
    pub(crate) config: Config,
    /// What is predicted.
    pub(crate) goal: Goal,
}

impl Data {
    /// Reads the manifests of the training data and of the holdout, and the configuration that
    /// prepared them.
    ///
    /// # Errors
    /// Those of [`Job::read`].
    pub(crate) async fn read(store: &Store, keys: [&String; 2]) -> Result<Self> {
        let [train_key, holdout_key] = keys.map(String::clone);
        let train: DatasetManifest = manifest::require(store, &train_key).await?;
        let holdout: DatasetManifest = manifest::require(store, &holdout_key).await?;
        check([&train, &holdout], [&train_key, &holdout_key])?;
        let config = Config::load(store, &train.config).await?;
        let goal = config.goal()?;
        Ok(Self {
            train,
            train_key,
            holdout,
            holdout_key,
            config,
            goal,
        })
    }
}

impl Job {
    /// Reads the manifests and the configuration that prepared them.
    ///
    /// # Errors
    /// Manifests that do not belong together, or a `models.json` that does not fit them: exit 2. A
    /// holdout that shares rows with the training data: exit 10.
    pub(crate) async fn read(store: &Store, flags: &Training) -> Result<Self> {
        let keys = [&flags.train_manifest, &flags.holdout_manifest];
        let data = Data::read(store, keys).await?;
        let text = models::text(&flags.configuration.config_dir)?;
        let choice = choice::read(text.as_deref(), &flags.fit, &data.goal)?;
        Self::of(&flags.model_name, data, choice, text, &flags.segments)
    }

    /// Of a choice that is made.
    ///
    /// # Errors
    /// Features that it does not fit: exit 2.
    pub(crate) fn of(
        model_name: &ModelName,
        data: Data,
        choice: Choice,
        text: Option<Vec<u8>>,
        segments: &SegmentsArgs,
    ) -> Result<Self> {
        let train = &data.train;
        let signature = features::signature(&train.columns, text.is_some());
        let signature = signature.with_context(|| data.train_key.clone())?;
        let profiled = categories::columns(&segments.segment_columns, train)?;
        let mut inputs = Inputs::new("model-training", ALGORITHM)
            .with("model-name", model_name)
            .with(ModelManifest::TRAIN_DATA, train.content())
            .with(ModelManifest::HOLDOUT_DATA, data.holdout.content());
        inputs = match &choice.candidates[..] {
            [only] => {
                let options = only.options.iter();
                options.fold(
                    inputs.with("family", only.family.name()),
                    |inputs, (name, value)| inputs.with(name.replace('_', "-"), shown(value)),
                )
            }
            several => {
                let names: Vec<String> = several.iter().map(Chosen::to_string).collect();
                inputs
                    .with("candidates", names.join("; "))
                    .with("metric", choice.metric.name)
            }
        };
        if choice.is_validated() {
            inputs = inputs
                .with("validation", serde_json::to_string(&choice.validation)?)
                .with("refit", choice.refits());
        }
        if choice.calibration != Method::None {
            inputs = inputs.with("calibration", choice.calibration.name());
        }
        inputs = inputs.with("threshold", choice.threshold);
        if let Some(settings) = &choice.preprocessing {
            inputs = inputs.with("preprocessing", serde_json::to_string(settings)?);
            if signature.of_kind(Kind::Categorical).is_some() {
                inputs = inputs.with("categories", CATEGORIES);
            }
        }
        if let Some(explain) = choice.explain {
            inputs = inputs.with("explain", explain);
        }
        if let Some(level) = choice.interval {
            inputs = inputs.with("interval", level);
        }
        if choice.quantiles.is_some() {
            inputs = inputs.with("interval-by", "quantiles");
        }
        models::check_names(choice.explain, choice.interval, &train.columns)?;
        // Where there are none, a model is the one of earlier releases.
        if !profiled.is_empty() {
            let names: Vec<&str> = profiled.iter().map(|of| of.name.as_str()).collect();
            inputs = inputs.with("profiled columns", names.join(", "));
        }
        Ok(Self {
            model_name: model_name.clone(),
            data,
            signature,
            choice,
            models: text,
            segment_columns: segments.segment_columns.clone(),
            inputs,
        })
    }

    /// Whether something is chosen on validation rows.
    pub(crate) fn needs_validation(&self) -> bool {
        self.choice.is_validated()
    }

    /// Whether what was chosen is fitted again on all training rows.
    pub(crate) fn refits(&self) -> bool {
        self.choice.refits()
    }

    /// Passes over the training rows that the fits usually take.
    pub(crate) fn passes(&self) -> u64 {
        let passes = self.choice.candidates.iter().map(|of| of.family.passes());
        passes.sum()
    }

    /// Where the model will stand.
    pub(crate) fn folder(&self) -> String {
        layout::model(&self.model_name, &self.inputs.fingerprint())
    }

    pub(crate) fn manifest_key(&self) -> String {
        layout::manifest(&self.folder())
    }

    /// Where the marker of a candidate stands that was measured in a pod of its own; counted
    /// from 1.
    pub(crate) fn marker(&self, candidate: usize) -> String {
        layout::candidate(&layout::work(&self.inputs.fingerprint()), candidate)
    }

    /// For the tracking run: everything that a person compares models by.
    pub(crate) fn params(&self) -> Vec<(String, String)> {
        let of_model = match &self.choice.candidates[..] {
            [only] => only.options.keys().cloned().collect(),
            _ => CHOOSING.map(str::to_owned).to_vec(),
        };
        let of_model = ["family".to_owned()]
            .into_iter()
            .chain(of_model)
            .chain(BESIDE.map(str::to_owned));
        let options = of_model.filter_map(|name| {
            let value = self.inputs.get(&name.replace('_', "-"))?;
            Some((name, value.to_owned()))
        });
        let data = &self.data;
        options
            .chain([
                (
                    "data_version".to_owned(),
                    data.train.data_version.to_string(),
                ),
                ("holdout".to_owned(), data.train.holdout.clone()),
                ("config".to_owned(), data.train.config.clone()),
                ("features".to_owned(), self.signature.names().join(", ")),
                ("train_rows".to_owned(), data.train.rows.to_string()),
                ("holdout_rows".to_owned(), data.holdout.rows.to_string()),
            ])
            .collect()
    }
}

fn check(
    [train, holdout]: [&DatasetManifest; 2],
    [train_key, holdout_key]: [&String; 2],
) -> Result<()> {
    for (flag, key, manifest, split) in [
        ("--train-manifest", train_key, train, Split::Train),
        ("--holdout-manifest", holdout_key, holdout, Split::Holdout),
    ] {
        if manifest.split != split {
            return Err(Failure::usage(format!(
                "{flag} is {key}, which holds {} data: give {split} data",
                manifest.split
            )));
        }
    }
    for (what, of_train, of_holdout) in [
        (
            "data version",
            train.data_version.to_string(),
            holdout.data_version.to_string(),
        ),
        (
            "configuration",
            train.config.clone(),
            holdout.config.clone(),
        ),
        (
            "holdout rule",
            train.holdout.clone(),
            holdout.holdout.clone(),
        ),
        (
            "plan",
            train.header.fingerprint.clone(),
            holdout.header.fingerprint.clone(),
        ),
    ] {
        if of_train != of_holdout {
            return Err(Failure::usage(format!(
                "{train_key} and {holdout_key} do not belong together: {what} {of_train} and {of_holdout}; give both \
                 manifests of one data-prep commit",
            )));
        }
    }
    if let Some(why) = scoring::overlap(train, holdout, true) {
        return Err(Failure::contract(format!(
            "{why}: metrics on rows that the model was trained on are too optimistic; remove the \
             duplicate file, and \
             prepare a new data version"
        )));
    }
    for (manifest, what) in [(train, "train on"), (holdout, "measure the model on")] {
        if manifest.rows == 0 {
            return Err(Failure::contract(format!(
                "the {} data of {} has no rows: there is nothing to {what}; check the raw files, the filter of dataset.json \
                 and the holdout rule ({})",
                manifest.split, manifest.data_version, manifest.holdout
            )));
        }
    }
    Ok(())
}
