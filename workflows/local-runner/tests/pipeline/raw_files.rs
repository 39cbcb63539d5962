//! Raw files that are left out, delivered twice, or changed under a finished version, as a user
//! meets them.

use std::fs;
use std::os::unix::fs::symlink;

use arrow::compute::concat_batches;

use crate::bench::{Bench, Ran, assert_unchanged, rows};

/// The pipeline fails with this exit code and all of the words.
fn refused(bench: &Bench, code: i32, words: &[&str]) {
    let shown = bench.pipeline(&[]).expect(1).shown();
    assert!(shown.contains(&format!("exit code {code}")), "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word:?} is not shown:\n{shown}");
    }
}

#[test]
fn one_rule_says_which_files_upload_plan_and_resolve_take() {
    for folder in ["train", "predict"] {
        let bench = Bench::new();
        let raw = |name: &str| bench.raw(&format!("{folder}/{name}"));
        bench.write(&format!("{folder}/.hidden.parquet"), &rows(31, 50));
        bench.write(&format!("{folder}/_delta_log/0.parquet"), &rows(32, 50));
        fs::write(raw("._0.parquet"), "x").unwrap();
        bench.pipeline(&[]).expect(0);
        let manifest = bench.json("results/1/m/v1/_manifest.json");
        assert_eq!(
            (
                &manifest["rows"],
                manifest["shards"].as_array().unwrap().len()
            ),
            (&800.into(), 2)
        );
        assert_eq!(
            bench.json("holdout/1/_manifest.json")["shards"][0]["key"],
            "train/0.parquet"
        );
        assert_eq!(bench.json("train/1/_manifest.json")["rows"], 1200);

        symlink("nowhere.parquet", raw("c.parquet")).unwrap();
        bench.write(&format!("{folder}/d.parquet/part-0.parquet"), &rows(33, 50));
        bench.write(&format!("{folder}/E.PARQUET"), &rows(34, 50));
        let named = [
            "c.parquet is a link",
            "d.parquet is a folder",
            "E.PARQUET has an extension",
        ];
        let named = named.map(|name| format!("{folder}/{name}"));
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        refused(&bench, 2, &named);
        let upload = || -> Ran {
            let from = bench.raw("").display().to_string();
            let mut command = bench.command(&["upload", &from]);
            command
                .env("RAW_URL", bench.folder().join("elsewhere"))
                .output()
                .unwrap()
                .into()
        };
        let shown = upload().expect(2).shown();
        for word in named {
            assert!(shown.contains(word), "{word:?} is not shown:\n{shown}");
        }
        for name in ["c.parquet", "E.PARQUET"] {
            fs::remove_file(raw(name)).unwrap();
        }
        fs::remove_dir_all(raw("d.parquet")).unwrap();
        let shown = upload().expect(0).stdout;
        assert!(shown.contains("sent           5"), "{shown}");
        assert!(
            shown.contains(&format!("left out {folder}/.hidden.parquet")),
            "{shown}"
        );
    }
}

#[test]
fn what_was_delivered_twice_is_refused_with_names_and_counts() {
    let bench = Bench::new();
    fs::copy(
        bench.raw("train/1.parquet"),
        bench.raw("train/1-copy.parquet"),
    )
    .unwrap();
    refused(
        &bench,
        10,
        &["train/1-copy.parquet and train/1.parquet: 600 rows"],
    );
    fs::remove_file(bench.raw("train/1-copy.parquet")).unwrap();

    let batches = [rows(2, 600), rows(1, 9), rows(0, 4)];
    let schema = batches[0].schema();
    bench.write(
        "train/2.parquet",
        &concat_batches(&schema, &batches).unwrap(),
    );
    let named = [
        "9 of 1813 rows repeat the (customerId, date) of another row",
        "4 row keys (customerId, date) are both in train/0.parquet, which is held out",
        "train/1.parquet and train/2.parquet: 9",
        "train/0.parquet and train/2.parquet: 4",
    ];
    refused(&bench, 10, &named);
    bench.write("train/2.parquet", &rows(2, 600));

    let batches = [rows(11, 400), rows(10, 2)];
    bench.write(
        "predict/1.parquet",
        &concat_batches(&schema, &batches).unwrap(),
    );
    refused(
        &bench,
        10,
        &[
            "2 of 802 rows repeat",
            "predict/0.parquet and predict/1.parquet: 2",
        ],
    );
}

#[test]
fn predict_files_under_a_finished_version_are_held_to_what_they_were() {
    let bench = Bench::new();
    bench.pipeline(&[]).expect(0);
    let before = bench.lasting();
    // Written again with the same bytes.
    let path = bench.raw("predict/0.parquet");
    fs::write(&path, fs::read(&path).unwrap()).unwrap();
    bench.pipeline(&[]).expect(0);
    assert_unchanged(&before, &bench.lasting());

    let old = fs::read(&path).unwrap();
    bench.write("predict/0.parquet", &rows(40, 401));
    bench.write("predict/2.parquet", &rows(41, 100));
    fs::rename(bench.raw("predict/1.parquet"), bench.raw("gone.parquet")).unwrap();
    let named = [
        "1 is scored already by m, from other raw files",
        "predict/0.parquet has changed",
        "predict/1.parquet is gone",
        "predict/2.parquet is new",
        "another data-version",
        "cache=refresh",
    ];
    refused(&bench, 2, &named);
    assert_unchanged(&before, &bench.lasting());

    bench.pipeline(&["-p", "cache=refresh"]).expect(0);
    assert_eq!(bench.json("results/1/m/v1/_manifest.json")["rows"], 501);
    // Back to what it was.
    fs::write(&path, old).unwrap();
    refused(&bench, 2, &["predict/0.parquet has changed"]);
}

#[test]
fn the_holdout_of_the_oldest_month_is_warned_of_on_the_page() {
    use std::sync::Arc;

    use arrow::array::TimestampMicrosecondArray;

    let bench = Bench::new();
    for month in 0..3_i64 {
        let begin = (19_723 + 31 * month) * 86_400_000_000;
        let times = TimestampMicrosecondArray::from_iter_values((0..600).map(|row| begin + row));
        let rows = crate::bench::with(&rows(month as u64, 600), "date", Arc::new(times));
        bench.write(&format!("train/{month}.parquet"), &rows);
    }
    bench.pipeline(&[]).expect(0);
    let page = fs::read_to_string(bench.store("reports/1/m/v1/report.html")).unwrap();
    assert!(page.contains("the holdout is older than the rows to train on"));
}
