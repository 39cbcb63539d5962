//! A store with a model, its results, and raw files of later labels.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::SchemaRef;
use catalog::layout::{self, DataVersion, ModelName};
use catalog::manifest::Role;
use catalog::manifest::{
    Column, File, Header, Inputs, ModelManifest, Part, Quarantined, RawShard, ResultsManifest,
};
use catalog::model_files::{FitMetrics, ModelMetrics};
use chrono_tz::Tz;
use learn::metrics::Classification;
use learn::model::{
    ClassValue, ClassWeight, Classes, Importance, LOGISTIC_REGRESSION, Model, Training,
};
use pages::content::Committed;
use pages::judge::Rules;
use parquet::arrow::ArrowWriter;
use profile::drift::{Grid, Profile, Thresholds};
use profile::reference::CategoryProfile;
use profile::reference::{FeatureProfile, Reference, ScoreProfile};
use runtime::step::{Outputs, Step};
use runtime::threads::blocking;
use serde_json::json;
use store::Store;
use store::digest;
use table::config::Config;
use table::parts::PartWriter;
use tracking::Tracking;

use settings::FailOn;
use settings::monitored::MonitorColumns;

use crate::report::{Request, report};

/// Values of columns, one per row; the names of the columns stand in [`Names`].
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) id: Vec<String>,
    /// Microseconds since 1970 in UTC.
    pub(super) at: Vec<Option<i64>>,
    /// By feature.
    pub(super) features: Vec<Vec<Option<f64>>>,
    pub(super) score: Vec<Option<f64>>,
    pub(super) label: Vec<Option<i64>>,
}

/// What the columns are called.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) id: &'static str,
    /// `None`: there is no time column.
    pub(super) time: Option<&'static str>,
    pub(super) target: &'static str,
    pub(super) features: Vec<&'static str>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            id: "id",
            time: Some("at"),
            target: "y",
            features: vec!["x1", "x2"],
        }
    }
}

pub(super) struct Home {
    pub(super) folder: tempfile::TempDir,
    pub(super) step: Step,
    pub(super) store: Store,
    pub(super) tracking: Tracking,
    pub(super) raw: Store,
    pub(super) names: Names,
    pub(super) threshold: f64,
    pub(super) timezone: Tz,
    /// A text of each row, by its place in its part.
    pub(super) region: Option<fn(usize) -> Option<&'static str>>,
    /// What that text is for.
    pub(super) region_role: Role,
    /// What training held of columns that the model does not use.
    pub(super) categories: Vec<CategoryProfile>,
    pub(super) columns: MonitorColumns,
    /// What training warned of; with any, its fit did not converge.
    pub(super) warnings: Vec<String>,
}

impl Rows {
    /// `count` rows over four days with two features, a score of every hundredth, and a label in
    /// three of four rows.
    pub(super) fn simple(count: usize) -> Self {
        let score = |i: usize| (i * 37 % 101) as f64 / 100.0;
        Self {
            id: (0..count).map(|i| format!("c{i}")).collect(),
            at: (0..count)
                .map(|i| Some(1_740_787_200_000_000 + (i % 4) as i64 * 86_400_000_000))
                .collect(),
            features: vec![
                (0..count).map(|i| Some((i * 13 % 97) as f64)).collect(),
                (0..count).map(|i| Some((i % 5) as f64)).collect(),
            ],
            score: (0..count).map(|i| Some(score(i))).collect(),
            label: (0..count)
                .map(|i| (i % 4 > 0).then_some(i64::from(score(i) > 0.2 && i % 7 > 0)))
                .collect(),
        }
    }

    /// Rows from one place up to before another.
    pub(super) fn slice(&self, from: usize, to: usize) -> Self {
        Self {
            id: self.id[from..to].to_vec(),
            at: self.at[from..to].to_vec(),
            features: self
                .features
                .iter()
                .map(|feature| feature[from..to].to_vec())
                .collect(),
            score: self.score[from..to].to_vec(),
            label: self.label[from..to].to_vec(),
        }
    }

    fn len(&self) -> usize {
        self.id.len()
    }
}

