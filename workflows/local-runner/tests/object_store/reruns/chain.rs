//! The leaves of a pipeline, one by one, with what the store holds before and after each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use testing::{HttpProxy, S3Server};

use super::state::{Place, State};
use crate::lab::Lab;

/// Leaves that write to Postgres: `tests/services/publish` and `tests/services/labels.rs` run them
/// again.
const OF_POSTGRES: [&str; 2] = ["publish-predictions-publish", "publish-predictions-labels"];

/// Leaves that write nothing: `tests/pipeline` runs them.
const READS_ONLY: [&str; 4] = [
    "batch-inference-backfill",
    "model-monitoring-check",
    "model-promotion-plan",
    "model-training-plan",
];

/// What XGBoost writes of one split, without what nobody reads.
const SOMEBODYS_TREE: &str = r#"{"learner": {"feature_names": ["feature1", "feature2",
    "feature1_times_feature2", "feature1_minus_feature2"],
    "gradient_booster": {"name": "gbtree", "model": {"tree_info": [0], "trees": [{
        "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0, 0, 0],
        "split_conditions": [50.0, -0.5, 0.5], "default_left": [0, 0, 0],
        "sum_hessian": [8.0, 4.0, 4.0], "loss_changes": [1.0, 0.0, 0.0]}]}},
    "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "4"},
    "objective": {"name": "binary:logistic"}}}"#;

/// A leaf as one workflow runs it.
pub(super) struct Leaf {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<String>,
    pub(super) before: State,
    pub(super) after: State,
    pub(super) outputs: Outputs,
}

/// Output parameters by name, without `reused`.
pub(super) type Outputs = BTreeMap<String, String>;

/// All leaves, in the order in which they ran.
pub(super) struct Chain {
    lab: Lab,
    pub(super) leaves: Vec<Leaf>,
    places: AtomicUsize,
}

impl Chain {
    /// A proxy that no other test uses.
    pub(super) fn proxy(&self) -> HttpProxy {
        self.lab.proxy()
    }

    /// A store of its own that holds this.
    pub(super) fn place(&self, state: &State) -> Place<'_> {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        Place::new(&self.lab, &format!("place{number}"), state)
    }

    /// The first leaf of that name, and of that argument after a space.
    pub(super) fn leaf(&self, name: &str) -> &Leaf {
        let (of_name, argument) = name.split_once(' ').unwrap_or((name, ""));
        let has = |leaf: &&Leaf| {
            argument.is_empty() || leaf.arguments.iter().any(|given| given == argument)
        };
        self.leaves
            .iter()
            .filter(|leaf| leaf.name == of_name)
            .find(has)
            .unwrap_or_else(|| panic!("{name} is not in the chain"))
    }
}

/// The chain, which ran once for all tests.
pub(super) fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let mut lab = Lab::new(S3Server::minio());
        // Few rows to score, because of each day there is a profile, and every write is one to be
        // killed at.
        lab.sample_data(6, 0, 2);
        lab.python(
            "for name in ('part-000.parquet', 'part-001.parquet'):\n\
             \x20   source = {'Bucket': bucket, 'Key': prefix + 'raw/predict/' + name}\n\
             \x20   s3.copy_object(Bucket=bucket, Key=prefix + 'raw/few/' + name, CopySource=source)\n",
        );
        lab.python(&format!(
            "body = {SOMEBODYS_TREE:?}.encode()\n\
             s3.put_object(Bucket=bucket, Key=prefix + 'raw/models/tree.json', Body=body)\n"
        ));
        lab.set("PREDICT_GLOB", "few/*.parquet");
        lab.sample_data(400, 3, 0);
        lab.set("MAX_QUARANTINED_SHARE", "0.5");
        let leaves = run(&lab);
        for split in ["train/1/_quarantined/", "predict/1/"] {
            let last = &leaves[leaves.len() - 1].after;
            let is_there = |key: &String| key.starts_with(split) && key.contains("/_quarantined/");
            assert!(last.keys().any(is_there), "no row below {split} is quarantined");
        }
        let mut names: BTreeSet<&str> = leaves.iter().map(|leaf| leaf.name).collect();
        names.extend(OF_POSTGRES);
        names.extend(READS_ONLY);
        let libraries = [
            include_str!("../../../../steps/batch-inference.yaml"),
            include_str!("../../../../steps/data-prep.yaml"),
            include_str!("../../../../steps/model-monitoring.yaml"),
            include_str!("../../../../steps/model-promotion.yaml"),
            include_str!("../../../../steps/model-training.yaml"),
            include_str!("../../../../steps/publish-predictions.yaml"),
        ];
        let lines = libraries.iter().flat_map(|library| library.lines());
        let all = lines.filter_map(|line| line.strip_prefix("    - name: "));
        assert_eq!(names, all.collect(), "every leaf of workflows/steps is in the chain");
        Chain { lab, leaves, places: AtomicUsize::new(0) }
    })
}

