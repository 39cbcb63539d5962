//! Files that break the data contract.

use super::*;

type Damage = fn(&Bench, &str);

/// What was tried on the original, and went unnoticed there.
const DAMAGES: [(&str, Damage, &str); 9] = [
    (
        "truncated",
        |bench, key| cut(bench, key, 0.6),
        "can't be read as a parquet file",
    ),
    (
        "empty",
        |bench, key| cut(bench, key, 0.0),
        "is empty\ndeliver it again, or remove it",
    ),
    (
        "of another kind",
        |bench, key| fs::write(bench.raw_path(key), "a,b\n1,2\n").unwrap(),
        "holds text, and is not a Parquet file",
    ),
    (
        "without a feature",
        |bench, key| bench.write(key, &without(&sample(7, 20), "feature2")),
        "column \"feature2\" is missing",
    ),
    (
        "without the target",
        |bench, key| bench.write(key, &without(&sample(7, 20), "target")),
        "column \"target\" is missing",
    ),
    (
        "without the id",
        |bench, key| bench.write(key, &without(&sample(7, 20), "customerId")),
        "column \"customerId\" is missing",
    ),
    (
        "out of bounds",
        |bench, key| {
            bench.write(
                key,
                &with(
                    &sample(7, 20),
                    "feature2",
                    Arc::new(Float64Array::from(vec![-1.0; 20])),
                ),
            )
        },
        "column \"feature2\": 20 of 20 rows are below the minimum 0, the first in row 1: -1.0",
    ),
    (
        "of another type",
        |bench, key| {
            bench.write(
                key,
                &with(
                    &sample(7, 20),
                    "feature1",
                    Arc::new(StringArray::from(vec!["1"; 20])),
                ),
            )
        },
        "column \"feature1\" is of type Utf8 in the file, and float64 in the contract",
    ),
    (
        "with a row twice",
        |bench, key| {
            bench.write(
                key,
                &concat_batches(&sample(7, 1).schema(), &[sample(7, 20), sample(7, 1)]).unwrap(),
            )
        },
        "1 of 21 rows repeat the (date, customerId) of another row, such as row 1 and row 21",
    ),
];

fn cut(bench: &Bench, key: &str, share: f64) {
    let path = bench.raw_path(key);
    let bytes = fs::read(&path).unwrap();
    fs::write(path, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_ends_the_run_by_name_and_nothing_is_visible() {
    for (what, damage, reason) in DAMAGES {
        // The first one is the holdout.
        for bad in [0, 2] {
            let bench = Bench::with_files(&[20, 20, 20]);
            damage(&bench, &train_key(bad));
            let planned = bench.plan(&["--parallelism=1"]).await.unwrap();
            let text = failure(10, bench.map(&planned, &groups(&planned)[0]).await);
            assert!(
                text.contains(&train_key(bad)) && text.contains(reason),
                "{what}: {text}"
            );
            let text = failure(2, bench.commit(&planned).await);
            assert!(text.contains("is not done"), "{text}");
            assert!(!bench.visible().await, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repaired_file_can_be_prepared_under_the_same_version() {
    let bench = Bench::with_files(&[20, 20, 20]);
    cut(&bench, &train_key(1), 0.5);
    failure(10, bench.prepare(&[]).await);
    bench.write(&train_key(1), &sample(1, 20));
    assert_eq!(bench.prepare(&[]).await.unwrap().get("rows"), Some("40"));
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_leaves_bad_files_out_and_names_them() {
    let bench = Bench::with_files(&[20, 20, 20, 20]);
    cut(&bench, &train_key(2), 0.5);
    let quarantine = ["--on-bad-shard=quarantine", "--max-bad-shards=1"];
    let committed = bench.prepare(&quarantine).await.unwrap();
    assert_eq!(
        (committed.get("rows"), committed.get("quarantined")),
        (Some("40"), Some("1"))
    );
    let train = bench.manifest(TRAIN).await;
    assert_eq!(train.quarantined.len(), 1);
    assert_eq!(train.quarantined[0].key, train_key(2));
    assert!(
        train.quarantined[0]
            .reason
            .contains("can't be read as a parquet file")
    );
    assert_eq!(bench.manifest(HOLDOUT).await.quarantined, train.quarantined);

    let before = bench.digests().await;
    assert_eq!(
        bench.prepare(&quarantine).await.unwrap().get("reused"),
        Some("true")
    );
    assert_eq!(bench.digests().await, before);
    // What is committed is not accepted by those who allow less.
    let text = failure(10, bench.plan(&[]).await);
    assert!(
        text.contains(
            "1 raw files break the data contract, and ON_BAD_SHARD (--on-bad-shard) is \
                       fail"
        ),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bad_files_than_allowed_end_the_run_and_a_higher_limit_goes_on() {
    let bench = Bench::with_files(&[20; 5]);
    for index in [1, 3] {
        cut(&bench, &train_key(index), 0.5);
    }
    let planned = bench
        .plan(&[
            "--parallelism=2",
            "--on-bad-shard=quarantine",
            "--max-bad-shards=1",
        ])
        .await
        .unwrap();
    for group in groups(&planned) {
        bench.map(&planned, &group).await.unwrap();
    }
    let text = failure(10, bench.commit(&planned).await);
    assert!(
        text.contains(
            "2 raw files break the data contract, and MAX_BAD_SHARDS (--max-bad-shards) \
                       is 1"
        ),
        "{text}"
    );
    assert!(
        text.contains(&train_key(1)) && text.contains(&train_key(3)),
        "{text}"
    );
    assert!(!bench.visible().await);

    let planned = bench
        .plan(&[
            "--parallelism=2",
            "--on-bad-shard=quarantine",
            "--max-bad-shards=2",
        ])
        .await
        .unwrap();
    for group in groups(&planned) {
        // Each group has a file that was left out, and such a file is looked at again.
        assert_eq!(
            bench.map(&planned, &group).await.unwrap().get("reused"),
            Some("false")
        );
    }
    assert_eq!(
        bench.commit(&planned).await.unwrap().get("quarantined"),
        Some("2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holdout_that_was_left_out_is_reported() {
    let bench = Bench::with_files(&[20, 20, 20]);
    cut(&bench, &train_key(0), 0.5);
    let text = failure(
        10,
        bench
            .prepare(&["--on-bad-shard=quarantine", "--max-bad-shards=3"])
            .await,
    );
    assert!(
        text.contains("train/train_00.parquet is to be the holdout"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_over_good_data_is_reported_and_mixes_nothing() {
    let bench = Bench::with_files(&[20, 20, 20]);
    bench.prepare(&[]).await.unwrap();
    let before = bench.digests().await;
    cut(&bench, &train_key(1), 0.5);
    let text = failure(2, bench.plan(&[]).await);
    assert!(text.contains("raw train/train_01.parquet was"), "{text}");
    assert_eq!(bench.digests().await, before);
}
