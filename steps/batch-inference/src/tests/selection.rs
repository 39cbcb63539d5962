//! Which raw files are scored, and what holds a data version to its choice.

use std::path::PathBuf;

use super::*;

impl Bench {
    fn raw(&self, file: &str) -> PathBuf {
        self.home.path().join("raw/predict").join(file)
    }

    /// The same store, seen by a step of a workflow.
    fn in_workflow(self, workflow: &str) -> Self {
        Self {
            step: self.step.in_workflow(workflow),
            ..self
        }
    }

    /// Scores what a data version has chosen: its files, as `data-prep` would note them.
    async fn finish(&self, data_version: &str, selection: &Selection) {
        let key = self.prepare(data_version, &[3]).await;
        let mut manifest: DatasetManifest = manifest::require(&self.store, &key).await.unwrap();
        let read = |file: &store::Object| RawShard {
            key: file.key.clone(),
            bytes: file.bytes,
            stamp: file.stamp.clone(),
            sha256: store::digest::hex(
                &std::fs::read(self.home.path().join("raw").join(&file.key)).unwrap(),
            ),
            rows: 1,
            time: None,
        };
        manifest.shards = selection.shards.iter().map(read).collect();
        self.store.put_json(&key, &manifest).await.unwrap();
        self.score("models:/m/1", &key).await.unwrap();
    }

    async fn resolved(&self, data_version: &str, shards: PredictShards) -> Vec<String> {
        keys(self.resolve(data_version, "1", shards).await.unwrap())
    }

    async fn refused(&self, data_version: &str, shards: PredictShards) -> String {
        let error = self.resolve(data_version, "1", shards).await.unwrap_err();
        assert_eq!(exit_code(&error), 2, "{error:#}");
        error.to_string()
    }
}

fn keys(selection: Selection) -> Vec<String> {
    selection
        .shards
        .into_iter()
        .map(|shard| shard.key)
        .collect()
}

use PredictShards::{All, New};

