//! Rows to score whose features look back at raw files of training and of earlier nights.

use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use catalog::manifest::TimeRange;
use catalog::selection::{History, HistoryFile, PredictShards, Selection};
use chrono::DateTime;
use table::config::Config;

use super::shuffle::listed;
use super::*;
use crate::reduce;

const HOUR: i64 = 3_600_000_000;
const DATASET: &str = r#"{"lookback": "5 hours", "columns": [
    {"name": "id", "type": "utf8", "role": "id"},
    {"name": "at", "type": "timestamp", "role": "time"},
    {"name": "amount", "type": "int64", "role": "feature", "min": 0},
    {"name": "target", "type": "int64", "role": "target", "allowed": [0, 1]}
]}"#;
const FEATURES: &str = "SELECT *, sum(amount) OVER past AS total, count(*) OVER past AS rows
FROM raw WINDOW past AS (PARTITION BY id ORDER BY at
    RANGE BETWEEN INTERVAL '5 hours' PRECEDING AND CURRENT ROW)";
const SELECTION: &str = "results/25.05.1/m/v1/_selection.json";

/// Rows of an id, an hour and an amount each.
fn events(rows: &[(&str, i64, i64)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)));
    let times = rows.iter().map(|row| row.1 * HOUR);
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
    let amounts = rows.iter().map(|row| row.2);
    let amounts: ArrayRef = Arc::new(Int64Array::from_iter_values(amounts));
    let columns = [("id", ids), ("at", times), ("amount", amounts)];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.configure("dataset.json", DATASET);
    bench.configure("features.sql", FEATURES);
    bench
}

impl Bench {
    /// A file that is looked back at, as it is now.
    async fn looked_back_at(&self, key: &str, data_set: usize) -> HistoryFile {
        let file = self.raw.head(key).await.unwrap().unwrap();
        HistoryFile {
            sha256: hash_file(&self.raw_path(key)).unwrap().sha256,
            key: file.key,
            bytes: file.bytes,
            stamp: file.stamp,
            data_set,
        }
    }

    /// Chooses files to score and those that they look back at; gives the arguments of `plan`.
    async fn choose(&self, files: &[&str], history: History) -> [String; 3] {
        let mut shards = Vec::new();
        for file in files {
            shards.push(self.raw.head(file).await.unwrap().unwrap());
        }
        let selection = Selection {
            predict_shards: PredictShards::All,
            glob: "predict/*.parquet".to_owned(),
            shards,
            workflow: String::new(),
            listing: String::new(),
            history: Some(history),
        };
        self.of_selection(SELECTION, &selection).await
    }

    async fn score(&self, arguments: &[String; 3], more: &[&str]) -> Result<DatasetManifest> {
        let arguments = arguments.each_ref().map(String::as_str);
        let planned = self.plan(&[&arguments[..], more].concat()).await?;
        assert_eq!(planned.get("groups"), Some("[]"));
        for group in listed(&planned, "shuffle-groups") {
            self.shuffle(&planned, &group).await?;
        }
        for group in listed(&planned, "reduce-groups") {
            let plan = planned.get("plan").unwrap();
            reduce::reduce(&self.step, &self.store, plan, &group).await?;
        }
        let committed = self.commit(&planned).await?;
        Ok(self.manifest(committed.get("manifest").unwrap()).await)
    }

    /// Id, hour, sum and number of rows of the window.
    fn windows(&self, data: &DatasetManifest) -> Vec<(String, i64, i64, i64)> {
        let rows = self.rows(data);
        let whole = |name: &str| {
            let column = rows.column_by_name(name).unwrap();
            column.as_primitive::<Int64Type>().values().to_vec()
        };
        let times = rows.column_by_name("at").unwrap();
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        let ids = texts(&rows, "id").into_iter().zip(times.iter());
        let values = whole("total").into_iter().zip(whole("rows"));
        let mut all: Vec<_> = ids
            .zip(values)
            .map(|((id, time), (total, count))| (id, time / HOUR, total, count))
            .collect();
        all.sort();
        all
    }
}

fn hours(first: i64, last: i64) -> TimeRange {
    let time = |hour: i64| DateTime::from_timestamp_micros(hour * HOUR).unwrap();
    TimeRange {
        first: time(first).naive_utc(),
        last: time(last).naive_utc(),
    }
}

