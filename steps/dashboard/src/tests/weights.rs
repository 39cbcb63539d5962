//! Days whose rows weigh, beside scikit-learn's `sample_weight`.

use std::process::{Command, Stdio};

use learn::metrics::weighted;
use pages::content::{Day, Period};
use pages::page::periods;

use super::*;

fn weight(row: usize) -> f64 {
    // Of any size, and rows that do not count.
    [0.0, 1e-7, 0.25, 3.0, 12_345.678][row * 7 % 5] * (1.0 + (row % 11) as f64 / 7.0)
}

/// A dashboard over rows that weigh, in a database of its own. Some were scored twice, and the
/// labels of some came in between.
async fn weighed(database: &str) -> (Home, SocketAddr, String) {
    let mut home = home().await;
    home.weight = Some(weight);
    let url = postgres().create_database(database).unwrap();
    let mut before = Rows::simple(900);
    before.score.iter_mut().for_each(|score| {
        *score = score.map(|score| 1.0 - score);
    });
    publish(&home, &url, before, 3, "1").await;
    publish(&home, &url, Rows::simple(2_000), 3, "2").await;
    let at = serve_tables(&home, &url, vec![table()]).await;
    (home, at, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn days_of_rows_that_weigh_are_those_of_scikit_learn() {
    let (_home, at, url) = weighed("weighed").await;
    for threshold in ["0.5", "0.3"] {
        let query = format!("/tables/days.json?model=m&version=3&threshold={threshold}");
        let shown = page(at, &query).await;
        let mut python = Command::new(testing::python().unwrap())
            .arg("-c")
            .arg(include_str!("weights/check.py"))
            .env("DATABASE_URL", &url)
            .env("THRESHOLD", threshold)
            .env("VERSION", "3")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = python.stdin.take().unwrap();
        input.write_all(shown.as_bytes()).unwrap();
        drop(input);
        let said = python.wait_with_output().unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&said).trim(), "same");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn periods_ranges_and_curves_weigh_the_rows_of_their_days() {
    let home = home().await;
    let rows = Rows::simple(800);
    let key = home.results(std::slice::from_ref(&rows)).await;
    let results: ResultsManifest = manifest::require(&home.store, &key).await.unwrap();
    let of_rows = (*baseline(&home, &results).await).clone();
    let of_weights = Arc::new(Baseline {
        weight: Some("weight".to_owned()),
        ..of_rows.clone()
    });
    let weights = Float64Array::from_iter_values((0..800).map(weight));
    let live = |baseline: &Arc<Baseline>| {
        let mut profiler = Profiler::new(baseline, 1 << 26);
        let days: Vec<Option<i32>> = (0..800).map(|i| Some(20_148 + i % 4)).collect();
        let label = |label: &Option<i64>| label.map(|label| label as f64);
        let labels: Vec<Option<f64>> = rows.label.iter().map(label).collect();
        let counted = Counted {
            days: &days,
            labels: &labels,
            scores: &Float64Array::from(rows.score.clone()),
            weights: Some(&weights),
            features: &[],
        };
        profiler.add(counted, 1).unwrap();
        // Taken off and added again nothing is left behind.
        profiler.add(counted, -1).unwrap();
        profiler.add(counted, 1).unwrap();
        let day = |(day, profile): (&Option<i32>, &profile::profiles::Profile)| CountedDay {
            data_version: "1".to_owned(),
            day: day.and_then(profile::days::date),
            profile: profile.clone(),
        };
        let counted = CountedDays {
            baseline: baseline.clone(),
            days: profiler.days().iter().map(day).collect(),
            left_out_rows: 0,
        };
        let scored = "2026-11-23".parse().unwrap();
        Live::new(&counted, &Choice::default(), &rules(), None, scored).unwrap()
    };
    let measured = |scores: &dyn Fn(f64) -> bool| {
        let mut all = weighted::Classification::new(0.5);
        for row in 0..800 {
            let (Some(label), Some(score)) = (rows.label[row], rows.score[row]) else {
                continue;
            };
            if scores(score) {
                let weight = [weight(row)];
                all.add_rows(&[label as f64], &[score], Some(&weight))
                    .unwrap();
            }
        }
        all.report()
    };
    let near = |is: Option<f64>, expected: Option<f64>, what: &str| {
        let (is, expected) = (is.unwrap(), expected.unwrap());
        assert!((is - expected).abs() < 1e-9, "{what}: {is} {expected}");
    };
    let shown = live(&of_weights);
    let (overall, expected) = (
        shown.performance.overall.as_ref().unwrap(),
        measured(&|_| true),
    );
    near(
        overall.weight.map(|of| of / expected.weight),
        Some(1.0),
        "weight",
    );
    near(
        overall.balanced_accuracy,
        expected.balanced_accuracy,
        "balanced accuracy",
    );
    near(overall.brier, expected.brier, "Brier score");

    let month = periods::periods(&shown.performance.days, Some(Period::Month));
    let [of_month]: [Day; 1] = month.points.try_into().unwrap();
    near(
        of_month.accuracy,
        expected.accuracy,
        "accuracy of the month",
    );
    near(of_month.f1, expected.f1, "F1 of the month");
    assert_eq!(of_month.intervals, Default::default());

    for range in &shown.by_score {
        let (lower, upper) = (range.lower.unwrap_or(0.0), range.upper.unwrap_or(2.0));
        let expected = measured(&|score| score >= lower && score < upper);
        near(range.accuracy, expected.accuracy, "accuracy of a range");
    }
    let point = shown
        .performance
        .curve
        .iter()
        .find(|point| point.threshold == 0.5);
    let [_, false_positives, _, true_positives] = expected.confusion;
    let [positives, negatives] = point.unwrap().weights.unwrap();
    near(
        Some(positives / true_positives),
        Some(1.0),
        "true positives",
    );
    near(
        Some(negatives / false_positives),
        Some(1.0),
        "false positives",
    );

    // Without a column of weights rows count, whatever stands beside them.
    let counted = live(&Arc::new(of_rows));
    assert_eq!(counted.performance.overall.as_ref().unwrap().weight, None);
    assert!(
        counted
            .performance
            .days
            .iter()
            .all(|day| day.weights.is_none())
    );
}
