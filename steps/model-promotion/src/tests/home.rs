//! A store with prepared data and registered models, as data-prep and model-training leave them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use catalog::compared::Compared;
use catalog::layout::{self, ModelName, Split};
use catalog::manifest::Role;
use catalog::manifest::{
    self, Column, DatasetManifest, File, Header, Inputs, Manifest, ModelManifest, Quarantined,
    RawShard,
};
use catalog::model_files::{FitMetrics, METRICS_VERSION, ModelMetrics};
use learn::fitted_model::Reader;
use learn::model::Model;
use runtime::retry::Budget;
use runtime::step::{Outputs, Step};
use store::Store;
use store::digest;
use table::categories::SegmentColumns;
use table::config::Config;
use table::scoring;
use tracking::{CHAMPION, Candidate, MODEL_FOLDER, RunSpec, Tracking, TrackingArgs};

use settings::{Auto, GateArgs, GateCompare, GateMode, SegmentsArgs};

use super::data::{batch, model, version, write};
use crate::{Plan, Promote};

pub(crate) use super::data::{
    DATA, Data, FAIR, GOOD, USELESS, auc, auc_difference, auc_where, config, region,
};

/// Rows of every holdout.
pub(crate) const ROWS: usize = 200;

/// A folder with a store.
pub(crate) struct Home {
    /// Removed when the test ends.
    _folder: tempfile::TempDir,
    raw: Store,
    pub(crate) step: Step,
    pub(crate) store: Store,
    pub(crate) tracking: Tracking,
    pub(crate) name: ModelName,
}

