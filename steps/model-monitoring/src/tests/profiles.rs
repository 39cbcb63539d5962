//! Numbers that are spread so unevenly that buckets of one width say too little of them.

use learn::splitmix::uniform;
use pages::content::{ColumnDrift, Content};
use profile::drift::Verdict;

use super::home::{Home, Names, Reported, Rows};

const TRAINED: usize = 4_000;
const SCORED: usize = 2_000;

/// Standard normal, by Box and Muller.
fn normal(seed: u64, i: usize) -> f64 {
    let i = i as u64;
    let radius = (-2.0 * libm::log(1.0 - uniform(seed, i))).sqrt();
    radius * libm::cos(std::f64::consts::TAU * uniform(seed ^ 0xabcd, i))
}

/// What a report says of rows whose `x1` is `scored`, by a model that was trained on `trained`.
async fn report(trained: impl Fn(usize) -> f64, scored: impl Fn(usize) -> f64) -> Content {
    let rows = |count: usize, value: &dyn Fn(usize) -> f64| {
        let mut rows = Rows::simple(count);
        rows.features[0] = (0..count).map(|i| Some(value(i))).collect();
        rows
    };
    let home = Home::new(Names::default(), &rows(TRAINED, &trained)).await;
    let results = home.results(&[rows(SCORED, &scored)]).await;
    home.report(&results).await.1.content
}

fn x1(content: &Content) -> &ColumnDrift {
    let mut features = content.drift.features.iter();
    features.find(|of| of.name == "x1").unwrap()
}

/// Asserts the verdict of `x1`, which is the only column that may have drifted.
fn is(content: &Content, verdict: Verdict, case: &str) {
    let x1 = x1(content);
    assert_eq!(x1.verdict, verdict, "{case}: {:?} {:?}", x1.psi, x1.hidden);
    assert_eq!(content.verdict, verdict, "{case}");
}

/// -999 in one of `every` rows; the others are normal about `mean` and by `spread`.
fn sentinel(seed: u64, every: usize, mean: f64, spread: f64) -> impl Fn(usize) -> f64 {
    move |i| match i % every {
        0 => -999.0,
        _ => mean + spread * normal(seed, i),
    }
}

#[tokio::test]
async fn sentinels_raise_no_alarm_where_nothing_moved() {
    for every in [50, 20, 5] {
        let content = report(
            sentinel(1, every, 100.0, 10.0),
            sentinel(2, every, 100.0, 10.0),
        )
        .await;
        is(&content, Verdict::Ok, &format!("one in {every}"));
    }
}

/// The others moved by one standard deviation of theirs, where the index is 1.
async fn is_seen_beside_sentinels(spread: f64) {
    for every in [50, 20, 5] {
        let trained = sentinel(1, every, 100.0, spread);
        let content = report(trained, sentinel(2, every, 100.0 + spread, spread)).await;
        is(&content, Verdict::Alert, &format!("one in {every}"));
    }
}

#[tokio::test]
async fn sentinels_hide_no_shift_of_values_that_are_far_apart() {
    is_seen_beside_sentinels(10.0).await;
}

#[tokio::test]
async fn sentinels_hide_no_shift_of_values_that_are_close_together() {
    is_seen_beside_sentinels(1.0).await;
}

/// Values whose logarithms moved by one standard deviation of theirs, where the index is 1.
async fn log_normal_is_judged(sigma: f64) {
    let of = |seed: u64, by: f64| move |i: usize| libm::exp(sigma * (normal(seed, i) + by));
    let content = report(of(1, 0.0), of(2, 0.0)).await;
    is(&content, Verdict::Ok, &format!("sigma {sigma}, the same"));
    let content = report(of(1, 0.0), of(2, 1.0)).await;
    is(&content, Verdict::Alert, &format!("sigma {sigma}, moved"));
}

#[tokio::test]
async fn log_normal_values_raise_an_alarm_when_they_moved_and_only_then() {
    log_normal_is_judged(1.0).await;
    log_normal_is_judged(2.0).await;
}

#[tokio::test]
async fn widely_spread_log_normal_values_are_judged_too() {
    log_normal_is_judged(3.0).await;
}

#[tokio::test]
async fn the_median_of_a_spike_is_the_spike() {
    let of = |seed: u64| {
        move |i: usize| match i % 10 {
            0..6 => 0.0,
            _ => libm::exp(8.0 + normal(seed, i)),
        }
    };
    let content = report(of(1), of(2)).await;
    let x1 = x1(&content);
    assert_eq!(x1.reference.median, Some(0.0));
    assert_eq!(x1.current.median, Some(0.0));
}

#[tokio::test]
async fn the_median_beside_a_far_value_is_that_of_the_rows() {
    let of = |seed: u64| {
        move |i: usize| match i {
            7 => 999_999_999.0,
            _ => 100.0 + 10.0 * normal(seed, i),
        }
    };
    let content = report(of(1), of(2)).await;
    // The middle of so many rows lies within 0.3 of 100, and a cell of quantiles is narrower than
    // 1.
    for median in [x1(&content).reference.median, x1(&content).current.median] {
        assert!((median.unwrap() - 100.0).abs() < 1.3, "{median:?}");
    }
}

/// `values` integers beside one another and a far one; odd ones go from one in five rows to four in
/// five.
fn integers(values: usize, odd: f64) -> impl Fn(usize) -> f64 {
    move |i| match i % 100 {
        0 => 100_000.0,
        _ => {
            let even = (uniform(3, i as u64) * (values / 2) as f64) as usize * 2;
            (even + usize::from(uniform(4, i as u64) < odd)) as f64
        }
    }
}

