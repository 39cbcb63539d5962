//! The verbs over folders.

mod carried;
mod golden;
mod selection;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use common::categories::SegmentColumns;
use common::drift::{Grid, Profile};
use common::failure::exit_code;
use common::layout::{self, DataVersion, ModelName, Split};
use common::manifest::Role;
use common::manifest::{
    self, Column, DatasetManifest, File, Header, Inputs, ModelManifest, Part, RawShard,
    ResultsManifest,
};
use common::model::{ClassValue, ClassWeight, Classes, LOGISTIC_REGRESSION, Model, Training};
use common::parts::{self, PartWriter};
use common::profiling::StoredProfile;
use common::reference::CategoryProfile;
use common::reference::{FeatureProfile, Reference, ScoreProfile};
use common::selection::{PredictShards, Selection};
use common::step::Step;
use common::store::Store;
use common::threads::blocking;
use common::tracking::{CHAMPION, Candidate, Tracking};

use crate::map::{commit, map};
use crate::plan::plan;
use crate::resolve::{Request, resolve};

const CONFIG: &str = "c0ffee00c0ffee00";

/// A model named `m` with versions, a champion, and prepared rows to score.
struct Bench {
    home: tempfile::TempDir,
    step: Step,
    store: Store,
    tracking: Tracking,
}

fn name() -> ModelName {
    "m".parse().unwrap()
}

fn version(text: &str) -> DataVersion {
    DataVersion::parse(text, chrono_tz::Tz::UTC).unwrap()
}

