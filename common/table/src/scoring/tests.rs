mod paired;

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

use super::*;
use crate::parts::tests::of_batch;
use catalog::layout::Split;
use catalog::manifest::{Header, Inputs, Part, RawShard};
use learn::fitted_model::Reader;
use learn::model::{ClassValue, ClassWeight, Classes, LOGISTIC_REGRESSION, Model, Training};
use store::Store;

/// A holdout of one feature in two parts, the first of one row.
async fn prepared(step: &Step, feature: &[f64], labels: &[u8]) -> (Config, DatasetManifest) {
    let store = Store::of(step).unwrap();
    let mut parts: Vec<Part> = Vec::new();
    for (ordinal, range) in [0..1, 1..labels.len()].into_iter().enumerate() {
        let schema = Schema::new(vec![
            Field::new("target", DataType::Int64, false),
            Field::new("logit", DataType::Float64, false),
        ]);
        let target: Int64Array = labels[range.clone()]
            .iter()
            .map(|label| Some(i64::from(*label)))
            .collect();
        let logit = Float64Array::from(feature[range].to_vec());
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(target), Arc::new(logit)])
            .unwrap();
        let key = format!("holdout/1/part-{ordinal}.parquet");
        parts.push(of_batch(&store, key, ordinal, batch).await);
    }
    let contract = r#"{"columns": [
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "logit", "type": "float64", "role": "feature"},
        {"name": "target", "type": "int64", "role": "target"}
    ]}"#;
    let config = Config::parse(contract.to_owned(), "SELECT * FROM raw".to_owned()).unwrap();
    (
        config.clone(),
        manifest(step, Split::Holdout, parts, config.digest()),
    )
}

fn manifest(step: &Step, split: Split, parts: Vec<Part>, config: String) -> DatasetManifest {
    let header = Header::new(Inputs::new("data-prep", 1), step);
    let version = catalog::layout::DataVersion::parse("1", step.timezone()).unwrap();
    DatasetManifest {
        holdout: HoldoutRule::FirstShard.to_string(),
        rows: parts.iter().map(|part| part.rows).sum(),
        labelled_rows: parts.iter().map(|part| part.rows).sum(),
        parts,
        ..DatasetManifest::empty(header, version, split, config)
    }
}

fn model(threshold: f64) -> Arc<FittedModel> {
    let model = Model {
        format_version: learn::model::FORMAT_VERSION,
        family: LOGISTIC_REGRESSION.to_owned(),
        target: "target".to_owned(),
        classes: Classes {
            negative: ClassValue::Int(0),
            positive: ClassValue::Int(1),
        },
        threshold,
        features: vec!["logit".to_owned()],
        coefficients: vec![1.0],
        intercept: 0.0,
        training: Training {
            c: 1.0,
            class_weight: ClassWeight::None,
            rows: 1,
            iterations: 1,
            converged: true,
        },
    };
    Arc::new(Reader::standard().first(model).unwrap())
}

#[test]
fn ranks_equal_those_of_one_list_whatever_thread_added_them() {
    let folder = tempfile::tempdir().unwrap();
    let ranks = Ranks::one_of(1, &folder.path().into());
    let other = ranks.clone();
    let scored = [
        (true, 0.9, 1.0),
        (false, 0.9, 1.0),
        (true, 0.4, 1.0),
        (false, 0.1, 1.0),
        (true, 0.8, 1.0),
        (false, 1e-300, 1.0),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| ranks.add(scored[..2].iter().copied()).unwrap());
        scope.spawn(|| other.add(scored[2..].iter().copied()).unwrap());
    });
    // By hand: of 9 pairs of a positive and a negative, 6 are in order and one is a tie. Scores
    // from the highest: a positive and a negative at 0.9, then positives at 0.8 and 0.4.
    let found = ranks.metrics().unwrap();
    assert_eq!(found.roc_auc, Some((6.0 + 0.5) / 9.0));
    assert_eq!(
        found.pr_auc,
        Some((1.0 / 2.0 + 2.0 / 3.0 + 3.0 / 4.0) / 3.0)
    );
    assert_eq!(
        ranks.metrics().unwrap(),
        RankMetrics::default(),
        "nothing is left"
    );
}

#[test]
fn ranks_of_rows_that_weigh_are_those_of_as_many_rows() {
    let folder = tempfile::tempdir().unwrap();
    let scored = [(true, 0.9), (false, 0.9), (true, 0.4), (false, 0.5)];
    let weights = [2, 1, 3, 0];
    let (weighed, repeated) = (
        Ranks::one_of(1, &folder.path().into()),
        Ranks::one_of(1, &folder.path().into()),
    );
    let rows = || scored.into_iter().zip(weights);
    let of_row = |((positive, score), weight)| (positive, score, f64::from(weight));
    weighed.add(rows().map(of_row)).unwrap();
    let copies = rows()
        .flat_map(|((positive, score), weight)| (0..weight).map(move |_| (positive, score, 1.0)));
    repeated.add(copies).unwrap();
    let found = weighed.weighted_metrics().unwrap();
    // A tie of weight 2 x 1, and a negative above a weight of 3.
    assert_eq!(found.roc_auc, Some(1.0 / 5.0));
    assert_eq!(found, repeated.metrics().unwrap());
}

