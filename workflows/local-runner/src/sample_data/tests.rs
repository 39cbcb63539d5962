use std::collections::HashSet;
use std::sync::Mutex;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::random::probability;
use super::*;

fn options(dir: &Path) -> Options {
    Options {
        url: dir.display().to_string(),
        train_files: 3,
        predict_files: 2,
        rows_per_file: 2_000,
        seed: 7,
        drift: Vec::new(),
    }
}

fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn floats<'a>(batch: &'a RecordBatch, column: &str) -> &'a [f64] {
    batch
        .column_by_name(column)
        .unwrap()
        .as_primitive::<Float64Type>()
        .values()
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>();
    (mean, (variance / values.len() as f64).sqrt())
}

/// Path below `dir`, bytes and time of change of every file, sorted.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut files: Vec<_> = ["train", "predict"]
        .iter()
        .flat_map(|split| fs::read_dir(dir.join(split)).unwrap())
        .map(|entry| {
            let path = entry.unwrap().path();
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            (
                path.strip_prefix(dir).unwrap().to_owned(),
                fs::read(&path).unwrap(),
                changed,
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn columns_have_the_documented_distributions() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        train_files: 1,
        predict_files: 1,
        rows_per_file: 40_000,
        ..options(dir.path())
    };
    generate(&options, |_| ()).unwrap();
    let mut all_ids = HashSet::new();
    for split in [Split::Train, Split::Predict] {
        let batch = read(&dir.path().join(split.to_string()).join("part-000.parquet"));
        assert_eq!(batch.schema().fields(), schema().fields());
        assert_eq!(batch.num_rows(), 40_000);

        let dates = batch
            .column(0)
            .as_primitive::<TimestampMicrosecondType>()
            .values();
        let (first, end) = split.seconds();
        let earliest = dates.iter().min().unwrap() / 1_000_000;
        let latest = dates.iter().max().unwrap() / 1_000_000;
        assert!(
            (first..first + 86_400).contains(&earliest),
            "{split}: {earliest}"
        );
        assert!((end - 86_400..end).contains(&latest), "{split}: {latest}");

        let ids = batch.column(1).as_string::<i32>();
        assert!(
            ids.iter()
                .flatten()
                .all(|id| id.len() == UUID_CHARS && id.as_bytes()[14] == b'4')
        );
        all_ids.extend(ids.iter().flatten().map(str::to_owned));

        let (mean, deviation) = mean_and_deviation(floats(&batch, "feature1"));
        assert!(
            (mean - 50.0).abs() < 0.3 && (deviation - 15.0).abs() < 0.2,
            "{mean} {deviation}"
        );
        let feature2 = floats(&batch, "feature2");
        let (mean, deviation) = mean_and_deviation(feature2);
        let expected = 1.0 / 1.3;
        assert!(
            (mean - expected).abs() < 0.02 && (deviation - expected).abs() < 0.02,
            "{mean} {deviation}"
        );
        assert!(feature2.iter().all(|value| *value >= 0.0));
    }
    assert_eq!(all_ids.len(), 80_000, "an id occurs twice");
}

#[test]
fn the_target_depends_on_the_features() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        train_files: 1,
        predict_files: 0,
        rows_per_file: 40_000,
        ..options(dir.path())
    };
    generate(&options, |_| ()).unwrap();
    let batch = read(&dir.path().join("train/part-000.parquet"));
    let targets = batch.column(4).as_primitive::<Int64Type>().values();
    let ones = targets.iter().sum::<i64>() as f64;
    let zeros = targets.len() as f64 - ones;
    assert!((ones / (ones + zeros) - 0.855).abs() < 0.01, "{ones} ones");

    // The area under the ROC curve, from the ranks of the ones, of the score that a perfect model
    // would give.
    let mut scored: Vec<(f64, i64)> = floats(&batch, "feature1")
        .iter()
        .zip(floats(&batch, "feature2"))
        .map(|(one, two)| probability(*one, *two))
        .zip(targets.iter().copied())
        .collect();
    scored.sort_by(|left, right| left.0.total_cmp(&right.0));
    let ranks: f64 = scored
        .iter()
        .enumerate()
        .map(|(rank, (_, target))| ((rank as i64 + 1) * target) as f64)
        .sum();
    let auc = (ranks - ones * (ones + 1.0) / 2.0) / (ones * zeros);
    assert!((auc - 0.745).abs() < 0.012, "{auc}");
}

