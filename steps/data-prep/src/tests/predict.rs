//! Rows to score.

use arrow::array::Array;
use catalog::selection::{PredictShards, Selection};
use table::config::Config;

use super::*;

const SELECTION: &str = "results/25.05.1/m/_selection.json";

impl Bench {
    /// Writes a selection of all files in `predict/`, and pins the configuration; gives the
    /// arguments of `plan`.
    pub(super) async fn select(&self) -> [String; 3] {
        self.select_from("predict/*.parquet").await
    }

    pub(super) async fn select_from(&self, glob: &str) -> [String; 3] {
        let glob = glob.to_owned();
        let shards = self.raw.glob(&glob).await.unwrap();
        let selection = Selection {
            predict_shards: PredictShards::All,
            glob,
            shards,
            workflow: String::new(),
            listing: String::new(),
            history: None,
        };
        self.of_selection(SELECTION, &selection).await
    }

    /// Writes a selection, and pins the configuration; gives the arguments of `plan`.
    pub(super) async fn of_selection(&self, key: &str, selection: &Selection) -> [String; 3] {
        self.store.put_json(key, selection).await.unwrap();
        let config = Config::from_folder(&self.home.path().join("config")).unwrap();
        let digest = config.pin(&self.store).await.unwrap();
        [
            "--split=predict".to_owned(),
            format!("--config={digest}"),
            format!("--selection={key}"),
        ]
    }

    pub(super) async fn predict(&self, arguments: &[String]) -> Result<Outputs> {
        self.prepare(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_labels_are_the_normal_case() {
    let bench = Bench::new();
    bench.write("predict/a.parquet", &without(&sample(0, 30), "target"));
    bench.write("predict/b.parquet", &sample(1, 20));
    let arguments = bench.select().await;
    let committed = bench.predict(&arguments).await.unwrap();
    assert_eq!(
        (committed.get("rows"), committed.get("holdout-manifest")),
        (Some("50"), Some(""))
    );
    let key = committed.get("manifest").unwrap();
    assert!(
        key.starts_with("predict/25.05.1/") && key.ends_with("/_manifest.json"),
        "{key}"
    );
    let manifest = bench.manifest(key).await;
    assert_eq!(
        (
            manifest.rows,
            manifest.labelled_rows,
            manifest.holdout.as_str()
        ),
        (50, 20, "")
    );
    let rows = bench.rows(&manifest);
    assert_eq!(rows.column_by_name("target").unwrap().null_count(), 30);
    assert_eq!(floats(&rows, "feature1_minus_feature2").len(), 50);

    let before = bench.digests().await;
    assert_eq!(
        bench.predict(&arguments).await.unwrap().get("reused"),
        Some("true")
    );
    assert_eq!(bench.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_ends_the_run_by_name() {
    let bench = Bench::new();
    bench.write("predict/a.parquet", &sample(0, 30));
    bench.write("predict/b.parquet", &sample(1, 30));
    let path = bench.raw_path("predict/b.parquet");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let arguments = bench.select().await;
    assert!(
        failure(10, bench.predict(&arguments).await).contains("predict/b.parquet can't be read")
    );
    assert!(!bench.visible().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_selection_gives_an_empty_data_set() {
    let bench = Bench::new();
    let arguments = bench.select().await;
    let planned = bench
        .plan(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(
        groups(&planned).len(),
        1,
        "Argo would skip the tasks of an empty list"
    );
    let committed = bench.predict(&arguments).await.unwrap();
    let manifest = bench.manifest(committed.get("manifest").unwrap()).await;
    assert_eq!(
        (manifest.rows, manifest.parts.len(), manifest.shards.len()),
        (0, 0, 0)
    );
    assert!(!manifest.columns.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_the_model_is_used_and_not_that_of_the_folder() {
    let bench = Bench::new();
    bench.write("predict/a.parquet", &sample(0, 30));
    let arguments = bench.select().await;
    bench.configure(
        "features.sql",
        "SELECT *, feature1 + feature2 AS sum FROM raw",
    );
    let old = bench.predict(&arguments).await.unwrap();
    let names = async |outputs: &Outputs| {
        let manifest = bench.manifest(outputs.get("manifest").unwrap()).await;
        manifest
            .columns
            .into_iter()
            .map(|column| column.name)
            .collect::<Vec<_>>()
    };
    assert!(
        names(&old)
            .await
            .contains(&"feature1_times_feature2".to_owned())
    );
    // Another model's rows lie elsewhere.
    let new = bench.predict(&bench.select().await).await.unwrap();
    assert_ne!(old.get("manifest"), new.get("manifest"));
    assert!(names(&new).await.contains(&"sum".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selected_file_that_has_changed_is_reported() {
    let bench = Bench::new();
    bench.write("predict/a.parquet", &sample(0, 30));
    let arguments = bench.select().await;
    bench.write("predict/a.parquet", &sample(0, 31));
    assert!(failure(2, bench.predict(&arguments).await).contains("predict/a.parquet in "));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_reported() {
    let bench = Bench::new();
    let [split, config, selection] = bench.select().await;
    for (arguments, reason) in [
        (vec![split.as_str()], "--config is missing"),
        (vec![&split, &config], "--selection is missing"),
        (
            vec![&split, "--config=0000", &selection],
            "there is no _config/0000",
        ),
        (vec![&split, "--config=../x", &selection], "is refused"),
        (
            vec![&split, &config, "--selection=results/x/m/_selection.json"],
            "there is no results/x/m/_selection.json",
        ),
        (
            vec![&split, &config, "--selection=../_selection.json"],
            "is refused",
        ),
    ] {
        let text = failure(2, bench.plan(&arguments).await);
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
    let text = failure(
        2,
        map::map(
            &bench.step,
            &bench.store,
            &bench.raw,
            ["train/25.05.1/_manifest.json", "000"],
            Stage::Map,
        )
        .await,
    );
    assert!(text.contains("is not the key of a plan"), "{text}");
}
