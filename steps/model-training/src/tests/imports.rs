//! Trees of XGBoost and LightGBM that are imported, and those that are refused.

use learn::fitted_model::Reader;
use runtime::failure::exit_code;
use runtime::step::Outputs;
use store::RawArgs;
use tracking::TrackingArgs;

use super::home::{Home, Rows};
use crate::{Import, Training};

const FILE: &str = "incoming/model.txt";

/// LightGBM 4.7 wrote it of 48 rows, by `LGBMClassifier(n_estimators=2, num_leaves=2,
/// min_child_weight=4, min_child_samples=5)`: it finds no split for the rare third class.
const OF_ONE_LEAF: &str = "tree
version=v4
num_class=3
num_tree_per_iteration=3
label_index=0
max_feature_idx=1
objective=multiclass num_class:3
feature_names=feature1 feature2
feature_infos=[0:7] [0:2]
tree_sizes=351 342 241 355 355 223

Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=27.0769
threshold=3.5000000000000004
decision_type=2
left_child=-1
right_child=-2
leaf_value=-0.65708163308754142 -0.90323548001089349
leaf_weight=8.9375002384185809 8.9375002384185773
leaf_count=24 24
internal_value=-0.780159
internal_weight=17.875
internal_count=48
is_linear=0
shrinkage=1


Tree=1
num_leaves=2
num_cat=0
split_feature=0
split_gain=32
threshold=3.5000000000000004
decision_type=2
left_child=-1
right_child=-2
leaf_value=-0.82648051389327859 -0.55981384722661198
leaf_weight=9.0000000000000018 8.9999999999999982
leaf_count=24 24
internal_value=-0.693147
internal_weight=18
internal_count=48
is_linear=0
shrinkage=1


Tree=2
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=-3.1780538303479458
leaf_weight=
leaf_count=48
internal_value=
internal_weight=
internal_count=
is_linear=0
shrinkage=1


Tree=3
num_leaves=2
num_cat=0
split_feature=0
split_gain=20.6838
threshold=3.5000000000000004
decision_type=2
left_child=-1
right_child=-2
leaf_value=0.10604714223459483 -0.11074150966114271
leaf_weight=8.986169099807741 8.6254377365112287
leaf_count=24 24
internal_value=-0.000126987
internal_weight=17.6116
internal_count=48
is_linear=0
shrinkage=0.1


Tree=4
num_leaves=2
num_cat=0
split_feature=0
split_gain=25.0182
threshold=3.5000000000000004
decision_type=2
left_child=-1
right_child=-2
leaf_value=-0.11875765631386981 0.11881801414959739
leaf_weight=8.8644261360168475 8.8656828403472883
leaf_count=24 24
internal_value=3.85986e-05
internal_weight=17.7301
internal_count=48
is_linear=0
shrinkage=0.1


Tree=5
num_leaves=1
num_cat=0
split_feature=
split_gain=
threshold=
decision_type=
left_child=
right_child=
leaf_value=0
leaf_weight=
leaf_count=48
internal_value=
internal_weight=
internal_count=
is_linear=0
shrinkage=1


end of trees
";

/// One tree of one split, on the second feature, as LightGBM writes it.
fn stump(objective: &str) -> String {
    format!(
        "tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective={objective}
feature_names=feature1 feature2
feature_infos=[0:7] [0:2]

Tree=0
num_leaves=2
num_cat=0
split_feature=1
split_gain=1
threshold=0.5
decision_type=2
left_child=-1
right_child=-2
leaf_value=-1 2
leaf_weight=16 32
leaf_count=16 32
internal_value=0
internal_weight=48
internal_count=48
is_linear=0
shrinkage=1


end of trees
"
    )
}

fn rows(count: usize, from: usize) -> Rows {
    let number = |i: usize, of: usize| Some((i % of) as f64);
    let row = |i: usize| vec![number(i, 8), number(i, 3)];
    Rows {
        x: (from..from + count).map(row).collect(),
        y: (from..from + count)
            .map(|i| Some(i64::from(i % 8 >= 4)))
            .collect(),
    }
}

async fn prepared(home: &Home) -> Training {
    home.prepared("1", &rows(24, 101), &[rows(48, 0)]).await
}

/// Imports a file that holds this.
async fn import(home: &Home, flags: &Training, text: &str) -> anyhow::Result<Outputs> {
    home.store.put(FILE, text.into()).await.unwrap();
    let flags = Import {
        model_name: flags.model_name.clone(),
        model_file: FILE.to_owned(),
        train_manifest: flags.train_manifest.clone(),
        holdout_manifest: flags.holdout_manifest.clone(),
        raw: RawArgs {
            raw_url: String::new(),
        },
        segments: flags.segments.clone(),
        tracking: TrackingArgs::default(),
    };
    crate::import::import(&home.step, &home.store, &home.store, &home.tracking, &flags).await
}

/// Fails unless a file is refused in these words, and nothing is left.
async fn must_refuse(home: &Home, flags: &Training, text: &str, why: &[&str]) {
    let refused = import(home, flags, text).await.expect_err("refused");
    let said = format!("{refused:#}");
    assert_eq!(exit_code(&refused), 2, "{said}");
    for part in why.iter().chain(&[FILE]) {
        assert!(said.contains(part), "{part}: {said}");
    }
    let models = home.store.list("models").await.unwrap();
    assert!(models.is_empty(), "{models:?}");
}

