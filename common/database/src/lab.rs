//! A database of a test's own, results and labels made up for it, and what must be true of the
//! tables afterwards.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use chrono::{DateTime, TimeDelta, Utc};
use testing::postgres;

use super::*;
use catalog::manifest::ResultsManifest;
use learn::task::PROBABILITY;
use profile::categories::Categories;
use profile::cells::{Cells, Counts};
use profile::profiles::{
    Baseline, ClassCounts, ClassScores, FORMAT_VERSION, FeatureBaseline, Kind, ScoreBaseline,
};
use settings::{PartitionBy, TableArgs};
use store::Object;
use table::dataset::Dataset;
use table::labels::LabelRows;

const DAY: i64 = 86_400_000_000;
/// 2025-01-01 in microseconds.
pub(super) const NEW_YEAR: i64 = 1_735_689_600_000_000;

/// Ids and times of rows, in the shape that results and labels share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Naive,
    Zoned,
    None,
}

/// A set of results.
#[derive(Clone, Debug)]
pub(super) struct Results {
    pub(super) model_name: &'static str,
    pub(super) data_version: &'static str,
    pub(super) version: u64,
    /// Seconds after a fixed moment.
    pub(super) scored: i64,
    pub(super) ids: std::ops::Range<usize>,
    /// Rows have labels where this says so.
    pub(super) labelled: fn(usize) -> bool,
    pub(super) time: Time,
    /// Midnight of their first day, in microseconds from 1970-01-01.
    pub(super) from: i64,
    /// Days over which the rows are spread.
    pub(super) days: usize,
    /// Whether rows weigh, some of them nothing that is known.
    pub(super) weighs: bool,
}

impl Results {
    pub(super) fn new(
        data_version: &'static str,
        version: u64,
        scored: i64,
        ids: std::ops::Range<usize>,
    ) -> Self {
        Self {
            model_name: "churn",
            data_version,
            version,
            scored,
            ids,
            labelled: |i| i % 4 == 0,
            time: Time::Naive,
            from: NEW_YEAR,
            days: 5,
            weighs: false,
        }
    }

    /// Nothing in it depends on anything but the row, the version and the data version.
    fn number(&self, id: usize, of: usize) -> f64 {
        let salt =
            self.version as usize * 1_009 + self.data_version.len() * 31 + self.scored as usize;
        ((id * 7_919 + salt * 104_729 + of * 31) % 10_007) as f64 / 10_007.0
    }

    pub(super) fn batch(&self) -> RecordBatch {
        let ids = || self.ids.clone();
        let scored = |i: usize| !i.is_multiple_of(17);
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("id", Arc::new(StringArray::from_iter_values(ids().map(id))))];
        columns.extend(
            self.times(&ids().collect::<Vec<_>>())
                .map(|times| ("at", times)),
        );
        let label = |i: usize| (self.labelled)(i).then(|| i64::from(self.number(i, 3) < 0.6));
        let x = |i: usize| match i % 29 {
            0 => None,
            1 => Some(f64::NAN),
            2 => Some(f64::INFINITY),
            _ => Some(10.0 * self.number(i, 1) - 5.0),
        };
        columns.extend([
            (
                "y",
                Arc::new(Int64Array::from_iter(ids().map(label))) as ArrayRef,
            ),
            ("x", Arc::new(Float64Array::from_iter(ids().map(x)))),
            (
                "flag",
                Arc::new(BooleanArray::from_iter(
                    ids().map(|i| Some(self.number(i, 2) < 0.3)),
                )),
            ),
            (
                "city",
                Arc::new(StringArray::from_iter(ids().map(|i| self.city(i)))),
            ),
            (
                "probability",
                Arc::new(Float64Array::from_iter(
                    ids().map(|i| scored(i).then(|| self.number(i, 4))),
                )),
            ),
        ]);
        if self.weighs {
            let weight =
                |i: usize| (!i.is_multiple_of(19)).then(|| 30.0 * self.number(i, 6).powi(3));
            let weights = Float64Array::from_iter(ids().map(weight));
            columns.push(("w", Arc::new(weights)));
        }
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap()
    }

    /// Of which the last is in no profile of training.
    fn city(&self, i: usize) -> Option<&'static str> {
        let cities = ["Bern", "Rome", "Zürich", "Oslo"];
        let at = (self.number(i, 5) * 5.0) as usize;
        cities.get(at).copied()
    }

    fn times(&self, ids: &[usize]) -> Option<ArrayRef> {
        // Not on midnight: a time zone moves some of them to another day.
        let micros = ids
            .iter()
            .map(|i| self.from + (i % self.days) as i64 * DAY + (i % 24) as i64 * DAY / 24);
        let times = TimestampMicrosecondArray::from_iter_values(micros);
        match self.time {
            Time::Naive => Some(Arc::new(times)),
            Time::Zoned => Some(Arc::new(times.with_timezone("UTC"))),
            Time::None => None,
        }
    }

    pub(super) fn manifest(&self) -> ResultsManifest {
        let roles = |name: &str| match name {
            "id" => "id",
            "at" => "time",
            "y" => "target",
            "w" => "weight",
            "x" | "flag" | "city" => "feature",
            _ => "ignored",
        };
        let batch = self.batch();
        let columns: Vec<_> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| serde_json::json!({"name": field.name(), "type": field.data_type().to_string(), "role": roles(field.name())}))
            .collect();
        let made_at: DateTime<Utc> = "2025-06-01T00:00:00.000001Z".parse().unwrap();
        serde_json::from_value(serde_json::json!({
            "format_version": 1, "fingerprint": format!("{} {} {} {}", self.model_name, self.data_version, self.version, self.scored), "inputs": {},
            "created_at": made_at + TimeDelta::seconds(self.scored), "workflow": "w", "data_version": self.data_version,
            "model_name": self.model_name, "model_version": self.version, "model": "m", "predict_manifest": "p", "columns": columns,
            "rows": self.ids.len(), "unscored_rows": 0, "shards": [], "quarantined": [],
            "parts": [{"key": "part", "rows": self.ids.len(), "bytes": 1, "sha256": "s", "ordinal": 0}]
        }))
        .unwrap()
    }

    pub(super) fn publication(&self) -> Publication {
        Publication::new(&self.manifest(), "w").unwrap()
    }
}

