//! The same file twice, and keys that rows of several files share.

use super::*;

const ALLOW: (&str, &str) = ("\"columns\"", "\"repeated_keys\": \"allow\", \"columns\"");

impl Bench {
    /// Lets the data contract say something else.
    fn contract(&self, (old, new): (&str, &str)) {
        let path = self.home.path().join("config/dataset.json");
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(old));
        self.configure("dataset.json", &text.replacen(old, new, 1));
    }

    /// The objects with the keys of groups.
    async fn keys(&self) -> Vec<PathBuf> {
        let work = self.store.list("_work").await.unwrap();
        let keys = work.iter().filter(|object| object.key.contains("/keys/"));
        keys.map(|object| self.store.local_path(&object.key).unwrap())
            .collect()
    }
}

fn joined(batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(&batches[0].schema(), batches).unwrap()
}

/// Files of which the last one repeats three rows of the second and two of the third.
fn overlapping() -> Bench {
    let bench = Bench::with_files(&[30, 40, 50]);
    let rows = [sample(3, 20), sample(1, 3), sample(2, 2)];
    bench.write(&train_key(3), &joined(&rows));
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_delivered_twice_is_refused_with_both_names() {
    let bench = Bench::with_files(&[30, 40, 50, 0]);
    fs::copy(
        bench.raw_path(&train_key(1)),
        bench.raw_path("train/train_02_copy.parquet"),
    )
    .unwrap();
    // Without rows nothing counts twice.
    fs::copy(
        bench.raw_path(&train_key(3)),
        bench.raw_path("train/train_04.parquet"),
    )
    .unwrap();
    for holdout in ["first-shard", "fraction=0.2"] {
        let text = failure(10, bench.prepare(&[&format!("--holdout={holdout}")]).await);
        assert!(text.contains("1 raw files are duplicates"), "{text}");
        let line = "train/train_01.parquet and train/train_02_copy.parquet: 40 rows";
        assert!(text.contains(line), "{text}");
    }
    assert!(!bench.visible().await);
    fs::remove_file(bench.raw_path("train/train_02_copy.parquet")).unwrap();
    bench.prepare(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_repeat_a_key_of_another_file_are_refused_with_both_names() {
    let bench = overlapping();
    for holdout in ["first-shard", "fraction=0.2", "after=2024-01-10"] {
        let text = failure(10, bench.prepare(&[&format!("--holdout={holdout}")]).await);
        for part in [
            "5 of 145 rows repeat the (customerId, date) of another row",
            "train/train_01.parquet and train/train_03.parquet: 3",
            "train/train_02.parquet and train/train_03.parquet: 2",
            "customerId \"customer-",
            "date 2024-01-0",
            "\"repeated_keys\": \"allow\"",
        ] {
            assert!(text.contains(part), "{holdout}: {part:?} is not in {text}");
        }
    }
    assert!(!bench.visible().await);
    bench.contract(ALLOW);
    let prepared = bench.prepare(&[]).await.unwrap();
    assert_eq!(prepared.get("rows"), Some("115"), "each row counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_keys_may_repeat_they_may_do_so_within_a_file() {
    let bench = Bench::with_files(&[30, 40]);
    bench.write(&train_key(2), &joined(&[sample(2, 20), sample(2, 4)]));
    let text = failure(10, bench.prepare(&[]).await);
    assert!(
        text.contains("4 of 24 rows repeat the (date, customerId)"),
        "{text}"
    );
    bench.contract(ALLOW);
    assert_eq!(bench.prepare(&[]).await.unwrap().get("rows"), Some("64"));
    bench
        .prepare(&["--holdout=fraction=0.3", "--data-version=2"])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_held_out_are_not_trained_on_even_where_keys_may_repeat() {
    let bench = Bench::with_files(&[30, 40]);
    bench.write(&train_key(2), &joined(&[sample(2, 20), sample(0, 7)]));
    bench.contract(ALLOW);
    let text = failure(10, bench.prepare(&[]).await);
    for part in [
        "7 row keys (customerId, date) are both in train/train_00.parquet, which is held out, and in",
        "train/train_00.parquet and train/train_02.parquet: 7",
        "HOLDOUT=fraction=0.1",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("rows repeat"), "{text}");
    assert!(!bench.visible().await);
    // There a key is on one side.
    bench.prepare(&["--holdout=fraction=0.2"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_two_files_to_score_is_refused() {
    let bench = Bench::new();
    bench.write("predict/a.parquet", &sample(0, 30));
    bench.write("predict/b.parquet", &joined(&[sample(1, 30), sample(0, 1)]));
    let arguments = bench.select().await;
    let text = failure(10, bench.predict(&arguments).await);
    assert!(
        text.contains("1 of 61 rows repeat the (customerId, date)"),
        "{text}"
    );
    assert!(
        text.contains("predict/a.parquet and predict/b.parquet: 1"),
        "{text}"
    );
    assert!(
        !text.contains("repeated_keys"),
        "that is for rows to train on: {text}"
    );
    assert!(!bench.visible().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_depends_on_no_fan_out_and_no_kill() {
    let mut texts = Vec::new();
    for parallelism in ["1", "2", "4"] {
        let mut bench = overlapping();
        bench.step = bench.step.with_threads(parallelism.parse().unwrap());
        let parallelism = format!("--parallelism={parallelism}");
        texts.push(failure(10, bench.prepare(&[&parallelism]).await));
    }
    // Of two cuts, one of which is not complete, and one of whose objects is damaged.
    let bench = overlapping();
    let planned = bench.plan(&["--parallelism=2"]).await.unwrap();
    bench.map(&planned, &groups(&planned)[0]).await.unwrap();
    texts.push(failure(10, bench.prepare(&["--parallelism=3"]).await));
    let keys = bench.keys().await;
    assert_eq!(keys.len(), 4);
    let bytes = fs::read(&keys[0]).unwrap();
    fs::write(&keys[0], &bytes[..bytes.len() - 1]).unwrap();
    texts.push(failure(10, bench.commit(&planned).await));
    // As an earlier release left it, or a pod that was killed before its last write.
    for key in &keys {
        fs::remove_file(key).unwrap();
    }
    texts.push(failure(10, bench.commit(&planned).await));
    let again = bench.plan(&["--parallelism=2"]).await.unwrap();
    for group in groups(&again) {
        let mapped = bench.map(&again, &group).await.unwrap();
        assert_eq!(mapped.get("reused"), Some("true"));
    }
    assert_eq!(bench.keys().await.len(), 2, "made again from the parts");
    texts.push(failure(10, bench.commit(&again).await));
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_group_are_the_same_bytes_however_they_come_about() {
    let bench = Bench::with_files(&[30, 4000, 50]);
    let planned = bench.plan(&["--parallelism=1"]).await.unwrap();
    let group = &groups(&planned)[0];
    bench.map(&planned, group).await.unwrap();
    let [keys] = &bench.keys().await[..] else {
        panic!("one group")
    };
    let whole = fs::read(keys).unwrap();
    fs::remove_file(keys).unwrap();
    bench.map(&planned, group).await.unwrap();
    assert!(fs::read(keys).unwrap() == whole, "read from the parts");
    let other = Bench::with_files(&[30, 4000, 50]);
    let planned = other.plan(&["--parallelism=1"]).await.unwrap();
    other.map(&planned, group).await.unwrap();
    let again = fs::read(&other.keys().await[0]).unwrap();
    assert!(again == whole, "of the same rows elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_hashes_of_other_keys_are_no_repetition() {
    let bench = Bench::with_files(&[30, 40, 50]);
    let planned = bench.plan(&["--parallelism=1"]).await.unwrap();
    bench.map(&planned, &groups(&planned)[0]).await.unwrap();
    let keys = &bench.keys().await[0];
    let mut bytes = fs::read(keys).unwrap();
    let records = bytes.len() - 120 * 12;
    for record in bytes[records..].chunks_exact_mut(12) {
        record[..8].fill(7);
    }
    fs::write(keys, bytes).unwrap();
    let committed = bench.commit(&planned).await.unwrap();
    assert_eq!(committed.get("rows"), Some("90"));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_rows_of_a_file_that_was_written_anew_are_counted() {
    let bench = Bench::with_files(&[30, 3000]);
    // The same rows in other bytes, and another file.
    let reversed = sample(1, 3000);
    bench.write(&train_key(2), &reversed.slice(0, 2999));
    let text = failure(10, bench.prepare(&[]).await);
    assert!(text.contains("2999 of 6029 rows repeat"), "{text}");
    assert!(
        text.contains("train/train_01.parquet and train/train_02.parquet: 2999"),
        "{text}"
    );
    assert!(text.lines().count() < 10, "{text}");
}