impl Home {
    /// A home with a model; `reference` is what it was trained on.
    pub(super) async fn new(names: Names, reference: &Rows) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-monitoring", folder.path());
        let store = Store::of(&step).unwrap();
        let raw = Store::create(folder.path().join("raw").to_str().unwrap()).unwrap();
        let tracking = Tracking::embedded(&store);
        let home = Self {
            folder,
            step,
            store,
            tracking,
            raw,
            names,
            threshold: 0.5,
            timezone: Tz::UTC,
            region: None,
            region_role: Role::Ignored,
            categories: Vec::new(),
            columns: MonitorColumns::All,
            warnings: Vec::new(),
        };
        home.put_model(reference).await;
        home
    }

    pub(super) async fn with_threshold(names: Names, reference: &Rows, threshold: f64) -> Self {
        let home = Self {
            threshold,
            ..Self::new(names, reference).await
        };
        home.put_model(reference).await;
        home
    }

    pub(super) fn at(&mut self, timezone: &str) {
        self.timezone = timezone.parse().unwrap();
        self.step = self.step.in_timezone(self.timezone);
    }

    pub(super) fn model_folder(&self) -> String {
        layout::model(&name(), &self.model_inputs().fingerprint())
    }

    fn model_inputs(&self) -> Inputs {
        Inputs::new("model-training", 1)
    }

    fn config(&self) -> Config {
        let names = &self.names;
        let mut columns = vec![json!({"name": names.id, "type": "utf8", "role": "id"})];
        columns.extend(
            names
                .time
                .map(|time| json!({"name": time, "type": "timestamptz", "role": "time"})),
        );
        columns.extend(
            names
                .features
                .iter()
                .map(|name| json!({"name": name, "type": "float64", "role": "feature"})),
        );
        columns.push(
            json!({"name": names.target, "type": "int64", "role": "target", "allowed": [0, 1]}),
        );
        Config::parse(
            json!({ "columns": columns }).to_string(),
            "SELECT * FROM raw".to_owned(),
        )
        .unwrap()
    }

    pub(super) async fn put_model(&self, reference: &Rows) {
        let config = self.config().pin(&self.store).await.unwrap();
        let features: Vec<String> = self
            .names
            .features
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        let folder = self.model_folder();
        let model = Model {
            format_version: learn::model::FORMAT_VERSION,
            family: LOGISTIC_REGRESSION.to_owned(),
            target: self.names.target.to_owned(),
            classes: Classes {
                negative: ClassValue::Int(0),
                positive: ClassValue::Int(1),
            },
            threshold: self.threshold,
            features: features.clone(),
            coefficients: vec![0.5; features.len()],
            intercept: 0.1,
            training: Training {
                c: 1.0,
                class_weight: ClassWeight::None,
                rows: reference.len() as u64,
                iterations: 3,
                converged: self.warnings.is_empty(),
            },
        };
        let mut trained = profiles(&features, reference);
        trained.hold(self.categories.clone());
        let mut files = Vec::new();
        for (file, bytes) in [
            (layout::MODEL_FILE, model.to_json().unwrap()),
            (
                layout::REFERENCE_FILE,
                serde_json::to_vec(&trained).unwrap(),
            ),
            (
                layout::METRICS_FILE,
                serde_json::to_vec(&quality(&features, reference, self.threshold)).unwrap(),
            ),
        ] {
            let key = layout::model_file(&folder, file);
            self.store.put(&key, bytes.clone()).await.unwrap();
            files.push(File {
                key,
                bytes: bytes.len() as u64,
                sha256: digest::hex(&bytes),
            });
        }
        let manifest = ModelManifest {
            header: header(self.model_inputs(), "train-1"),
            model_name: name(),
            config,
            data_version: version("1"),
            train_manifest: "train/1/_manifest.json".to_owned(),
            holdout_manifest: "holdout/1/_manifest.json".to_owned(),
            features,
            files,
            run_id: "r".to_owned(),
            warnings: self.warnings.clone(),
        };
        self.store
            .put_json(&layout::manifest(&folder), &manifest)
            .await
            .unwrap();
    }

    fn schema_and_columns(&self, rows: &Rows) -> (RecordBatch, Vec<Column>) {
        let names = &self.names;
        let mut columns: Vec<(String, &str, Role, ArrayRef)> = Vec::new();
        let floats =
            |values: &[Option<f64>]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        let whole =
            |values: &[Option<i64>]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        columns.push((
            names.id.into(),
            "Utf8",
            Role::Id,
            Arc::new(StringArray::from(rows.id.clone())),
        ));
        if let Some(time) = names.time {
            let at = TimestampMicrosecondArray::from(rows.at.clone()).with_timezone("UTC");
            columns.push((
                time.into(),
                "Timestamp(Microsecond, Some(\"UTC\"))",
                Role::Time,
                Arc::new(at),
            ));
        }
        columns.push((
            names.target.into(),
            "Int64",
            Role::Target,
            whole(&rows.label),
        ));
        for (name, values) in names.features.iter().zip(&rows.features) {
            columns.push(((*name).into(), "Float64", Role::Feature, floats(values)));
        }
        if let Some(region) = self.region {
            let texts = StringArray::from_iter((0..rows.len()).map(region));
            columns.push(("region".into(), "Utf8", self.region_role, Arc::new(texts)));
        }
        let decided: Vec<Option<i64>> = rows
            .score
            .iter()
            .map(|score| score.map(|score| i64::from(score >= self.threshold)))
            .collect();
        columns.push(("prediction".into(), "Int64", Role::Ignored, whole(&decided)));
        columns.push((
            "probability".into(),
            "Float64",
            Role::Ignored,
            floats(&rows.score),
        ));
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns
                .iter()
                .map(|(name, _, _, array)| (name.as_str(), array.clone(), true)),
        );
        let described = columns
            .into_iter()
            .map(|(name, data_type, role, _)| Column {
                name,
                data_type: data_type.to_owned(),
                role,
            })
            .collect();
        (batch.unwrap(), described)
    }

    /// Writes results of one part per entry; gives the key of their manifest.
    pub(super) async fn results(&self, parts: &[Rows]) -> String {
        self.results_with(parts, Vec::new()).await
    }

    pub(super) async fn results_with(
        &self,
        parts: &[Rows],
        quarantined: Vec<Quarantined>,
    ) -> String {
        let folder = layout::scored(&version("25.05.1"), &name(), 3);
        let inputs = Inputs::new("batch-inference", 1).with("rows", format!("{parts:?}"));
        let mut written = Vec::new();
        let (_, columns) = self.schema_and_columns(&Rows {
            features: vec![vec![]; 9],
            ..Rows::default()
        });
        for (ordinal, rows) in parts.iter().enumerate() {
            let (batch, _) = self.schema_and_columns(rows);
            let key = layout::part(&folder, &inputs.fingerprint(), ordinal);
            written.push(write_part(&self.store, key, ordinal, batch.schema(), batch).await);
        }
        let manifest = ResultsManifest {
            header: header(inputs, "score-1"),
            data_version: version("25.05.1"),
            model_name: name(),
            model_version: 3,
            model: layout::manifest(&self.model_folder()),
            predict_manifest: "predict/25.05.1/0/_manifest.json".to_owned(),
            columns,
            rows: written.iter().map(|part| part.rows).sum(),
            profiles: Vec::new(),
            unscored_rows: parts
                .iter()
                .flat_map(|rows| &rows.score)
                .filter(|score| score.is_none())
                .count() as u64,
            shards: (0..written.len())
                .map(|i| RawShard {
                    key: format!("predict/{i}.parquet"),
                    bytes: 1,
                    stamp: "s".to_owned(),
                    sha256: "0".to_owned(),
                    rows: written[i].rows,
                    time: None,
                })
                .collect(),
            parts: written,
            quarantined,
            left_out: Default::default(),
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        key
    }

    /// Delivers late labels: id, time, label.
    pub(super) fn deliver(&self, file: &str, labels: &[(&str, i64, Option<i64>)]) {
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
            labels.iter().map(|label| label.0),
        ));
        let at: ArrayRef = Arc::new(
            TimestampMicrosecondArray::from_iter_values(labels.iter().map(|label| label.1))
                .with_timezone("UTC"),
        );
        let values: ArrayRef = Arc::new(Int64Array::from_iter(labels.iter().map(|label| label.2)));
        let mut columns = vec![
            (self.names.target, values, true),
            (self.names.id, ids, false),
        ];
        columns.extend(self.names.time.map(|time| (time, at, false)));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        std::fs::create_dir_all(self.folder.path().join("raw/labels")).unwrap();
        write_raw(&self.folder.path().join("raw/labels").join(file), &batch);
    }

    pub(super) async fn try_report(&self, results_manifest: &str) -> anyhow::Result<Outputs> {
        self.try_report_failing_on(results_manifest, FailOn::Never)
            .await
    }

    pub(super) async fn try_report_failing_on(
        &self,
        results_manifest: &str,
        fail_on: FailOn,
    ) -> anyhow::Result<Outputs> {
        let request = Request {
            fail_on,
            results_manifest: results_manifest.to_owned(),
            labels_glob: "labels/*.parquet".to_owned(),
            rules: Rules {
                thresholds: Thresholds {
                    warn: 0.1,
                    alert: 0.25,
                    min_rows: 100,
                },
                columns: self.columns.clone(),
            },
        };
        report(&self.step, &self.store, &self.raw, &self.tracking, &request).await
    }

    /// Reports, and reads back what was committed.
    pub(super) async fn report(&self, results_manifest: &str) -> (Outputs, Committed) {
        let outputs = self.try_report(results_manifest).await.unwrap();
        let key = layout::report_json(&layout::report(&version("25.05.1"), &name(), 3));
        (outputs, self.store.require_json(&key).await.unwrap())
    }

    pub(super) async fn html(&self) -> String {
        let key = layout::report_html(&layout::report(&version("25.05.1"), &name(), 3));
        String::from_utf8(self.store.require(&key).await.unwrap()).unwrap()
    }
}

