//! A folder with raw files, and the commands that people type.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

pub(crate) use testing::Ran;

/// 2024-01-01T00:00:00Z in microseconds.
pub(crate) const NEW_YEAR: i64 = 1_704_067_200_000_000;
pub(crate) const DAY: i64 = 86_400_000_000;

/// Submits the pipeline on data version `1`.
pub(crate) const PIPELINE: [&str; 7] = [
    "submit",
    "--from",
    "workflowtemplate/alameda-pipeline",
    "-p",
    "data-version=1",
    "-p",
    "model-name=m",
];

/// A home of its own, which vanishes with the test.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    /// What runs the workflows, and is every step.
    program: PathBuf,
}

/// Runs a command to its success; gives its peak of resident memory in bytes.
pub(crate) fn peak(mut command: Command) -> u64 {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let shown = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut peak = 0;
    let status = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    assert!(status.success(), "{command:?}: {}", shown.join().unwrap());
    assert!(peak > 0, "no peak of {command:?} was seen");
    peak << 10
}

impl Bench {
    /// No raw files yet.
    pub(crate) fn empty() -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_alameda")))
    }

    /// The same, run by another program.
    pub(crate) fn of(program: &Path) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            program: program.to_owned(),
        };
        for folder in ["train", "predict", "labels"] {
            fs::create_dir_all(bench.raw(folder)).unwrap();
        }
        bench
    }

    /// Raw files as the default configuration describes them: three for training, two to score.
    pub(crate) fn new() -> Self {
        let bench = Self::empty();
        for file in 0..3 {
            bench.write(&format!("train/{file}.parquet"), &rows(file, 600));
        }
        for file in 0..2 {
            bench.write(&format!("predict/{file}.parquet"), &rows(10 + file, 400));
        }
        bench
    }

    pub(crate) fn raw(&self, key: &str) -> PathBuf {
        self.folder.path().join("home/raw").join(key)
    }

    pub(crate) fn store(&self, key: &str) -> PathBuf {
        self.folder.path().join("home/store").join(key)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, key: &str, batch: &RecordBatch) {
        write_parquet(&self.raw(key), batch);
    }

    /// `alameda --home ... ARGUMENTS`, ready to start.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--home")
            .arg(self.folder.path().join("home"))
            .args(arguments)
            .current_dir(self.folder.path());
        for name in [
            "STORE_URL",
            "RAW_URL",
            "DATABASE_URL",
            "MLFLOW_TRACKING_URI",
            "RUST_LOG",
        ] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn alameda(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Submits the pipeline on data version `1`.
    pub(crate) fn pipeline(&self, more: &[&str]) -> Ran {
        self.alameda(&[&PIPELINE[..], more].concat())
    }

    /// Trains version 1 of the model `m`, which becomes the champion.
    pub(crate) fn train(&self) {
        let from = ["submit", "--from", "workflowtemplate/alameda-training"];
        self.alameda(&[&from[..], &["-p", "data-version=1", "-p", "model-name=m"]].concat())
            .expect(0);
    }

    /// A folder with the default configuration, in whose settings texts are replaced by others; for
    /// `--config-maps`.
    pub(crate) fn config(&self, replaced: &[(&str, &str)]) -> String {
        let folder = self.folder().join("config-maps");
        fs::create_dir(&folder).unwrap();
        for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config-maps"))
            .unwrap()
            .map(Result::unwrap)
        {
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        let file = folder.join("ml-config.yaml");
        let mut settings = fs::read_to_string(&file).unwrap();
        for (old, new) in replaced {
            assert!(settings.contains(old), "ml-config.yaml has no {old}");
            settings = settings.replace(old, new);
        }
        fs::write(file, settings).unwrap();
        folder.to_str().unwrap().to_owned()
    }

    /// The last workflow, as `get -o json` prints it.
    pub(crate) fn latest(&self) -> Value {
        let shown = self.alameda(&["get", "@latest", "-o", "json"]).expect(0);
        serde_json::from_str(&shown.stdout).unwrap()
    }

    /// The pods of the last workflow whose template has this name, in the order of their names.
    pub(crate) fn pods(&self, template: &str) -> Vec<Value> {
        let workflow = self.latest();
        let mut pods: Vec<Value> = workflow["status"]["nodes"]
            .as_object()
            .unwrap()
            .values()
            .filter(|node| node["type"] == "Pod" && node["templateName"] == template)
            .cloned()
            .collect();
        pods.sort_by_key(|node| node["name"].as_str().unwrap().to_owned());
        assert!(!pods.is_empty(), "no pod of {template} in {workflow:#}");
        pods
    }

    /// The phase of a task of the last workflow; `None` where it has no node.
    pub(crate) fn phase(&self, task: &str) -> Option<String> {
        let workflow = self.latest();
        let mut nodes = workflow["status"]["nodes"].as_object().unwrap().values();
        let found = nodes.find(|node| node["displayName"] == task);
        found.and_then(|node| node["phase"].as_str().map(str::to_owned))
    }

    /// An output parameter of the last workflow.
    pub(crate) fn result(&self, name: &str) -> String {
        let workflow = self.latest();
        parameter(
            &workflow["status"]["nodes"][workflow["metadata"]["name"].as_str().unwrap()]["outputs"],
            name,
        )
    }

    /// An output parameter of the last workflow's first pod of a template.
    pub(crate) fn output(&self, template: &str, name: &str) -> String {
        parameter(&self.pods(template)[0]["outputs"], name)
    }

    /// A JSON object of the store.
    pub(crate) fn json(&self, key: &str) -> Value {
        serde_json::from_slice(&fs::read(self.store(key)).unwrap()).unwrap()
    }

    /// Every file of the store that must be the same after any history of kills, retries and
    /// repetitions: marks and plans are scratch, and tracking keeps times. Manifests are given
    /// without the two fields that may differ.
    pub(crate) fn lasting(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.store(""), &self.store(""), &mut files);
        // What a killed process was writing is beside its key, with a `#`, and is no object.
        files.retain(|key, _| !key.contains('#'));
        files.retain(|key, _| {
            !key.starts_with("_work/")
                && !key.starts_with("_attempts/")
                && !key.starts_with("tracking/")
        });
        for (key, bytes) in &mut files {
            if key.ends_with(".json") {
                let mut value: Value =
                    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{key}: {error}"));
                forget(&mut value);
                if key.ends_with("/report.json") {
                    // Of the page, which shows when and by which workflow the rows were scored.
                    value
                        .as_object_mut()
                        .unwrap()
                        .retain(|name, _| name != "html" && name != "fingerprint");
                }
                *bytes = value.to_string().into_bytes();
            }
            if key.ends_with("report.html") {
                // It shows when and by which workflow the rows were scored.
                *bytes = Vec::new();
            }
        }
        files
    }
}

