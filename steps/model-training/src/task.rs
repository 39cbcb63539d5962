//! What is to be trained: the manifests, checked against each other, and what the model will depend
//! on.

use anyhow::Result;
use catalog::layout::{self, ModelName, Split};
use catalog::manifest::Role;
use catalog::manifest::{self, Column, DatasetManifest, Inputs, ModelManifest};
use learn::model::{ClassWeight, FitOptions};
use runtime::failure::Failure;
use runtime::step::Step;
use store::Store;
use table::categories::SegmentColumns;
use table::config::Config;
use table::labelled::LabelledRows;
use table::scoring;

use crate::{ALGORITHM, Train, categories};

/// A checked training task.
pub(crate) struct Task {
    pub(crate) model_name: ModelName,
    pub(crate) train: DatasetManifest,
    pub(crate) train_key: String,
    pub(crate) holdout: DatasetManifest,
    pub(crate) holdout_key: String,
    pub(crate) config: Config,
    /// Reads the features, in the model's order.
    pub(crate) rows: LabelledRows,
    pub(crate) options: FitOptions,
    pub(crate) threshold: f64,
    pub(crate) segment_columns: SegmentColumns,
    /// What the model depends on.
    pub(crate) inputs: Inputs,
}

impl Task {
    /// Reads the manifests and the configuration that prepared them.
    ///
    /// # Errors
    /// Manifests that do not belong together: exit 2. A holdout that shares rows with the training
    /// data: exit 10.
    pub(crate) async fn read(step: &Step, store: &Store, flags: &Train) -> Result<Self> {
        let train: DatasetManifest = manifest::require(store, &flags.train_manifest).await?;
        let holdout: DatasetManifest = manifest::require(store, &flags.holdout_manifest).await?;
        check(&train, &holdout, flags)?;
        let config = Config::load(store, &train.config).await?;
        let features = features(&train.columns);
        if features.is_empty() {
            return Err(Failure::usage(format!(
                "{} has no column with the role feature: name features in dataset.json or compute some in features.sql",
                flags.train_manifest
            )));
        }
        let rows = LabelledRows::new(store, step.work(), &config, &features)?;
        let options = FitOptions {
            c: flags.fit.c,
            class_weight: flags.fit.class_weight,
            max_iter: flags.fit.max_iter,
            tol: flags.fit.tol,
        };
        let profiled = categories::columns(&flags.segments.segment_columns, &train)?;
        let mut inputs = Inputs::new("model-training", ALGORITHM)
            .with("model-name", &flags.model_name)
            .with(ModelManifest::TRAIN_DATA, train.content())
            .with(ModelManifest::HOLDOUT_DATA, holdout.content())
            .with("family", &flags.fit.family)
            .with("c", flags.fit.c)
            .with("class-weight", class_weight(flags.fit.class_weight))
            .with("max-iter", flags.fit.max_iter)
            .with("tol", flags.fit.tol)
            .with("threshold", flags.fit.threshold);
        // Where there are none, a model is the one of earlier releases.
        if !profiled.is_empty() {
            let names: Vec<&str> = profiled.iter().map(|of| of.name.as_str()).collect();
            inputs = inputs.with("profiled columns", names.join(", "));
        }
        Ok(Self {
            model_name: flags.model_name.clone(),
            train,
            train_key: flags.train_manifest.clone(),
            holdout,
            holdout_key: flags.holdout_manifest.clone(),
            config,
            rows,
            options,
            threshold: flags.fit.threshold,
            segment_columns: flags.segments.segment_columns.clone(),
            inputs,
        })
    }

    /// Where the model will stand.
    pub(crate) fn folder(&self) -> String {
        layout::model(&self.model_name, &self.inputs.fingerprint())
    }

    /// For the tracking run: everything that a person compares models by.
    pub(crate) fn params(&self) -> Vec<(String, String)> {
        let named = [
            "family",
            "c",
            "class-weight",
            "max-iter",
            "tol",
            "threshold",
        ];
        let options = named.iter().map(|name| {
            (
                name.replace('-', "_"),
                self.inputs.get(name).unwrap_or_default().to_owned(),
            )
        });
        options
            .chain([
                (
                    "data_version".to_owned(),
                    self.train.data_version.to_string(),
                ),
                ("holdout".to_owned(), self.train.holdout.clone()),
                ("config".to_owned(), self.train.config.clone()),
                ("features".to_owned(), self.rows.features().join(", ")),
                ("train_rows".to_owned(), self.train.rows.to_string()),
                ("holdout_rows".to_owned(), self.holdout.rows.to_string()),
            ])
            .collect()
    }
}

fn class_weight(class_weight: ClassWeight) -> &'static str {
    match class_weight {
        ClassWeight::Balanced => "balanced",
        ClassWeight::None => "none",
    }
}

/// Names of the columns that a model learns from, in order.
fn features(columns: &[Column]) -> Vec<String> {
    columns
        .iter()
        .filter(|column| column.role == Role::Feature)
        .map(|column| column.name.clone())
        .collect()
}

fn check(train: &DatasetManifest, holdout: &DatasetManifest, flags: &Train) -> Result<()> {
    for (flag, key, manifest, split) in [
        (
            "--train-manifest",
            &flags.train_manifest,
            train,
            Split::Train,
        ),
        (
            "--holdout-manifest",
            &flags.holdout_manifest,
            holdout,
            Split::Holdout,
        ),
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
                "{} and {} do not belong together: {what} {of_train} and {of_holdout}; give both manifests of one \
                 data-prep commit",
                flags.train_manifest, flags.holdout_manifest
            )));
        }
    }
    if let Some(why) = scoring::overlap(train, holdout, true) {
        return Err(Failure::contract(format!(
            "{why}: metrics on rows that the model was trained on would flatter it; remove the file that stands twice, and \
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
