//! A model, prepared rows, and the verbs over them.

use super::*;

/// The contract of [`columns`].
const DATASET: &str = r#"{"columns": [
    {"name": "id", "type": "utf8", "role": "id"},
    {"name": "note", "type": "utf8", "role": "ignored"},
    {"name": "b \"2\"", "type": "float64", "role": "feature"},
    {"name": "a.1", "type": "int64", "role": "feature"},
    {"name": "y", "type": "int64", "role": "target", "allowed": [0, 1]}
]}"#;

fn config() -> Config {
    Config::parse(DATASET.to_owned(), "SELECT * FROM raw".to_owned()).unwrap()
}

/// A model named `m` with versions, a champion, and prepared rows to score.
pub(super) struct Bench {
    pub(super) config: String,
    pub(super) home: tempfile::TempDir,
    pub(super) step: Step,
    pub(super) store: Store,
    pub(super) tracking: Tracking,
}

pub(super) fn name() -> ModelName {
    "m".parse().unwrap()
}

pub(super) fn version(text: &str) -> DataVersion {
    DataVersion::parse(text, chrono_tz::Tz::UTC).unwrap()
}

pub(super) fn model(classes: Classes) -> Model {
    Model {
        format_version: learn::model::FORMAT_VERSION,
        family: LOGISTIC_REGRESSION.to_owned(),
        target: "y".to_owned(),
        classes,
        threshold: 0.5,
        features: vec!["b \"2\"".to_owned(), "a.1".to_owned()],
        coefficients: vec![-1.5, 0.25],
        intercept: 0.1,
        training: Training {
            c: 1.0,
            class_weight: ClassWeight::None,
            rows: 9,
            iterations: 3,
            converged: true,
        },
    }
}

/// As if the model had been trained on the numbers from 0 to 99.
pub(super) fn reference(model: &Model) -> Reference {
    let counted = Counted::of(&(0..100).map(f64::from).collect::<Vec<_>>());
    let features = model.features.iter().map(|name| FeatureProfile {
        name: name.clone(),
        profile: ColumnProfile::Cells(counted.clone()),
    });
    Reference {
        format_version: profile::reference::FORMAT_VERSION,
        rows: 100,
        positives: 50,
        features: features.collect(),
        score: ScoreProfile::of(model.threshold, &[], &[]),
        categories: Vec::new(),
    }
}

pub(super) fn zero_one() -> Classes {
    Classes {
        negative: ClassValue::Int(0),
        positive: ClassValue::Int(1),
    }
}

pub(super) fn columns() -> Vec<Column> {
    let column = |name: &str, data_type: &str, role| Column {
        name: name.into(),
        data_type: data_type.into(),
        role,
    };
    vec![
        column("id", "Utf8", Role::Id),
        column("note", "Utf8", Role::Ignored),
        column("b \"2\"", "Float64", Role::Feature),
        column("a.1", "Int64", Role::Feature),
        column("y", "Int64", Role::Target),
    ]
}

