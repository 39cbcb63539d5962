//! Classes that the holdout does not judge.

use super::home::{Home, Rows};

const MODELS: &str = r#"{"candidates": [{"family": "logistic-regression"}]}"#;

/// The classes of [`Rows::simple`], and of the last rows another one.
fn rows(count: usize, others: usize) -> Rows {
    let mut rows = Rows::simple(count);
    rows.y[count - others..].fill(Some(2));
    rows
}

#[tokio::test]
async fn a_class_of_which_the_holdout_has_hardly_a_row_is_named() {
    for (others, said) in [
        (
            0,
            Some("the 60 rows of the holdout have none of class 2 of target"),
        ),
        (
            4,
            Some("the 60 rows of the holdout have only 4 of class 2 of target"),
        ),
        (5, None),
    ] {
        let target = r#""type": "int64", "allowed": [0, 1, 2]"#;
        let home = Home::of_target(1, target).await;
        home.write_models(MODELS);
        let train = [rows(200, 20)];
        let flags = home.prepared("1", &rows(60, others), &train).await;
        let outputs = home.train(&flags).await.unwrap();
        let warnings = home.manifest(&outputs).await.warnings;
        let mut found = warnings.iter().filter(|of| of.contains("of the holdout"));
        assert_eq!(
            found.clone().count(),
            usize::from(said.is_some()),
            "{warnings:?}"
        );
        if let Some(said) = said {
            assert!(found.next().unwrap().starts_with(said), "{warnings:?}");
        }
    }
}

#[tokio::test]
async fn one_of_two_classes_is_named_too() {
    let home = Home::new(1).await;
    let mut holdout = Rows::simple(50);
    holdout.y.fill(Some(0));
    holdout.y[7] = Some(1);
    let flags = home.prepared("1", &holdout, &[Rows::simple(200)]).await;
    let outputs = home.train(&flags).await.unwrap();
    let warnings = home.manifest(&outputs).await.warnings;
    let said = "the 50 rows of the holdout have only 1 of class 1 of target \"target\"";
    assert!(
        warnings.iter().any(|of| of.starts_with(said)),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn a_class_without_training_rows_is_refused_with_every_way_out() {
    let home = Home::of_target(1, r#""type": "int64", "allowed": [0, 1, 2]"#).await;
    home.write_models(MODELS);
    let flags = home.prepared("1", &rows(60, 9), &[rows(200, 0)]).await;
    let error = home.train(&flags).await.unwrap_err();
    let text = format!("{error:#}");
    for expected in [
        "class 2 has no training rows",
        "change HOLDOUT",
        "train_filter",
        "\"task\": \"regression\"",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