fn model(classes: Classes) -> Model {
    Model {
        format_version: common::model::FORMAT_VERSION,
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
fn reference(model: &Model) -> Reference {
    let mut profile = Profile::new(Grid::new(50.0, 30.0));
    profile.add_all(&(0..100).map(f64::from).collect::<Vec<_>>());
    let features = model.features.iter().map(|name| FeatureProfile {
        name: name.clone(),
        profile: profile.clone(),
    });
    Reference {
        format_version: common::reference::FORMAT_VERSION,
        rows: 100,
        positives: 50,
        features: features.collect(),
        score: ScoreProfile::empty(),
        categories: Vec::new(),
    }
}

fn zero_one() -> Classes {
    Classes {
        negative: ClassValue::Int(0),
        positive: ClassValue::Int(1),
    }
}

fn columns() -> Vec<Column> {
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

fn rows(from: i64, count: i64) -> RecordBatch {
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
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let step = Step::for_test("batch-inference", home.path());
        let store = Store::of(&step).unwrap();
        std::fs::create_dir_all(home.path().join("raw/predict")).unwrap();
        let tracking = Tracking::embedded(&store);
        let bench = Self {
            home,
            step,
            store,
            tracking,
        };
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

    async fn register(&self, model: Model, seed: &str) -> u64 {
        self.register_with(model, seed, Vec::new()).await
    }

    /// A model whose training profile holds columns that it does not use.
    async fn register_with(
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
        let mut reference = reference(&model);
        reference.hold(categories);
        let reference = serde_json::to_vec(&reference).unwrap();
        let profiled = layout::model_file(&folder, layout::REFERENCE_FILE);
        self.store.put(&profiled, reference.clone()).await.unwrap();
        let written = |key, bytes: &[u8]| File {
            key,
            bytes: bytes.len() as u64,
            sha256: common::digest::hex(bytes),
        };
        let manifest = ModelManifest {
            header: Header::new(inputs, &self.step),
            model_name: name(),
            config: CONFIG.to_owned(),
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

    fn deliver(&self, file: &str, content: &str) {
        std::fs::write(self.home.path().join("raw/predict").join(file), content).unwrap();
    }

    async fn resolve(
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
        let outputs = resolve(&self.tracking, &self.store, &raw, &request).await?;
        assert_eq!(outputs.get("config"), Some(CONFIG));
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
        }))
    }

    /// Prepares parts of the given numbers of rows.
    async fn prepare(&self, data_version: &str, sizes: &[i64]) -> String {
        let folder = layout::predict(&version(data_version), CONFIG);
        let mut parts = Vec::new();
        for (ordinal, &size) in sizes.iter().enumerate() {
            let (store, key) = (self.store.clone(), layout::part(&folder, CONFIG, ordinal));
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
            sha256: common::digest::hex(b"x"),
            rows: part.rows,
            time: None,
        };
        let manifest = DatasetManifest {
            header: Header::new(
                Inputs::new("data-prep", 1).with("sizes", format!("{sizes:?}")),
                &self.step,
            ),
            data_version: version(data_version),
            split: Split::Predict,
            config: CONFIG.to_owned(),
            holdout: String::new(),
            columns: columns(),
            rows: parts.iter().map(|part| part.rows).sum(),
            labelled_rows: 0,
            shards: parts.iter().map(raw).collect(),
            parts,
            quarantined: Vec::new(),
            left_out: Default::default(),
            warnings: Vec::new(),
        };
        let key = layout::manifest(&folder);
        self.store.put_json(&key, &manifest).await.unwrap();
        key
    }

    /// Scores everything; gives the results manifest's key and whether all was reused.
    async fn score(&self, uri: &str, predict: &str) -> anyhow::Result<(String, bool)> {
        self.score_carrying(uri, predict, SegmentColumns::Automatic)
            .await
    }

    async fn score_carrying(
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

    async fn results(&self, key: &str) -> (ResultsManifest, RecordBatch) {
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

fn bytes_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
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

#[tokio::test]
async fn every_row_is_scored_by_the_pinned_model_and_keeps_its_columns() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[20, 0, 9000]).await;
    let (key, reused) = bench.score("models:/m/1", &predict).await.unwrap();
    assert_eq!(
        (key.as_str(), reused),
        ("results/1/m/v1/_manifest.json", false)
    );
    let (manifest, batch) = bench.results(&key).await;
    assert_eq!(
        (manifest.rows, manifest.unscored_rows, batch.num_rows()),
        (9020, 0, 9020)
    );
    let names: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let added = [
        "prediction",
        "probability",
        "model_name",
        "model_version",
        "data_version",
    ];
    assert_eq!(names[..4], ["id", "y", "b \"2\"", "a.1"]);
    assert_eq!(names[4..], added);

    let column = |name: &str| batch.column_by_name(name).unwrap();
    let (b, a) = (
        column("b \"2\"").as_primitive::<Float64Type>(),
        column("a.1").as_primitive::<Int64Type>(),
    );
    let probability = column("probability").as_primitive::<Float64Type>();
    let prediction = column("prediction").as_primitive::<Int64Type>();
    for row in 0..batch.num_rows() {
        let eta = 0.1 - 1.5 * b.value(row) + 0.25 * a.value(row) as f64;
        let expected = 1.0 / (1.0 + libm::exp(-eta));
        assert!(
            (probability.value(row) - expected).abs() <= 1e-15 + 1e-14 * expected,
            "row {row}"
        );
        assert_eq!(
            prediction.value(row),
            i64::from(probability.value(row) >= 0.5)
        );
    }
    assert_eq!(
        column("model_version").as_primitive::<Int64Type>().value(7),
        1
    );
    assert_eq!(column("data_version").as_string::<i32>().value(7), "1");
    assert_eq!(column("id").as_string::<i32>().value(20), "id 2000");
}

#[tokio::test]
async fn a_second_run_reuses_and_a_third_with_lost_parts_writes_the_same_bytes() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[30, 40, 50]).await;
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let folder = bench.home.path().join("store/results/1/m/v1");
    let before = bytes_below(&folder);
    let (again, reused) = bench.score("models:/m/1", &predict).await.unwrap();
    assert_eq!((again, reused), (key, true));
    assert_eq!(bytes_below(&folder), before);

    // What is committed needs no marks.
    std::fs::remove_dir_all(bench.home.path().join("store/_work")).unwrap();
    assert!(bench.score("models:/m/1", &predict).await.unwrap().1);

    std::fs::remove_file(folder.join(&before[1].0)).unwrap();
    std::fs::remove_dir_all(bench.home.path().join("store/_work")).unwrap();
    let (_, reused) = bench.score("models:/m/1", &predict).await.unwrap();
    assert!(!reused);
    let parts = |files: Vec<(String, Vec<u8>)>| {
        files
            .into_iter()
            .filter(|(name, _)| name != "_manifest.json")
            .collect::<Vec<_>>()
    };
    assert_eq!(parts(bytes_below(&folder)), parts(before));
}

#[tokio::test]
async fn a_row_without_a_usable_feature_has_no_prediction() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[4]).await;
    let mut manifest: DatasetManifest = manifest::require(&bench.store, &predict).await.unwrap();
    let broken = {
        let batch = rows(0, 4);
        let mut columns = batch.columns().to_vec();
        columns[2] = Arc::new(Float64Array::from(vec![
            Some(f64::NAN),
            None,
            Some(f64::INFINITY),
            Some(1.0),
        ]));
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    };
    let (store, key) = (bench.store.clone(), manifest.parts[0].key.clone());
    let part = blocking(move || {
        let mut writer = PartWriter::new(&store, key, 0, &broken.schema())?;
        writer.write(&broken)?;
        writer.finish()
    })
    .await
    .unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert_eq!(common::failure::exit_code(&error), 2, "{error:#}");
    let text = format!("{error:#}");
    assert!(
        text.contains(&part.key) && text.contains("is not the file that its manifest lists"),
        "{text}"
    );
    manifest.parts[0] = part;
    bench.store.put_json(&predict, &manifest).await.unwrap();
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let (manifest, batch) = bench.results(&key).await;
    assert_eq!(manifest.unscored_rows, 3);
    for name in ["prediction", "probability"] {
        let column = batch.column_by_name(name).unwrap();
        assert_eq!(
            (0..4).map(|row| column.is_null(row)).collect::<Vec<_>>(),
            [true, true, true, false],
            "{name}"
        );
    }
}

