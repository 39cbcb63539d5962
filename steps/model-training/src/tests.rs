mod by_models_json;
mod candidates;
mod extremes;
mod families;
mod fan_out;
mod fixtures;
mod forests;
mod golden;
mod home;
mod imports;
mod in_mlflow;
mod refusals;
mod reproduced;
mod rounded;
mod sides;
mod trees;
mod tuned;
mod unjudged;

use catalog::layout;
use catalog::model_files::ModelMetrics;
use clap::Parser;
use learn::model::{ClassWeight, Model};
use learn::splitmix::customers;
use profile::reference::{ColumnProfile, Reference};
use runtime::failure::exit_code;
use tracking::Status;

use home::{Home, Rows};

async fn simple() -> (Home, crate::Training) {
    prepared(Home::new(1).await).await
}

/// A home with rows of one feature, and the flags that train on them.
async fn prepared(home: Home) -> (Home, crate::Training) {
    let train = [Rows::simple(200), Rows::simple(31)];
    let flags = home.prepared("1", &Rows::simple(50), &train).await;
    (home, flags)
}

#[tokio::test]
async fn the_same_data_and_options_give_the_same_version_again() {
    let (home, flags) = simple().await;
    let first = home.train(&flags).await.unwrap();
    assert_eq!(
        (first.get("model-version"), first.get("reused")),
        (Some("1"), Some("false"))
    );
    let objects = home.store.list("").await.unwrap();
    let second = home.train(&flags).await.unwrap();
    assert_eq!(second.get("reused"), Some("true"));
    for name in [
        "model",
        "model-version",
        "run-id",
        "accuracy",
        "roc-auc",
        "f1",
    ] {
        assert_eq!(second.get(name), first.get(name), "{name}");
    }
    assert_eq!(
        home.store.list("").await.unwrap(),
        objects,
        "reuse writes nothing"
    );

    // Another option is another version; the first one stays what it was.
    let mut changed = flags.clone();
    changed.fit.c = 0.5;
    let other = home.train(&changed).await.unwrap();
    assert_eq!(other.get("model-version"), Some("2"));
    assert_eq!(
        home.train(&flags).await.unwrap().get("model-version"),
        Some("1")
    );
}

#[tokio::test]
async fn a_refresh_writes_the_same_bytes_and_keeps_the_version() {
    let (home, flags) = simple().await;
    let first = home.train(&flags).await.unwrap();
    let before = home.manifest(&first).await;
    let step = home.step.refreshing();
    let again = crate::train::train(&step, &home.store, &home.tracking, &flags)
        .await
        .unwrap();
    assert_eq!(
        (again.get("model-version"), again.get("reused")),
        (Some("1"), Some("false"))
    );
    let after = home.manifest(&again).await;
    assert_eq!(
        after, before,
        "files, digests and the time of the first commit"
    );
}

#[tokio::test]
async fn a_model_that_died_before_it_was_registered_is_registered_by_the_next_attempt() {
    let (home, flags) = simple().await;
    let first = home.train(&flags).await.unwrap();
    for object in home.store.list("tracking").await.unwrap() {
        std::fs::remove_file(home.store.local_path(&object.key).unwrap()).unwrap();
    }
    let second = home.train(&flags).await.unwrap();
    assert_eq!(second.get("reused"), Some("true"));
    assert_eq!(second.get("model-version"), Some("1"));
    assert_eq!(
        second.get("run-id"),
        first.get("run-id"),
        "the run's id follows from the fingerprint"
    );
    let manifest = home.manifest(&second).await;
    let run = home.run(&manifest.header.fingerprint).await;
    assert_eq!(run.status, Status::Finished);
    assert!(
        run.metrics.contains_key("roc_auc"),
        "its metrics are logged again"
    );
}

#[tokio::test]
async fn the_run_holds_options_and_metrics_and_ends_as_training_ends() {
    let (home, flags) = simple().await;
    let outputs = home.train(&flags).await.unwrap();
    let manifest = home.manifest(&outputs).await;
    let run = home.run(&manifest.header.fingerprint).await;
    assert_eq!(run.run_id, outputs.get("run-id").unwrap());
    assert_eq!(
        (
            run.params["c"].as_str(),
            run.params["class_weight"].as_str()
        ),
        ("1", "balanced")
    );
    assert_eq!(run.params["features"], "feature1");
    assert_eq!(
        run.metrics["accuracy"].value.to_string(),
        outputs.get("accuracy").unwrap()
    );
    let rows: f64 = run
        .metrics
        .iter()
        .filter(|(name, _)| name.starts_with("confusion."))
        .map(|(_, m)| m.value)
        .sum();
    assert_eq!(
        rows, 50.0,
        "the confusion matrix holds every row of the holdout"
    );
    assert!(run.metrics.contains_key("importance.feature1"));
    assert_eq!(run.tags["alameda.model"], "models:/churn/1");
    assert!(run.parent_run_id.is_some());

    let one_class = Rows {
        y: vec![Some(1); 200],
        ..Rows::simple(200)
    };
    let flags = home.prepared("2", &Rows::simple(50), &[one_class]).await;
    home.train(&flags).await.unwrap_err();
    let job = crate::job::Job::read(&home.store, &flags).await.unwrap();
    let run = home.run(&job.inputs.fingerprint()).await;
    assert_eq!(run.status, Status::Failed);
}

