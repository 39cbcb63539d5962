//! What rows to score look back at: which raw files are chosen, and what holds a choice.

use catalog::manifest::TimeRange;
use catalog::selection::History;
use chrono::NaiveDateTime;
use runtime::step::Cache;

use super::*;

const DATASET: &str = r#"{"lookback": "5 days", "columns": [
    {"name": "id", "type": "utf8", "role": "id"},
    {"name": "at", "type": "timestamp", "role": "time"},
    {"name": "amount", "type": "int64", "role": "feature"},
    {"name": "y", "type": "int64", "role": "target", "allowed": [0, 1]}
]}"#;
const GLOB: &str = "predict/{data-version}/*.csv";

fn config(dataset: &str) -> Config {
    Config::parse(dataset.to_owned(), "SELECT * FROM raw".to_owned()).unwrap()
}

fn day(day: u32) -> NaiveDateTime {
    let date = chrono::NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    date.and_hms_opt(0, 0, 0).unwrap()
}

fn days(first: u32, last: u32) -> Option<TimeRange> {
    Some(TimeRange {
        first: day(first),
        last: day(last),
    })
}

/// Version 2 of the model, whose features look five days back.
struct Looking {
    bench: Bench,
}

impl Looking {
    /// Trained on files with rows of these days: `train/0.csv` and so on.
    async fn new(trained: &[Option<TimeRange>]) -> Self {
        let config = config(DATASET);
        let bench = Bench::of(config.digest()).await;
        config.pin(&bench.store).await.unwrap();
        std::fs::create_dir_all(bench.home.path().join("raw/train")).unwrap();
        let looking = Self { bench };
        let mut shards = Vec::new();
        for (index, time) in trained.iter().enumerate() {
            shards.push(looking.write(&format!("train/{index}.csv"), "trained", *time));
        }
        for (split, shards) in [("train", shards), ("holdout", Vec::new())] {
            let key = looking.bench.prepare("1", &[]).await;
            let mut data: DatasetManifest =
                manifest::require(&looking.bench.store, &key).await.unwrap();
            data.header.inputs = Inputs::default().with(DatasetManifest::WINDOWS, true);
            data.shards = shards;
            looking.put(&format!("{split}/_manifest.json"), &data).await;
        }
        looking
            .bench
            .register(model(zero_one()), "looks back")
            .await;
        let key = layout::model(
            &name(),
            &Inputs::new("model-training", 1)
                .with("seed", "looks back")
                .fingerprint(),
        );
        let key = layout::manifest(&key);
        let mut of: ModelManifest = manifest::require(&looking.bench.store, &key).await.unwrap();
        of.train_manifest = "train/_manifest.json".to_owned();
        of.holdout_manifest = "holdout/_manifest.json".to_owned();
        looking.put(&key, &of).await;
        looking
    }

    async fn put(&self, key: &str, value: &impl serde::Serialize) {
        self.bench.store.put_json(key, value).await.unwrap();
    }

    /// Writes a raw file; gives what a manifest says of it.
    fn write(&self, key: &str, content: &str, time: Option<TimeRange>) -> RawShard {
        let path = self.bench.home.path().join("raw").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        let raw = Store::open(self.bench.home.path().join("raw").to_str().unwrap()).unwrap();
        let found = futures::executor::block_on(raw.head(key)).unwrap().unwrap();
        RawShard {
            key: key.to_owned(),
            bytes: found.bytes,
            stamp: found.stamp,
            sha256: store::digest::hex(content.as_bytes()),
            rows: 1,
            time,
        }
    }

    /// A raw file to score with rows of two days.
    fn night(&self, version: &str, [from, to]: [u32; 2]) -> RawShard {
        let rows = format!("id,at,amount\na,2026-11-{to:02},1\nb,2026-11-{from:02},2\n");
        self.write(&format!("predict/{version}/0.csv"), &rows, days(from, to))
    }

    /// Notes a raw file as scored.
    async fn scored(&self, version: &str, shards: Vec<RawShard>) {
        let key = self.bench.prepare(version, &[3]).await;
        let mut data: DatasetManifest = manifest::require(&self.bench.store, &key).await.unwrap();
        data.shards = shards;
        self.put(&key, &data).await;
        self.bench.score("models:/m/1", &key).await.unwrap();
    }

    async fn resolve(&self, data_version: &str, cache: Cache) -> anyhow::Result<Selection> {
        let bench = &self.bench;
        let raw = Store::open(bench.home.path().join("raw").to_str().unwrap()).unwrap();
        let request = Request {
            data_version: version(data_version),
            model_name: name(),
            model_ref: "2".to_owned(),
            predict_shards: PredictShards::All,
            glob: GLOB.to_owned(),
            cache,
            workflow: None,
        };
        let outputs = resolve(&bench.step, &bench.tracking, &bench.store, &raw, &request).await?;
        let key = outputs.get("selection").unwrap();
        assert_eq!(key, format!("results/{data_version}/m/v2/_selection.json"));
        bench.store.require_json(key).await
    }