pub(super) fn id(i: usize) -> String {
    format!("{:08x}-{i}", i.wrapping_mul(0x9E37_79B9) & 0xffff_ffff)
}

/// What `x`, `flag` and `city` are counted by; another `step` makes other cells.
pub(super) fn baseline(step: f64, timezone: &str) -> Arc<Baseline> {
    let feature = |name: &str, cuts: Vec<f64>| {
        let cells = Cells::new((0.5, 2.0), Some((-4.0, 4.0)), cuts).unwrap();
        FeatureBaseline {
            name: name.to_owned(),
            kind: Kind::Cells,
            hidden: 0.0,
            values: Vec::new(),
            reference: Counts::new(&cells),
            cells,
        }
    };
    let cities = ["Bern", "Rome", "Zürich"].map(|city| (city.to_owned(), 1));
    let cities = Categories::of(0, cities);
    let counted = cities.counted();
    let cuts: Vec<f64> = (1..20).map(|i| f64::from(i) / 20.0).collect();
    let score = Cells::new((0.5, 0.25), Some((0.0, 1.0)), cuts).unwrap();
    Arc::new(Baseline {
        format_version: FORMAT_VERSION,
        model: format!("model of {step}"),
        timezone: timezone.to_owned(),
        target: "y".to_owned(),
        task: None,
        classes: serde_json::from_str(r#"{"negative": 0, "positive": 1}"#).unwrap(),
        values: Vec::new(),
        threshold: Some(0.5),
        interval: None,
        weight: None,
        features: vec![
            feature("x", (-8..8).map(|i| f64::from(i) * step).collect()),
            feature("flag", vec![0.5]),
            FeatureBaseline {
                name: "city".to_owned(),
                kind: Kind::Categories,
                hidden: 0.0,
                values: cities.names(),
                cells: counted.cells,
                reference: counted.counts,
            },
        ],
        score: ScoreBaseline::from(ClassScores {
            name: PROBABILITY.to_owned(),
            kind: Kind::Cells,
            reference: ClassCounts::new(&score),
            cells: score,
        }),
    })
}

/// Rows by number, and their labels.
type LabelsOfRows<'a> = &'a [(usize, Option<u8>)];

/// A database of its own.
pub(super) struct Home {
    name: String,
    pub(super) url: String,
    folder: tempfile::TempDir,
    pub(super) step: Step,
    pub(super) table: Table,
    pub(super) baseline: Option<Arc<Baseline>>,
}

impl Home {
    pub(super) fn new() -> Self {
        static HOMES: AtomicUsize = AtomicUsize::new(0);
        let name = format!("home{}", HOMES.fetch_add(1, Ordering::Relaxed));
        let url = postgres().create_database(&name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let step = Step::for_test("publish-predictions", folder.path());
        let arguments = TableArgs {
            database_schema: "public".to_owned(),
            predictions_table: "predictions".to_owned(),
            predictions_partition: PartitionBy::None,
        };
        Self {
            name,
            url,
            folder,
            step,
            table: Table::of(&arguments).unwrap(),
            baseline: Some(baseline(0.5, "Etc/UTC")),
        }
    }

    /// Whose model was trained on rows that weigh.
    pub(super) fn weighing() -> Self {
        let mut home = Self::new();
        let of_rows = (*baseline(0.5, "Etc/UTC")).clone();
        home.baseline = Some(Arc::new(Baseline {
            weight: Some("w".to_owned()),
            ..of_rows
        }));
        home
    }

    pub(super) fn partitioned() -> Self {
        let mut home = Self::new();
        home.table.partition_by = PartitionBy::Month;
        home
    }

    pub(super) fn psql(&self, sql: &str) -> String {
        postgres().psql(&self.name, sql).unwrap()
    }

    pub(super) fn database(&self) -> Database {
        Database::new(&Settings::from_url(&self.url).unwrap(), &self.step).unwrap()
    }

    pub(super) async fn publish(&self, results: &Results) -> Result<Published> {
        let publication = results.publication();
        let database = self.database();
        if let Some(published) = database.published(&self.table, &publication).await? {
            return Ok(published);
        }
        let mut sorter = RowSorter::new(&publication, self.folder.path());
        if let Some(baseline) = &self.baseline {
            sorter = sorter.profiling(baseline, 1 << 24)?;
        }
        let batch = results.batch();
        for from in (0..batch.num_rows()).step_by(100) {
            sorter.push(0, &batch.slice(from, 100.min(batch.num_rows() - from)))?;
        }
        database.publish(&self.table, &sorter.finish()?).await
    }

    /// Fills in labels of files: rows and labels of each, in the order of the files' names.
    pub(super) async fn label(
        &self,
        results: &Results,
        files: &[(&str, LabelsOfRows<'_>)],
    ) -> Result<Labelled> {
        let objects: Vec<Object> = files
            .iter()
            .map(|(name, labels)| Object {
                key: (*name).to_owned(),
                bytes: labels.len() as u64,
                stamp: String::new(),
            })
            .collect();
        let labelling = Labelling::new(
            &results.publication(),
            &dataset(results.time),
            &objects,
            "w",
        )?;
        let database = self.database();
        if let Some(labelled) = database.labelled(&self.table, &labelling).await? {
            return Ok(labelled);
        }
        let sorter = LabelSorter::new(&labelling, self.folder.path());
        for (number, (_, labels)) in files.iter().enumerate() {
            let ids: Vec<usize> = labels.iter().map(|(id, _)| *id).collect();
            let mut keys: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(
                ids.iter().map(|i| id(*i)),
            ))];
            keys.extend(results.times(&ids));
            sorter.push(
                number,
                &LabelRows {
                    keys,
                    labels: labels
                        .iter()
                        .map(|(_, label)| label.map(f64::from))
                        .collect(),
                },
            )?;
        }
        database.label(&self.table, &sorter.finish()?).await
    }

    /// Everything that the profiles say.
    pub(super) fn profiles(&self) -> String {
        self.psql("SELECT * FROM prediction_profiles ORDER BY 1, 2, 3, 4, 5")
    }

    /// Fails the test unless the profiles say what numpy counts in the table.
    pub(super) fn assert_profiles_are_true(&self, day: &str) {
        let mut command = Command::new(testing::python().unwrap());
        command
            .arg("-c")
            .arg(include_str!("profiles/check.py"))
            .env("DATABASE_URL", &self.url)
            .env("DAY", day);
        let ran = command.output().unwrap();
        let (shown, error) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert_eq!(shown.trim(), "same", "{error}");
    }
}

/// The contract of labels.
fn dataset(time: Time) -> Dataset {
    let at = match time {
        Time::Naive => r#"{"name": "at", "type": "timestamp", "role": "time"},"#,
        Time::Zoned => r#"{"name": "at", "type": "timestamptz", "role": "time"},"#,
        Time::None => "",
    };
    let text = format!(
        r#"{{"columns": [{{"name": "id", "type": "utf8", "role": "id"}}, {at}
            {{"name": "x", "type": "float64", "role": "feature"}},
            {{"name": "y", "type": "int64", "role": "target", "allowed": [0, 1]}}]}}"#
    );
    Dataset::parse(text.as_bytes()).unwrap()
}
