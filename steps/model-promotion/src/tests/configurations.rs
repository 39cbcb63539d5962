//! A champion whose features are not those of the candidate.

use catalog::manifest::Quarantined;

use super::home::{DATA, Data, FAIR, GOOD, Home, ROWS, decided};
use super::verdict;
use crate::verdict::{Comparison, Side};

/// Version 2 of the data has other features.
pub(super) const OTHER: Data = Data {
    version: "2",
    train: "train/2.parquet",
    sql: "SELECT *, signal * 2 AS twice FROM raw",
    ..DATA
};

/// Why the file of the holdout is left out.
pub(super) fn left_out(reason: &str, gone: bool) -> Quarantined {
    Quarantined {
        key: DATA.holdout.to_owned(),
        reason: reason.to_owned(),
        gone,
    }
}

fn auc(side: &Side) -> f64 {
    side.report.as_ref().unwrap().number("roc_auc").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_is_scored_on_the_holdout_that_its_own_configuration_prepared() {
    let home = Home::new();
    let first = home
        .promote(home.register(&DATA, FAIR).await)
        .await
        .unwrap();
    let alone = verdict(&home, &first).await.candidate;
    let candidate = home.register(&OTHER, GOOD).await;
    home.prepare(&OTHER, &DATA, Ok(ROWS)).await;
    let outputs = home.promote(candidate).await.unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
    let found = verdict(&home, &outputs).await;
    assert_eq!(found.comparison, Comparison::SameHoldout);
    // The holdout is the same raw file in both versions.
    assert_eq!(found.champion.unwrap().report, alone.report);
    assert!(auc(&found.candidate) > auc(&alone));
    assert_eq!(home.promote(candidate).await.unwrap(), outputs);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_fair_raw_files_a_champion_is_not_comparable() {
    let changed = "raw file train/0.parquet was changed since the holdout was prepared";
    for (made, expected) in [
        (Err(changed), changed),
        (
            Ok(100),
            "its own configuration gives 100 rows of the holdout",
        ),
        (
            Err("signal is 0.5, and may be 0.1"),
            "signal is 0.5, and may be 0.1",
        ),
    ] {
        let home = Home::new();
        home.promote(home.register(&DATA, FAIR).await)
            .await
            .unwrap();
        let candidate = home.register(&OTHER, GOOD).await;
        let made = made.map_err(|reason| left_out(reason, false));
        home.prepare(&OTHER, &DATA, made).await;
        let outputs = home.promote(candidate).await.unwrap();
        let (promoted, champion, reason) = decided(&outputs);
        assert_eq!((promoted, champion), ("false", "1"), "{reason}");
        assert!(
            reason.contains("champion version 1 of churn can't be compared: "),
            "{reason}"
        );
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(
            verdict(&home, &outputs).await.comparison,
            Comparison::NotComparable
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_on_rows_holds_for_two_configurations_with_the_same_ids() {
    let home = Home::new();
    // Both sides come from the same raw file.
    let rule = "fraction=0.999999999";
    let first = Data {
        rule,
        holdout: "train/0.parquet",
        train: "train/0.parquet",
        ..DATA
    };
    home.promote(home.register(&first, FAIR).await)
        .await
        .unwrap();
    let second = Data {
        version: "2",
        sql: OTHER.sql,
        ..first
    };
    let candidate = home.register(&second, GOOD).await;
    home.prepare(&second, &first, Ok(ROWS)).await;
    let outputs = home.promote(candidate).await.unwrap();
    assert_eq!(decided(&outputs).0, "true", "{outputs:?}");
}

#[tokio::test]
async fn a_champion_whose_training_data_was_prepared_anew_is_not_comparable() {
    let home = Home::new();
    let first = home.register(&DATA, GOOD).await;
    home.promote(first).await.unwrap();
    // The same data version, with the file that the champion was trained on as the holdout.
    let anew = Data {
        holdout: "train/1.parquet",
        train: "train/2.parquet",
        ..DATA
    };
    let second = home.register(&anew, FAIR).await;
    let outputs = home.promote(second).await.unwrap();
    assert_eq!(outputs.get("promoted"), Some("false"));
    let reason = outputs.get("reason").unwrap();
    assert!(
        reason.contains("train/1/_manifest.json was prepared again since version 1"),
        "{reason}"
    );
}