    async fn history(&self, data_version: &str) -> History {
        let selection = self.resolve(data_version, Cache::Use).await.unwrap();
        selection.history.unwrap()
    }

    async fn refused(&self, data_version: &str) -> String {
        let error = self
            .resolve(data_version, Cache::Refresh)
            .await
            .unwrap_err();
        assert_eq!(exit_code(&error), 2, "{error:#}");
        format!("{error:#}")
    }
}

/// Keys and data sets.
fn chosen(history: &History) -> Vec<(&str, usize)> {
    let files = history.files.iter();
    files
        .map(|file| (file.key.as_str(), file.data_set))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_chosen_by_their_times_and_the_one_scored_last_comes_first() {
    // Rows of the last moment that is looked back to count, and those of the last row to score.
    let trained = [days(1, 9), days(1, 10), days(16, 20), days(17, 20), None];
    let looking = Looking::new(&trained).await;
    let night = |version, days| vec![looking.night(version, days)];
    looking
        .scored("2026-11-12", night("2026-11-12", [11, 12]))
        .await;
    looking
        .scored("2026-11-14", night("2026-11-14", [13, 14]))
        .await;
    looking
        .scored("2026-11-08", night("2026-11-08", [7, 8]))
        .await;
    looking.night("2026-11-16", [15, 16]);
    let history = looking.history("2026-11-16").await;
    let expected = [
        ("predict/2026-11-14/0.csv", 0),
        ("predict/2026-11-12/0.csv", 1),
        ("train/1.csv", 2),
        ("train/2.csv", 2),
        ("train/4.csv", 2),
    ];
    assert_eq!(chosen(&history), expected);
    assert_eq!((history.rows, history.from), (days(15, 16), Some(day(10))));
    assert!(history.files.iter().all(|file| !file.sha256.is_empty()));

    // What is scored later is not looked back at, unless all is chosen again.
    looking
        .scored("2026-11-15", night("2026-11-15", [15, 15]))
        .await;
    assert_eq!(looking.history("2026-11-16").await, history);
    let anew = looking.resolve("2026-11-16", Cache::Refresh).await.unwrap();
    assert_eq!(
        chosen(&anew.history.unwrap())[0],
        ("predict/2026-11-15/0.csv", 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_scored_is_chosen_if_it_comes_before_by_name() {
    let looking = Looking::new(&[days(1, 30)]).await;
    for (version, days) in [("2026-11-09", [8, 9]), ("2026-11-17", [17, 17])] {
        looking.night(version, days);
    }
    looking.night("2026-11-16", [15, 16]);
    let history = looking.history("2026-11-16").await;
    let expected = [("predict/2026-11-09/0.csv", 0), ("train/0.csv", 1)];
    assert_eq!(chosen(&history), expected);
    assert_eq!(history.files[0].sha256, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_nobody_knows_have_all_files_chosen() {
    let looking = Looking::new(&[days(1, 2)]).await;
    // Another contract may keep other rows.
    let other = config(&DATASET.replacen('{', "{\"filter\": \"amount > 5\", ", 1));
    other.pin(&looking.bench.store).await.unwrap();
    let first = looking.night("2026-11-02", [1, 2]);
    looking.scored("2026-11-02", vec![first]).await;
    looking.night("2026-11-16", [15, 16]);
    assert_eq!(chosen(&looking.history("2026-11-16").await), []);
    let models = looking.bench.store.list("models").await.unwrap();
    for object in models {
        if object.key.ends_with("_manifest.json") {
            let found = manifest::require(&looking.bench.store, &object.key).await;
            let mut of: ModelManifest = found.unwrap();
            if of.train_manifest.is_empty() {
                of.config = other.digest();
                looking.put(&object.key, &of).await;
            }
        }
    }
    let anew = looking.resolve("2026-11-16", Cache::Refresh).await.unwrap();
    let expected = [("predict/2026-11-02/0.csv", 0)];
    assert_eq!(chosen(&anew.history.unwrap()), expected);

    // A file that breaks the contract.
    looking.write("predict/2026-11-18/0.csv", "id,at,amount\na,soon,1\n", None);
    let history = looking.history("2026-11-18").await;
    assert_eq!((history.rows, history.from), (None, None));
    assert_eq!(history.files.len(), 3, "{history:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_changed_is_named() {
    let looking = Looking::new(&[days(15, 16)]).await;
    looking.night("2026-11-16", [15, 16]);
    let path = looking.bench.home.path().join("raw/train/0.csv");
    std::fs::write(&path, "changed").unwrap();
    let text = looking.refused("2026-11-16").await;
    assert!(
        text.contains("train/0.csv in ") && text.contains("as training data"),
        "{text}"
    );
    std::fs::remove_file(&path).unwrap();
    let text = looking.refused("2026-11-16").await;
    assert!(text.contains("train/0.csv is gone from"), "{text}");
    // Written again with the same bytes it is the same.
    std::fs::write(&path, "trained").unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    let history = looking.history("2026-11-16").await;
    assert_eq!(chosen(&history), [("train/0.csv", 0)]);
    assert_eq!(history.files[0].sha256, store::digest::hex(b"trained"));
}
