//! Which files count, and what is said of their times.

use std::os::unix::fs::symlink;

use arrow::array::Array;
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn names_that_begin_with_a_mark_are_passed_over() {
    let bench = Bench::with_files(&[30, 40]);
    bench.write("train/.hidden.parquet", &sample(7, 10));
    fs::write(bench.raw_path("train/._train_00.parquet"), "resource fork").unwrap();
    fs::write(bench.raw_path("train/_SUCCESS"), "").unwrap();
    fs::write(bench.raw_path("train/_delta_log/0.json"), "{}").unwrap();
    symlink("nowhere", bench.raw_path("train/.#lock.parquet")).unwrap();
    bench.prepare(&[]).await.unwrap();
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!((train.rows, holdout.rows), (40, 30));
    assert_eq!(holdout.shards[0].key, train_key(0));
    // Unless the glob asks for them.
    let asked = [
        "--train-glob=train/.h*.parquet",
        "--data-version=2",
        "--holdout=fraction=0.5",
    ];
    let prepared = bench.prepare(&asked).await.unwrap();
    assert_ne!(prepared.get("rows"), Some("40"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_seems_to_be_data_is_refused_all_at_once() {
    let bench = Bench::with_files(&[30, 40]);
    symlink("nowhere.parquet", bench.raw_path("train/c.parquet")).unwrap();
    bench.write("train/d.parquet/part-0.parquet", &sample(4, 10));
    bench.write("train/E.PARQUET", &sample(5, 10));
    fs::write(bench.raw_path("train/notes.txt"), "x").unwrap();
    let text = failure(2, bench.plan(&[]).await);
    for part in [
        "train/c.parquet is a link to a file that does not exist",
        "train/d.parquet is a folder",
        "train/E.PARQUET has an extension in capital letters",
        "remove the links",
        "--train-glob (TRAIN_GLOB), such as train/*.parquet/*.parquet",
        "lower case",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("notes.txt"), "{text}");
    let text = failure(2, bench.plan(&["--train-glob=train/*"]).await);
    assert!(
        text.contains("train/notes.txt has an extension that no raw file has"),
        "{text}"
    );
    // A folder can be asked for.
    let asked = [
        "--train-glob=train/*.parquet/*.parquet",
        "--holdout=fraction=0.5",
    ];
    bench.prepare(&asked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_glob_without_files_names_what_was_passed_over() {
    let bench = Bench::new();
    bench.write("train/_a.parquet", &sample(0, 10));
    let text = failure(2, bench.plan(&[]).await);
    for part in [
        "no file matches train/*.parquet in ",
        "train/_a.parquet",
        "TRAIN_GLOB",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let text = failure(2, bench.plan(&["--train-glob=Train/*.parquet"]).await);
    assert!(
        text.contains("there is train, and letter case counts"),
        "{text}"
    );
}

/// The rows of a month of 2024, as a file of its own has them.
fn month(month: usize, rows: usize) -> RecordBatch {
    const DAY: i64 = 86_400_000_000;
    let begin = 1_704_067_200_000_000 + 31 * DAY * month as i64;
    let times = (0..rows as i64).map(|row| begin + row % 28 * DAY);
    let times = TimestampMicrosecondArray::from_iter_values(times);
    with(&sample(month, rows), "date", Arc::new(times))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holdout_that_is_older_than_the_training_data_is_warned_of() {
    let bench = Bench::new();
    for file in 0..3 {
        bench.write(&train_key(file), &month(file, 40));
    }
    bench.prepare(&[]).await.unwrap();
    let train = bench.manifest(TRAIN).await;
    let [warning] = &train.warnings[..] else {
        panic!("{:?}", train.warnings)
    };
    for part in [
        "train/train_00.parquet (2024-01-01 to 2024-01-28) is held out by first-shard",
        "80 of 80 rows to train on are later, up to 2024-03-30",
        "HOLDOUT=after=DATE",
    ] {
        assert!(warning.contains(part), "{part:?} is not in {warning}");
    }
    let warnings = async |arguments: &[&str], key: &str| {
        bench.prepare(arguments).await.unwrap();
        bench.manifest(key).await.warnings
    };
    let after = ["--holdout=after=2024-03-01", "--data-version=2"];
    assert!(warnings(&after, "train/2/_manifest.json").await.is_empty());
    // The first file is the latest.
    bench.write(&train_key(0), &month(5, 40));
    let first = ["--data-version=3"];
    assert!(warnings(&first, "train/3/_manifest.json").await.is_empty());
    // Files that all are of the same days.
    let mixed = Bench::with_files(&[366, 366]);
    mixed.prepare(&[]).await.unwrap();
    assert!(mixed.manifest(TRAIN).await.warnings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_hold_the_times_of_each_file() {
    let bench = Bench::with_files(&[366, 100, 0]);
    bench.prepare(&["--holdout=fraction=0.3"]).await.unwrap();
    for key in [TRAIN, HOLDOUT] {
        let manifest = bench.manifest(key).await;
        for (shard, part) in manifest.shards.iter().zip(&manifest.parts) {
            let file = bench.store.local_path(&part.key).unwrap();
            let batches =
                parts::read(&file.into(), &["date".to_owned()], bench.step.work()).unwrap();
            let times = batches.flat_map(|batch| {
                let column = batch.unwrap().column(0).clone();
                column
                    .as_primitive::<TimestampMicrosecondType>()
                    .values()
                    .to_vec()
            });
            let times: Vec<i64> = times.collect();
            let time = shard.time.unwrap();
            let micros = |time: chrono::NaiveDateTime| time.and_utc().timestamp_micros();
            assert_eq!(
                (micros(time.first), micros(time.last)),
                (*times.iter().min().unwrap(), *times.iter().max().unwrap()),
                "{} in {key}",
                shard.key
            );
        }
    }
    let train = bench.manifest(TRAIN).await;
    let empty = train.shards.iter().find(|shard| shard.rows == 0).unwrap();
    assert_eq!(empty.time, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_have_a_range_too() {
    let bench = Bench::new();
    let contract = fs::read_to_string(bench.home.path().join("config/dataset.json")).unwrap();
    bench.configure(
        "dataset.json",
        &contract.replacen("\"timestamp\"", "\"date\"", 1),
    );
    for file in 0..2 {
        let days = arrow::array::PrimitiveArray::<Date32Type>::from_iter_values(
            (0..20).map(|row| 19_723 + 100 * file + row),
        );
        assert_eq!(days.null_count(), 0);
        let rows = with(&sample(file as usize, 20), "date", Arc::new(days));
        bench.write(&train_key(file as usize), &rows);
    }
    bench.prepare(&[]).await.unwrap();
    let time = bench.manifest(HOLDOUT).await.shards[0].time.unwrap();
    assert_eq!(
        serde_json::to_value(time).unwrap(),
        serde_json::json!({"first": "2024-01-01T00:00:00", "last": "2024-01-20T00:00:00"})
    );
    assert_eq!(bench.manifest(TRAIN).await.warnings.len(), 1);
}
