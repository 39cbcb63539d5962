//! Results made up for publishing, and a database of a test's own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use testing::{Postgres, postgres};

use crate::lab::Ran;

/// 2025-01-01 in microseconds.
const NEW_YEAR: i64 = 1_735_689_600_000_000;
const DAY: i64 = 86_400_000_000;

/// A store with results in it, and a database that no other test uses.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub(crate) database: String,
    variables: Vec<(String, String)>,
}

/// One set of results.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    pub(crate) data_version: String,
    pub(crate) model_name: String,
    pub(crate) model_version: u64,
    /// Seconds after a fixed moment.
    pub(crate) scored: i64,
    /// Rows of each part.
    pub(crate) parts: Vec<RecordBatch>,
    /// Roles of columns; others have none.
    pub(crate) roles: Vec<(&'static str, &'static str)>,
}

/// Makes a column of so many rows.
pub(crate) type Make = fn(usize) -> ArrayRef;

impl Results {
    /// Rows as the default configuration describes them. A customer's rows differ between data and
    /// model versions; only the key does not, nor the label, which is known in some of them.
    pub(crate) fn new(
        data_version: &str,
        model_version: u64,
        scored: i64,
        customers: std::ops::Range<u64>,
    ) -> Self {
        let salt = model_version * 1_000
            + data_version.bytes().map(u64::from).sum::<u64>()
            + scored.unsigned_abs();
        let half = customers.start + (customers.end - customers.start) / 2;
        Self {
            data_version: data_version.to_owned(),
            model_name: "churn".to_owned(),
            model_version,
            scored,
            parts: [customers.start..half, half..customers.end]
                .into_iter()
                .map(|range| rows(salt, range))
                .collect(),
            roles: vec![
                ("customerId", "id"),
                ("date", "time"),
                ("target", "target"),
                ("feature1", "feature"),
                ("feature2", "feature"),
            ],
        }
    }

    /// The results with other columns in place of those of the same name, or after all others.
    pub(crate) fn with(mut self, columns: &[(&str, Make)]) -> Self {
        for part in &mut self.parts {
            let (schema, rows) = (part.schema(), part.num_rows());
            let mut all: Vec<(String, ArrayRef)> = schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .zip(part.columns().iter().cloned())
                .collect();
            for (name, make) in columns {
                let values = make(rows);
                match all.iter_mut().find(|(known, _)| known == name) {
                    Some((_, old)) => *old = values,
                    None => all.push(((*name).to_owned(), values)),
                }
            }
            *part = RecordBatch::try_from_iter_with_nullable(
                all.into_iter().map(|(name, array)| (name, array, true)),
            )
            .unwrap();
        }
        self
    }

    /// The results without a column.
    pub(crate) fn without(mut self, name: &str) -> Self {
        for part in &mut self.parts {
            let kept: Vec<usize> = (0..part.num_columns())
                .filter(|&i| part.schema().field(i).name() != name)
                .collect();
            *part = part.project(&kept).unwrap();
        }
        self
    }

    pub(crate) fn rows(&self) -> usize {
        self.parts.iter().map(RecordBatch::num_rows).sum()
    }

    /// Key of the manifest.
    pub(crate) fn key(&self) -> String {
        format!("{}/_manifest.json", self.prefix())
    }

    fn prefix(&self) -> String {
        format!(
            "results/{}/{}/v{}",
            self.data_version, self.model_name, self.model_version
        )
    }

    fn fingerprint(&self) -> String {
        store::digest::hex(format!("{:?}", (self.prefix(), self.scored)).as_bytes())
    }

    /// What the comparison with the table has to know.
    pub(crate) fn described(&self) -> Value {
        json!({"folder": self.prefix(), "scored_at": self.scored_at(), "fingerprint": self.fingerprint()})
    }

    /// When they were scored, as the manifest and Postgres have it.
    fn scored_at(&self) -> String {
        format!(
            "2025-06-01T{:02}:{:02}:{:02}.000001Z",
            self.scored / 3600,
            self.scored / 60 % 60,
            self.scored % 60
        )
    }