#[test]
fn bytes_depend_on_the_seed_and_not_on_the_threads() {
    let bytes = |threads, seed| {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            seed,
            ..options(dir.path())
        };
        generate_on(threads, &options, &|_| ()).unwrap();
        contents(dir.path())
            .into_iter()
            .map(|(path, bytes, _)| (path, bytes))
            .collect::<Vec<_>>()
    };
    let one_thread = bytes(1, 7);
    assert_eq!(one_thread.len(), 5);
    assert!(one_thread == bytes(4, 7));
    let other_seed = bytes(4, 8);
    assert!(
        one_thread
            .iter()
            .zip(&other_seed)
            .all(|(left, right)| left.1 != right.1)
    );
}

#[test]
fn batches_and_row_groups_join_without_a_seam() {
    let dir = tempfile::tempdir().unwrap();
    let rows = ROW_GROUP_ROWS + BATCH_ROWS + 1;
    let options = Options {
        train_files: 1,
        predict_files: 0,
        rows_per_file: rows,
        ..options(dir.path())
    };
    generate(&options, |_| ()).unwrap();
    let batch = read(&dir.path().join("train/part-000.parquet"));
    let ids: HashSet<_> = batch
        .column(1)
        .as_string::<i32>()
        .iter()
        .flatten()
        .collect();
    assert_eq!(ids.len(), rows);
}

#[test]
fn files_of_the_same_options_stay_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Mutex::new(Vec::new());
    let first = generate(&options(dir.path()), |file| {
        seen.lock().unwrap().push(file.clone())
    })
    .unwrap();
    let before = contents(dir.path());
    assert_eq!((first.written, first.reused, first.rows), (5, 0, 10_000));
    assert_eq!(
        first.bytes,
        before
            .iter()
            .map(|(_, bytes, _)| bytes.len() as u64)
            .sum::<u64>()
    );
    assert!(
        seen.lock()
            .unwrap()
            .iter()
            .all(|file| !file.reused && dir.path().join(&file.key).exists())
    );

    fs::remove_file(dir.path().join("train/part-001.parquet")).unwrap();
    let second = generate(&options(dir.path()), |_| ()).unwrap();
    assert_eq!(
        (second.written, second.reused, second.bytes),
        (1, 4, first.bytes)
    );
    let after = contents(dir.path());
    for (old, new) in before.iter().zip(&after) {
        assert!(old.1 == new.1, "{} has other bytes", new.0.display());
        assert!(
            old.2 == new.2 || new.0.ends_with("train/part-001.parquet"),
            "{} was touched",
            new.0.display()
        );
    }
}

#[test]
fn other_options_replace_sample_files_and_remove_the_surplus() {
    let dir = tempfile::tempdir().unwrap();
    generate(&options(dir.path()), |_| ()).unwrap();
    let foreign = dir.path().join("train/part-900.parquet");
    fs::write(&foreign, "not a sample").unwrap();
    let fewer = Options {
        train_files: 1,
        rows_per_file: 10,
        ..options(dir.path())
    };
    let summary = generate(&fewer, |_| ()).unwrap();
    assert_eq!(
        (
            summary.written,
            summary.reused,
            summary.removed,
            summary.rows
        ),
        (3, 0, 2, 30)
    );
    assert_eq!(
        read(&dir.path().join("train/part-000.parquet")).num_rows(),
        10
    );
    assert!(!dir.path().join("train/part-001.parquet").exists());
    assert_eq!(fs::read(&foreign).unwrap(), b"not a sample");
}