#[tokio::test]
async fn few_integers_with_other_shares_are_never_ok() {
    for values in [4, 6, 20, 60] {
        let content = report(integers(values, 0.2), integers(values, 0.8)).await;
        assert!(content.verdict >= Verdict::Warn, "{values} values");
    }
    // Without a far one each value has a bucket of its own.
    let near = |odd: f64| move |i: usize| integers(20, odd)(i).min(25.0);
    let content = report(near(0.2), near(0.8)).await;
    is(&content, Verdict::Alert, "no far value");
    let content = report(near(0.2), near(0.2)).await;
    is(&content, Verdict::Ok, "the same");
}

#[tokio::test]
async fn few_integers_with_other_shares_are_an_alert_beside_a_far_one() {
    for values in [4, 6, 20, 60] {
        let content = report(integers(values, 0.2), integers(values, 0.8)).await;
        is(&content, Verdict::Alert, &format!("{values} values"));
        let content = report(integers(values, 0.2), integers(values, 0.2)).await;
        is(&content, Verdict::Ok, &format!("{values} values, the same"));
    }
}

#[tokio::test]
async fn the_largest_integer_in_one_row_of_training_hides_no_shift() {
    for far in [9_223_372_036_854_775_808.0, -9_223_372_036_854_775_808.0] {
        let trained = move |i: usize| match i {
            7 => far,
            _ => 100.0 + 10.0 * normal(1, i),
        };
        let content = report(trained, |i| 150.0 + 10.0 * normal(2, i)).await;
        is(&content, Verdict::Alert, &format!("{far}"));
    }
}

#[tokio::test]
async fn the_largest_integer_in_one_scored_row_is_no_shift_and_does_not_hide_one() {
    let scored = |by: f64| {
        move |i: usize| match i {
            7 => 9_223_372_036_854_775_808.0,
            _ => 100.0 + by + 10.0 * normal(2, i),
        }
    };
    let trained = |i: usize| 100.0 + 10.0 * normal(1, i);
    is(&report(trained, scored(0.0)).await, Verdict::Ok, "the same");
    is(
        &report(trained, scored(10.0)).await,
        Verdict::Alert,
        "moved",
    );
}

/// `sentinel.json` is of a model that the first release trained on `x1`, -999 in one of
/// twenty rows and else about normal around 100, and on `x2`, whole numbers from 0 to 5.
#[tokio::test]
async fn a_model_of_the_first_release_is_judged_as_the_first_release_did() {
    let home = Home::new(Names::default(), &Rows::simple(600)).await;
    home.put_reference(include_bytes!(
        "../../../../common/testing/fixtures/released/sentinel.json"
    ))
    .await;
    let mut rows = Rows::simple(SCORED);
    let bell = |i: u64| (0..12).fold(0.0, |sum, k| sum + uniform(2, i * 12 + k)) - 6.0;
    let amount = |i: usize| match i % 20 {
        0 => -999.0,
        _ => 101.0 + bell(i as u64),
    };
    rows.features = vec![
        (0..SCORED).map(|i| Some(amount(i))).collect(),
        (0..SCORED)
            .map(|i| Some((uniform(52, i as u64) * 7.0).floor()))
            .collect(),
    ];
    // Nothing of x1 moved, as far as its grid tells: that is not enough to be ok.
    let mut calm = rows.clone();
    let still = |i: usize| amount(i) - f64::from(u8::from(!i.is_multiple_of(20)));
    calm.features[0] = (0..SCORED).map(|i| Some(still(i))).collect();
    let results = home.results(&[calm]).await;
    let content = home.report(&results).await.1.content;
    assert_eq!(x1(&content).verdict, Verdict::Warn);
    assert!(x1(&content).psi.as_ref().is_some_and(|psi| psi.value < 0.1));

    let results = home.results(&[rows]).await;
    let content = home.report(&results).await.1.content;
    // What its report said of the same rows.
    for (name, psi, buckets, ks, mean) in [
        (
            "x1",
            0.8160966151608023,
            11,
            0.3656393826005613,
            45.99587772095676,
        ),
        ("x2", 1.125757109584764, 7, 0.15000000000000002, 2.95),
    ] {
        let mut features = content.drift.features.iter();
        let column = features.find(|of| of.name == name).unwrap();
        let found = column.psi.as_ref().unwrap();
        assert_eq!(column.verdict, Verdict::Alert, "{name}");
        // Values within a bucket of the ends of training may count on the other side of them.
        assert!((found.value - psi).abs() < 2e-3, "{name}: {found:?}");
        assert_eq!(found.buckets.len(), buckets, "{name}: {found:?}");
        let statistic = column.ks.unwrap().statistic;
        assert!((statistic - ks).abs() < 0.02, "{name}: {statistic}");
        let now = column.current.mean.unwrap();
        assert!((now - mean).abs() < 1e-9, "{name}: {now}");
    }
    let hidden = x1(&content).hidden.unwrap();
    assert!((hidden - 0.7093857187402557).abs() < 1e-12, "{hidden}");
    let said = content
        .findings
        .iter()
        .find(|of| of.text.starts_with("x1 cannot be judged"));
    assert!(said.is_some(), "{:?}", content.findings);
    let values = {
        let mut features = content.drift.features.iter();
        features.find(|of| of.name == "x2").unwrap().values.clone()
    };
    assert_eq!(
        values.map(|of| (of.new, of.vanished)),
        Some((vec![6.0], vec![]))
    );
}
