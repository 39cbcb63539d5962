//! A store with prepared data, as data-prep leaves it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use catalog::layout::{self, DataVersion, ModelName, Split};
use catalog::manifest::{
    self, Column, DatasetManifest, Header, Inputs, ModelManifest, Part, RawShard, Role,
};
use learn::fitted_model::Reader;
use learn::model::{self, ClassWeight, Model};
use runtime::retry::Budget;
use runtime::step::{Outputs, Step};
use runtime::threads::blocking;
use settings::{ConfigArgs, SegmentsArgs, TrainingArgs};
use store::Store;
use table::categories::SegmentColumns;
use table::config::Config;
use table::labelled::LabelledRows;
use table::parts::PartWriter;
use tracking::{RunRecord, Tracking, TrackingArgs};

use crate::Training;

/// Rows of one shard; a feature or a label may be null.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) x: Vec<Vec<Option<f64>>>,
    pub(crate) y: Vec<Option<i64>>,
}

/// Numbers and labels of the rows that are read of a part.
pub(crate) fn read(rows: &LabelledRows, part: &Part) -> anyhow::Result<(Vec<f64>, Vec<u8>)> {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    rows.each_chunk(part, |chunk| {
        x.extend_from_slice(chunk.x);
        y.extend(chunk.y.iter().map(|label| *label as u8));
        Ok(())
    })?;
    Ok((x, y))
}

impl Rows {
    /// Row-major values of `p` features, and labels.
    pub(crate) fn new(p: usize, x: &[f64], y: &[u8]) -> Self {
        Self {
            x: x.chunks(p)
                .map(|row| row.iter().map(|value| Some(*value)).collect())
                .collect(),
            y: y.iter().map(|label| Some(i64::from(*label))).collect(),
        }
    }

    /// Alternating labels, and one feature that tells a little about them.
    pub(crate) fn simple(rows: usize) -> Self {
        let x: Vec<f64> = (0..rows).map(|i| (i % 7) as f64 + (i % 2) as f64).collect();
        let y: Vec<u8> = (0..rows).map(|i| (i % 2) as u8).collect();
        Self::new(1, &x, &y)
    }

    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        Self {
            x: self.x[from..to].to_vec(),
            y: self.y[from..to].to_vec(),
        }
    }
}

/// A folder with a store.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) step: Step,
    pub(crate) store: Store,
    pub(crate) tracking: Tracking,
    name: ModelName,
    config: String,
    p: usize,
    /// Of features that are whole numbers: by how much they are more than rows say.
    plus: Option<i64>,
    /// Whether the last number of a row is no feature, but what the row weighs.
    weighs: bool,
}

/// Of a column of whole numbers, in the contract.
const WHOLE: &str = r#""type": "int64""#;

/// Of a contract whose target is a number.
const REGRESSION: &str = r#""task": "regression", "#;

/// Of number `at` of the `p` of a row.
fn role_of(at: usize, p: usize, weighs: bool) -> Role {
    match weighs && at + 1 == p {
        true => Role::Weight,
        false => Role::Feature,
    }
}

impl Home {
    /// For data of `p` features.
    pub(crate) async fn new(p: usize) -> Self {
        Self::of_target(p, WHOLE).await
    }

    /// Whose target has these fields in the contract, beside its name and role.
    pub(crate) async fn of_target(p: usize, target: &str) -> Self {
        Self::with(p, &TrackingArgs::default(), "churn", "", target, false).await
    }

    /// Whose target is a number.
    pub(crate) async fn of_number(p: usize) -> Self {
        Self::with(
            p,
            &TrackingArgs::default(),
            "churn",
            REGRESSION,
            WHOLE,
            false,
        )
        .await
    }

    /// Whose features are whole numbers, so much more than rows say.
    pub(crate) fn of_whole(mut self, plus: i64) -> Self {
        self.plus = Some(plus);
        self
    }