pub(super) fn name() -> ModelName {
    "m".parse().unwrap()
}

pub(super) fn version(text: &str) -> DataVersion {
    DataVersion::parse(text, Tz::UTC).unwrap()
}

/// Of a fixed time, so that reports can be compared with snapshots.
fn header(inputs: Inputs, workflow: &str) -> Header {
    Header {
        format_version: catalog::manifest::FORMAT_VERSION,
        fingerprint: inputs.fingerprint(),
        inputs,
        created_at: "2026-11-23T02:30:00Z".parse().unwrap(),
        workflow: workflow.to_owned(),
    }
}

fn profile(values: &[Option<f64>]) -> Profile {
    let finite: Vec<f64> = values
        .iter()
        .flatten()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    let rows = finite.len().max(1) as f64;
    let mean = finite.iter().sum::<f64>() / rows;
    let std = (finite
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / rows)
        .sqrt();
    let mut profile = Profile::new(Grid::new(mean, std));
    profile.add_all(&finite);
    profile
}

fn profiles(features: &[String], rows: &Rows) -> Reference {
    let mut score = ScoreProfile::empty();
    for (value, label) in rows.score.iter().zip(&rows.label) {
        let side = if *label == Some(1) {
            &mut score.positive
        } else {
            &mut score.negative
        };
        side.add_all(&value.iter().copied().collect::<Vec<_>>());
    }
    let feature = |(name, values): (&String, &Vec<Option<f64>>)| FeatureProfile {
        name: name.clone(),
        profile: profile(values),
    };
    Reference {
        format_version: profile::reference::FORMAT_VERSION,
        rows: rows.len() as u64,
        positives: rows.label.iter().filter(|label| **label == Some(1)).count() as u64,
        features: features.iter().zip(&rows.features).map(feature).collect(),
        score,
        categories: Vec::new(),
    }
}

