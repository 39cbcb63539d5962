//! The features that come first among the reasons, beside a count of the lists themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::home::{Home, Names, Reported, Rows};

/// The reasons of a row: some rows have no prediction, or no reason, and 13 features come first.
fn reasons(row: usize) -> Option<String> {
    let first = json!({
        "feature": format!("<f{}>", row % (row % 13 + 1)),
        "contribution": (row as f64 - 60.0) / 7.0,
    });
    let second = json!({"feature": "second", "contribution": 0.01});
    match row % 10 {
        0 => None,
        1 => Some("[]".to_owned()),
        _ => Some(json!([first, second]).to_string()),
    }
}

/// By feature, what it adds where it comes first: the feature with the most rows first.
fn counted(lists: impl Iterator<Item = String>) -> Vec<(String, Vec<f64>)> {
    let mut counted: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for list in lists {
        let list: Value = serde_json::from_str(&list).unwrap();
        if let Some(first) = list.get(0) {
            let feature = first["feature"].as_str().unwrap().to_owned();
            let contribution = first["contribution"].as_f64().unwrap();
            counted.entry(feature).or_default().push(contribution);
        }
    }
    let mut counted: Vec<(String, Vec<f64>)> = counted.into_iter().collect();
    counted.sort_by_key(|(_, of)| std::cmp::Reverse(of.len()));
    counted
}

#[tokio::test]
async fn features_are_counted_by_the_rows_in_which_they_come_first() {
    let mut home = Home::new(Names::default(), &Rows::simple(400)).await;
    home.reasons = Some(reasons);
    let rows = Rows::simple(300);
    let results = home
        .results(&[rows.slice(0, 100), rows.slice(100, 300)])
        .await;
    let (_, report) = home.report(&results).await;
    let found = &report.content.reasons;

    let expected = counted((0..100).chain(0..200).filter_map(reasons));
    let total: usize = expected.iter().map(|(_, of)| of.len()).sum();
    assert_eq!((expected.len(), found.len()), (13, 11));
    for (of, (feature, contributions)) in found.iter().zip(&expected[..10]) {
        assert_eq!(of.feature.as_ref(), Some(feature));
        assert_eq!(of.rows, contributions.len() as u64, "{feature}");
        let mean = contributions.iter().sum::<f64>() / contributions.len() as f64;
        let apart = (of.mean_contribution.unwrap() - mean).abs();
        assert!(apart < 1e-9, "{feature}: {of:?}, {mean}");
        let share = contributions.len() as f64 / total as f64;
        assert!((of.share - share).abs() < 1e-12, "{feature}: {of:?}");
    }
    let others: usize = expected[10..].iter().map(|(_, of)| of.len()).sum();
    let last = &found[10];
    assert_eq!(last.rows, others as u64);
    assert_eq!((&last.feature, last.mean_contribution), (&None, None));

    let page = home.html().await;
    for said in ["Most frequent reasons", "&lt;f0&gt;", "all others"] {
        assert!(page.contains(said), "no {said}: {page}");
    }
    // Sums do not depend on which thread is done first.
    home.step = home.step.with_threads(1).refreshing();
    home.report(&results).await;
    assert_eq!(home.html().await, page);
}

#[tokio::test]
async fn a_report_on_results_without_reasons_has_no_word_of_them() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let results = home.results(&[Rows::simple(300)]).await;
    let (_, report) = home.report(&results).await;
    let report = serde_json::to_value(&report).unwrap();
    assert!(report.get("model").is_some() && report.get("reasons").is_none());
    assert!(!home.html().await.contains("Most frequent reasons"));
}
