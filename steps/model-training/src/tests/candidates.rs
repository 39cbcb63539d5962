//! Several candidates, of which validation rows choose one.

use catalog::model_files::{ModelMetrics, Selection};
use learn::fitted_model::Reader;
use learn::frame::{Column, Frame};
use learn::splitmix::customers;
use runtime::step::Outputs;
use runtime::threads::blocking;
use table::labelled::{LabelledRows, Side};

use super::home::{Home, Rows, read};
use crate::Training;
use crate::job::Job;

const GRID: &str = r#"{
    "candidates": [
        {"family": "mean"},
        {"family": "logistic-regression", "c": [1e-6, 1], "class_weight": ["none", "balanced"]}
    ],
    "metric": "log_loss",
    "validation": {"fraction": 0.3}
}"#;

/// The rows to fit on and those to validate on, by part: numbers and labels.
pub(super) async fn sides(home: &Home, flags: &Training) -> [Vec<(Vec<f64>, Vec<u8>)>; 2] {
    let job = Job::read(&home.store, flags).await.unwrap();
    let splits = crate::select::splits(&home.step, &home.store, &job).await;
    let split = splits.unwrap().remove(0);
    let unchanged = learn::preprocessing::Preprocessing::unchanged(&job.signature.names()).unwrap();
    let work = home.step.work();
    let all = LabelledRows::new(
        &home.store,
        work,
        &job.data.config,
        &job.signature,
        &unchanged,
    );
    let (all, parts) = (all.unwrap(), job.data.train.parts.clone());
    let sides = blocking(move || {
        let side = |side| {
            let rows = all.clone().on_side(&split, side);
            parts
                .iter()
                .map(|part| read(&rows, part))
                .collect::<anyhow::Result<Vec<_>>>()
        };
        Ok([side(Side::Fit)?, side(Side::Validation)?])
    });
    sides.await.unwrap()
}

pub(super) fn rows() -> Rows {
    let (x, y) = customers(11, 6000, 2.2);
    Rows::new(4, &x, &y)
}

pub(super) async fn with(home: &Home, models: &str, holdout: &Rows) -> Training {
    home.write_models(models);
    let all = rows();
    let shards = [all.slice(0, 1500), all.slice(1500, 5000)];
    home.prepared("1", holdout, &shards).await
}

pub(super) async fn metrics(home: &Home, outputs: &Outputs) -> ModelMetrics {
    serde_json::from_slice(&home.model_file(outputs, "metrics.json").await).unwrap()
}