#[test]
fn a_file_of_someone_else_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train/part-000.parquet");
    fs::create_dir(dir.path().join("train")).unwrap();
    fs::write(&path, "precious").unwrap();
    let error = generate(&options(dir.path()), |_| ()).unwrap_err();
    assert!(
        format!("{error:#}").contains("train/part-000.parquet is not a readable Parquet file"),
        "{error:#}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    let batch = Random::new(
        1,
        Target {
            split: Split::Train,
            ordinal: 0,
        },
    )
    .batch(&schema(), Split::Train, &[], 5)
    .unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let error = generate(&options(dir.path()), |_| ()).unwrap_err();
    assert!(
        error.to_string().contains("was not made by sample-data"),
        "{error:#}"
    );
    assert_eq!(read(&path), batch);
}

#[test]
fn no_partial_file_stays_behind() {
    let dir = tempfile::tempdir().unwrap();
    generate(&options(dir.path()), |_| ()).unwrap();
    let names: Vec<_> = contents(dir.path())
        .into_iter()
        .map(|(path, ..)| path)
        .collect();
    let expected = ["predict/part-000.parquet", "predict/part-001.parquet"]
        .into_iter()
        .chain([
            "train/part-000.parquet",
            "train/part-001.parquet",
            "train/part-002.parquet",
        ]);
    assert_eq!(names, expected.map(PathBuf::from).collect::<Vec<_>>());

    let empty = Options {
        rows_per_file: 0,
        ..options(dir.path())
    };
    assert!(generate(&empty, |_| ()).is_err());
}

#[test]
fn drift_is_in_the_files_to_score_and_grows_over_the_year() {
    let dir = tempfile::tempdir().unwrap();
    let drift = vec![
        Drift::ShiftedMean,
        Drift::BrokenColumn,
        Drift::FallingAccuracy,
    ];
    let size = |drift| Options {
        train_files: 1,
        predict_files: 1,
        rows_per_file: 40_000,
        drift,
        ..options(dir.path())
    };
    let train = || fs::read(dir.path().join("train/part-000.parquet")).unwrap();
    generate(&size(Vec::new()), |_| ()).unwrap();
    let before = train();
    let summary = generate(&size(drift.clone()), |_| ()).unwrap();
    assert_eq!(
        (summary.written, summary.reused),
        (1, 1),
        "files without drift are replaced"
    );
    assert!(train() == before, "training data stays as it is");
    assert_eq!(generate(&size(drift), |_| ()).unwrap().reused, 2);

    let batch = read(&dir.path().join("predict/part-000.parquet"));
    let (first, end) = Split::Predict.seconds();
    let dates = batch
        .column(0)
        .as_primitive::<TimestampMicrosecondType>()
        .values();
    let over = |row: usize| (dates[row] / 1_000_000 - first) as f64 / (end - first) as f64;
    let quarter = |from: f64| -> Vec<usize> {
        (0..40_000)
            .filter(|row| (from..from + 0.25).contains(&over(*row)))
            .collect()
    };
    let (early, late) = (quarter(0.0), quarter(0.75));
    let mean = |column: &str, rows: &[usize]| {
        rows.iter()
            .map(|row| floats(&batch, column)[*row])
            .sum::<f64>()
            / rows.len() as f64
    };
    assert!(
        (mean("feature1", &early) - 51.9).abs() < 0.6
            && (mean("feature1", &late) - 63.1).abs() < 0.6
    );
    assert!(
        mean("feature2", &early) > 0.7
            && late
                .iter()
                .all(|row| floats(&batch, "feature2")[*row] == 0.0)
    );
    let ones = |rows: &[usize]| {
        let targets = batch.column(4).as_primitive::<Int64Type>().values();
        rows.iter().filter(|row| targets[**row] == 1).count() as f64 / rows.len() as f64
    };
    assert!(
        ones(&early) - ones(&late) > 0.1,
        "{} {}",
        ones(&early),
        ones(&late)
    );
}