fn quality(features: &[String], rows: &Rows, threshold: f64) -> ModelMetrics {
    let mut holdout = Classification::new(threshold);
    for (score, label) in rows.score.iter().zip(&rows.label) {
        if let (Some(score), Some(label)) = (score, label) {
            holdout.add_rows(&[*label as u8], &[*score]).unwrap();
        }
    }
    let importance = |name: &String| Importance {
        feature: name.clone(),
        coefficient: 0.5,
        std: 2.0,
        importance: 1.0,
        vif: None,
        collinear_with: features
            .iter()
            .filter(|other| *other != name)
            .cloned()
            .collect(),
    };
    ModelMetrics {
        format_version: profile::reference::FORMAT_VERSION,
        holdout: holdout.report(None),
        fit: FitMetrics {
            rows: rows.len() as u64,
            positives: 1,
            iterations: 3,
            converged: true,
            objective: 0.5,
            max_gradient: 1e-12,
        },
        importance: features.iter().map(importance).collect(),
        warnings: Vec::new(),
    }
}

async fn write_part(
    store: &Store,
    key: String,
    ordinal: usize,
    schema: SchemaRef,
    batch: RecordBatch,
) -> Part {
    let store = store.clone();
    blocking(move || {
        let mut writer = PartWriter::new(&store, key, ordinal, &schema)?;
        writer.write(&batch)?;
        writer.finish()
    })
    .await
    .unwrap()
}

fn write_raw(file: &Path, batch: &RecordBatch) {
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}