#[tokio::test]
async fn trees_of_one_leaf_score_as_in_lightgbm() {
    let home = Home::of_target(2, r#""type": "int64", "allowed": [0, 1, 2]"#).await;
    let with_third = |mut rows: Rows| {
        rows.y[..2].fill(Some(2));
        rows
    };
    let shards = [with_third(rows(48, 0))];
    let flags = home
        .prepared("1", &with_third(rows(24, 101)), &shards)
        .await;
    let outputs = import(&home, &flags, OF_ONE_LEAF).await.unwrap();
    assert_eq!(outputs.get("model-version"), Some("1"));
    let file = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&file).unwrap();
    let mut raw = Vec::new();
    model.estimator.raw(&[1.0, 0.0, 6.0, 2.0], &mut raw);
    // By `predict(raw_score=True)`.
    let theirs = [
        [
            -0.5510344908529465,
            -0.9452381702071484,
            -3.1780538303479458,
        ],
        [
            -1.0139769896720363,
            -0.4409958330770146,
            -3.1780538303479458,
        ],
    ];
    assert_eq!(raw.len(), 6);
    for (ours, theirs) in raw.iter().zip(theirs.as_flattened()) {
        assert!((ours - theirs).abs() < 1e-6, "{ours} and {theirs}");
    }
}

#[tokio::test]
async fn a_file_of_other_trees_than_are_scored_is_refused() {
    let home = Home::of_number(2).await;
    let flags = prepared(&home).await;
    let regression = stump("regression");
    let linear = "is_linear=1\nleaf_const=-1 2\nnum_features=0 0\nleaf_features=  \nleaf_coeff=  ";
    let linear = regression.replace("is_linear=0", linear);
    must_refuse(&home, &flags, &linear, &["linear models (linear_tree)"]).await;
    let categories = regression
        .replace("num_cat=0", "num_cat=1")
        .replace("threshold=0.5", "threshold=0")
        .replace("decision_type=2", "decision_type=1")
        .replace(
            "is_linear=0",
            "cat_boundaries=0 1\ncat_threshold=6\nis_linear=0",
        );
    let why = "splits feature \"feature2\" by categories";
    must_refuse(&home, &flags, &categories, &[why, "features.sql"]).await;
    let poisson = ["objective \"poisson\" of LightGBM", "reg:squarederror"];
    must_refuse(&home, &flags, &stump("poisson"), &poisson).await;
    must_refuse(&home, &flags, "[1, 2]", &["save_model(\"model.txt\")"]).await;
    import(&home, &flags, &regression).await.unwrap();
}

#[tokio::test]
async fn features_that_do_not_fit_are_named() {
    let home = Home::of_number(2).await;
    let flags = prepared(&home).await;
    let other = stump("regression").replace("feature1 feature2", "feature1 income");
    let lacks = "the data has a feature \"feature2\" that the model does not have; the model's \
                 features are feature1, income";
    must_refuse(&home, &flags, &other, &[lacks, "features.sql"]).await;
    let more = stump("regression")
        .replace("max_feature_idx=1", "max_feature_idx=2")
        .replace("feature1 feature2", "feature1 feature2 income")
        .replace("[0:7] [0:2]", "[0:7] [0:2] [0:9]");
    let needs = "the model needs a feature \"income\" that the data does not have";
    must_refuse(&home, &flags, &more, &[needs, &flags.train_manifest]).await;
    for of_texts in ["Utf8", "Dictionary(Int32, Utf8)"] {
        home.edit(&flags.train_manifest, |manifest| {
            let columns = manifest.columns.iter_mut();
            for column in columns.filter(|column| column.name == "feature2") {
                column.data_type = of_texts.to_owned();
            }
        })
        .await;
        let why = format!("feature \"feature2\" is of type {of_texts}");
        let why = [&why[..], "takes numbers", "features.sql"];
        must_refuse(&home, &flags, &stump("regression"), &why).await;
    }
}

#[tokio::test]
async fn another_task_and_another_order_of_classes_are_refused() {
    let (one, two) = (stump("regression"), stump("binary sigmoid:1"));
    let whole = |allowed: &str| format!(r#""type": "int64", "allowed": {allowed}"#);
    let positive_false = r#""type": "bool", "positive": false"#.to_owned();
    let made_for = "and the model was made for another one";
    let order = |first: &str, order: &str| {
        format!(
            "class 0 of the file would be {first}, because the classes of target \"target\" are in \
             the order {order}: list `allowed` in ascending order, and leave `positive` out"
        )
    };
    let binary = format!("\"target\" makes a binary task of 2 classes, {made_for}");
    for (target, text, why) in [
        (whole("[0, 1]"), &one[..], binary.clone()),
        (whole("[0, 1]"), OF_ONE_LEAF, binary),
        (
            whole("[0, 1, 2]"),
            &two[..],
            format!("\"target\" makes a multiclass task of 3 classes, {made_for}"),
        ),
        (whole("[1, 0]"), &two[..], order("1", "1, 0")),
        (whole("[2, 0, 1]"), OF_ONE_LEAF, order("2", "2, 0, 1")),
        (positive_false, &two[..], order("true", "true, false")),
    ] {
        let home = Home::of_target(2, &target).await;
        let flags = prepared(&home).await;
        must_refuse(&home, &flags, text, &[&why]).await;
    }
    let home = Home::of_number(2).await;
    let flags = prepared(&home).await;
    let number = format!("\"target\" makes a regression task, {made_for}");
    must_refuse(&home, &flags, &two, &[&number]).await;
}
