//! Every test runs the verbs as the workflow does, over folders.

mod again;
mod aggregates;
mod bad_files;
mod bytes;
mod earlier;
mod files;
mod golden;
mod left_out;
mod predict;
mod quarantine;
mod repeats;
mod rerun;
mod scored;
mod shuffle;
mod train;
mod types;
mod warm_up;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::Float64Type;
use catalog::manifest::{self, DatasetManifest};
use clap::Parser;
use parquet::arrow::ArrowWriter;
use runtime::failure::exit_code;
use runtime::step::{Outputs, Step};
use store::{Store, hash_file};
use table::parts;

use super::{PlanArgs, Stage, commit, map, plan};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    plan: PlanArgs,
}

/// A step over a folder with raw files, a configuration and a store.
struct Bench {
    home: tempfile::TempDir,
    step: Step,
    store: Store,
    raw: Store,
}

impl Bench {
    /// With the default configuration and no raw files.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let step = Step::for_test("data-prep", home.path());
        let raw = Store::create(home.path().join("raw").to_str().unwrap()).unwrap();
        let store = Store::of(&step).unwrap();
        let bench = Self {
            home,
            step,
            store,
            raw,
        };
        let config_maps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
        for name in ["dataset.json", "features.sql"] {
            bench.configure(name, &fs::read_to_string(config_maps.join(name)).unwrap());
        }
        bench
    }

    /// With raw training files of these numbers of rows: `train/train_00.parquet` and so on.
    fn with_files(rows: &[usize]) -> Self {
        let bench = Self::new();
        for (index, &rows) in rows.iter().enumerate() {
            bench.write(&train_key(index), &sample(index, rows));
        }
        bench
    }

    fn configure(&self, name: &str, content: &str) {
        let folder = self.home.path().join("config");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), content).unwrap();
    }

    fn raw_path(&self, key: &str) -> PathBuf {
        let path = self.home.path().join("raw").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, key: &str, rows: &RecordBatch) {
        let file = fs::File::create(self.raw_path(key)).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
        writer.write(rows).unwrap();
        writer.close().unwrap();
    }

    fn line(&self, arguments: &[&str]) -> PlanArgs {
        let config = format!("--config-dir={}", self.home.path().join("config").display());
        let given = |flag: &str| arguments.iter().any(|argument| argument.starts_with(flag));
        let mut line = vec!["data-prep", "--raw-url=unused", config.as_str()];
        line.extend((!given("--split")).then_some("--split=train"));
        line.extend((!given("--data-version")).then_some("--data-version=25.05.1"));
        line.extend(arguments);
        Line::try_parse_from(line).unwrap().plan
    }

    async fn plan(&self, arguments: &[&str]) -> Result<Outputs> {
        let args = self.line(arguments);
        plan::plan(&self.step, &self.store, &self.raw, &args).await
    }

    async fn map(&self, planned: &Outputs, group: &str) -> Result<Outputs> {
        map::map(
            &self.step,
            &self.store,
            &self.raw,
            [planned.get("plan").unwrap(), group],
            Stage::Map,
        )
        .await
    }

    async fn commit(&self, planned: &Outputs) -> Result<Outputs> {
        commit::commit(&self.step, &self.store, planned.get("plan").unwrap()).await
    }

    /// All three verbs.
    async fn prepare(&self, arguments: &[&str]) -> Result<Outputs> {
        let planned = self.plan(arguments).await?;
        for group in groups(&planned) {
            self.map(&planned, &group).await?;
        }
        self.commit(&planned).await
    }

    async fn manifest(&self, key: &str) -> DatasetManifest {
        manifest::require(&self.store, key).await.unwrap()
    }

    /// All rows of a data set.
    fn rows(&self, manifest: &DatasetManifest) -> RecordBatch {
        let columns: Vec<String> = manifest
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let mut batches = Vec::new();
        for part in &manifest.parts {
            let file = self.store.local_path(&part.key).unwrap();
            batches.extend(
                parts::read(&file.into(), &columns, self.step.work())
                    .unwrap()
                    .map(Result::unwrap),
            );
        }
        concat_batches(&batches.first().unwrap().schema(), &batches).unwrap()
    }

    /// Digests of all parts and manifests, but for when and by whom they were committed.
    async fn digests(&self) -> BTreeMap<String, String> {
        let mut digests = BTreeMap::new();
        for folder in ["train", "holdout", "predict", "compared"] {
            for object in self.store.list(folder).await.unwrap() {
                let content = if object.key.ends_with(".json") {
                    let mut manifest = self.manifest(&object.key).await;
                    (manifest.header.created_at, manifest.header.workflow) = Default::default();
                    serde_json::to_string(&manifest).unwrap()
                } else {
                    hash_file(&self.store.local_path(&object.key).unwrap())
                        .unwrap()
                        .sha256
                };
                digests.insert(object.key, content);
            }
        }
        digests
    }

    async fn visible(&self) -> bool {
        self.digests()
            .await
            .keys()
            .any(|key| key.ends_with("_manifest.json"))
    }
}

const TRAIN: &str = "train/25.05.1/_manifest.json";
const HOLDOUT: &str = "holdout/25.05.1/_manifest.json";

fn train_key(index: usize) -> String {
    format!("train/train_{index:02}.parquet")
}

fn groups(planned: &Outputs) -> Vec<String> {
    serde_json::from_str(planned.get("groups").unwrap()).unwrap()
}

/// Rows of the sample data: ids of one file are no other's, and days go from 2024-01-01 on.
fn sample(file: usize, rows: usize) -> RecordBatch {
    const DAY: i64 = 86_400_000_000;
    let begin = 1_704_067_200_000_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "date",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                (0..rows).map(|i| begin + DAY * (i as i64 % 366)),
            )),
        ),
        (
            "customerId",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|i| format!("customer-{file}-{i}")),
            )),
        ),
        (
            "feature1",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|i| 50.0 + libm::sin(i as f64) * 15.0),
            )),
        ),
        (
            "feature2",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|i| (i % 13) as f64 / 3.0),
            )),
        ),
        (
            "target",
            Arc::new(Int64Array::from_iter_values(
                (0..rows).map(|i| i64::from(i % 7 > 0)),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn without(rows: &RecordBatch, column: &str) -> RecordBatch {
    let kept: Vec<usize> = (0..rows.num_columns())
        .filter(|&index| rows.schema().field(index).name() != column)
        .collect();
    rows.project(&kept).unwrap()
}

/// The rows with another column in the place of one.
fn with(rows: &RecordBatch, column: &str, array: ArrayRef) -> RecordBatch {
    let schema = rows.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, old)| {
            (
                field.name().clone(),
                if field.name() == column {
                    array.clone()
                } else {
                    old.clone()
                },
            )
        });
    RecordBatch::try_from_iter(columns).unwrap()
}

fn floats(rows: &RecordBatch, column: &str) -> Vec<f64> {
    rows.column_by_name(column)
        .unwrap()
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

fn texts(rows: &RecordBatch, column: &str) -> Vec<String> {
    rows.column_by_name(column)
        .unwrap()
        .as_string::<i32>()
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

/// The message of a failure with this exit code.
fn failure(code: u8, result: Result<Outputs>) -> String {
    let error = result.expect_err("it was accepted");
    assert_eq!(exit_code(&error), code, "{error:#}");
    format!("{error:#}")
}

#[test]
fn the_command_line_is_in_order() {
    super::command().debug_assert();
}