fn row(id: &str, hour: i64, total: i64, rows: i64) -> (String, i64, i64, i64) {
    (id.to_owned(), hour, total, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_see_what_came_before_and_are_alone_in_the_result() {
    let bench = bench();
    let trained = [("a", 1, 1), ("a", 6, 10), ("b", 9, 7), ("a", 12, 500)];
    bench.write("train/0.parquet", &events(&trained));
    bench.write("predict/0.parquet", &events(&[("a", 8, 100), ("c", 8, 3)]));
    let tonight = [("a", 11, 1_000), ("d", 10, 5), ("a", 10, 4)];
    bench.write("predict/1.parquet", &events(&tonight));
    bench.write("predict/2.parquet", &events(&[]));
    let history = History {
        rows: Some(hours(10, 11)),
        from: Some(hours(5, 5).first),
        files: vec![
            bench.looked_back_at("predict/0.parquet", 0).await,
            bench.looked_back_at("train/0.parquet", 1).await,
        ],
    };
    let files = ["predict/1.parquet", "predict/2.parquet"];
    let arguments = bench.choose(&files, history).await;
    let data = bench.score(&arguments, &[]).await.unwrap();
    let expected = [
        row("a", 10, 114, 3),
        row("a", 11, 1_114, 4),
        row("d", 10, 5, 1),
    ];
    assert_eq!(bench.windows(&data), expected);
    assert_eq!((data.rows, data.left_out.total()), (3, 0));
    let keys = |shards: &[catalog::manifest::RawShard]| -> Vec<(String, u64)> {
        let shards = shards.iter();
        shards
            .map(|shard| (shard.key.clone(), shard.rows))
            .collect()
    };
    let own = [("predict/1.parquet", 3), ("predict/2.parquet", 0)];
    assert_eq!(
        keys(&data.shards),
        own.map(|(key, rows)| (key.to_owned(), rows))
    );
    // Of training, what can't be seen is not read on: an hour before `from`, and one after all
    // rows.
    let others = [("predict/0.parquet", 2), ("train/0.parquet", 2)];
    assert_eq!(
        keys(&data.history),
        others.map(|(key, rows)| (key.to_owned(), rows))
    );
    assert_eq!(data.history[1].time, Some(hours(1, 12)));
    assert!(data.warnings.is_empty(), "{:?}", data.warnings);

    // Again nothing is done; with another history it is another data set.
    let planned = arguments.each_ref().map(String::as_str);
    let planned = bench.plan(&planned).await.unwrap();
    assert_eq!(planned.get("reused"), Some("true"));
    // The same bytes on other threads, groups and budgets.
    let expected = bench.digests().await;
    for (threads, groups, memory) in [(1, 1, 16 << 20), (4, 64, 1 << 30)] {
        let other = bench.on(threads, memory);
        let selection = bench.store.get(SELECTION).await.unwrap().unwrap();
        other.store.put(SELECTION, selection).await.unwrap();
        let config = Config::from_folder(&other.home.path().join("config")).unwrap();
        config.pin(&other.store).await.unwrap();
        let parallelism = format!("--parallelism={groups}");
        other.score(&arguments, &[&parallelism]).await.unwrap();
        assert_eq!(
            other.digests().await,
            expected,
            "{threads} {groups} {memory}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rows_with_the_same_key_the_one_of_the_last_data_set_counts() {
    let bench = bench();
    bench.write(
        "train/0.parquet",
        &events(&[("a", 1, 1), ("a", 2, 2), ("a", 3, 4)]),
    );
    bench.write(
        "predict/0.parquet",
        &events(&[("a", 2, 20), ("a", 4, 8), ("a", 5, 16)]),
    );
    bench.write(
        "predict/1.parquet",
        &events(&[("a", 1, 1), ("a", 5, 160), ("a", 4, 8)]),
    );
    let tonight = [("a", 5, 1_600), ("a", 6, 32)];
    bench.write("predict/2.parquet", &events(&tonight));
    let history = History {
        files: vec![
            bench.looked_back_at("predict/1.parquet", 0).await,
            bench.looked_back_at("predict/0.parquet", 1).await,
            bench.looked_back_at("train/0.parquet", 2).await,
        ],
        ..History::default()
    };
    let arguments = bench.choose(&["predict/2.parquet"], history).await;
    let data = bench.score(&arguments, &[]).await.unwrap();
    let [first, second] = [1 + 20 + 4 + 8 + 1_600, 1 + 20 + 4 + 8 + 1_600 + 32];
    assert_eq!(
        bench.windows(&data),
        [row("a", 5, first, 5), row("a", 6, second, 6)]
    );
    let text = "5 earlier rows are in several data sets, and 3 of them differ";
    assert!(data.warnings[0].contains(text), "{:?}", data.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_repeat_in_training_count_as_often_there() {
    let bench = bench();
    let allowed = "{\"repeated_keys\": \"allow\", ";
    bench.configure("dataset.json", &DATASET.replacen('{', allowed, 1));
    bench.write("train/0.parquet", &events(&[("a", 1, 1), ("a", 1, 2)]));
    bench.write("train/1.parquet", &events(&[("a", 1, 4)]));
    bench.write("predict/0.parquet", &events(&[("a", 2, 8)]));
    let files = vec![
        bench.looked_back_at("train/0.parquet", 0).await,
        bench.looked_back_at("train/1.parquet", 0).await,
    ];
    let history = History {
        files,
        ..History::default()
    };
    let arguments = bench.choose(&["predict/0.parquet"], history).await;
    let data = bench.score(&arguments, &[]).await.unwrap();
    assert_eq!(bench.windows(&data), [row("a", 2, 15, 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_changed_or_bad_is_reported() {
    let bench = bench();
    bench.write("train/0.parquet", &events(&[("a", 1, 1)]));
    bench.write("predict/0.parquet", &events(&[("a", 2, 2)]));
    let history = |file: HistoryFile| History {
        files: vec![file],
        ..History::default()
    };
    let file = bench.looked_back_at("train/0.parquet", 0).await;
    let arguments = bench
        .choose(&["predict/0.parquet"], history(file.clone()))
        .await;
    let ended = async |code: u8, more: &[&str]| {
        let error = bench.score(&arguments, more).await.unwrap_err();
        assert_eq!(exit_code(&error), code, "{error:#}");
        format!("{error:#}")
    };
    let path = bench.raw_path("train/0.parquet");
    let aside = bench.raw_path("aside");
    fs::rename(&path, &aside).unwrap();
    let text = ended(2, &[]).await;
    assert!(text.contains("train/0.parquet is gone from"), "{text}");
    assert!(text.contains("rows to score look back at it"), "{text}");
    bench.write("train/0.parquet", &events(&[("a", 1, 3)]));
    let text = ended(2, &[]).await;
    assert!(
        text.contains("has changed since it was read before"),
        "{text}"
    );

    // Put back, with another stamp, it is the same.
    fs::rename(&aside, &path).unwrap();
    let data = bench.score(&arguments, &[]).await.unwrap();
    assert_eq!(bench.windows(&data), [row("a", 2, 3, 2)]);

    // One that breaks the contract, which nobody has read before.
    bench.write("predict/bad.parquet", &events(&[("a", 1, -1)]));
    let bad = HistoryFile {
        sha256: String::new(),
        ..bench.looked_back_at("predict/bad.parquet", 0).await
    };
    bench.choose(&["predict/0.parquet"], history(bad)).await;
    let text = ended(10, &[]).await;
    assert!(
        text.contains("rows to score look back at predict/bad.parquet"),
        "{text}"
    );
    let data = bench
        .score(&arguments, &["--on-bad-shard=quarantine"])
        .await;
    let data = data.unwrap();
    assert_eq!(bench.windows(&data), [row("a", 2, 2, 1)]);
    assert!(data.quarantined.is_empty() && data.history.is_empty());
    let text = "1 raw files that the rows look back at break the data contract";
    assert!(data.warnings[0].contains(text), "{:?}", data.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_at_other_times_than_history_was_chosen_for_are_refused() {
    let bench = bench();
    bench.write("predict/0.parquet", &events(&[("a", 2, 2), ("a", 7, 2)]));
    for range in [hours(3, 7), hours(2, 6)] {
        let history = History {
            rows: Some(range),
            ..History::default()
        };
        let arguments = bench.choose(&["predict/0.parquet"], history).await;
        let error = bench.score(&arguments, &[]).await.unwrap_err();
        assert_eq!(exit_code(&error), 10);
        let text = format!("{error:#}");
        assert!(
            text.contains("holds rows from 1970-01-01 02:00:00"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_without_history_is_refused() {
    let bench = bench();
    bench.write("predict/0.parquet", &events(&[("a", 2, 2)]));
    let arguments = bench.select().await;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let text = failure(2, bench.plan(&arguments).await);
    assert!(
        text.contains("batch-inference resolve of this release"),
        "{text}"
    );
}
