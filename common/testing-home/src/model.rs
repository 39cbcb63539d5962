//! A model as training commits it.

use catalog::layout;
use catalog::manifest::{File, Inputs, ModelManifest};
use catalog::model_files::{FitMetrics, METRICS_VERSION, ModelMetrics};
use learn::metrics::Classification;
use learn::model::{ClassValue, Classes, Importance, LOGISTIC_REGRESSION, Model, Training};
use learn::task::Report;
use profile::cells::Counted;
use profile::reference::{ColumnProfile, FeatureProfile, Reference, ScoreProfile};
use serde_json::json;
use store::digest;
use table::config::Config;

use crate::{Home, Rows, header, name, version};

impl Home {
    /// Folder of the model.
    pub fn model_folder(&self) -> String {
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

    /// Writes the model again, as trained on `reference`.
    pub async fn put_model(&self, reference: &Rows) {
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
                class_weight: self.class_weight,
                rows: reference.len() as u64,
                iterations: 3,
                converged: self.warnings.is_empty(),
            },
        };
        let trained = Reference {
            categories: self.categories.clone(),
            ..profiles(&features, reference, self.threshold)
        };
        let mut files = Vec::new();
        let models = (self.by_models_json).then(|| (layout::MODELS_FILE, b"{}".to_vec()));
        let written = [
            (layout::MODEL_FILE, model.to_json().unwrap()),
            (
                layout::REFERENCE_FILE,
                serde_json::to_vec(&trained).unwrap(),
            ),
            (
                layout::METRICS_FILE,
                serde_json::to_vec(&quality(&features, reference, self.threshold)).unwrap(),
            ),
        ];
        for (file, bytes) in written.into_iter().chain(models) {
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

    /// Puts another reference beside the model.
    pub async fn put_reference(&self, bytes: &[u8]) {
        let folder = self.model_folder();
        let key = layout::model_file(&folder, layout::REFERENCE_FILE);
        self.store.put(&key, bytes.to_vec()).await.unwrap();
        let manifest_key = layout::manifest(&folder);
        let mut manifest: ModelManifest = self.store.require_json(&manifest_key).await.unwrap();
        for file in manifest.files.iter_mut().filter(|file| file.key == key) {
            (file.bytes, file.sha256) = (bytes.len() as u64, digest::hex(bytes));
        }
        self.store.put_json(&manifest_key, &manifest).await.unwrap();
    }
}

fn profile(values: &[Option<f64>]) -> ColumnProfile {
    let finite = values
        .iter()
        .flatten()
        .copied()
        .filter(|value| value.is_finite());
    ColumnProfile::Cells(Counted::of(&finite.collect::<Vec<_>>()))
}

fn profiles(features: &[String], rows: &Rows, threshold: f64) -> Reference {
    let scored = rows.score.iter().zip(&rows.label);
    let (scores, labels): (Vec<f64>, Vec<u8>) = scored
        .filter_map(|(score, label)| Some(((*score)?, u8::from(*label == Some(1)))))
        .unzip();
    let feature = |(name, values): (&String, &Vec<Option<f64>>)| FeatureProfile {
        name: name.clone(),
        profile: profile(values),
    };
    Reference {
        format_version: profile::reference::FORMAT_VERSION,
        rows: rows.len() as u64,
        positives: rows.label.iter().filter(|label| **label == Some(1)).count() as u64,
        features: features.iter().zip(&rows.features).map(feature).collect(),
        score: ScoreProfile::of(threshold, &scores, &labels),
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
        coefficient: Some(0.5),
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
        format_version: METRICS_VERSION,
        holdout: Report::Binary(Box::new(holdout.report(None))),
        selection: None,
        fit: FitMetrics {
            rows: rows.len() as u64,
            positives: Some(1),
            iterations: Some(3),
            converged: true,
            objective: Some(0.5),
            max_gradient: Some(1e-12),
        },
        importance: features.iter().map(importance).collect(),
        warnings: Vec::new(),
    }
}