/// The flag for a configuration by whose contract some rows are quarantined, so that their files
/// are looked at as every other one.
fn quarantining(lab: &Lab) -> String {
    let folder = lab.folder().join("quarantining");
    fs::create_dir(&folder).unwrap();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config-maps");
    let contract = fs::read_to_string(default.join("dataset.json")).unwrap();
    let column = r#""name": "feature1", "type": "float64""#;
    let bounded = format!(r#"{column}, "max": 70, "on_violation": "quarantine-row""#);
    let edited = contract.replace(column, &bounded);
    assert_ne!(edited, contract);
    fs::write(folder.join("dataset.json"), edited).unwrap();
    fs::copy(default.join("features.sql"), folder.join("features.sql")).unwrap();
    format!("--config-dir={}", folder.display())
}

fn run(lab: &Lab) -> Vec<Leaf> {
    let mut run = Run {
        place: Place::new(lab, "chain", &State::new()),
        proxy: lab.proxy(),
        leaves: Vec::new(),
    };
    let config = quarantining(lab);
    let train = [
        "--split=train",
        "--data-version=1",
        "--parallelism=1",
        &config,
    ];
    let plan = run.leaf("data-prep-plan", &train);
    let (plan, group) = (format!("--plan={}", plan["plan"]), group(&plan));
    run.leaf("data-prep-map", &[&plan, &group]);
    let data = run.leaf("data-prep-commit", &[&plan]);
    let train = ["--train-manifest", "--holdout-manifest"].map(|flag| {
        let output = if flag == "--train-manifest" {
            "manifest"
        } else {
            "holdout-manifest"
        };
        format!("{flag}={}", data[output])
    });
    run.leaf(
        "model-training-train",
        &["--model-name=m", &train[0], &train[1]],
    );
    run.leaf(
        "model-promotion-promote",
        &["--model-name=m", "--model-version=1"],
    );
    // A second one, which takes the alias from the first.
    run.leaf(
        "model-training-train",
        &["--model-name=m", &train[0], &train[1], "--c=0.5"],
    );
    let promoted = run.leaf(
        "model-promotion-promote",
        &["--model-name=m", "--model-version=2"],
    );
    assert_eq!(promoted["promoted"], "true");
    let file = "--model-file=models/tree.json";
    run.leaf(
        "model-training-import",
        &["--model-name=theirs", file, &train[0], &train[1]],
    );
    of_several(&mut run, lab, &train);
    of_other_features(&mut run, lab);
    brought_together(&mut run, lab, &data["rows"]);

    let resolve = [
        "--model-name=m",
        "--model-ref=champion",
        "--data-version=1",
        "--predict-shards=all",
    ];
    let resolved = run.leaf("batch-inference-resolve", &resolve);
    let [config, selection] =
        ["config", "selection"].map(|name| format!("--{name}={}", resolved[name]));
    let predict = [
        "--split=predict",
        "--data-version=1",
        &config,
        &selection,
        "--parallelism=1",
    ];
    let planned = run.leaf("data-prep-plan", &predict);
    let (plan, of_plan) = (format!("--plan={}", planned["plan"]), self::group(&planned));
    run.leaf("data-prep-map", &[&plan, &of_plan]);
    let data = run.leaf("data-prep-commit", &[&plan]);

    let (uri, manifest) = (
        format!("--model-uri={}", resolved["model-uri"]),
        format!("--predict-manifest={}", data["manifest"]),
    );
    let planned = run.leaf(
        "batch-inference-plan",
        &[&uri, &manifest, "--parallelism=1"],
    );
    let (plan, of_plan) = (format!("--plan={}", planned["plan"]), self::group(&planned));
    run.leaf("batch-inference-map", &[&plan, &of_plan]);
    let results = run.leaf("batch-inference-commit", &[&plan]);
    run.leaf(
        "model-monitoring-report",
        &[&format!("--results-manifest={}", results["manifest"])],
    );
    // The rows to score hold their labels, which come late here.
    run.leaf(
        "model-monitoring-renew",
        &["--model-name=m", "--labels-glob=few/*.parquet"],
    );
    let renewed = run.leaves.last().unwrap();
    assert!(renewed.before != renewed.after, "nothing was renewed");
    run.leaf(
        "model-monitoring-notify",
        &[
            "--data-version=1",
            "--status=Succeeded",
            "--failures=null",
            "--duration=1.5",
        ],
    );
    run.leaves
}

/// A model of two candidates, one of which is measured by a run of its own.
fn of_several(run: &mut Run, lab: &Lab, train: &[String; 2]) {
    let config = lab.folder().join("several");
    fs::create_dir(&config).unwrap();
    let models = r#"{"candidates": [{"family": "logistic-regression", "c": [0.1, 1]}]}"#;
    fs::write(config.join("models.json"), models).unwrap();
    let config = format!("--config-dir={}", config.display());
    let flags = ["--model-name=several", &train[0], &train[1], &config];
    let measured = run.leaf(
        "model-training-train",
        &[&flags[..], &["--candidate=2"]].concat(),
    );
    assert_eq!(measured["registered"], "false");
    let trained = run.leaf("model-training-train", &flags);
    assert!(trained["candidates"].ends_with("of 2"));
}

/// A third model, of other features: the holdout is prepared once more for the champion, which
/// stays.
fn of_other_features(run: &mut Run, lab: &Lab) {
    let config = lab.folder().join("other-features");
    fs::create_dir(&config).unwrap();
    // Rows that the one contract has quarantined and the other not are no common holdout.
    let contract = lab.folder().join("quarantining/dataset.json");
    fs::copy(contract, config.join("dataset.json")).unwrap();
    let sql = "SELECT date, \"customerId\", feature2, target FROM raw";
    fs::write(config.join("features.sql"), sql).unwrap();
    let config = format!("--config-dir={}", config.display());
    let train = [
        "--split=train",
        "--data-version=2",
        "--parallelism=1",
        &config,
    ];
    let planned = run.run("data-prep-plan", &train);
    let plan = format!("--plan={}", planned["plan"]);
    run.run("data-prep-map", &[&plan, &group(&planned)]);
    let data = run.run("data-prep-commit", &[&plan]);
    let train = [
        "--model-name=m",
        &format!("--train-manifest={}", data["manifest"]),
        &format!("--holdout-manifest={}", data["holdout-manifest"]),
    ];
    run.run("model-training-train", &train);
    let candidate = ["--model-name=m", "--model-version=3"];
    let listed = run.run("model-promotion-plan", &candidate);
    let configurations: Vec<String> = serde_json::from_str(&listed["configurations"]).unwrap();
    assert_eq!(configurations.len(), 1);

    let again = [
        "--split=holdout",
        &format!("--data-version={}", listed["data-version"]),
        &format!("--config={}", configurations[0]),
        &format!("--holdout-manifest={}", listed["holdout-manifest"]),
        "--parallelism=1",
    ];
    let planned = run.leaf("data-prep-plan", &again);
    let plan = format!("--plan={}", planned["plan"]);
    run.leaf("data-prep-map", &[&plan, &group(&planned)]);
    run.leaf("data-prep-commit", &[&plan]);
    let promoted = run.leaf(
        "model-promotion-promote",
        &[&candidate[..], &["--planned-champion=2"]].concat(),
    );
    assert!(
        promoted["reason"].contains("is worse than"),
        "{}",
        promoted["reason"]
    );
}

/// Rows that are brought together before their features are computed, because some of these are of
/// aggregates over all rows to train on: as many as those of the map.
fn brought_together(run: &mut Run, lab: &Lab, rows: &str) {
    let config = lab.folder().join("aggregating");
    fs::create_dir(&config).unwrap();
    for name in ["dataset.json", "features.sql"] {
        let from = lab.folder().join("quarantining").join(name);
        fs::copy(from, config.join(name)).unwrap();
    }
    let sql = "SELECT \"customerId\", count(*) AS rows, avg(feature1) AS mean FROM train \
               GROUP BY \"customerId\"";
    fs::write(config.join("aggregate.customer.sql"), sql).unwrap();
    let train = [
        "--split=train",
        "--data-version=3",
        "--parallelism=1",
        &format!("--config-dir={}", config.display()),
    ];
    let planned = run.run("data-prep-plan", &train);
    // Entities of more than one bucket, which so few bytes are not put in.
    let windows = serde_json::json!({"buckets": 2});
    let change = |plan: &mut serde_json::Value| plan["job"]["windows"] = windows;
    run.place.edit(&planned["plan"], change);
    let plan = format!("--plan={}", planned["plan"]);
    let files = group_of(&planned, "shuffle-groups");
    run.leaf("data-prep-shuffle", &[&plan, &files]);
    run.leaf("data-prep-reduce", &[&plan, "--group=000-of-001"]);
    let data = run.leaf("data-prep-commit", &[&plan]);
    let parts = |state: &State| {
        let keys = state.keys();
        keys.filter(|key| key.starts_with("train/3/part-")).count()
    };
    let state = run.place.state();
    assert_eq!((parts(&state), data["rows"].as_str()), (2, rows));
    let tables = state.keys().filter(|key| key.ends_with("/customer.arrow"));
    assert_eq!(tables.count(), 1);
}

/// The flag for the only group of a plan.
fn group(planned: &Outputs) -> String {
    group_of(planned, "groups")
}

/// The same, of the groups that an output lists.
fn group_of(planned: &Outputs, output: &str) -> String {
    let groups: Vec<String> = serde_json::from_str(&planned[output]).unwrap();
    assert_eq!(groups.len(), 1);
    format!("--group={}", groups[0])
}

struct Run<'a> {
    place: Place<'a>,
    proxy: HttpProxy,
    leaves: Vec<Leaf>,
}

impl Run<'_> {
    /// Runs a leaf `STEP-VERB`; gives its outputs.
    fn leaf(&mut self, name: &'static str, flags: &[&str]) -> Outputs {
        let arguments = arguments(name, flags);
        let before = self.place.state();
        let outputs = self.place.run(&arguments, &self.proxy);
        self.leaves.push(Leaf {
            name,
            arguments,
            before,
            after: self.place.state(),
            outputs: outputs.clone(),
        });
        outputs
    }

    /// The same, of a leaf that is run for what comes after it.
    fn run(&self, name: &str, flags: &[&str]) -> Outputs {
        self.place.run(&arguments(name, flags), &self.proxy)
    }
}

fn arguments(name: &str, flags: &[&str]) -> Vec<String> {
    let (step, verb) = name.rsplit_once('-').unwrap();
    let words = [step, verb, "--workflow=w"].into_iter();
    let words = words.chain(flags.iter().copied());
    words.map(str::to_owned).collect()
}