    fn column(&self, name: &str, data_type: &str) -> Value {
        let role = self
            .roles
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("ignored", |(_, role)| *role);
        json!({"name": name, "type": data_type, "role": role})
    }
}

/// An id that looks as random as those of customers do.
pub(crate) fn customer(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{number:012x}",
        mixed >> 32,
        mixed >> 16 & 0xffff,
        mixed & 0xfff,
        number & 0xfff
    )
}

/// When a customer was observed.
pub(crate) fn date(number: u64) -> i64 {
    NEW_YEAR + (number % 28) as i64 * DAY
}

fn rows(salt: u64, customers: std::ops::Range<u64>) -> RecordBatch {
    let each = || customers.clone();
    let number = |customer: u64, of: u64| {
        ((customer * 7919 + salt * 104_729 + of * 31) % 10_007) as f64 / 100.0
    };
    let optional =
        |every: u64, of: u64| move |i: u64| (!i.is_multiple_of(every)).then(|| number(i, of));
    let columns: [(&str, ArrayRef); 7] = [
        (
            "customerId",
            Arc::new(StringArray::from_iter_values(each().map(customer))),
        ),
        (
            "date",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                each().map(date),
            )),
        ),
        (
            "target",
            Arc::new(Int64Array::from_iter(each().map(|i| {
                (!(i + salt).is_multiple_of(3)).then_some((i % 2) as i64)
            }))),
        ),
        (
            "feature1",
            Arc::new(Float64Array::from_iter(each().map(optional(17, 1)))),
        ),
        (
            "feature2",
            Arc::new(Float64Array::from_iter(each().map(|i| Some(number(i, 2))))),
        ),
        (
            "prediction",
            Arc::new(Int64Array::from_iter(
                each().map(|i| (i % 17 != 0).then_some((number(i, 3) > 50.0) as i64)),
            )),
        ),
        (
            "probability",
            Arc::new(Float64Array::from_iter(
                each().map(optional(17, 3)).map(|p| p.map(|p| p / 101.0)),
            )),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
        .unwrap()
}

impl Home {
    /// An empty store and an empty database.
    pub(crate) fn new() -> Self {
        Self::on(postgres())
    }

    /// An empty store, and an empty database of a server.
    pub(crate) fn on(server: &Postgres) -> Self {
        static HOMES: AtomicUsize = AtomicUsize::new(0);
        let database = format!("home{}", HOMES.fetch_add(1, Ordering::Relaxed));
        let mut home = Self {
            folder: tempfile::tempdir().unwrap(),
            database: database.clone(),
            variables: Vec::new(),
        };
        home.set("DATABASE_URL", &server.create_database(&database).unwrap());
        home
    }

    /// Sets a variable for all commands from now on; an empty value counts as none.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Writes results as batch-inference does.
    pub(crate) fn write(&self, results: &Results) {
        let folder = self.store().join(results.prefix());
        fs::create_dir_all(&folder).unwrap();
        let mut parts = Vec::new();
        for (ordinal, rows) in results.parts.iter().enumerate() {
            let key = format!("{}/part-{ordinal:06}.parquet", results.prefix());
            let batch = with_versions(results, rows);
            let mut writer = ArrowWriter::try_new(
                File::create(self.store().join(&key)).unwrap(),
                batch.schema(),
                None,
            )
            .unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let written = store::hash_file(&self.store().join(&key)).unwrap();
            parts.push(json!({
                "key": key, "rows": rows.num_rows(), "bytes": written.bytes, "sha256": written.sha256, "ordinal": ordinal
            }));
        }
        let schema = with_versions(results, &results.parts[0]).schema();
        let columns: Vec<Value> = schema
            .fields()
            .iter()
            .map(|field| results.column(field.name(), &field.data_type().to_string()))
            .collect();
        let manifest = json!({
            "format_version": 1, "fingerprint": results.fingerprint(), "inputs": {}, "created_at": results.scored_at(),
            "workflow": "made-up", "data_version": results.data_version, "model_name": results.model_name,
            "model_version": results.model_version, "model": "models/m", "predict_manifest": "predict/p",
            "columns": columns, "rows": results.rows(), "unscored_rows": 0, "parts": parts, "shards": [], "quarantined": []
        });
        fs::write(self.store().join(results.key()), manifest.to_string()).unwrap();
    }

