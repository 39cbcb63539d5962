//! Numbers are those of the rows.

use database::CountedDay;
use learn::task::Report;
use profile::profiles::Profile;

use super::categories::page_of;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_each_day_are_those_that_sql_counts_in_the_rows() {
    let (_home, at, _) = published("numbers").await;
    for (version, threshold) in [(3, 0.5), (4, 0.3)] {
        let shown: Vec<Value> = serde_json::from_str(
            &page(
                at,
                &format!("/tables/days.json?model=m&version={version}&threshold={threshold}"),
            )
            .await,
        )
        .unwrap();
        let sql = format!(
            "SELECT (at AT TIME ZONE 'UTC')::date, count(*), count(y), count(*) FILTER (WHERE y = 1 AND probability >= {threshold}), \
             count(*) FILTER (WHERE y = 0 AND probability >= {threshold}), avg(probability), \
             avg(((probability >= {threshold})::int = y)::int) FILTER (WHERE y IS NOT NULL) \
             FROM predictions WHERE model_version = {version} GROUP BY 1 ORDER BY 1"
        );
        let counted = postgres().psql("numbers", &sql).unwrap();
        // The later version has scored the same keys again; it represents its own model name and
        // version.
        assert!(
            !shown.is_empty() && shown.len() == counted.lines().count(),
            "v{version}: {shown:?}\n{counted}"
        );
        for (day, line) in shown.iter().zip(counted.lines()) {
            let columns: Vec<&str> = line.split('|').collect();
            let whole = |index: usize| columns[index].parse::<u64>().unwrap();
            let number = |index: usize| columns[index].parse::<f64>().unwrap();
            assert_eq!(day["day"], columns[0]);
            assert_eq!(
                (day["rows"].as_u64(), day["labelled_rows"].as_u64()),
                (Some(whole(1)), Some(whole(2))),
                "{line}"
            );
            assert_eq!(
                (
                    day["true_positives"].as_u64(),
                    day["false_positives"].as_u64()
                ),
                (Some(whole(3)), Some(whole(4))),
                "{line}"
            );
            assert!(
                (day["mean_score"].as_f64().unwrap() - number(5)).abs() < 1e-6,
                "{day} {line}"
            );
            match columns[6] {
                "" => assert!(day["accuracy"].is_null(), "{day} {line}"),
                _ => assert!(
                    (day["accuracy"].as_f64().unwrap() - number(6)).abs() < 1e-9,
                    "{day} {line}"
                ),
            }
        }
    }
    let csv = ask(at, "/tables/features.csv?model=m&version=4", "").await;
    assert!(csv.headers["content-disposition"].contains("features.csv"));
    assert!(
        csv.body.lines().nth(2).unwrap().contains("alert"),
        "the feature that was held still drifted most: {}",
        csv.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_chosen_is_compared_and_nothing_else() {
    let (_home, at, _) = published("compared").await;
    for (query, a, b) in [
        ("", 3, 4),
        ("?a-version=3&b-version=3", 3, 3),
        ("?a-version=4&b-version=3", 4, 3),
        (
            "?a-version=3&a-to=2025-03-02&b-version=3&b-from=2025-03-03&by=day",
            3,
            3,
        ),
    ] {
        let shown = page(at, &format!("/models/m/compare{query}")).await;
        assert!(
            shown.contains(&format!(">A: v{a}<")) && shown.contains(&format!(">B: v{b}<")),
            "{query}: {shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_another_threshold_the_holdout_is_no_measure() {
    let home = home().await;
    let results: ResultsManifest =
        manifest::require(&home.store, &home.results(&[Rows::simple(400)]).await)
            .await
            .unwrap();
    let counted = CountedDays {
        baseline: baseline(&home, &results).await,
        days: Vec::new(),
        left_out_rows: 7,
    };
    let report = Classification::new(0.5).report(None);
    let holdout = Report::Binary(Box::new(Metrics {
        accuracy: Some(0.8),
        recall: Some(0.7),
        roc_auc: Some(0.9),
        ..report
    }));
    let scored = "2026-11-23".parse().unwrap();
    let live = |threshold: Option<f64>| {
        let choice = Choice {
            threshold,
            ..Choice::default()
        };
        Live::new(&counted, &choice, &rules(), Some(&holdout), scored).unwrap()
    };
    let own = live(None);
    assert_eq!((own.threshold, own.left_out_rows), (own.model_threshold, 7));
    assert_eq!(own.performance.holdout.unwrap().accuracy, Some(0.8));
    let other = live(Some(0.9)).performance.holdout.unwrap();
    assert_eq!(
        (other.accuracy, other.recall, other.roc_auc),
        (None, None, Some(0.9))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_alone_shows_the_same_days() {
    let home = home().await;
    let rows = Rows::simple(800);
    let at = serve(
        &home,
        Source::store(home.store.clone(), home.timezone),
        Access::Open,
    )
    .await;
    assert!(
        page(at, "/").await.contains("alameda demo"),
        "an empty store says what to run"
    );
    score(&home, &rows).await;
    let shown: Vec<Value> =
        serde_json::from_str(&page(at, "/tables/days.json?model=m").await).unwrap();
    assert_eq!(shown.len(), 4);
    for (index, day) in shown.iter().enumerate() {
        let of_day: Vec<usize> = (0..800).filter(|i| i % 4 == index).collect();
        let measured: Vec<usize> = of_day
            .iter()
            .copied()
            .filter(|i| rows.label[*i].is_some())
            .collect();
        let right = measured
            .iter()
            .filter(|i| i64::from(rows.score[**i].unwrap() >= 0.5) == rows.label[**i].unwrap())
            .count();
        assert_eq!(
            (day["rows"].as_u64(), day["labelled_rows"].as_u64()),
            (Some(200), Some(measured.len() as u64))
        );
        match measured.len() {
            0 => assert!(day["accuracy"].is_null()),
            all => assert_eq!(day["accuracy"].as_f64(), Some(right as f64 / all as f64)),
        }
    }
    assert!(page(at, "/").await.contains("/models/m?"));
    assert!(page(at, "/prediction?id=c1").await.contains("DATABASE_URL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn means_that_are_bounds_are_marked() {
    let home = home().await;
    let key = home.results(&[Rows::simple(400)]).await;
    let results: ResultsManifest = manifest::require(&home.store, &key).await.unwrap();
    let baseline = baseline(&home, &results).await;
    let of_model = &baseline.features[0];
    let live = |value: f64| {
        let mut profile = Profile::new(&baseline);
        for value in [1.0, 2.0, value] {
            profile.features[0].add(&of_model.cells, value, 1);
            profile.features[1].add_nulls(1);
            profile.score.add(&baseline.score, Some(0.4), None, 1);
        }
        let counted = CountedDays {
            baseline: baseline.clone(),
            days: vec![CountedDay {
                data_version: "1".to_owned(),
                day: Some("2026-11-22".parse().unwrap()),
                profile,
            }],
            left_out_rows: 0,
        };
        let scored = "2026-11-23".parse().unwrap();
        Live::new(&counted, &Choice::default(), &rules(), None, scored).unwrap()
    };
    let marked = |live: &Live| -> Vec<String> {
        let features = live.drift.features.iter();
        let bounded = features.filter(|of| of.current.bounded);
        bounded.map(|of| of.name.clone()).collect()
    };
    let (far, near) = (live(1e15), live(1e6));
    assert_eq!(marked(&far), std::slice::from_ref(&of_model.name));
    assert_eq!(marked(&near), Vec::<String>::new());
    let (far, near) = (page_of(far), page_of(near));
    for text in ["(bound)", "are bounds here"] {
        assert!(far.contains(text) && !near.contains(text), "{text}: {far}");
    }
}
