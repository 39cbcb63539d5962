//! Input that broke the Python original, and more of its kind: each is refused by name, and nothing
//! is half visible.

use std::fs;
use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, StringArray};

use crate::bench::{Bench, rows, with, without};

/// Runs the pipeline, which must fail in `template` with `code` and all of `words` in what the user
/// sees; no manifest of this data version may be there for `split`.
fn refused(bench: &Bench, template: &str, code: i32, split: &str, words: &[&str]) {
    let ran = bench.pipeline(&[]).expect(1);
    let shown = ran.shown();
    let failed: Vec<_> = bench
        .pods(template)
        .into_iter()
        .filter(|pod| pod["phase"] == "Failed")
        .collect();
    assert!(!failed.is_empty(), "{template} did not fail:\n{shown}");
    let message = failed[0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("exit code {code}")), "{message}");
    for word in words {
        assert!(
            message.contains(word),
            "{word:?} is not in the message:\n{message}"
        );
        assert!(shown.contains(word), "{word:?} is not shown:\n{shown}");
    }
    assert!(
        message.lines().count() <= 24,
        "more than a screen:\n{message}"
    );
    let folder = bench.store(&format!("{split}/1"));
    let visible = walk(&folder)
        .into_iter()
        .filter(|file| file.ends_with("_manifest.json"))
        .collect::<Vec<_>>();
    assert_eq!(visible, Vec::<String>::new());
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths
        .iter()
        .flat_map(|path| {
            if path.is_dir() {
                walk(path)
            } else {
                vec![path.display().to_string()]
            }
        })
        .collect()
}

