//! Work that was done before, in part or as a whole.

use std::time::{Duration, SystemTime};

use super::*;

fn touch(path: &Path) {
    let later = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(later)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_reuses_everything_and_changes_no_byte() {
    let bench = Bench::with_files(&[30, 40, 50]);
    let first = bench.prepare(&[]).await.unwrap();
    let before = bench.digests().await;
    let planned = bench.plan(&[]).await.unwrap();
    assert_eq!(planned.get("reused"), Some("true"));
    let mut rows = 0;
    for group in groups(&planned) {
        let mapped = bench.map(&planned, &group).await.unwrap();
        assert_eq!(mapped.get("reused"), Some("true"));
        rows += mapped.get("rows").unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(rows, 120);
    let second = bench.commit(&planned).await.unwrap();
    assert_eq!(second.get("reused"), Some("true"));
    assert_eq!(
        (second.get("rows"), second.get("manifest")),
        (first.get("rows"), first.get("manifest"))
    );
    assert_eq!(bench.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ended_half_way_goes_on_and_gives_the_same_bytes() {
    let rows = [30, 40, 50, 60];
    let bench = Bench::with_files(&rows);
    let planned = bench.plan(&["--parallelism=4"]).await.unwrap();
    let ids = groups(&planned);
    bench.map(&planned, &ids[1]).await.unwrap();
    bench.map(&planned, &ids[3]).await.unwrap();
    let text = failure(2, bench.commit(&planned).await);
    assert!(
        text.contains("shard train/train_00.parquet is not done"),
        "{text}"
    );

    let again = bench.plan(&["--parallelism=4"]).await.unwrap();
    assert_eq!(again, planned);
    let mut reused = Vec::new();
    for id in &ids {
        reused.push(bench.map(&again, id).await.unwrap().get("reused") == Some("true"));
    }
    assert_eq!(reused, [false, true, false, true]);
    bench.commit(&again).await.unwrap();
    let resumed = bench.manifest(TRAIN).await;

    let undisturbed = Bench::with_files(&rows);
    undisturbed.prepare(&[]).await.unwrap();
    let digests = |manifest: &DatasetManifest| {
        manifest
            .parts
            .iter()
            .map(|part| part.sha256.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        digests(&resumed),
        digests(&undisturbed.manifest(TRAIN).await)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_objects_are_made_again() {
    let bench = Bench::with_files(&[30, 40, 50]);
    bench.prepare(&[]).await.unwrap();
    let before = bench.digests().await;
    let created_at = bench.manifest(TRAIN).await.header.created_at;
    let lost: Vec<String> = before
        .keys()
        .filter(|key| **key != *TRAIN)
        .cloned()
        .collect();
    assert_eq!(lost.len(), 4, "three parts and the manifest of the holdout");
    for key in lost {
        fs::remove_file(bench.store.local_path(&key).unwrap()).unwrap();
        assert_eq!(
            bench.prepare(&[]).await.unwrap().get("rows"),
            Some("90"),
            "{key}"
        );
        assert_eq!(bench.digests().await, before, "{key}");
    }
    assert_eq!(bench.manifest(TRAIN).await.header.created_at, created_at);
    // The marks may be gone too.
    fs::remove_dir_all(bench.store.local_path("_work").unwrap()).unwrap();
    assert_eq!(
        bench.prepare(&[]).await.unwrap().get("reused"),
        Some("true")
    );
    assert_eq!(bench.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holdout_without_its_training_data_is_a_leftover() {
    let bench = Bench::with_files(&[30, 40, 50]);
    bench.prepare(&[]).await.unwrap();
    fs::remove_file(bench.store.local_path(TRAIN).unwrap()).unwrap();
    bench.configure(
        "features.sql",
        "SELECT *, feature1 + feature2 AS sum FROM raw",
    );
    bench.prepare(&[]).await.unwrap();
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!(train.header.fingerprint, holdout.header.fingerprint);
    assert_eq!(train.columns, holdout.columns);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_keeps_its_configuration() {
    let bench = Bench::with_files(&[30, 40]);
    bench.prepare(&[]).await.unwrap();
    let before = bench.digests().await;
    bench.configure(
        "features.sql",
        "SELECT *, feature1 + feature2 AS sum FROM raw",
    );
    let text = failure(2, bench.plan(&[]).await);
    assert!(
        text.contains("features.sql was ") && !text.contains("dataset.json was"),
        "{text}"
    );
    assert!(
        text.contains("data-version") && text.contains("cache=refresh"),
        "{text}"
    );
    let text = failure(2, bench.plan(&["--holdout=fraction=0.5"]).await);
    assert!(
        text.contains("holdout was first-shard, and is fraction=0.5"),
        "{text}"
    );
    assert_eq!(bench.digests().await, before);
    bench.prepare(&["--data-version=25.05.2"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_keeps_its_raw_files() {
    let bench = Bench::with_files(&[30, 40]);
    bench.prepare(&[]).await.unwrap();
    bench.write(&train_key(2), &sample(2, 10));
    assert!(failure(2, bench.plan(&[]).await).contains("raw train/train_02.parquet is new"));
    fs::remove_file(bench.raw_path(&train_key(2))).unwrap();
    assert_eq!(bench.plan(&[]).await.unwrap().get("reused"), Some("true"));
    fs::remove_file(bench.raw_path(&train_key(0))).unwrap();
    assert!(
        failure(2, bench.plan(&["--holdout=fraction=0.5"]).await)
            .contains("raw train/train_00.parquet is gone")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_over_the_same_raw_files_do_not_disturb_each_other() {
    let bench = Bench::with_files(&[30, 40, 50]);
    bench.prepare(&["--data-version=1"]).await.unwrap();
    let first = bench.digests().await;
    bench
        .prepare(&["--data-version=2", "--train-glob=train/train_0*.parquet"])
        .await
        .unwrap();
    let both = bench.digests().await;
    assert!(
        first
            .iter()
            .all(|(key, digest)| both.get(key) == Some(digest))
    );
    assert_eq!(both.len(), 2 * first.len());
    assert_eq!(
        bench.manifest("holdout/2/_manifest.json").await.shards[0].key,
        train_key(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_only_touched_counts_as_the_same() {
    let bench = Bench::with_files(&[30, 40, 50]);
    bench.prepare(&[]).await.unwrap();
    let before = bench.digests().await;
    touch(&bench.raw_path(&train_key(0)));
    touch(&bench.raw_path(&train_key(1)));
    assert_eq!(bench.plan(&[]).await.unwrap().get("reused"), Some("true"));
    // It may have to be read once more.
    let part = before
        .keys()
        .find(|key| key.starts_with("train/") && key.ends_with("000001.parquet"))
        .unwrap();
    fs::remove_file(bench.store.local_path(part).unwrap()).unwrap();
    bench.prepare(&[]).await.unwrap();
    assert_eq!(bench.digests().await, before);

    // Of the same size, but not the same.
    bench.write(
        &train_key(1),
        &with(
            &sample(1, 40),
            "target",
            Arc::new(Int64Array::from(vec![1; 40])),
        ),
    );
    let path = bench.raw_path(&train_key(1));
    let mut bytes = fs::read(&path).unwrap();
    bytes.resize(
        usize::try_from(bench.manifest(TRAIN).await.shards[0].bytes).unwrap(),
        0,
    );
    fs::write(&path, bytes).unwrap();
    assert!(failure(2, bench.plan(&[]).await).contains("raw train/train_01.parquet was"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_keeps_size_and_time_is_known_by_its_content() {
    let bench = Bench::with_files(&[30, 40, 50]);
    bench.prepare(&[]).await.unwrap();
    let path = bench.raw_path(&train_key(1));
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut other = bytes.clone();
    other[bytes.len() / 2] ^= 1;
    for (bytes, is_same) in [(&bytes, true), (&other, false), (&bytes, true)] {
        fs::write(&path, bytes).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
        let planned = bench.plan(&[]).await;
        if is_same {
            assert_eq!(planned.unwrap().get("reused"), Some("true"));
            continue;
        }
        let text = failure(2, planned);
        assert!(
            text.contains("raw train/train_01.parquet was") && text.contains("with other content"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_after_it_was_planned_is_reported() {
    let bench = Bench::with_files(&[30, 40]);
    let planned = bench.plan(&["--parallelism=1"]).await.unwrap();
    bench.write(&train_key(1), &sample(9, 41));
    let text = failure(2, bench.map(&planned, &groups(&planned)[0]).await);
    assert!(
        text.contains("train/train_01.parquet in ")
            && text.contains("has changed since it was planned"),
        "{text}"
    );
    fs::remove_file(bench.raw_path(&train_key(1))).unwrap();
    let text = failure(2, bench.map(&planned, &groups(&planned)[0]).await);
    assert!(text.contains("train/train_01.parquet is gone"), "{text}");
    assert!(!bench.visible().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_replaces_a_version() {
    let mut bench = Bench::with_files(&[30, 40]);
    bench.prepare(&[]).await.unwrap();
    let before = bench.digests().await;
    let created_at = bench.manifest(TRAIN).await.header.created_at;
    bench.step = bench.step.refreshing();
    let again = bench.prepare(&[]).await.unwrap();
    assert_eq!(again.get("reused"), Some("false"));
    assert_eq!(bench.digests().await, before);
    assert_eq!(bench.manifest(TRAIN).await.header.created_at, created_at);

    bench.configure(
        "features.sql",
        "SELECT *, feature1 + feature2 AS sum FROM raw",
    );
    bench.prepare(&[]).await.unwrap();
    let train = bench.manifest(TRAIN).await;
    assert!(train.columns.iter().any(|column| column.name == "sum"));
    assert_eq!(
        train.header.fingerprint,
        bench.manifest(HOLDOUT).await.header.fingerprint
    );
    let digests = bench.digests().await;
    assert!(
        before.keys().all(|key| digests.contains_key(key)),
        "old parts stay for those who read them"
    );
}