    /// Whose target has so many classes, 0 for a number; the last of `p` numbers is no feature, but
    /// what a row weighs.
    pub(crate) async fn weighed(p: usize, classes: usize) -> Self {
        let (task, target) = match classes {
            0 => (REGRESSION, WHOLE.to_owned()),
            2 => ("", WHOLE.to_owned()),
            _ => {
                let allowed: Vec<usize> = (0..classes).collect();
                ("", format!(r#"{WHOLE}, "allowed": {allowed:?}"#))
            }
        };
        Self::with(p, &TrackingArgs::default(), "churn", task, &target, true).await
    }

    /// With its runs and models in an MLflow server, or in one behind a proxy, under a name that no
    /// other test has.
    pub(crate) async fn in_mlflow(p: usize, uri: String, name: &str) -> Self {
        Self::with(
            p,
            &TrackingArgs {
                uri: Some(uri),
                ..TrackingArgs::default()
            },
            name,
            "",
            WHOLE,
            false,
        )
        .await
    }

    async fn with(
        p: usize,
        args: &TrackingArgs,
        name: &str,
        task: &str,
        target: &str,
        weighs: bool,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-training", folder.path());
        let store = Store::of(&step).unwrap();
        let column = |name: &str, role: Role, fields: &str| {
            format!(r#"{{"name": "{name}", {fields}, "role": "{role}"}}"#)
        };
        let mut columns = vec![
            column("id", Role::Id, WHOLE),
            column("target", Role::Target, target),
        ];
        columns.extend(names(p).iter().enumerate().map(|(at, name)| {
            let role = role_of(at, p, weighs);
            column(name, role, r#""type": "float64""#)
        }));
        let dataset = format!(r#"{{{task}"columns": [{}]}}"#, columns.join(", "));
        let config = Config::parse(dataset, "SELECT * FROM raw".to_owned())
            .unwrap()
            .pin(&store)
            .await
            .unwrap();
        let tracking = Tracking::open(&store, args, Budget::default()).unwrap();
        Self {
            tracking,
            folder,
            step,
            store,
            name: name.parse().unwrap(),
            config,
            p,
            plus: None,
            weighs,
        }
    }

    /// Writes both data sets of a version, the holdout being shard 0; gives the flags that train on
    /// it.
    pub(crate) async fn prepared(&self, version: &str, holdout: &Rows, train: &[Rows]) -> Training {
        let raw = |i: usize| format!("train/{i}.parquet");
        let train: Vec<(String, Rows)> = train
            .iter()
            .cloned()
            .enumerate()
            .map(|(i, rows)| (raw(i + 1), rows))
            .collect();
        let holdout = [(raw(0), holdout.clone())];
        let rows = |shards: &[(String, Rows)]| {
            format!(
                "{:?}",
                shards
                    .iter()
                    .map(|(key, rows)| (key, &rows.x, &rows.y))
                    .collect::<Vec<_>>()
            )
        };
        let inputs = Inputs::new("data-prep", 1)
            .with("holdout", rows(&holdout))
            .with("train", rows(&train));
        let holdout_manifest = self.write(Split::Holdout, version, &inputs, &holdout).await;
        let train_manifest = self.write(Split::Train, version, &inputs, &train).await;
        Training {
            model_name: self.name.clone(),
            configuration: ConfigArgs {
                config_dir: self.folder.path().to_owned(),
            },
            ..flags(&train_manifest, &holdout_manifest)
        }
    }

    /// Writes the `models.json` that the flags of [`Home::prepared`] train by; without it the
    /// settings decide.
    pub(crate) fn write_models(&self, models: &str) {
        std::fs::write(self.folder.path().join("models.json"), models).unwrap();
    }

    async fn write(
        &self,
        split: Split,
        version: &str,
        inputs: &Inputs,
        shards: &[(String, Rows)],
    ) -> String {
        let version = DataVersion::parse(version, self.step.timezone()).unwrap();
        let folder = layout::dataset(split, &version);
        let header = Header::new(inputs.clone(), &self.step);
        let (mut parts, mut raw) = (Vec::new(), Vec::new());
        for (ordinal, (key, rows)) in shards.iter().enumerate() {
            let (store, rows) = (self.store.clone(), rows.clone());
            let (p, plus) = (self.p, self.plus);
            let part_key = layout::part(&folder, &header.fingerprint, ordinal);
            let part = blocking(move || {
                let batch = batch(&rows, p, plus);
                let mut writer = PartWriter::new(&store, part_key, ordinal, &batch.schema())?;
                writer.write(&batch)?;
                writer.finish()
            });
            let part = part.await.unwrap();
            raw.push(RawShard {
                key: key.clone(),
                bytes: part.bytes,
                stamp: "2026-11-24".to_owned(),
                sha256: part.sha256.clone(),
                rows: part.rows,
                time: None,
            });
            parts.push(part);
        }
        let column = |name: &str, data_type: &str, role| Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            role,
        };
        let numbers = names(self.p);
        let of_numbers = match self.plus {
            None => "Float64",
            Some(_) => "Int64",
        };
        let manifest =
            DatasetManifest {
                holdout: "first-shard".to_owned(),
                columns: [column("id", "Int64", Role::Id)]
                    .into_iter()
                    .chain(numbers.iter().enumerate().map(|(at, name)| {
                        column(name, of_numbers, role_of(at, self.p, self.weighs))
                    }))
                    .chain([column("target", "Int64", Role::Target)])
                    .collect(),
                rows: parts.iter().map(|part| part.rows).sum(),
                labelled_rows: parts.iter().map(|part| part.rows).sum(),
                parts,
                shards: raw,
                ..DatasetManifest::empty(header, version, split, &self.config)
            };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        key
    }

    /// Changes a manifest.
    pub(crate) async fn edit(&self, key: &str, change: impl FnOnce(&mut DatasetManifest)) {
        let mut manifest: DatasetManifest = manifest::require(&self.store, key).await.unwrap();
        change(&mut manifest);
        self.store.put_json(key, &manifest).await.unwrap();
    }

    pub(crate) async fn train(&self, flags: &Training) -> anyhow::Result<Outputs> {
        crate::train::train(&self.step, &self.store, &self.tracking, flags).await
    }

    /// Trains, and expects a failure: exit code and text.
    pub(crate) async fn refused(&self, flags: &Training) -> (u8, String) {
        let error = self.train(flags).await.expect_err("training is refused");
        let models = self.store.list("models").await.unwrap();
        assert!(
            models.is_empty(),
            "nothing is visible after a refusal: {models:?}"
        );
        (runtime::failure::exit_code(&error), format!("{error:#}"))
    }

    /// The manifest of the model that was trained.
    pub(crate) async fn manifest(&self, outputs: &Outputs) -> ModelManifest {
        let key = outputs.get("model").unwrap();
        manifest::require(&self.store, key).await.unwrap()
    }

    /// The run of what has this fingerprint.
    pub(crate) async fn run(&self, fingerprint: &str) -> RunRecord {
        let found = self.tracking.find_run(&self.name, fingerprint).await;
        found.unwrap().unwrap()
    }

    /// A file of the model that was trained.
    pub(crate) async fn model_file(&self, outputs: &Outputs, file: &str) -> Vec<u8> {
        let manifest = outputs.get("model").unwrap();
        self.store
            .require(&manifest.replace("_manifest.json", file))
            .await
            .unwrap()
    }

    /// The logistic regression of `model.json`, as files of version 1 held it.
    pub(crate) async fn fitted(&self, outputs: &Outputs) -> Model {
        let file = self.model_file(outputs, "model.json").await;
        let model = Reader::standard().read(&file).unwrap();
        let estimator = model.estimator.to_json().unwrap();
        let field = |name: &str| model.training.options[name].clone();
        let of_two = model.of_two().unwrap();
        Model {
            format_version: 1,
            family: model.estimator.kind().to_owned(),
            target: of_two.target,
            classes: of_two.classes,
            threshold: of_two.threshold,
            features: model.features(),
            coefficients: serde_json::from_value(estimator["coefficients"].clone()).unwrap(),
            intercept: estimator["intercept"].as_f64().unwrap(),
            training: model::Training {
                c: field("c").as_f64().unwrap(),
                class_weight: serde_json::from_value(field("class_weight")).unwrap(),
                rows: model.training.rows,
                iterations: model.training.iterations.unwrap(),
                converged: model.training.converged,
            },
        }
    }
}

pub(crate) fn flags(train_manifest: &str, holdout_manifest: &str) -> Training {
    Training {
        model_name: "churn".parse().unwrap(),
        train_manifest: train_manifest.to_owned(),
        holdout_manifest: holdout_manifest.to_owned(),
        configuration: ConfigArgs {
            config_dir: "/nowhere".into(),
        },
        fit: TrainingArgs {
            family: "logistic-regression".to_owned(),
            c: 1.0,
            class_weight: ClassWeight::Balanced,
            max_iter: 1000,
            tol: 1e-10,
            threshold: 0.5,
        },
        segments: SegmentsArgs {
            segment_columns: SegmentColumns::Automatic,
        },
    }
}

/// feature1, feature2, ...
pub(crate) fn names(p: usize) -> Vec<String> {
    (1..=p).map(|j| format!("feature{j}")).collect()
}

fn batch(rows: &Rows, p: usize, plus: Option<i64>) -> RecordBatch {
    let mut fields = vec![Field::new("id", DataType::Int64, false)];
    let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(
        0..rows.y.len() as i64,
    ))];
    for (j, name) in names(p).into_iter().enumerate() {
        let values = rows.x.iter().map(|row| row[j]);
        let column: ArrayRef = match plus {
            None => Arc::new(values.collect::<Float64Array>()),
            Some(plus) => {
                let whole = values.map(|value| value.map(|value| value as i64 + plus));
                Arc::new(whole.collect::<Int64Array>())
            }
        };
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    // The target is between others: its place in the file must not matter.
    fields.insert(1, Field::new("target", DataType::Int64, true));
    columns.insert(1, Arc::new(rows.y.iter().copied().collect::<Int64Array>()));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