#[tokio::test]
async fn the_files_beside_a_model_say_what_it_was_trained_on() {
    let (home, flags) = simple().await;
    let outputs = home.train(&flags).await.unwrap();
    let manifest = home.manifest(&outputs).await;
    let model = manifest.load_model(&home.store).await.unwrap();
    assert_eq!(
        (model.features(), model.target.name.as_str()),
        (vec!["feature1".to_owned()], "target")
    );
    let reference: Reference = manifest.load_reference(&home.store).await.unwrap();
    assert_eq!((reference.rows, reference.positives), (231, 115));
    let ColumnProfile::Cells(feature) = &reference.features[0].profile else {
        panic!("{:?}", reference.features[0].profile)
    };
    assert_eq!((feature.counts.count(), feature.is_sound()), (231, true));
    let score = reference.score.baseline(model.rule.threshold, "y").unwrap();
    let score = score.classes().unwrap();
    assert_eq!(score.reference.positive.scored(), 115);
    assert_eq!(score.reference.side().count(), 231);
    assert!(score.cells.cuts().contains(&model.rule.threshold));
    let metrics: ModelMetrics = manifest.load_metrics(&home.store).await.unwrap();
    assert_eq!(
        (metrics.holdout.rows(), metrics.holdout.number("base_rate")),
        (50, Some(0.5))
    );
    assert!(metrics.fit.converged);
    assert_eq!(manifest.warnings, Vec::<String>::new());

    // A file that was changed is refused by its key.
    let key = layout::model_file(
        outputs
            .get("model")
            .unwrap()
            .strip_suffix("/_manifest.json")
            .unwrap(),
        layout::MODEL_FILE,
    );
    let mut bytes = home.store.require(&key).await.unwrap();
    let at = bytes.iter().position(|byte| *byte == b'7').unwrap();
    bytes[at] = b'8';
    home.store.put(&key, bytes).await.unwrap();
    let error = manifest.load_model(&home.store).await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(error.to_string().contains(&key), "{error}");
}

#[tokio::test]
async fn without_convergence_the_model_is_made_and_says_so() {
    let home = Home::new(4).await;
    let (x, y) = customers(1, 1000, 2.2);
    let rows = Rows::new(4, &x, &y);
    let mut flags = home
        .prepared("1", &rows.slice(0, 100), &[rows.slice(100, 1000)])
        .await;
    flags.fit.max_iter = 1;
    let outputs = home.train(&flags).await.unwrap();
    let model: Model = home.fitted(&outputs).await;
    assert!(!model.training.converged);
    let manifest = home.manifest(&outputs).await;
    assert!(
        manifest.warnings[0].contains("did not converge in 1 Newton steps"),
        "{:?}",
        manifest.warnings
    );
    assert_eq!(
        outputs.get("warnings"),
        Some(manifest.warnings.join(" | ").as_str())
    );
    let run = home.run(&manifest.header.fingerprint).await;
    assert_eq!(run.metrics["fit.converged"].value, 0.0);
}

#[tokio::test]
async fn the_output_has_the_first_warnings_and_counts_the_others() {
    let home = Home::new(8).await;
    let simple = Rows::simple(200);
    let with_constants = |row: &Vec<Option<f64>>| [&row[..1], &[Some(7.3); 7]].concat();
    let rows = Rows {
        x: simple.x.iter().map(with_constants).collect(),
        y: simple.y,
    };
    let flags = home.prepared("1", &rows.slice(0, 50), &[rows]).await;
    let outputs = home.train(&flags).await.unwrap();
    let shown: Vec<&str> = outputs.get("warnings").unwrap().split(" | ").collect();
    assert_eq!(shown.len(), 6, "{shown:?}");
    assert!(shown[4].contains("\"feature6\" has one value"), "{shown:?}");
    assert_eq!(shown[5], "and 2 more in metrics.json");
}

