//! Training data and its holdout.

use std::collections::BTreeSet;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_file_is_held_out_and_the_others_are_trained_on() {
    let bench = Bench::with_files(&[30, 40, 50]);
    let planned = bench.plan(&["--parallelism=2"]).await.unwrap();
    assert_eq!(
        planned.names().collect::<Vec<_>>(),
        [
            "plan",
            "groups",
            "shuffle-groups",
            "reduce-groups",
            "data-version",
            "reused"
        ]
    );
    assert_eq!(
        (planned.get("data-version"), planned.get("reused")),
        (Some("25.05.1"), Some("false"))
    );
    assert_eq!(groups(&planned).len(), 2);
    let mut rows = 0;
    for group in groups(&planned) {
        let mapped = bench.map(&planned, &group).await.unwrap();
        assert_eq!(mapped.names().collect::<Vec<_>>(), ["rows", "reused"]);
        rows += mapped.get("rows").unwrap().parse::<usize>().unwrap();
        assert!(!bench.visible().await, "nothing is visible before commit");
    }
    assert_eq!(rows, 120);
    let committed = bench.commit(&planned).await.unwrap();
    let expected = Outputs::new()
        .set("manifest", TRAIN)
        .set("holdout-manifest", HOLDOUT)
        .set("data-version", "25.05.1")
        .set("rows", 90)
        .set("left-out", 0)
        .set("quarantined", 0)
        .set("reused", false);
    assert_eq!(committed, expected);

    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!(
        (train.rows, train.labelled_rows, train.parts.len()),
        (90, 90, 2)
    );
    assert_eq!(
        (holdout.rows, holdout.labelled_rows, holdout.parts.len()),
        (30, 30, 1)
    );
    assert_eq!(
        (train.holdout.as_str(), train.header.fingerprint.as_str()),
        ("first-shard", holdout.header.fingerprint.as_str())
    );
    let keys = |manifest: &DatasetManifest| {
        manifest
            .shards
            .iter()
            .map(|shard| shard.key.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&holdout), [train_key(0)]);
    assert_eq!(keys(&train), [train_key(1), train_key(2)]);
    assert_eq!(
        train.shards[0].sha256,
        hash_file(&bench.raw_path(&train_key(1))).unwrap().sha256
    );

    let (ours, raw) = (
        bench.rows(&train),
        concat_batches(&sample(1, 1).schema(), &[sample(1, 40), sample(2, 50)]).unwrap(),
    );
    assert_eq!(
        texts(&ours, "customerId"),
        texts(&raw, "customerId"),
        "rows keep their order"
    );
    let (a, b) = (floats(&raw, "feature1"), floats(&raw, "feature2"));
    assert_eq!(
        floats(&ours, "feature1_times_feature2"),
        a.iter().zip(&b).map(|(a, b)| a * b).collect::<Vec<_>>()
    );
    assert_eq!(
        floats(&ours, "feature1_minus_feature2"),
        a.iter().zip(&b).map(|(a, b)| a - b).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fraction_of_ids_is_held_out_of_every_file() {
    let bench = Bench::with_files(&[400, 0, 300]);
    bench.prepare(&["--holdout=fraction=0.2"]).await.unwrap();
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!(train.rows + holdout.rows, 700);
    // Five standard deviations around 140.
    assert!((87..=193).contains(&holdout.rows), "{}", holdout.rows);
    assert_eq!(
        (train.parts.len(), holdout.parts.len()),
        (2, 2),
        "a file without rows has no part"
    );
    for manifest in [&train, &holdout] {
        assert_eq!(
            manifest.shards.iter().map(|shard| shard.rows).sum::<u64>(),
            manifest.rows
        );
    }
    assert!(
        train.shards.iter().any(|shard| shard.key == train_key(1)),
        "it was read all the same"
    );
    let ids = |manifest| {
        texts(&bench.rows(manifest), "customerId")
            .into_iter()
            .collect::<BTreeSet<_>>()
    };
    assert!(ids(&train).is_disjoint(&ids(&holdout)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_on_and_after_a_date_are_held_out() {
    let bench = Bench::with_files(&[366, 100]);
    bench
        .prepare(&["--holdout=after=2024-12-01"])
        .await
        .unwrap();
    let (train, holdout) = (bench.manifest(TRAIN).await, bench.manifest(HOLDOUT).await);
    assert_eq!((train.rows, holdout.rows), (435, 31));
    assert_eq!(
        holdout
            .shards
            .iter()
            .map(|shard| shard.key.clone())
            .collect::<Vec<_>>(),
        [train_key(0)]
    );
    assert_eq!(
        train.header.inputs.get("timezone"),
        Some("UTC"),
        "in which the date is meant"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holdout_that_leaves_nothing_is_reported() {
    let one = Bench::with_files(&[10]);
    let text = failure(2, one.plan(&[]).await);
    assert!(
        text.contains("train/train_00.parquet is the only file") && text.contains("fraction=0.1"),
        "{text}"
    );
    one.prepare(&["--holdout=fraction=0.5"]).await.unwrap();

    let two = Bench::with_files(&[10, 10]);
    let text = failure(2, two.prepare(&["--holdout=after=2030-01-01"]).await);
    assert!(
        text.contains("the holdout after=2030-01-01 holds no rows out of 20"),
        "{text}"
    );
    let text = failure(2, two.prepare(&["--holdout=after=2020-01-01"]).await);
    assert!(
        text.contains("the holdout after=2020-01-01 leaves no rows to train on of 20"),
        "{text}"
    );
    let text = failure(2, two.prepare(&["--holdout=fraction=0.000000001"]).await);
    let said = "holds no rows out of 20 rows: rows with the same ids are on one side; if there are \
                several ids, use a larger fraction, and if there is one, use first-shard, or after \
                with a date (--holdout, HOLDOUT)";
    assert!(text.contains(said), "{text}");
    assert!(!two.visible().await);

    let empty = Bench::with_files(&[0, 0]);
    assert!(
        failure(10, empty.prepare(&[]).await)
            .contains("none of the 2 raw files has rows to train on")
    );
    let empty_first = Bench::with_files(&[0, 5]);
    assert!(
        failure(10, empty_first.prepare(&[]).await)
            .contains("train/train_00.parquet is to be the holdout")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_tiny_files_are_prepared_in_at_most_two_hundred_groups() {
    let bench = Bench::with_files(&[2; 300]);
    let planned = bench.plan(&["--parallelism=200"]).await.unwrap();
    let groups = groups(&planned);
    assert_eq!(groups.len(), 200);
    for group in groups {
        bench.map(&planned, &group).await.unwrap();
    }
    let committed = bench.commit(&planned).await.unwrap();
    assert_eq!(committed.get("rows"), Some("598"));
    let train = bench.manifest(TRAIN).await;
    assert!(train.parts.is_sorted_by_key(|part| part.ordinal));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_groups_there_are_does_not_show_in_the_result() {
    let (one, many) = (
        Bench::with_files(&[20, 30, 40, 50]),
        Bench::with_files(&[20, 30, 40, 50]),
    );
    one.prepare(&["--parallelism=1", "--holdout=fraction=0.3"])
        .await
        .unwrap();
    many.prepare(&["--parallelism=4", "--holdout=fraction=0.3"])
        .await
        .unwrap();
    let parts = async |bench: &Bench| {
        bench
            .manifest(TRAIN)
            .await
            .parts
            .into_iter()
            .map(|part| part.sha256)
            .collect::<Vec<_>>()
    };
    assert_eq!(parts(&one).await, parts(&many).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_data_set_needs_only_another_configuration() {
    let bench = Bench::new();
    bench.configure(
        "dataset.json",
        r#"{"columns": [
            {"name": "Account No.", "type": "int32", "role": "id"},
            {"name": "branch \"A\"", "type": "utf8", "role": "id"},
            {"name": "it's", "type": "float32", "role": "feature", "nullable": true},
            {"name": "VIP", "type": "bool", "role": "feature"},
            {"name": "born", "type": "date", "role": "ignored"},
            {"name": "churned?", "type": "utf8", "role": "target", "allowed": ["no", "yes"]}
        ], "filter": "\"Account No.\" > 0"}"#,
    );
    bench.configure(
        "features.sql",
        "SELECT *, date_part('year', born) AS \"born.year\", CASE WHEN \"it's\" IS NULL THEN 1 ELSE 0 END AS gap FROM raw",
    );
    for (name, rows) in [
        (
            "a b",
            "1,x,1.5,true,1999-12-31,no\n2,x,,false,2000-01-01,yes\n-3,x,9,true,2000-01-01,perhaps\n",
        ),
        ("ü%20", "4,\"y, z\",0,TRUE,1980-02-29,yes\n"),
    ] {
        let path = bench.raw_path(&format!("my files/{name}.csv"));
        fs::write(
            path,
            format!("Account No.,\"branch \"\"A\"\"\",it's,VIP,born,churned?\n{rows}"),
        )
        .unwrap();
    }
    bench
        .prepare(&["--train-glob=my files/*.csv"])
        .await
        .unwrap();
    let holdout = bench.manifest(HOLDOUT).await;
    assert_eq!(
        holdout.rows, 2,
        "the filter leaves one row out before the contract is checked"
    );
    let roles: Vec<String> = holdout
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.role))
        .collect();
    assert_eq!(
        roles,
        [
            "Account No. id",
            "branch \"A\" id",
            "it's feature",
            "VIP feature",
            "born ignored",
            "churned? target",
            "born.year feature",
            "gap feature"
        ]
    );
    let train = bench.rows(&bench.manifest(TRAIN).await);
    assert_eq!(texts(&train, "branch \"A\""), ["y, z"]);
    assert_eq!(
        train
            .column_by_name("born.year")
            .unwrap()
            .as_primitive::<arrow::datatypes::Int32Type>()
            .values()[..],
        [1980]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_as_data_version_is_cut_to_its_date() {
    let bench = Bench::with_files(&[5, 5]);
    let committed = bench
        .prepare(&["--data-version=2026-11-23T23:30:00Z"])
        .await
        .unwrap();
    assert_eq!(
        committed.get("manifest"),
        Some("train/2026-11-23/_manifest.json")
    );
    failure(2, bench.plan(&["--data-version=../x"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_glob_without_files_is_reported_with_the_place() {
    let bench = Bench::with_files(&[5, 5]);
    let text = failure(2, bench.plan(&["--train-glob=other/*.parquet"]).await);
    assert!(
        text.contains("no file matches other/*.parquet in ") && text.contains("RAW_URL"),
        "{text}"
    );
    fs::write(bench.raw_path("train/notes.txt"), "x").unwrap();
    let text = failure(2, bench.plan(&["--train-glob=train/*"]).await);
    assert!(text.contains("train/notes.txt"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_may_drop_rows_is_refused_before_a_file_is_read() {
    let bench = Bench::with_files(&[13, 13]);
    bench.configure("features.sql", "SELECT * FROM raw WHERE feature2 > 0");
    let text = failure(2, bench.plan(&[]).await);
    assert!(
        text.contains("features.sql, line 1, column 19: a condition (WHERE) is refused"),
        "{text}"
    );
    assert!(text.contains("`train_filter` of dataset.json"), "{text}");
    assert_eq!(bench.store.list("").await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_needs_no_row_is_refused_before_a_file_is_read() {
    let bench = Bench::with_files(&[13, 13]);
    bench.configure(
        "features.sql",
        "SELECT *, date_part('year', date_trunc('mnth', date)) AS bad FROM raw",
    );
    let text = failure(2, bench.plan(&[]).await);
    assert!(
        text.contains(
            "features.sql fails in the column \"bad\", whatever the rows hold: Unsupported \
             date_trunc granularity: 'mnth'"
        ),
        "{text}"
    );
    assert_eq!(bench.store.list("").await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_the_query_can_not_be_computed_from_are_reported_with_file_column_and_row() {
    let bench = Bench::with_files(&[13, 13]);
    bench.configure(
        "features.sql",
        "SELECT *, 1 / CAST(CASE WHEN feature2 > 0 THEN 1 ELSE 0 END AS BIGINT) AS bad FROM raw",
    );
    let text = failure(10, bench.prepare(&[]).await);
    for part in [
        "preparing train/train_0",
        "features.sql fails in the column \"bad\" of the row date ",
        "customerId ",
        "feature2 ",
        "Divide by zero error (divide by nullif(x, 0) for null instead)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!bench.visible().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sql_is_reported_before_anything_is_written() {
    let bench = Bench::with_files(&[5, 5]);
    bench.configure("features.sql", "SELECT *,\n  avg(feature1) AS a\nFROM raw");
    let text = failure(2, bench.plan(&[]).await);
    assert!(
        text.contains("features.sql, line 2, column 3: aggregate function avg is refused"),
        "{text}"
    );
    assert_eq!(bench.store.list("").await.unwrap(), []);
}
