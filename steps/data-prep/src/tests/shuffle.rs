//! Rows that are brought together by entity. A query that looks at each row alone gives the same
//! rows that way, whatever the number of buckets.

use arrow::util::display::{ArrayFormatter, FormatOptions};
use catalog::layout::{self, DataVersion};
use table::config::Config;

use super::*;
use crate::job::Windowed;
use crate::{Rows, again, reduce};

impl Bench {
    /// As [`Bench::plan`], but rows are brought together in so many buckets.
    pub(super) async fn plan_shuffle(&self, arguments: &[&str], buckets: usize) -> Result<Outputs> {
        let args = self.line(arguments);
        let (step, version) = (&self.step, DataVersion::parse("25.05.1", chrono_tz::UTC)?);
        let store = &self.store;
        let mut plan = match args.split {
            Rows::Holdout => again::plan(step, store, &args, version, true).await?,
            _ => plan::of_rows(step, store, &self.raw, &args, version).await?,
        };
        plan.inputs = plan.inputs.with("buckets", buckets);
        plan.job.windows = Some(Windowed { buckets });
        plan::write(step, &self.store, &plan, usize::from(args.parallelism)).await
    }

    pub(super) async fn shuffle(&self, planned: &Outputs, group: &str) -> Result<Outputs> {
        let group = [planned.get("plan").unwrap(), group];
        map::map(&self.step, &self.store, &self.raw, group, Stage::Shuffle).await
    }

    pub(super) async fn reduce(&self, planned: &Outputs, group: &str) -> Result<Outputs> {
        let plan = planned.get("plan").unwrap();
        reduce::reduce(&self.step, &self.store, plan, group).await
    }

    pub(super) async fn prepare_shuffled(
        &self,
        arguments: &[&str],
        buckets: usize,
    ) -> Result<Outputs> {
        let planned = self.plan_shuffle(arguments, buckets).await?;
        assert_eq!(planned.get("groups"), Some("[]"));
        for group in listed(&planned, "shuffle-groups") {
            self.shuffle(&planned, &group).await?;
        }
        for group in listed(&planned, "reduce-groups") {
            self.reduce(&planned, &group).await?;
        }
        self.commit(&planned).await
    }

    pub(super) fn on(&self, threads: usize, memory: u64) -> Bench {
        let home = tempfile::tempdir().unwrap();
        let step = Step::for_test("data-prep", home.path());
        let bench = Bench {
            store: Store::of(&step).unwrap(),
            step: step.with_memory(memory).with_threads(threads),
            raw: self.raw.clone(),
            home,
        };
        for name in ["dataset.json", "features.sql"] {
            let path = self.home.path().join("config").join(name);
            bench.configure(name, &fs::read_to_string(path).unwrap());
        }
        bench
    }
}

pub(super) fn listed(planned: &Outputs, output: &str) -> Vec<String> {
    serde_json::from_str(planned.get(output).unwrap()).unwrap()
}

/// Rows of 23 customers that are in every file, a minute apart; `from` is the place of the first
/// row among all.
pub(super) fn events(from: usize, rows: usize) -> RecordBatch {
    const MINUTE: i64 = 60_000_000;
    let base = sample(0, rows);
    let places = || from..from + rows;
    let times = places().map(|place| 1_704_067_200_000_000 + MINUTE * (place as i64 * 37 % 9_973));
    let ids = places().map(|place| format!("customer-{}", place * place % 23));
    let rows = with(
        &base,
        "date",
        Arc::new(TimestampMicrosecondArray::from_iter_values(times)),
    );
    with(
        &rows,
        "customerId",
        Arc::new(StringArray::from_iter_values(ids)),
    )
}

/// Four files, one of them without rows, and a filter that leaves rows out.
fn bench() -> Bench {
    let bench = Bench::new();
    let files = [(0, 300), (300, 500), (800, 0), (800, 1_200)];
    for (index, (from, rows)) in files.into_iter().enumerate() {
        bench.write(&train_key(index), &events(from, rows));
    }
    let columns = "\"columns\"";
    bench.configure(
        "dataset.json",
        &fs::read_to_string(bench.home.path().join("config/dataset.json"))
            .unwrap()
            .replacen(
                columns,
                &format!("\"filter\": \"feature2 < 4\", {columns}"),
                1,
            ),
    );
    bench
}

/// Rows as texts.
fn lines(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns = rows.columns().iter();
    let columns: Vec<_> = columns
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    let line = |row| {
        let values = columns.iter().map(|column| column.value(row).to_string());
        values.collect::<Vec<_>>().join(" ")
    };
    (0..rows.num_rows()).map(line).collect()
}