    /// `publish-predictions publish` of results, ready to start.
    pub(crate) fn command(&self, results: &Results, more: &[&str]) -> Command {
        self.verb("publish", results, more)
    }

    /// A verb of `publish-predictions` about results, ready to start.
    pub(crate) fn verb(&self, verb: &str, results: &Results, more: &[&str]) -> Command {
        let key = results.key();
        self.step(verb, &[&["--results-manifest", &key], more].concat())
    }

    /// A verb of `publish-predictions`, ready to start.
    pub(crate) fn step(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = testing::command(env!("CARGO_BIN_EXE_alameda"));
        let work = self.folder.path().join("work");
        fs::create_dir_all(&work).unwrap();
        command
            .args(["publish-predictions", verb])
            .args([
                "--termination-log",
                "/dev/null",
                "--log",
                "text",
                "--threads",
                "2",
            ])
            .arg("--store-url")
            .arg(self.store())
            .arg("--work")
            .arg(work)
            .arg("--out")
            .arg(self.folder.path().join("out"))
            .args(more)
            .envs(
                self.variables
                    .iter()
                    .filter(|(_, value)| !value.is_empty())
                    .cloned(),
            )
            .current_dir(self.folder.path());
        command
    }

    /// Publishes results.
    pub(crate) fn publish(&self, results: &Results, more: &[&str]) -> Ran {
        self.command(results, more).output().unwrap().into()
    }

    /// Asks the server, as psql shows it.
    pub(crate) fn psql(&self, sql: &str) -> String {
        postgres().psql(&self.database, sql).unwrap()
    }

    /// Runs Python with `DATABASE_URL` and `STORE` set; gives what it prints.
    pub(crate) fn python(&self, script: &str) -> String {
        let mut command = Command::new(testing::python().unwrap());
        command
            .arg("-c")
            .arg(script)
            .env("STORE", self.store())
            .envs(self.variables.iter().cloned());
        let ran: Ran = command.output().unwrap().into();
        ran.expect(0).stdout
    }

    /// Fails the test unless the table is what the parts of all these results give.
    pub(crate) fn assert_table_is(&self, published: &[&Results]) {
        let url = &self
            .variables
            .iter()
            .find(|(name, _)| name == "DATABASE_URL")
            .unwrap()
            .1;
        assert_eq!(
            Comparer::start(&self.store(), url).compare("public", published),
            "same"
        );
    }
}

/// A Python that compares tables with parts; it ends with the test.
pub(crate) struct Comparer {
    child: std::process::Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Comparer {
    /// Of the parts of a store with the tables of a database.
    pub(crate) fn start(store: &Path, url: &str) -> Self {
        let mut command = Command::new(testing::python().unwrap());
        command
            .args(["-c", include_str!("compare.py")])
            .arg(store)
            .arg(url);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// `same` if the table and the ledger in a schema are what a single undisturbed publishing of
    /// each of the results gives, in any order; else what differs.
    pub(crate) fn compare(&mut self, schema: &str, published: &[&Results]) -> String {
        let results: Vec<Value> = published
            .iter()
            .map(|results| results.described())
            .collect();
        let asked = json!({"schema": schema, "results": results});
        writeln!(self.child.stdin.as_mut().unwrap(), "{asked}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Comparer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Adds what scoring adds and publishing tells once.
fn with_versions(results: &Results, rows: &RecordBatch) -> RecordBatch {
    let count = rows.num_rows();
    let text = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            value, count,
        )))
    };
    let mut columns: Vec<(String, ArrayRef)> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .zip(rows.columns().iter().cloned())
        .collect();
    columns.push(("model_name".to_owned(), text(&results.model_name)));
    columns.push((
        "model_version".to_owned(),
        Arc::new(Int64Array::from_value(results.model_version as i64, count)),
    ));
    columns.push(("data_version".to_owned(), text(&results.data_version)));
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}