#[tokio::test]
async fn a_scored_version_is_held_to_its_files() {
    let bench = Bench::new().await;
    for file in ["a.csv", "b.csv", "c.csv"] {
        bench.deliver(file, file);
    }
    let first = bench.resolve("1", "champion", All).await.unwrap();
    bench.finish("1", &first).await;
    let bench = bench.in_workflow("the next day");
    assert_eq!(bench.resolve("1", "1", All).await.unwrap(), first);
    assert_eq!(
        bench.resolve("1", "1", New).await.unwrap(),
        first,
        "they are the same files"
    );

    bench.deliver("a.csv", "other");
    bench.deliver("b.csv", "B.csv");
    std::fs::remove_file(bench.raw("c.csv")).unwrap();
    bench.deliver("d.csv", "d");
    let text = bench.refused("1", All).await;
    for part in [
        "1 is scored already by m, from other raw files:",
        "predict/a.csv has changed: it had 5 bytes",
        "predict/b.csv has changed: it had 5 bytes",
        "predict/c.csv is gone",
        "predict/d.csv is new",
        "another data-version for the present files, restore the old ones",
        "cache=refresh",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert_eq!(bench.resolved("2", All).await.len(), 3);
    let refreshing = Bench {
        step: bench.step.refreshing(),
        ..bench
    };
    assert_eq!(refreshing.resolved("1", All).await.len(), 3);
}

#[tokio::test]
async fn files_that_were_written_again_with_the_same_bytes_are_the_same() {
    let bench = Bench::new().await;
    bench.deliver("a.csv", "a");
    let first = bench.resolve("1", "champion", All).await.unwrap();
    bench.finish("1", &first).await;
    let bench = bench.in_workflow("the next day");
    let touched = std::time::SystemTime::UNIX_EPOCH;
    let file = std::fs::File::options()
        .write(true)
        .open(bench.raw("a.csv"))
        .unwrap();
    file.set_modified(touched).unwrap();
    assert_eq!(bench.resolve("1", "1", All).await.unwrap(), first);
}

#[tokio::test]
async fn a_copy_that_keeps_size_and_time_is_known_by_its_content() {
    let bench = Bench::new().await;
    bench.deliver("a.csv", "a");
    let first = bench.resolve("1", "champion", All).await.unwrap();
    bench.finish("1", &first).await;
    let bench = bench.in_workflow("the next day");
    let path = bench.raw("a.csv");
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    for (content, is_same) in [("a", true), ("b", false), ("a", true)] {
        bench.deliver("a.csv", content);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
        if is_same {
            assert_eq!(bench.resolve("1", "1", All).await.unwrap(), first);
            continue;
        }
        let text = bench.refused("1", All).await;
        let line = "predict/a.csv has changed: it has other content, and the size and time from \
                    before";
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn a_workflow_keeps_what_it_has_chosen() {
    let bench = Bench::new().await.in_workflow("night-1");
    bench.deliver("a.csv", "a");
    let first = bench.resolve("1", "champion", New).await.unwrap();
    assert_eq!(first.workflow, "night-1");
    bench.deliver("late.csv", "late");
    assert_eq!(
        bench.resolve("1", "1", New).await.unwrap(),
        first,
        "before it is scored"
    );
    bench.finish("1", &first).await;
    assert_eq!(
        bench.resolve("1", "1", New).await.unwrap(),
        first,
        "and after"
    );
    // Another day, the same data version.
    let bench = bench.in_workflow("night-2");
    let text = bench.refused("1", New).await;
    assert!(
        text.contains("predict/late.csv is new") && !text.contains("a.csv"),
        "{text}"
    );
    // Once another version has scored it, it is no news.
    let late = bench.resolve("2", "1", New).await.unwrap();
    assert_eq!(keys(late.clone()), ["predict/late.csv"]);
    bench.finish("2", &late).await;
    assert_eq!(bench.resolve("1", "1", New).await.unwrap(), first);
}

#[tokio::test]
async fn what_nothing_was_scored_of_is_chosen_anew() {
    let bench = Bench::new().await.in_workflow("first");
    bench.deliver("a.csv", "a");
    bench.resolve("1", "champion", All).await.unwrap();
    let bench = bench.in_workflow("second");
    bench.deliver("a.csv", "repaired");
    bench.deliver("b.csv", "b");
    let anew = bench.resolve("1", "1", New).await.unwrap();
    assert_eq!((anew.predict_shards, anew.shards[0].bytes), (New, 8));
    assert_eq!(keys(anew), ["predict/a.csv", "predict/b.csv"]);
}

#[tokio::test]
async fn another_glob_that_names_no_file_leaves_the_choice_as_it_is() {
    let bench = Bench::new().await;
    bench.deliver("a.csv", "a");
    bench.deliver("b.csv", "b");
    let first = bench.resolve("2026-11-03", "champion", New).await.unwrap();
    bench.finish("2026-11-03", &first).await;
    let raw = Store::open(bench.home.path().join("raw").to_str().unwrap()).unwrap();
    let with_glob = async |glob: &str| {
        let request = Request {
            data_version: version("2026-11-03"),
            model_name: name(),
            model_ref: "1".to_owned(),
            predict_shards: New,
            glob: glob.to_owned(),
            cache: runtime::step::Cache::Use,
            workflow: None,
        };
        resolve(&bench.step, &bench.tracking, &bench.store, &raw, &request).await
    };
    // As a backfill asks, which needs a glob of its own for each date.
    let kept = with_glob("predict/{data-version}/*.csv").await.unwrap();
    assert_eq!(kept.get("shards"), Some("2"));
    let text = with_glob("predict/a.csv").await.unwrap_err().to_string();
    assert!(
        text.contains("selected with predict-shards=new and PREDICT_GLOB=predict/*.csv"),
        "{text}"
    );
    assert!(text.contains("predict/b.csv is gone"), "{text}");
    std::fs::remove_file(bench.raw("b.csv")).unwrap();
    let text = with_glob("predict/{data-version}/*.csv")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("predict/b.csv is gone") && !text.contains("a.csv"),
        "{text}"
    );
}

#[tokio::test]
async fn a_choice_of_an_earlier_release_is_still_read() {
    let bench = Bench::new().await;
    bench.deliver("a.csv", "a");
    let first = bench.resolve("1", "champion", All).await.unwrap();
    let old =
        serde_json::json!({"predict_shards": "all", "glob": first.glob, "shards": first.shards});
    bench
        .store
        .put_json("results/1/m/_selection.json", &old)
        .await
        .unwrap();
    assert_eq!(
        keys(bench.resolve("1", "1", All).await.unwrap()),
        ["predict/a.csv"]
    );
}

#[tokio::test]
async fn new_shards_are_those_in_no_results_of_another_data_version() {
    let bench = Bench::new().await;
    bench.deliver("0.csv", "x");
    let predict = bench.prepare("1", &[3]).await;
    bench.score("models:/m/1", &predict).await.unwrap();

    // Touched, not delivered again: same name, size and content.
    assert_eq!(
        bench
            .resolve("2", "1", PredictShards::New)
            .await
            .unwrap()
            .shards,
        []
    );
    bench.deliver("0.csv", "y");
    bench.deliver("1.csv", "z");
    let keys = |selection: Selection| {
        selection
            .shards
            .into_iter()
            .map(|shard| shard.key)
            .collect::<Vec<_>>()
    };
    let third = bench.resolve("3", "1", PredictShards::New).await.unwrap();
    assert_eq!(keys(third), ["predict/0.csv", "predict/1.csv"]);
}