#[tokio::test]
async fn a_constant_feature_gets_no_weight_and_a_warning() {
    let home = Home::new(2).await;
    let simple = Rows::simple(200);
    let rows = Rows {
        x: simple.x.iter().map(|row| vec![row[0], Some(7.3)]).collect(),
        y: simple.y,
    };
    let flags = home.prepared("1", &rows.slice(0, 50), &[rows]).await;
    let outputs = home.train(&flags).await.unwrap();
    let model = home.fitted(&outputs).await;
    assert_eq!(model.coefficients[1], 0.0);
    assert_ne!(model.coefficients[0], 0.0);
    let manifest = home.manifest(&outputs).await;
    assert!(
        manifest.warnings[0].contains("\"feature2\" has one value in all training rows"),
        "{:?}",
        manifest.warnings
    );
}

#[tokio::test]
async fn separable_data_is_fitted_to_the_optimum() {
    let home = Home::new(1).await;
    let train = Rows::new(1, &[-2.0, -1.5, -1.0, 1.0, 1.5, 3.0], &[0, 0, 0, 1, 1, 1]);
    let flags = home
        .prepared("1", &Rows::new(1, &[-1.1, 1.1], &[0, 1]), &[train])
        .await;
    let outputs = home.train(&flags).await.unwrap();
    assert_eq!(
        (
            outputs.get("accuracy"),
            outputs.get("roc-auc"),
            outputs.get("f1")
        ),
        (Some("1"), Some("1"), Some("1"))
    );
    let model = home.fitted(&outputs).await;
    assert!(
        model.training.converged && model.coefficients[0] > 0.0 && model.coefficients[0] < 10.0,
        "{model:?}"
    );
}

#[tokio::test]
async fn a_holdout_of_one_class_has_no_auc_and_is_no_failure() {
    let home = Home::new(1).await;
    let holdout = Rows::new(1, &[1.0, 2.0], &[1, 1]);
    let flags = home.prepared("1", &holdout, &[Rows::simple(100)]).await;
    let outputs = home.train(&flags).await.unwrap();
    assert_eq!(outputs.get("roc-auc"), Some(""));
    assert_ne!(outputs.get("accuracy"), Some(""));
}

#[tokio::test]
async fn two_rows_of_one_row_parts_are_enough_for_a_model() {
    let home = Home::new(1).await;
    let train = [
        Rows::new(1, &[1.0], &[0]),
        Rows::default(),
        Rows::new(1, &[2.0], &[1]),
    ];
    let flags = home
        .prepared("1", &Rows::new(1, &[1.5], &[1]), &train)
        .await;
    let outputs = home.train(&flags).await.unwrap();
    let model = home.fitted(&outputs).await;
    assert_eq!(model.training.rows, 2);
}

#[test]
fn flags_are_checked_by_name() {
    let parse = |extra: &[&str]| {
        let line = [
            "model-training",
            "train",
            "--model-name=churn",
            "--train-manifest=t",
            "--holdout-manifest=h",
        ];
        crate::command()
            .try_get_matches_from(line.iter().chain(extra))
            .map_err(|error| error.to_string())
    };
    assert!(parse(&[]).is_ok());
    for (flag, expected) in [
        (
            "--family=random-forest",
            "give logistic-regression, the only one that this version fits",
        ),
        ("--c=0", "give a positive number"),
        ("--c=inf", "give a positive number"),
        ("--tol=-1", "give a positive number"),
        ("--class-weight=half", "give balanced or none"),
        ("--max-iter=0", "give a whole number, 1 or more"),
        ("--threshold=1.5", "give a number from 0 to 1"),
        ("--model-name=A/B", "a model name has"),
    ] {
        let flags: &[&str] = if flag.starts_with("--model-name") {
            &["--model-name", "A/B"]
        } else {
            &[flag]
        };
        let error = parse(flags).unwrap_err();
        assert!(
            error.contains(expected) || error.contains("cannot be used multiple times"),
            "{flag}: {error}"
        );
    }
    assert_eq!(class_weight_of(&["--class-weight=none"]), ClassWeight::None);
    assert_eq!(class_weight_of(&[]), ClassWeight::Balanced);
}

fn class_weight_of(extra: &[&str]) -> ClassWeight {
    #[derive(clap::Parser)]
    struct Probe {
        #[command(flatten)]
        train: crate::Training,
    }
    let line = [
        "probe",
        "--model-name=churn",
        "--train-manifest=t",
        "--holdout-manifest=h",
    ];
    Probe::parse_from(line.iter().chain(extra))
        .train
        .fit
        .class_weight
}