#[tokio::test]
async fn profiles_stand_beside_the_rows_that_they_count() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[900, 0, 100]).await;
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let (manifest, batch) = bench.results(&key).await;
    let [file] = &manifest.profiles[..] else {
        panic!("{:?}", manifest.profiles)
    };
    assert_eq!(file.key, "results/1/m/v1/_profiles/all.json");
    let bytes = bench.store.require(&file.key).await.unwrap();
    assert_eq!(
        (file.bytes, &file.sha256),
        (bytes.len() as u64, &common::digest::hex(&bytes))
    );

    let profile: StoredProfile = serde_json::from_slice(&bytes).unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let labelled = 1000 - column("y").null_count() as i64;
    assert_eq!(
        (profile.day, profile.rows, profile.labelled_rows),
        (None, 1000, labelled)
    );
    // Cells: the training data held the numbers from 0 to 99.
    let b = column("b \"2\"").as_primitive::<Float64Type>();
    let above = b.iter().flatten().filter(|b| *b > 99.0).count();
    assert_eq!(
        (
            profile.profile.features[0].above,
            profile.profile.features[0].count()
        ),
        (above as i64, 1000)
    );
    assert!(above > 0 && profile.profile.features[1].above == 0);

    std::fs::remove_file(bench.home.path().join("store").join(&file.key)).unwrap();
    assert!(
        !bench.score("models:/m/1", &predict).await.unwrap().1,
        "a profile that was lost is made again"
    );
    assert_eq!(bench.store.require(&file.key).await.unwrap(), bytes);
}

#[tokio::test]
async fn classes_of_another_type_are_predicted_as_the_target_holds_them() {
    let bench = Bench::new().await;
    let classes = Classes {
        negative: ClassValue::Int(-3),
        positive: ClassValue::Int(8),
    };
    let second = bench.register(model(classes), "2").await;
    let predict = bench.prepare("1", &[50]).await;
    let (key, _) = bench
        .score(&format!("models:/m/{second}"), &predict)
        .await
        .unwrap();
    let (_, batch) = bench.results(&key).await;
    let prediction = batch
        .column_by_name("prediction")
        .unwrap()
        .as_primitive::<Int64Type>();
    let mut seen: Vec<i64> = prediction.values().to_vec();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [-3, 8]);
}

#[tokio::test]
async fn an_empty_predict_set_gives_empty_results() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[]).await;
    let (key, _) = bench.score("models:/m/1", &predict).await.unwrap();
    let manifest: ResultsManifest = manifest::require(&bench.store, &key).await.unwrap();
    assert_eq!((manifest.rows, manifest.parts.len()), (0, 0));
}

#[tokio::test]
async fn rows_that_do_not_fit_the_model_are_refused() {
    let bench = Bench::new().await;
    let mut other = model(zero_one());
    other.features.swap(0, 1);
    let swapped = bench.register(other, "2").await;
    let predict = bench.prepare("1", &[5]).await;
    let mut manifest: DatasetManifest = manifest::require(&bench.store, &predict).await.unwrap();

    let error = bench
        .score(&format!("models:/m/{swapped}"), &predict)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(
        format!("{error:#}").contains("was trained on [\"a.1\", \"b \\\"2\\\"\"]"),
        "{error:#}"
    );

    manifest.columns[1] = Column {
        name: "prediction".into(),
        data_type: "Float64".into(),
        role: Role::Id,
    };
    bench.store.put_json(&predict, &manifest).await.unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert!(format!("{error:#}").contains("\"prediction\""), "{error:#}");

    manifest.config = "abad1dea".to_owned();
    bench.store.put_json(&predict, &manifest).await.unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(format!("{error:#}").contains("abad1dea"), "{error:#}");
}

#[tokio::test]
async fn a_changed_model_file_is_refused_by_its_key() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[5]).await;
    let listed = bench.store.list("models").await.unwrap();
    let file = &listed
        .iter()
        .find(|object| object.key.ends_with("model.json"))
        .unwrap()
        .key;
    let text = String::from_utf8(bench.store.require(file).await.unwrap())
        .unwrap()
        .replace("0.25", "0.26");
    bench.store.put(file, text.into_bytes()).await.unwrap();
    let error = bench.score("models:/m/1", &predict).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(format!("{error:#}").contains(file), "{error:#}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let bench = Bench::new().await;
    let nothing = bench
        .resolve("1", "champion", PredictShards::All)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&nothing), 2);
    assert!(nothing.to_string().contains("predict/*.csv"), "{nothing}");
    bench.deliver("a.csv", "1");
    let unknown = bench
        .resolve("1", "9", PredictShards::All)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&unknown), 2, "{unknown:#}");
    let unnamed = bench
        .resolve("1", "chmapion", PredictShards::All)
        .await
        .unwrap_err();
    assert_eq!(exit_code(&unnamed), 2, "{unnamed:#}");
    let predict = bench.prepare("1", &[1]).await;
    let missing = bench.score("models:/m/9", &predict).await.unwrap_err();
    assert_eq!(exit_code(&missing), 2, "{missing:#}");
}