pub(super) async fn selection(home: &Home, outputs: &Outputs) -> Selection {
    metrics(home, outputs).await.selection.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_on_validation_rows_is_fitted_again_on_all_and_registered() {
    let home = Home::new(4).await;
    let holdout = rows().slice(5000, 6000);
    let flags = with(&home, GRID, &holdout).await;
    let outputs = home.train(&flags).await.unwrap();
    let of = selection(&home, &outputs).await;
    assert_eq!((of.candidates.len(), of.refit), (5, true));
    assert_eq!(
        (of.validation.by.as_str(), of.validation.fraction),
        ("id", 0.3)
    );
    assert_eq!(of.validation.fit_rows + of.validation.rows, 5000);
    let best = of.candidates.iter().filter_map(|of| of.value);
    let best = best.fold(f64::INFINITY, f64::min);
    let winner = of.candidates.iter().find(|of| of.chosen).unwrap();
    assert_eq!(winner.value, Some(best));
    assert_eq!(
        (&*winner.options["c"], &*winner.options["class_weight"]),
        ("1", "none")
    );
    for other in of.candidates.iter().filter(|other| !other.chosen) {
        let behind = other.behind.unwrap();
        assert!(behind.high > behind.low && behind.high > 0.0, "{other:?}");
        assert!(other.metrics.contains_key("roc_auc"), "{other:?}");
    }
    let losses: Vec<f64> = of.permutation.iter().map(|of| of.mean).collect();
    assert!(
        losses.is_sorted_by(|a, b| a >= b) && losses[0] > 0.05,
        "{losses:?}"
    );
    let mut named: Vec<&str> = of.permutation.iter().map(|of| &*of.feature).collect();
    named.sort_unstable();
    let model = Reader::standard()
        .read(&home.model_file(&outputs, "model.json").await)
        .unwrap();
    let mut features = model.features();
    features.sort_unstable();
    assert_eq!(named, features);
    let shown = outputs.get("candidates").unwrap();
    assert!(
        shown.starts_with("logistic-regression: c 1, class_weight none")
            && shown.contains("by log_loss 0.")
            && shown.ends_with("validation rows, of 5"),
        "{shown}"
    );

    // All are tracked, inside the model's run, and one version is registered.
    let runs = home
        .tracking
        .runs(Some(&flags.model_name), 20)
        .await
        .unwrap();
    let nested = runs
        .iter()
        .filter(|of| of.run.name.starts_with("candidate "));
    assert_eq!(nested.count(), 5);
    let versions = home.tracking.versions(&flags.model_name).await.unwrap();
    assert_eq!(versions.len(), 1);

    // The model is the one that the chosen candidate alone makes, bit by bit.
    let alone = r#"{"candidates": [{"family": "logistic-regression", "c": 1}]}"#;
    let flags_alone = with(&home, alone, &holdout).await;
    let trained = home.train(&flags_alone).await.unwrap();
    assert_eq!(trained.get("candidates"), Some(""));
    let file = home.model_file(&trained, "model.json").await;
    assert!(file == home.model_file(&outputs, "model.json").await);

    // Without a refit it is the one that was measured.
    let kept = GRID.replacen('{', r#"{"refit": false,"#, 1);
    let flags = with(&home, &kept, &holdout).await;
    let outputs = home.train(&flags).await.unwrap();
    let model = home.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&model).unwrap();
    assert_eq!(model.training.rows, of.validation.fit_rows);
    assert_eq!(selection(&home, &outputs).await.candidates, of.candidates);
    // What later data is compared with is all training rows.
    let reference = home.model_file(&outputs, "reference.json").await;
    let reference: serde_json::Value = serde_json::from_slice(&reference).unwrap();
    assert_eq!(reference["rows"], 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_is_tracked_and_becomes_a_version_when_it_is_asked_for() {
    let home = Home::new(4).await;
    let holdout = rows().slice(5000, 6000);
    let experiment = GRID.replacen('{', r#"{"register": false,"#, 1);
    let mut runs = Vec::new();
    for (models, reused, version) in [
        (experiment.as_str(), "false", ""),
        (&experiment, "true", ""),
        (GRID, "true", "1"),
        (GRID, "true", "1"),
        (&experiment, "true", ""),
    ] {
        let flags = with(&home, models, &holdout).await;
        let outputs = home.train(&flags).await.unwrap();
        let shown = ["reused", "model-version"].map(|name| outputs.get(name));
        assert_eq!(shown, [Some(reused), Some(version)]);
        let registered = outputs.get("registered");
        assert_eq!(registered == Some("true"), !version.is_empty());
        let name = &flags.model_name;
        let id = outputs.get("run-id").unwrap();
        let run = home.tracking.run(id).await.unwrap().unwrap().run;
        assert!(run.metric("log_loss").is_some());
        assert!(outputs.get("candidates").unwrap().ends_with("of 5"));
        let versions = home.tracking.versions(name).await.unwrap();
        runs.push((run.tags.get("alameda.registered").cloned(), versions.len()));
    }
    let said = |text: &str, versions| (Some(text.to_owned()), versions);
    let (not, yes) = (said("false", 0), said("true", 1));
    assert_eq!(runs, [not.clone(), not, yes.clone(), yes.clone(), yes]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_label_of_the_holdout_changes_what_is_chosen() {
    let mut made = Vec::new();
    let holdout = rows().slice(5000, 6000);
    let mut other = holdout.clone();
    for label in other.y.iter_mut().flatten() {
        *label = 1 - *label;
    }
    for (holdout, threads) in [(&holdout, 1), (&other, 4)] {
        let mut home = Home::new(4).await;
        home.step = home.step.with_threads(threads);
        let flags = with(&home, GRID, holdout).await;
        let outputs = home.train(&flags).await.unwrap();
        let metrics = metrics(&home, &outputs).await;
        let chosen = serde_json::to_string(&metrics.selection).unwrap();
        let accuracy = metrics.holdout.number("accuracy").unwrap();
        made.push((
            home.model_file(&outputs, "model.json").await,
            chosen,
            accuracy,
        ));
    }
    assert!(made[0].0 == made[1].0 && made[0].1 == made[1].1);
    assert!((made[0].2 + made[1].2 - 1.0).abs() < 1e-12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_measured_as_a_model_of_the_same_rows_is_on_such_a_holdout() {
    let home = Home::new(4).await;
    let grid = GRID.replace("log_loss", "roc_auc");
    let flags = with(&home, &grid, &rows().slice(5000, 6000)).await;
    let outputs = home.train(&flags).await.unwrap();
    let found = selection(&home, &outputs).await.candidates[3].clone();

    let [fit, validation] = sides(&home, &flags).await;
    let fit: Vec<Rows> = fit.iter().map(|(x, y)| Rows::new(4, x, y)).collect();
    let (x, y): (Vec<_>, Vec<_>) = validation.into_iter().unzip();
    let validation = Rows::new(4, &x.concat(), &y.concat());

    let other = Home::new(4).await;
    let alone = r#"{"candidates": [{"family": "logistic-regression", "c": 1}]}"#;
    other.write_models(alone);
    let flags = other.prepared("1", &validation, &fit).await;
    let outputs = other.train(&flags).await.unwrap();
    let measured = metrics(&other, &outputs).await.holdout;
    for name in ["roc_auc", "log_loss", "f1"] {
        let expected = measured.number(name).unwrap();
        assert!((found.metrics[name] - expected).abs() < 1e-12, "{name}");
    }
    assert_eq!(found.value, measured.number("roc_auc"));
    // The variance of DeLong, DeLong and Clarke-Pearson (1988), which the bootstrap comes near: of
    // 100 replicates the standard deviation is known to 7 %.
    let model = other.model_file(&outputs, "model.json").await;
    let model = Reader::standard().read(&model).unwrap();
    let (x, y) = (x.concat(), y.concat());
    let columns: Vec<Vec<f64>> = (0..4)
        .map(|j| x.iter().skip(j).step_by(4).copied().collect())
        .collect();
    let columns = columns.iter().map(|values| Column::Numbers(values));
    let (mut matrix, mut scores) = (Vec::new(), Vec::new());
    let frame = Frame::new(columns.collect());
    model.score(&frame, &mut matrix, &mut scores).unwrap();
    let of = |class: u8| -> Vec<f64> {
        let rows = scores.iter().zip(&y).filter(|(_, label)| **label == class);
        rows.map(|(score, _)| *score).collect()
    };
    let (negatives, positives) = (of(0), of(1));
    let above = |p: f64, n: f64| f64::from(u8::from(p > n)) + 0.5 * f64::from(u8::from(p == n));
    let variance = |own: &[f64], others: &[f64], above: &dyn Fn(f64, f64) -> f64| {
        let part = |one: &f64| others.iter().map(|of| above(*one, *of)).sum::<f64>();
        let parts: Vec<f64> = own
            .iter()
            .map(|one| part(one) / others.len() as f64)
            .collect();
        let n = parts.len() as f64;
        let mean = parts.iter().sum::<f64>() / n;
        let squares: f64 = parts.iter().map(|of| (of - mean) * (of - mean)).sum();
        squares / (n - 1.0) / n
    };
    let error = variance(&positives, &negatives, &above)
        + variance(&negatives, &positives, &|n, p| above(p, n));
    let interval = found.interval.unwrap();
    let ratio = (interval.high - interval.low) / (2.0 * 1.96 * error.sqrt());
    assert!((ratio - 1.0).abs() < 0.21, "{ratio}");
}

#[tokio::test]
async fn what_nothing_can_be_chosen_by_is_named() {
    for (edit, expected) in [
        (
            r#""metric": "r2","#,
            "`metric` is \"r2\", and the task binary has accuracy",
        ),
        (
            r#""validation": {"fraction": 1},"#,
            "`fraction` of `validation` is 1",
        ),
        (r#""validation": {"by": "time"},"#, "set \"by\" to \"id\""),
        (r#""validation": {"share": 1},"#, "unknown field `share`"),
    ] {
        let home = Home::new(4).await;
        let list = r#""candidates": [{"family": "mean"}, {"family": "logistic-regression"}]"#;
        let models = format!("{{{edit} {list}}}");
        let flags = with(&home, &models, &rows().slice(5000, 5010)).await;
        let (code, text) = home.refused(&flags).await;
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_of_a_metric_ends_where_the_metric_does() {
    // The label is whether the number is above 0, but for two rows: by the normal distribution an
    // accuracy of 298 in 300 is 1.003 at most.
    let row = |i: usize| match i % 2 {
        0 => -1.0 - (i % 5) as f64,
        _ => 1.0 + (i % 5) as f64,
    };
    let x: Vec<f64> = (0..330).map(row).collect();
    let wrong = [40, 141];
    let label = |i: usize| u8::from((x[i] > 0.0) != wrong.contains(&i));
    let y: Vec<u8> = (0..330).map(label).collect();
    let rows = Rows::new(1, &x, &y);
    let models = r#"{"candidates": [{"family": "mean"}, {"family": "logistic-regression"}],
        "metric": "accuracy"}"#;
    let home = Home::new(1).await;
    home.write_models(models);
    let flags = home
        .prepared("1", &rows.slice(300, 330), &[rows.slice(0, 300)])
        .await;
    let outputs = home.train(&flags).await.unwrap();
    let of = selection(&home, &outputs).await;
    let winner = of.candidates.iter().find(|of| of.chosen).unwrap();
    let (value, interval) = (winner.value.unwrap(), winner.interval.unwrap());
    assert!((0.98..1.0).contains(&value), "{value}");
    assert!(interval.low < value && interval.high == 1.0, "{interval:?}");
}