pub(super) fn rows(from: i64, count: i64) -> RecordBatch {
    let range = from..from + count;
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            range.clone().map(|i| format!("id {i}")),
        )),
        Arc::new(StringArray::from_iter_values(range.clone().map(|_| "n"))),
        Arc::new(Float64Array::from_iter_values(
            range.clone().map(|i| i as f64 / 7.0),
        )),
        Arc::new(Int64Array::from_iter_values(range.clone().map(|i| i % 11))),
        Arc::new(Int64Array::from_iter(
            range.map(|i| (i % 2 == 0).then_some(i % 3 / 2)),
        )),
    ];
    let types = [
        DataType::Utf8,
        DataType::Utf8,
        DataType::Float64,
        DataType::Int64,
        DataType::Int64,
    ];
    let fields: Vec<Field> = columns()
        .iter()
        .zip(types)
        .map(|(column, data_type)| Field::new(&column.name, data_type, true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::of(config().digest()).await
    }

    /// With models of the configuration of that digest.
    pub(super) async fn of(config: String) -> Self {
        let home = tempfile::tempdir().unwrap();
        let step = Step::for_test("batch-inference", home.path());
        let store = Store::of(&step).unwrap();
        std::fs::create_dir_all(home.path().join("raw/predict")).unwrap();
        let tracking = Tracking::embedded(&store);
        let bench = Self {
            config,
            home,
            step,
            store,
            tracking,
        };
        self::config().pin(&bench.store).await.unwrap();
        let first = bench.register(model(zero_one()), "1").await;
        assert!(
            bench
                .tracking
                .set_alias(&name(), CHAMPION, first, None)
                .await
                .unwrap()
        );
        bench
    }

    pub(super) async fn register(&self, model: Model, seed: &str) -> u64 {
        self.register_with(model, seed, Vec::new()).await
    }

    /// A model whose training profile holds columns that it does not use.
    pub(super) async fn register_with(
        &self,
        model: Model,
        seed: &str,
        categories: Vec<CategoryProfile>,
    ) -> u64 {
        let inputs = Inputs::new("model-training", 1).with("seed", seed);
        let folder = layout::model(&name(), &inputs.fingerprint());
        let bytes = model.to_json().unwrap();
        let file = layout::model_file(&folder, layout::MODEL_FILE);
        self.store.put(&file, bytes.clone()).await.unwrap();
        let reference = Reference {
            categories,
            ..reference(&model)
        };
        let reference = serde_json::to_vec(&reference).unwrap();
        let profiled = layout::model_file(&folder, layout::REFERENCE_FILE);
        self.store.put(&profiled, reference.clone()).await.unwrap();
        let written = |key, bytes: &[u8]| File {
            key,
            bytes: bytes.len() as u64,
            sha256: store::digest::hex(bytes),
        };
        let manifest = ModelManifest {
            header: Header::new(inputs, &self.step),
            model_name: name(),
            config: self.config.clone(),
            data_version: version("1"),
            train_manifest: String::new(),
            holdout_manifest: String::new(),
            features: model.features,
            files: vec![written(file, &bytes), written(profiled, &reference)],
            run_id: "r".to_owned(),
            warnings: Vec::new(),
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        let fingerprint = manifest.header.fingerprint;
        self.tracking
            .register(&Candidate::new(&name(), &key, &fingerprint, "r"))
            .await
            .unwrap()
            .version
    }

    pub(super) fn deliver(&self, file: &str, content: &str) {
        std::fs::write(self.home.path().join("raw/predict").join(file), content).unwrap();
    }

    pub(super) async fn resolve(
        &self,
        data_version: &str,
        model_ref: &str,
        shards: PredictShards,
    ) -> anyhow::Result<Selection> {
        let raw = Store::open(self.home.path().join("raw").to_str().unwrap()).unwrap();
        let request = Request {
            data_version: version(data_version),
            model_name: name(),
            model_ref: model_ref.to_owned(),
            predict_shards: shards,
            glob: "predict/*.csv".to_owned(),
            cache: self.step.cache(),
            workflow: (!self.step.is_manual()).then(|| self.step.workflow().to_owned()),
        };
        let outputs = resolve(&self.step, &self.tracking, &self.store, &raw, &request).await?;
        assert_eq!(outputs.get("config"), Some(&*self.config));
        let kept = self
            .store
            .get_json::<Selection>(outputs.get("selection").unwrap())
            .await?;
        assert_eq!(
            kept.is_some(),
            outputs.get("shards") != Some("0"),
            "an empty choice is not kept"
        );
        Ok(kept.unwrap_or(Selection {
            predict_shards: shards,
            glob: request.glob,
            shards: Vec::new(),
            workflow: String::new(),
            listing: String::new(),
            history: None,
        }))
    }

    /// Prepares parts of the given numbers of rows.
    pub(super) async fn prepare(&self, data_version: &str, sizes: &[i64]) -> String {
        let folder = layout::predict(&version(data_version), &self.config);
        let mut parts = Vec::new();
        for (ordinal, &size) in sizes.iter().enumerate() {
            let (store, key) = (
                self.store.clone(),
                layout::part(&folder, &self.config, ordinal),
            );
            let part: Part = blocking(move || {
                let batch = rows(ordinal as i64 * 1000, size);
                let mut writer = PartWriter::new(&store, key, ordinal, &batch.schema())?;
                writer.write(&batch)?;
                writer.finish()
            })
            .await
            .unwrap();
            parts.push(part);
        }
        let raw = |part: &Part| RawShard {
            key: format!("predict/{}.csv", part.ordinal),
            bytes: 1,
            stamp: "t".to_owned(),
            sha256: store::digest::hex(b"x"),
            rows: part.rows,
            time: None,
        };
        let inputs = Inputs::new("data-prep", 1).with("sizes", format!("{sizes:?}"));
        let header = Header::new(inputs, &self.step);
        let version = version(data_version);
        let manifest = DatasetManifest {
            columns: columns(),
            rows: parts.iter().map(|part| part.rows).sum(),
            shards: parts.iter().map(raw).collect(),
            parts,
            ..DatasetManifest::empty(header, version, Split::Predict, &self.config)
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        key
    }

    /// Scores everything; gives the results manifest's key and whether all was reused.
    pub(super) async fn score(&self, uri: &str, predict: &str) -> anyhow::Result<(String, bool)> {
        self.score_carrying(uri, predict, SegmentColumns::Automatic)
            .await
    }

    pub(super) async fn score_carrying(
        &self,
        uri: &str,
        predict: &str,
        segment_columns: SegmentColumns,
    ) -> anyhow::Result<(String, bool)> {
        let request = crate::plan::Request {
            model: uri.parse().unwrap(),
            predict_manifest: predict.to_owned(),
            parallelism: 2,
            segment_columns,
        };
        let planned = plan(&self.step, &self.tracking, &self.store, &request).await?;
        let groups: Vec<String> = serde_json::from_str(planned.get("groups").unwrap())?;
        let mut reused = planned.get("reused") == Some("true");
        for group in groups {
            let mapped = map(
                &self.step,
                &self.store,
                planned.get("plan").unwrap(),
                &group,
            )
            .await?;
            reused &= mapped.get("reused") == Some("true");
        }
        let committed = commit(&self.step, &self.store, planned.get("plan").unwrap()).await?;
        reused &= committed.get("reused") == Some("true");
        Ok((committed.get("manifest").unwrap().to_owned(), reused))
    }

    pub(super) async fn results(&self, key: &str) -> (ResultsManifest, RecordBatch) {
        let manifest: ResultsManifest = manifest::require(&self.store, key).await.unwrap();
        let columns: Vec<String> = manifest
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let mut batches = Vec::new();
        for part in &manifest.parts {
            batches.extend(
                parts::read(
                    &self.store.file(&part.key).await.unwrap(),
                    &columns,
                    self.step.work(),
                )
                .unwrap()
                .map(Result::unwrap),
            );
        }
        let schema = batches[0].schema();
        (manifest, concat_batches(&schema, &batches).unwrap())
    }
}

pub(super) fn bytes_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                true => bytes_below(&path)
                    .into_iter()
                    .map(|(below, bytes)| (format!("{name}/{below}"), bytes))
                    .collect(),
                false => vec![(name, std::fs::read(&path).unwrap())],
            }
        })
        .collect();
    files.sort();
    files
}