#[derive(serde::Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

/// A case of `tests/fixtures/metrics.json`, which `metrics.py` wrote.
#[derive(serde::Deserialize)]
struct Case {
    name: String,
    labels: Vec<u8>,
    scores: Vec<f64>,
    threshold: f64,
    confusion: [u64; 4],
    accuracy: f64,
    precision: f64,
    recall: f64,
    f1: f64,
    log_loss: f64,
    brier: f64,
    roc_auc: Option<f64>,
    pr_auc: Option<f64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_a_model_on_parts_equal_those_of_scikit_learn() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../../../testing/fixtures/metrics.json")).unwrap();
    for case in fixture.cases {
        let home = tempfile::tempdir().unwrap();
        let step = Step::for_test("model-training", home.path());
        if case.name == "nearly certain" {
            // The logit keeps too few digits of a score that is 1 but for its last bit.
            continue;
        }
        // The model gives the logistic function of its only feature: take its inverse of each
        // score.
        let feature: Vec<f64> = case
            .scores
            .iter()
            .map(|p| libm::log(p / (1.0 - p)))
            .collect();
        let (config, dataset) = prepared(&step, &feature, &case.labels).await;
        let model = model(case.threshold);
        let progress = step.progress(dataset.rows, "rows").clone();
        let made = evaluate(
            &step,
            &Store::of(&step).unwrap(),
            &config,
            &model,
            &dataset,
            &progress,
            None,
        )
        .await;
        if feature.iter().any(|value| value.is_infinite()) {
            assert_eq!(
                runtime::failure::exit_code(&made.unwrap_err()),
                10,
                "{}",
                case.name
            );
            continue;
        }
        let made = made.unwrap();
        let made = made.binary().unwrap();
        let c = made.confusion;
        assert_eq!(
            [
                c.true_negatives,
                c.false_positives,
                c.false_negatives,
                c.true_positives
            ],
            case.confusion,
            "{}",
            case.name
        );
        for (metric, ours, theirs) in [
            ("accuracy", made.accuracy, Some(case.accuracy)),
            ("precision", made.precision, Some(case.precision)),
            ("recall", made.recall, Some(case.recall)),
            ("f1", made.f1, Some(case.f1)),
            ("log loss", made.log_loss, Some(case.log_loss)),
            ("brier", made.brier, Some(case.brier)),
            ("roc auc", made.roc_auc, case.roc_auc),
            ("pr auc", made.pr_auc, case.pr_auc),
        ] {
            let close = match (ours, theirs) {
                (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-12,
                (ours, theirs) => ours == theirs,
            };
            assert!(close, "{}: {metric} {ours:?} and {theirs:?}", case.name);
        }
    }
}

#[test]
fn shared_raw_files_are_an_overlap_unless_a_rule_keeps_their_rows_apart() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("model-training", home.path());
    let with = |split, rule: &str, shards: &[(&str, &str, u64)]| {
        let shard = |&(key, sha256, rows): &(&str, &str, u64)| RawShard {
            key: key.to_owned(),
            bytes: 1,
            stamp: String::new(),
            sha256: sha256.to_owned(),
            rows,
            time: None,
        };
        DatasetManifest {
            holdout: rule.to_owned(),
            shards: shards.iter().map(shard).collect(),
            ..manifest(&step, split, Vec::new(), "c".to_owned())
        }
    };
    let shard = "first-shard";
    let fraction = "fraction=0.1";
    // Rule and shards of the holdout, rule and shards of the training data, same keys, what
    // overlaps.
    let table = [
        (shard, ("a", "1", 9), shard, ("b", "2", 9), true, None),
        (
            shard,
            ("a", "1", 9),
            shard,
            ("a", "2", 9),
            true,
            Some("raw file a is in the training data"),
        ),
        (
            shard,
            ("a", "1", 9),
            shard,
            ("b", "1", 9),
            true,
            Some("a of the holdout has the same content as b"),
        ),
        (shard, ("a", "1", 0), shard, ("b", "1", 0), true, None),
        (fraction, ("a", "1", 9), fraction, ("a", "1", 9), true, None),
        (
            fraction,
            ("a", "1", 9),
            fraction,
            ("a", "1", 9),
            false,
            Some("raw file a"),
        ),
        (
            fraction,
            ("a", "1", 9),
            "fraction=0.2",
            ("a", "1", 9),
            true,
            Some("raw file a"),
        ),
        (fraction, ("a", "1", 9), shard, ("b", "2", 9), true, None),
    ];
    for (rule, of_holdout, rule_of_train, of_train, same_keys, expected) in table {
        let holdout = with(Split::Holdout, rule, &[of_holdout]);
        let train = with(Split::Train, rule_of_train, &[("z", "9", 9), of_train]);
        let found = overlap(&train, &holdout, same_keys);
        match expected {
            None => assert_eq!(found, None),
            Some(text) => assert!(
                found.as_ref().is_some_and(|found| found.contains(text)),
                "{found:?} and {text}"
            ),
        }
    }
}