pub(crate) fn name() -> ModelName {
    "churn".parse().unwrap()
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(&TrackingArgs::default(), name())
    }

    /// With its models in an MLflow server, or in one behind a proxy, under a name of their own.
    pub(crate) fn in_mlflow(uri: String) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("churn-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
            .parse()
            .unwrap();
        Self::with(
            &TrackingArgs {
                uri: Some(uri),
                ..TrackingArgs::default()
            },
            name,
        )
    }

    fn with(args: &TrackingArgs, name: ModelName) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-promotion", folder.path());
        let store = Store::of(&step).unwrap();
        let raw = Store::create(folder.path().join("raw").to_str().unwrap()).unwrap();
        let tracking = Tracking::open(&store, args, Budget::default()).unwrap();
        Self {
            tracking,
            _folder: folder,
            raw,
            step,
            store,
            name,
        }
    }

    /// Registers a model with these coefficients; gives its version.
    pub(crate) async fn register(&self, data: &Data, coefficients: [f64; 2]) -> u64 {
        let config = config(data).pin(&self.store).await.unwrap();
        let holdout = self.dataset(Split::Holdout, data, &config).await;
        let train = self.dataset(Split::Train, data, &config).await;
        let model = model(coefficients);
        let inputs = Inputs::new("model-training", 1)
            .with("data", data.version)
            .with("config", &config)
            .with("coefficients", format!("{coefficients:?}"))
            .with(ModelManifest::TRAIN_DATA, self.content(&train).await)
            .with(ModelManifest::HOLDOUT_DATA, self.content(&holdout).await);
        let folder = layout::model(&self.name, &inputs.fingerprint());
        let bytes = model.to_json().unwrap();
        let key = layout::model_file(&folder, layout::MODEL_FILE);
        let file = File {
            key: key.clone(),
            bytes: bytes.len() as u64,
            sha256: digest::hex(&bytes),
        };
        self.store.put(&key, bytes).await.unwrap();
        let metrics = self.metrics(&config, &holdout, &model).await;
        let bytes = serde_json::to_vec(&metrics).unwrap();
        let key = layout::model_file(&folder, layout::METRICS_FILE);
        let of_metrics = File {
            key: key.clone(),
            bytes: bytes.len() as u64,
            sha256: digest::hex(&bytes),
        };
        self.store.put(&key, bytes).await.unwrap();
        let manifest = ModelManifest {
            header: Header::new(inputs, &self.step),
            model_name: self.name.clone(),
            config,
            data_version: version(data),
            train_manifest: train,
            holdout_manifest: holdout,
            features: model.features,
            files: vec![file, of_metrics],
            run_id: "run".to_owned(),
            warnings: Vec::new(),
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        let fingerprint = &manifest.header().fingerprint;
        let spec = RunSpec::new(&self.step, "train", &self.name, fingerprint);
        let registered = self.tracking.in_run(&spec, async |run| {
            let keys: Vec<&str> = manifest
                .files
                .iter()
                .map(|file| file.key.as_str())
                .collect();
            run.log_files(MODEL_FOLDER, &self.store, &keys).await?;
            let candidate = Candidate::new(&self.name, &key, fingerprint, run.id());
            self.tracking
                .register(&Candidate {
                    files: &manifest.files,
                    ..candidate
                })
                .await
        });
        registered.await.unwrap().version
    }

    /// What a training would have measured on the holdout.
    async fn metrics(&self, config: &str, holdout: &str, model: &Model) -> ModelMetrics {
        let config = Config::load(&self.store, config).await.unwrap();
        let holdout: DatasetManifest = manifest::require(&self.store, holdout).await.unwrap();
        let progress = self.step.progress(1, "rows").clone();
        let model = Arc::new(Reader::standard().first(model.clone()).unwrap());
        let report = scoring::evaluate(
            &self.step,
            &self.store,
            &config,
            &model,
            &holdout,
            &progress,
            None,
        );
        ModelMetrics {
            format_version: METRICS_VERSION,
            holdout: report.await.unwrap(),
            selection: None,
            fit: FitMetrics {
                rows: 1,
                positives: Some(1),
                iterations: Some(1),
                converged: true,
                objective: Some(0.5),
                max_gradient: Some(0.0),
            },
            importance: Vec::new(),
            warnings: Vec::new(),
        }
    }

    async fn content(&self, key: &str) -> String {
        manifest::require::<DatasetManifest>(&self.store, key)
            .await
            .unwrap()
            .content()
    }

    async fn dataset(&self, split: Split, data: &Data, config: &str) -> String {
        let folder = layout::dataset(split, &version(data));
        let raw = if split == Split::Holdout {
            data.holdout
        } else {
            data.train
        };
        let header = Header::new(
            Inputs::new("data-prep", 1)
                .with("split", split)
                .with("raw", raw),
            &self.step,
        );
        let key = layout::part(&folder, &header.fingerprint, 0);
        let part = write(&self.store, key, batch(data, raw)).await;
        let shard = write(&self.raw, raw.to_owned(), batch(data, raw)).await;
        let column = |name: &str, role| Column {
            name: name.to_owned(),
            data_type: match role {
                Role::Id => "Int64".to_owned(),
                Role::Ignored => "Utf8".to_owned(),
                _ => "Float64".to_owned(),
            },
            role,
        };
        let mut columns = vec![
            column("id", Role::Id),
            column("signal", Role::Feature),
            column("noise", Role::Feature),
            column("target", Role::Target),
        ];
        columns.extend(data.regions.then(|| column("region", Role::Ignored)));
        let manifest = DatasetManifest {
            holdout: data.rule.to_owned(),
            columns,
            rows: part.rows,
            labelled_rows: part.rows,
            shards: vec![RawShard {
                key: shard.key,
                bytes: shard.bytes,
                stamp: String::new(),
                sha256: shard.sha256,
                rows: shard.rows,
                time: None,
            }],
            parts: vec![part],
            ..DatasetManifest::empty(header, version(data), split, config)
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        key
    }

    /// Leaves what data-prep makes of a holdout by the configuration of other data: so many of its
    /// rows, or why its file is left out.
    pub(crate) async fn prepare(
        &self,
        holdout: &Data,
        by: &Data,
        made: Result<usize, Quarantined>,
    ) {
        let key = layout::manifest(&layout::dataset(Split::Holdout, &version(holdout)));
        let of: DatasetManifest = manifest::require(&self.store, &key).await.unwrap();
        let config = config(by).digest();
        let compared = Compared {
            holdout: &of,
            config: &config,
            timezone: self.step.timezone(),
        };
        let header = Header::new(compared.inputs(Inputs::new("data-prep", 1)), &self.step);
        let folder = compared.folder();
        let (parts, quarantined) = match made {
            Ok(rows) => {
                let key = layout::part(&folder, &header.fingerprint, 0);
                let rows = batch(holdout, holdout.holdout).slice(0, rows);
                (vec![write(&self.store, key, rows).await], Vec::new())
            }
            Err(why) => (Vec::new(), vec![why]),
        };
        let rows = parts.iter().map(|part| part.rows).sum();
        let manifest = DatasetManifest {
            header,
            config: config.clone(),
            rows,
            labelled_rows: rows,
            parts,
            quarantined,
            ..of.clone()
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
    }

    /// What `plan` lists, and the champion that it found.
    pub(crate) async fn plan(&self, version: u64) -> (Vec<String>, String) {
        let flags = Plan {
            model_name: self.name.clone(),
            model_version: version,
            gate: gate(),
            tracking: TrackingArgs::default(),
        };
        let before = self.objects().await;
        let outputs = crate::plan::plan(&self.step, &self.store, &self.tracking, &flags)
            .await
            .unwrap();
        assert_eq!(self.objects().await, before, "it writes nothing");
        let configurations = outputs.get("configurations").unwrap();
        (
            serde_json::from_str(configurations).unwrap(),
            outputs.get("champion").unwrap().to_owned(),
        )
    }

    pub(crate) async fn promote(&self, version: u64) -> anyhow::Result<Outputs> {
        self.promote_with(&self.step, &flags(version)).await
    }

    pub(crate) async fn promote_with(
        &self,
        step: &Step,
        flags: &Promote,
    ) -> anyhow::Result<Outputs> {
        let version = flags.model_version.unwrap();
        let flags = Promote {
            model_name: self.name.clone(),
            ..flags.clone()
        };
        crate::promote::promote(step, &self.store, &self.tracking, &flags, version).await
    }

    pub(crate) async fn rollback(&self, expect: u64) -> anyhow::Result<Outputs> {
        crate::rollback::rollback(&self.store, &self.tracking, &self.name, expect).await
    }

    pub(crate) async fn champion(&self) -> Option<u64> {
        self.alias(CHAMPION).await
    }

    pub(crate) async fn alias(&self, alias: &str) -> Option<u64> {
        self.tracking.alias(&self.name, alias).await.unwrap()
    }

    /// Dates the moves of an alias back: the last one so many days, each before it a day more.
    pub(crate) async fn date_moves(&self, alias: &str, days: u32) {
        let moves = self
            .store
            .list(&layout::alias(&self.name, alias))
            .await
            .unwrap();
        for (age, object) in (days..).zip(moves.iter().rev()) {
            let mut found: serde_json::Value = self.store.require_json(&object.key).await.unwrap();
            let moved_at = Header::new(Inputs::default(), &self.step).created_at
                - Duration::from_secs(u64::from(age) * 86_400);
            found["moved_at"] = serde_json::to_value(moved_at).unwrap();
            self.store.put_json(&object.key, &found).await.unwrap();
        }
    }

    /// Everything that the step may have changed.
    pub(crate) async fn objects(&self) -> Vec<store::Object> {
        self.store.list("").await.unwrap()
    }
}

pub(crate) fn flags(version: u64) -> Promote {
    Promote {
        model_name: name(),
        model_version: Some(version),
        gate: gate(),
        segments: SegmentsArgs {
            segment_columns: SegmentColumns::Automatic,
        },
        rollback: false,
        expect: None,
        planned_champion: None,
        raw_url: None,
        tracking: TrackingArgs::default(),
    }
}

/// The defaults.
pub(crate) fn gate() -> GateArgs {
    GateArgs {
        gate: GateMode::Soft,
        gate_metric: Auto::Auto,
        gate_floor: Auto::Auto,
        gate_margin: 0.005,
        gate_window: 90,
        gate_compare: GateCompare::Estimate,
        gate_segment_floor: None,
        gate_segment_margin: None,
        gate_segment_rows: 10,
    }
}

/// What a verb gave: promoted, champion, and the reason.
pub(crate) fn decided(outputs: &Outputs) -> (&str, &str, &str) {
    let get = |name| outputs.get(name).unwrap();
    (get("promoted"), get("champion-version"), get("reason"))
}