/// Fails the test, naming the keys, unless all that was there is there unchanged and nothing was
/// added but verdicts: each workflow has one of its own.
pub(crate) fn assert_unchanged(
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
) {
    let changed: Vec<&String> = before
        .iter()
        .filter(|(key, bytes)| after.get(*key) != Some(bytes))
        .map(|(key, _)| key)
        .collect();
    let added: Vec<&String> = after
        .keys()
        .filter(|key| !before.contains_key(*key) && !key.contains("/verdict-"))
        .collect();
    assert!(
        changed.is_empty() && added.is_empty(),
        "changed or lost: {changed:#?}, added: {added:#?}"
    );
}

/// Takes out what two undisturbed runs may differ in.
fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in [
                "created_at",
                "results created at",
                "workflow",
                "run_id",
                "stamp",
                "scored_at",
                "scored_by",
                "trained_at",
                "trained_by",
            ] {
                fields.remove(name);
            }
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.insert(
                path.strip_prefix(root).unwrap().display().to_string(),
                fs::read(&path).unwrap(),
            );
        }
    }
}

/// The value of a parameter in `inputs` or `outputs` of a node.
pub(crate) fn parameter(list: &Value, name: &str) -> String {
    let parameters = list["parameters"].as_array().unwrap();
    let found = parameters
        .iter()
        .find(|parameter| parameter["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list:#}"))["value"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) fn write_parquet(path: &Path, batch: &RecordBatch) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    // A raw file is known by its time too, and what is compared must not depend on when the test
    // ran.
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .unwrap();
}

/// A repeatable number in [0, 1): the fractional parts of multiples of an irrational number.
pub(crate) fn unit(seed: u64, index: u64, salt: u64) -> f64 {
    let mixed = (seed * 1_000_003 + index)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(23)
        ^ salt.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Rows as the default configuration describes them; the target depends on the features.
pub(crate) fn rows(seed: u64, count: u64) -> RecordBatch {
    let index = || 0..count;
    let feature1: Vec<f64> = index().map(|i| 20.0 + 60.0 * unit(seed, i, 1)).collect();
    let feature2: Vec<f64> = index()
        .map(|i| -libm::log(unit(seed, i, 2).max(1e-9)) / 1.3)
        .collect();
    let target = index()
        .zip(feature1.iter().zip(&feature2))
        .map(|(i, (one, two))| {
            i64::from(
                unit(seed, i, 3)
                    < 1.0 / (1.0 + libm::exp(-(0.08 * (one - 50.0) - 1.1 * two + 2.0))),
            )
        });
    let target: Vec<i64> = target.collect();
    let columns: [(&str, ArrayRef); 5] = [
        (
            "date",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                index().map(|i| NEW_YEAR + (i as i64 % 20) * DAY),
            )),
        ),
        (
            "customerId",
            Arc::new(StringArray::from_iter_values(
                index().map(|i| format!("{seed:04}-{i:08}")),
            )),
        ),
        ("feature1", Arc::new(Float64Array::from(feature1))),
        ("feature2", Arc::new(Float64Array::from(feature2))),
        ("target", Arc::new(Int64Array::from(target))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows without one column.
pub(crate) fn without(batch: &RecordBatch, column: &str) -> RecordBatch {
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|&i| batch.schema().field(i).name() != column)
        .collect();
    batch.project(&kept).unwrap()
}

/// The rows with another column in place of the one of that name.
pub(crate) fn with(batch: &RecordBatch, column: &str, values: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, old)| {
            let array = if field.name() == column {
                values.clone()
            } else {
                old.clone()
            };
            (field.name().clone(), array)
        });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}