fn sorted(rows: &RecordBatch) -> Vec<String> {
    let mut lines = lines(rows);
    lines.sort();
    lines
}

/// Digests of parts and what manifests say of files, by key.
async fn made(bench: &Bench) -> BTreeMap<String, String> {
    bench.digests().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_counts_are_those_of_the_map() {
    for holdout in ["first-shard", "fraction=0.3", "after=2024-01-04"] {
        let arguments = [&*format!("--holdout={holdout}"), "--parallelism=3"];
        let mapped = bench();
        mapped.prepare(&arguments).await.unwrap();
        let shuffled = mapped.on(2, 1 << 30);
        let outputs = shuffled.prepare_shuffled(&arguments, 5).await.unwrap();
        for key in [TRAIN, HOLDOUT] {
            let (a, b) = (mapped.manifest(key).await, shuffled.manifest(key).await);
            assert!(a.rows > 100, "{holdout}: {key} has {} rows", a.rows);
            assert_eq!(
                sorted(&mapped.rows(&a)),
                sorted(&shuffled.rows(&b)),
                "{holdout}"
            );
            assert_eq!(b.parts.iter().map(|part| part.rows).sum::<u64>(), b.rows);
            let said = |manifest: DatasetManifest| {
                let mut warnings = manifest.warnings.clone();
                warnings.retain(|warning| !warning.contains("has windows"));
                let DatasetManifest {
                    rows,
                    labelled_rows,
                    shards,
                    left_out,
                    ..
                } = manifest;
                (
                    rows,
                    labelled_rows,
                    shards,
                    left_out,
                    warnings,
                    manifest.columns,
                )
            };
            assert!(a.left_out.filter > 0);
            assert_eq!(said(a), said(b), "{holdout}");
        }
        assert_eq!(outputs.get("reused"), Some("false"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holdout_that_is_prepared_once_more_has_its_rows_alone() {
    const OTHER: &str = "SELECT *, feature1 * 2 AS twice FROM raw";
    for rule in ["first-shard", "fraction=0.3", "after=2024-01-04"] {
        let bench = bench();
        let rule = format!("--holdout={rule}");
        let arguments = bench.held_out(&[&rule], &bench.dataset(), OTHER).await;
        let shuffled = arguments.each_ref().map(String::as_str);
        bench.prepare_shuffled(&shuffled, 3).await.unwrap();
        let found = bench.found(&arguments).await;
        let rows = sorted(&bench.rows(&found));
        assert!(found.rows > 100);
        let [config, holdout] = ["--config=", HOLDOUT].map(|name| {
            let argument = arguments.iter().find(|argument| argument.contains(name));
            argument.unwrap().clone()
        });
        let mapped = bench.on(1, 1 << 30);
        mapped.prepare(&[&rule]).await.unwrap();
        let pinned = Config::parse(mapped.dataset(), OTHER.to_owned()).unwrap();
        pinned.pin(&mapped.store).await.unwrap();
        let again = ["--split=holdout", &config, &holdout];
        mapped.prepare(&again).await.unwrap();
        let expected = mapped.found(&arguments).await;
        assert_eq!(rows, sorted(&mapped.rows(&expected)), "{rule}");
        assert_eq!(found.shards, expected.shards, "{rule}");
        assert_eq!(found.quarantined, []);

        // Its rows look at those to train on: a file of theirs that changed is not passed over.
        bench.write(&train_key(3), &events(800, 1_100));
        bench
            .store
            .delete(&layout::manifest(&folder_of(&found)))
            .await
            .unwrap();
        for object in bench.store.list("_work").await.unwrap() {
            bench.store.delete(&object.key).await.unwrap();
        }
        bench.prepare_shuffled(&shuffled, 3).await.unwrap();
        let found = bench.found(&arguments).await;
        assert_eq!(found.quarantined.len(), 1);
        assert_eq!(found.quarantined[0].key, train_key(3));
    }
}

/// The folder of a data set.
fn folder_of(data: &DatasetManifest) -> String {
    data.parts[0].key.rsplit_once('/').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entity_is_whole_in_one_part_in_the_order_of_time() {
    let bench = bench();
    bench
        .prepare_shuffled(&["--holdout=fraction=0.3"], 4)
        .await
        .unwrap();
    let train = bench.manifest(TRAIN).await;
    assert!(train.parts.len() > 1);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for part in &train.parts {
        let alone = DatasetManifest {
            parts: vec![part.clone()],
            ..train.clone()
        };
        let rows = bench.rows(&alone);
        let times = rows.column_by_name("date").unwrap();
        let times = times.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        let keys: Vec<(String, i64)> = texts(&rows, "customerId")
            .into_iter()
            .zip(times.values().iter().copied())
            .collect();
        assert!(keys.is_sorted());
        for (entity, _) in keys {
            assert_eq!(*seen.entry(entity).or_insert(part.ordinal), part.ordinal);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_on_any_threads_groups_and_budget() {
    let first = bench();
    // Four of ten rows are of one customer, and sorting spills at the smallest budget.
    let rows = events(2_000, 100_000);
    let ids = (0..100_000).map(|row| match row % 5 {
        0 | 1 => "customer-large".to_owned(),
        _ => format!("customer-{}", row % 977),
    });
    let rows = with(
        &rows,
        "customerId",
        Arc::new(StringArray::from_iter_values(ids)),
    );
    let times = (0..100_000).map(|row| 1_704_067_200_000_000 + row * 1_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times);
    first.write(&train_key(4), &with(&rows, "date", Arc::new(times)));
    first
        .prepare_shuffled(&["--parallelism=1"], 9)
        .await
        .unwrap();
    let expected = made(&first).await;
    for (threads, groups, memory) in [
        (1, 1, 16 << 20),
        (2, 7, 128 << 20),
        (4, 64, 256 << 20),
        (4, 2, 2 << 30),
    ] {
        let other = first.on(threads, memory);
        let parallelism = format!("--parallelism={groups}");
        other.prepare_shuffled(&[&parallelism], 9).await.unwrap();
        assert_eq!(made(&other).await, expected, "{threads} {groups} {memory}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_work_is_reused_and_what_is_lost_is_made_again() {
    let bench = bench();
    let arguments = ["--parallelism=2"];
    bench.prepare_shuffled(&arguments, 3).await.unwrap();
    let expected = made(&bench).await;
    let planned = bench.plan_shuffle(&arguments, 3).await.unwrap();
    assert_eq!(planned.get("reused"), Some("true"));
    let work = async || {
        let listed = bench.store.list("_work").await.unwrap();
        listed
            .into_iter()
            .map(|object| (object.key, object.stamp))
            .collect::<Vec<_>>()
    };
    let before = work().await;
    for group in listed(&planned, "shuffle-groups") {
        let outputs = bench.shuffle(&planned, &group).await.unwrap();
        assert_eq!(outputs.get("reused"), Some("true"));
    }
    let mut rows = 0;
    for group in listed(&planned, "reduce-groups") {
        let outputs = bench.reduce(&planned, &group).await.unwrap();
        assert_eq!(outputs.get("reused"), Some("true"));
        rows += outputs.get("rows").unwrap().parse::<u64>().unwrap();
    }
    let manifests = [bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await];
    assert_eq!(
        rows,
        manifests.iter().map(|manifest| manifest.rows).sum::<u64>()
    );
    assert_eq!(work().await, before);

    // What others still need is made again, and nothing else.
    for lost in ["/shuffled/", "/done/", "train/25.05.1/part-", "/keys/"] {
        for folder in ["_work", "train"] {
            for object in bench.store.list(folder).await.unwrap() {
                if object.key.contains(lost) {
                    bench.store.delete(&object.key).await.unwrap();
                }
            }
        }
        bench.store.delete(TRAIN).await.unwrap();
        bench.prepare_shuffled(&arguments, 3).await.unwrap();
        assert_eq!(made(&bench).await, expected, "{lost}");
    }
    // A part of a version that is committed.
    let lost = expected
        .keys()
        .find(|key| key.contains("train/25.05.1/part-"));
    bench.store.delete(lost.unwrap()).await.unwrap();
    bench.prepare_shuffled(&arguments, 3).await.unwrap();
    assert_eq!(made(&bench).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_before_all_buckets_are_done() {
    let bench = bench();
    let planned = bench.plan_shuffle(&["--parallelism=2"], 4).await.unwrap();
    let (files, buckets) = (
        listed(&planned, "shuffle-groups"),
        listed(&planned, "reduce-groups"),
    );
    bench.shuffle(&planned, &files[0]).await.unwrap();
    let text = failure(2, bench.reduce(&planned, &buckets[0]).await);
    assert!(
        text.contains("shard train/train_03.parquet is not done"),
        "{text}"
    );
    bench.shuffle(&planned, &files[1]).await.unwrap();
    bench.reduce(&planned, &buckets[1]).await.unwrap();
    let text = failure(2, bench.commit(&planned).await);
    assert!(text.contains("shard bucket 0 of 4 is not done"), "{text}");
    assert!(!bench.visible().await);
    // Other groups of the same buckets go on.
    let other = bench.plan_shuffle(&["--parallelism=3"], 4).await.unwrap();
    for group in listed(&other, "reduce-groups") {
        bench.reduce(&other, &group).await.unwrap();
    }
    bench.commit(&other).await.unwrap();
    let undisturbed = bench.on(1, 1 << 30);
    undisturbed.prepare_shuffled(&[], 4).await.unwrap();
    assert_eq!(made(&bench).await, made(&undisturbed).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_stages_and_groups_are_refused() {
    let bench = bench();
    let shuffled = bench.plan_shuffle(&[], 2).await.unwrap();
    let mapped = bench.plan(&[]).await.unwrap();
    assert_eq!(mapped.get("shuffle-groups"), Some("[]"));
    assert_eq!(mapped.get("reduce-groups"), Some("[]"));
    let text = failure(2, bench.map(&shuffled, "000-of-002").await);
    assert!(
        text.contains("its groups are for data-prep shuffle"),
        "{text}"
    );
    let group = &groups(&mapped)[0];
    for outcome in [
        bench.shuffle(&mapped, group).await,
        bench.reduce(&mapped, group).await,
    ] {
        let text = failure(2, outcome);
        assert!(text.contains("its groups are for data-prep map"), "{text}");
    }
    for group in ["002-of-002", "000-of-003", "0-of-2", "x", "000-of-000"] {
        let text = failure(2, bench.reduce(&shuffled, group).await);
        assert!(text.contains("is not a group of the 2 buckets"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_quarantine_has_rows_in_no_bucket() {
    let bench = bench();
    let arguments = [
        "--on-bad-shard=quarantine",
        "--max-bad-shards=1",
        "--parallelism=2",
    ];
    bench.write(&train_key(1), &without(&events(300, 500), "feature1"));
    bench.prepare_shuffled(&arguments, 3).await.unwrap();
    let train = bench.manifest(TRAIN).await;
    assert_eq!(train.quarantined.len(), 1);
    assert_eq!(train.quarantined[0].key, train_key(1));
    let mapped = bench.on(1, 1 << 30);
    mapped.prepare(&arguments).await.unwrap();
    let expected = mapped.manifest(TRAIN).await;
    assert_eq!(sorted(&bench.rows(&train)), sorted(&mapped.rows(&expected)));
    assert_eq!(train.shards, expected.shards);

    // Repaired, it is taken in by the plan that knows it, beside the marks of buckets without it.
    let strict = failure(10, bench.on(1, 1 << 30).prepare_shuffled(&[], 3).await);
    assert!(strict.contains("train/train_01.parquet"), "{strict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_repeat_are_refused_with_the_words_of_the_map() {
    for keys in ["refuse", "allow"] {
        let bench = bench();
        let rows = [events(0, 3), events(300, 5), events(5_000, 10)];
        bench.write(
            &train_key(4),
            &concat_batches(&rows[0].schema(), &rows).unwrap(),
        );
        let path = bench.home.path().join("config/dataset.json");
        let contract = fs::read_to_string(path).unwrap();
        let repeated = format!("\"repeated_keys\": \"{keys}\", \"columns\"");
        bench.configure(
            "dataset.json",
            &contract.replacen("\"columns\"", &repeated, 1),
        );
        let shuffled = failure(10, bench.prepare_shuffled(&[], 3).await);
        // Without the objects of keys, they are read from where rows wait.
        for object in bench.store.list("_work").await.unwrap() {
            if object.key.contains("/keys/") {
                bench.store.delete(&object.key).await.unwrap();
            }
        }
        let planned = bench.plan_shuffle(&[], 3).await.unwrap();
        assert_eq!(failure(10, bench.commit(&planned).await), shuffled);
        assert_eq!(failure(10, bench.prepare(&[]).await), shuffled);
        assert!(!bench.visible().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_features_can_not_be_computed_from_is_named_with_its_file() {
    let bench = Bench::with_files(&[13, 13, 13]);
    let sql = "SELECT *, 1 / CAST(CASE WHEN customerId = 'customer-1-5' THEN 0 ELSE 1 END AS BIGINT) \
               AS bad FROM raw";
    bench.configure("features.sql", sql);
    let text = failure(10, bench.prepare_shuffled(&[], 2).await);
    let row = "customerId \"customer-1-5\" in train/train_01.parquet: Divide by zero error";
    assert!(text.contains(row), "{text}");
}