fn truncate(bench: &Bench, key: &str) {
    let bytes = fs::read(bench.raw(key)).unwrap();
    fs::write(bench.raw(key), &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn a_truncated_train_file_fails_the_step_wherever_it_stands() {
    for key in ["train/0.parquet", "train/1.parquet"] {
        let bench = Bench::new();
        truncate(&bench, key);
        refused(&bench, "data-prep-map", 10, "train", &[key]);
    }
}

#[test]
fn a_truncated_predict_file_fails_the_step() {
    let bench = Bench::new();
    truncate(&bench, "predict/1.parquet");
    refused(
        &bench,
        "data-prep-map",
        10,
        "predict",
        &["predict/1.parquet"],
    );
}

#[test]
fn a_file_without_a_column_is_named_with_the_column() {
    for column in ["feature2", "target", "customerId", "date"] {
        let bench = Bench::new();
        bench.write("train/1.parquet", &without(&rows(1, 600), column));
        refused(
            &bench,
            "data-prep-map",
            10,
            "train",
            &["train/1.parquet", column],
        );
    }
}

#[test]
fn a_column_of_another_type_is_named_with_both_types() {
    let bench = Bench::new();
    let texts = StringArray::from_iter_values((0..600).map(|i| i.to_string()));
    bench.write(
        "train/2.parquet",
        &with(&rows(2, 600), "feature1", Arc::new(texts)),
    );
    refused(
        &bench,
        "data-prep-map",
        10,
        "train",
        &["train/2.parquet", "feature1", "Utf8", "float64"],
    );
}

#[test]
fn values_that_break_the_contract_are_counted_with_an_example() {
    let bench = Bench::new();
    let negative =
        Float64Array::from_iter_values((0..600).map(|i| if i % 200 == 7 { -2.5 } else { 1.0 }));
    bench.write(
        "train/1.parquet",
        &with(&rows(1, 600), "feature2", Arc::new(negative)),
    );
    refused(
        &bench,
        "data-prep-map",
        10,
        "train",
        &["train/1.parquet", "feature2", "3", "-2.5"],
    );

    let bench = Bench::new();
    let nulls = StringArray::from_iter((0..600).map(|i| (i != 5 && i != 6).then(|| i.to_string())));
    bench.write(
        "train/1.parquet",
        &with(&rows(1, 600), "customerId", Arc::new(nulls)),
    );
    refused(
        &bench,
        "data-prep-map",
        10,
        "train",
        &["train/1.parquet", "customerId", "2", "null"],
    );

    let bench = Bench::new();
    let twos = Int64Array::from_iter_values((0..600).map(|i| if i == 9 { 2 } else { i % 2 }));
    bench.write(
        "predict/0.parquet",
        &with(&rows(1, 600), "target", Arc::new(twos)),
    );
    refused(
        &bench,
        "data-prep-map",
        10,
        "predict",
        &["predict/0.parquet", "target", "2"],
    );
}

#[test]
fn the_same_row_twice_is_refused() {
    let bench = Bench::new();
    let ids = StringArray::from_iter_values((0..600).map(|i| {
        if i == 40 {
            "x20".to_owned()
        } else {
            format!("x{i}")
        }
    }));
    bench.write(
        "train/1.parquet",
        &with(&rows(1, 600), "customerId", Arc::new(ids)),
    );
    refused(
        &bench,
        "data-prep-map",
        10,
        "train",
        &["train/1.parquet", "x20"],
    );
}

#[test]
fn a_file_that_was_repaired_is_taken_by_a_retry() {
    let bench = Bench::new();
    let whole = fs::read(bench.raw("train/1.parquet")).unwrap();
    truncate(&bench, "train/1.parquet");
    bench.pipeline(&[]).expect(1);
    fs::write(bench.raw("train/1.parquet"), whole).unwrap();
    bench.pipeline(&[]).expect(0);
    assert_eq!(bench.result("rows-trained"), "1200");
}

#[test]
fn a_bad_file_can_be_quarantined() {
    let bench = Bench::new();
    truncate(&bench, "train/1.parquet");
    let config = bench.config(&[
        ("ON_BAD_SHARD: fail", "ON_BAD_SHARD: quarantine"),
        ("MAX_BAD_SHARDS: '0'", "MAX_BAD_SHARDS: '1'"),
    ]);
    bench.pipeline(&["--config-maps", &config]).expect(0);
    assert_eq!(bench.result("rows-trained"), "600");
    let listed = bench.json("train/1/_manifest.json")["quarantined"].clone();
    assert_eq!(listed[0]["key"], "train/1.parquet");
}

#[test]
fn what_was_not_asked_for_correctly_starts_nothing() {
    let bench = Bench::new();
    for (flags, words) in [
        (&["-p", "data-versoin=1"][..], &["data-versoin"][..]),
        (
            &["-p", "cache=sometimes"],
            &["cache", "sometimes", "refresh"],
        ),
        (&["-p", "data-version"], &["data-version"]),
    ] {
        let ran = bench.alameda(
            &[
                &[
                    "submit",
                    "--from",
                    "workflowtemplate/alameda-pipeline",
                    "-p",
                    "data-version=1",
                ],
                flags,
            ]
            .concat(),
        );
        let ran = ran.expect(2);
        for word in words {
            assert!(ran.stderr.contains(word), "{}", ran.stderr);
        }
    }
    let ran = bench
        .alameda(&["submit", "--from", "workflowtemplate/alameda-pipline"])
        .expect(2);
    assert!(
        ran.stderr.contains("alameda-pipeline"),
        "the names that exist are shown: {}",
        ran.stderr
    );
    assert!(!bench.store("").exists() || walk(&bench.store("")).is_empty());
}

#[test]
fn a_name_that_is_none_fails_the_first_step_with_exit_2() {
    for name in ["../../etc", "a b", ""] {
        let bench = Bench::new();
        let version = format!("data-version={name}");
        let ran = bench
            .alameda(&[
                "submit",
                "--from",
                "workflowtemplate/alameda-pipeline",
                "-p",
                &version,
            ])
            .expect(1);
        assert!(ran.shown().contains("exit code 2"), "{}", ran.shown());
    }
}

#[test]
fn raw_files_that_are_not_there_are_reported_by_their_glob() {
    let bench = Bench::empty();
    let ran = bench.pipeline(&[]).expect(1);
    assert!(
        ran.shown().contains("train/*.parquet") && ran.shown().contains("exit code 2"),
        "{}",
        ran.shown()
    );
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_file_is_reported_and_nothing_is_visible() {
    let bench = Bench::new();
    bench.write("train/1.parquet", &rows(1, 20_000));
    // A limit on the size of a file represents a full disk: the write fails half way.
    let command = bench.command(&[
        "submit",
        "--from",
        "workflowtemplate/alameda-pipeline",
        "-p",
        "data-version=1",
    ]);
    let line: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut limited = std::process::Command::new("sh");
    limited
        .args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f 400; exec {}", line.join(" ")),
        ])
        .current_dir(bench.folder());
    let ran = crate::bench::Ran::from(limited.output().unwrap()).expect(1);
    let shown = ran.shown();
    assert!(
        shown.contains("exit code 2") && shown.contains("free space there"),
        "{shown}"
    );
    assert!(shown.contains("train/1/part-"), "{shown}");
    assert!(
        !walk(&bench.store("train"))
            .iter()
            .any(|file| file.ends_with("_manifest.json"))
    );

    bench.alameda(&["retry", "@latest"]).expect(0);
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    let file = bench.folder().join("a-file");
    fs::write(&file, "x").unwrap();
    let mut command = bench.command(&[
        "submit",
        "--from",
        "workflowtemplate/alameda-pipeline",
        "-p",
        "data-version=1",
    ]);
    let ran = crate::bench::Ran::from(
        command
            .env("STORE_URL", file.join("store"))
            .output()
            .unwrap(),
    )
    .expect(1);
    assert!(
        ran.shown().contains("a-file/store") && ran.shown().contains("exit code 2"),
        "{}",
        ran.shown()
    );
}
