//! Rows that are brought together from all raw files, for windows and aggregates, over S3.

use std::fs;
use std::path::{Path, PathBuf};

use testing::S3Server;

use super::calls::{about, more};
use super::lab::Lab;
use super::pipeline::digests;

const FEATURES: &str = "SELECT *, count(*) OVER month AS events, avg(feature1) OVER month AS mean,
    feature2 - everyone.mean AS above
FROM raw WINDOW month AS (PARTITION BY \"customerId\" ORDER BY date
    RANGE BETWEEN INTERVAL '30 days' PRECEDING AND CURRENT ROW)";
const EVERYONE: &str = "SELECT avg(feature2) AS mean FROM train";

/// The folder of the default configuration with windows and an aggregate.
fn configured(lab: &Lab) -> PathBuf {
    let folder = lab.folder().join("together");
    fs::create_dir(&folder).unwrap();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
    let read = |name: &str| fs::read_to_string(default.join(name)).unwrap();
    let contract = read("dataset.json").replacen('{', "{\"lookback\": \"30 days\",", 1);
    let files = read("kustomization.yaml").replace(
        "      - features.sql\n",
        "      - features.sql\n      - aggregate.everyone.sql\n",
    );
    for (name, content) in [
        ("dataset.json", contract),
        ("features.sql", FEATURES.to_owned()),
        ("aggregate.everyone.sql", EVERYONE.to_owned()),
        ("ml-config.yaml", read("ml-config.yaml")),
        ("kustomization.yaml", files),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    folder
}

#[test]
fn the_pipeline_gives_the_same_on_every_server_and_a_second_run_changes_nothing() {
    let mut seen = Vec::new();
    for server in S3Server::all() {
        let name = server.name;
        let lab = Lab::new(server);
        lab.sample_data(2_000, 3, 2);
        let config = configured(&lab);
        let config = ["--config-maps", config.to_str().unwrap()];
        lab.pipeline(&config).expect(0);
        let lasting = lab.lasting();
        let predict = lasting
            .iter()
            .find(|key| key.starts_with("predict/1/") && key.contains("/_manifest.json "));
        let predict = predict.unwrap().split(' ').next().unwrap();
        let train = lab.json("train/1/_manifest.json");
        assert_eq!(train["aggregates"].as_array().unwrap().len(), 1);
        seen.push([
            digests(&lab, "train/1/_manifest.json"),
            digests(&lab, "holdout/1/_manifest.json"),
            digests(&lab, predict),
            vec![train["aggregates"].to_string()],
        ]);
        lab.pipeline(&config).expect(0);
        assert_eq!(lab.lasting(), lasting, "{name}");
        assert_eq!(lab.unfinished(), "", "{name}");
    }
    assert_eq!(seen[0], seen[1]);
}

const BUCKETS: usize = 8;
const GROUPS: usize = 2;

/// Calls of the shuffle of so many files, and of the reduce of their buckets in two groups.
fn shuffled_and_reduced(files: usize) -> [Vec<String>; 2] {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(500, files, 0);
    let config = format!("--config-dir={}", configured(&lab).display());
    let plan = [
        "data-prep",
        "plan",
        "--split=train",
        "--data-version=1",
        "--parallelism=1",
        &config,
    ];
    lab.step(&plan).expect(0);
    let key = lab.output("plan");
    // So few bytes would be put in one bucket.
    lab.python(&format!(
        "key = prefix + 'store/{key}'\n\
         plan = json.loads(s3.get_object(Bucket=bucket, Key=key)['Body'].read())\n\
         plan['job']['windows'] = {{'buckets': {BUCKETS}}}\n\
         s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(plan).encode())"
    ));
    let plan = format!("--plan={key}");
    let groups: Vec<String> = serde_json::from_str(&lab.output("shuffle-groups")).unwrap();
    lab.proxy.take_calls();
    let group = format!("--group={}", groups[0]);
    lab.step(&["data-prep", "shuffle", &plan, &group]).expect(0);
    let shuffle = about(&lab.proxy.take_calls());
    for group in ["--group=000-of-002", "--group=001-of-002"] {
        lab.step(&["data-prep", "reduce", &plan, group]).expect(0);
    }
    [shuffle, about(&lab.proxy.take_calls())]
}

#[test]
fn a_file_takes_four_calls_to_shuffle_and_one_for_each_bucket_to_reduce() {
    let [few, many] = [3, 7].map(shuffled_and_reduced);
    let shuffle = more(&few[0], &many[0]);
    // Its marker is looked for, it is read, and its rows, the states of aggregates among them, and
    // the marker are written.
    assert_eq!(shuffle.len(), 4 * 4, "{shuffle:#?}");
    // Each group of buckets reads of a file the marker, whether its rows are there, and the index;
    // and then its rows, a range for each bucket.
    let reduce = more(&few[1], &many[1]);
    assert_eq!(reduce.len(), 4 * (GROUPS * 3 + BUCKETS), "{reduce:#?}");
    // The states of aggregates are those of a group of files, and not of each file.
    let states = |calls: &[String]| {
        let states = calls
            .iter()
            .filter(|call| call.ends_with("_work/aggregates"));
        states.count()
    };
    assert_eq!([&few, &many].map(|calls| states(&calls[0])), [1, 1]);
    assert_eq!([&few, &many].map(|calls| states(&calls[1])), [GROUPS; 2]);
    // For a bucket alone: its marker is looked for and written, and a part of each split.
    let once = few[1].len() - 3 * (GROUPS * 3 + BUCKETS);
    assert!(once <= 4 * BUCKETS + 9 * GROUPS, "{:#?}", few[1]);
}
