//! What a verdict and the findings say of what once passed in silence.

use catalog::layout::Split;
use catalog::manifest::{DatasetManifest, Header, Inputs, RawShard, TimeRange};
use learn::model::ClassWeight;
use pages::content::{Area, Content, Severity};
use profile::drift::Verdict;
use profile::reference::CategoryProfile;

use super::home::{Home, Names, Reported, Rows, version};
use settings::monitored::MonitorColumns;

const DAY: i64 = 86_400_000_000;
/// 2026-11-23, when the rows of a home are scored.
const SCORED: i64 = 20_780 * DAY;

fn finding<'a>(content: &'a Content, part: &str) -> &'a str {
    let found = content.findings.iter().find(|of| of.text.contains(part));
    let all: Vec<&str> = content.findings.iter().map(|of| of.text.as_str()).collect();
    &found
        .unwrap_or_else(|| panic!("no {part:?} among {all:#?}"))
        .text
}

async fn report(home: &Home, rows: Rows) -> Content {
    let results = home.results(&[rows]).await;
    home.report(&results).await.1.content
}

/// A home whose training held two regions, evenly.
async fn with_regions(regions: fn(usize) -> Option<&'static str>) -> Home {
    let reference = Rows::simple(4_000);
    let mut home = Home::new(Names::default(), &reference).await;
    home.categories = vec![CategoryProfile {
        name: "region".to_owned(),
        rows: 4_000,
        nulls: 0,
        values: Some(vec![
            ("north".to_owned(), 2_000),
            ("south".to_owned(), 2_000),
        ]),
    }];
    home.put_model(&reference).await;
    home.region = Some(regions);
    home
}

#[tokio::test]
async fn a_new_value_a_vanished_one_and_new_nulls_are_not_ok() {
    type Regions = fn(usize) -> Option<&'static str>;
    let even: Regions = |i| Some(["north", "south"][i % 2]);
    let new: Regions = |i| match i % 20 {
        0 => Some("west"),
        i => Some(["north", "south"][i % 2]),
    };
    let few: Regions = |i| match i % 500 {
        0 => Some("west"),
        i => Some(["north", "south"][i % 2]),
    };
    let gone: Regions = |_| Some("north");
    let nulls: Regions = |i| match i % 10 {
        0 => None,
        i => Some(["north", "south"][i % 2]),
    };
    for (name, regions, ok, said) in [
        ("even", even, true, ""),
        (
            "new",
            new,
            false,
            "5 % of the rows hold \"west\" which training did not have",
        ),
        ("few", few, true, "0.2 % of the rows hold \"west\""),
        (
            "gone",
            gone,
            false,
            "no row holds \"south\" (50 % of training)",
        ),
        ("nulls", nulls, false, "nulls went from 0 % to 10 %"),
    ] {
        let content = report(&with_regions(regions).await, Rows::simple(2_000)).await;
        assert_eq!(content.verdict == Verdict::Ok, ok, "{name}");
        if !said.is_empty() {
            assert!(finding(&content, said).starts_with("region"), "{name}");
        }
        let shown = &content.segments.columns[0].values;
        assert_eq!(shown[0].reference_share, Some(0.5), "{name}");
    }
    // A model of an earlier release can't judge it, and says so.
    let mut older = Home::new(Names::default(), &Rows::simple(4_000)).await;
    older.region = Some(new);
    let content = report(&older, Rows::simple(2_000)).await;
    assert_eq!(content.verdict, Verdict::Ok);
    finding(&content, "Values of region are not judged");
}

#[tokio::test]
async fn columns_that_are_taken_out_are_shown_and_do_not_decide() {
    let mut rows = Rows::simple(2_000);
    rows.features[1]
        .iter_mut()
        .for_each(|value| *value = Some(3.0));
    let mut home = Home::new(Names::default(), &Rows::simple(4_000)).await;
    let content = report(&home, rows.clone()).await;
    assert_eq!(content.verdict, Verdict::Alert);
    home.columns = "-x2".parse().unwrap();
    let content = report(&home, rows.clone()).await;
    assert_eq!(
        (content.verdict, content.drift.drifted_features),
        (Verdict::Ok, 0)
    );
    assert!(content.drift.psi_max < Some(0.1));
    let last = content.drift.features.last().unwrap();
    assert_eq!((last.name.as_str(), last.judged), ("x2", false));
    finding(&content, "MONITOR_COLUMNS excludes x2");
    home.columns = "x2".parse().unwrap();
    assert_eq!(report(&home, rows.clone()).await.verdict, Verdict::Alert);

    // Columns that only the next version has do not keep this one's report from being written.
    for (columns, verdict) in [
        ("-dow,-month", Verdict::Alert),
        ("x1,dow,month", Verdict::Ok),
        ("dow,month", Verdict::InsufficientData),
    ] {
        home.columns = columns.parse().unwrap();
        let content = report(&home, rows.clone()).await;
        assert_eq!(content.verdict, verdict, "{columns}");
        let unknown = finding(&content, "MONITOR_COLUMNS (--monitor-columns) names");
        assert!(
            unknown.contains(
                "names \"dow\", \"month\", which are none of the columns of model m, version 3, that a \
                 report judges: "
            ) && unknown.ends_with(
                "there are x1, x2, score; the verdict goes by the others: a column that only a later \
                 version of the model has counts once that version is the champion."
            ),
            "{unknown}"
        );
        assert!(
            home.html()
                .await
                .contains("which are none of the columns of model m, version 3")
        );
    }
    let none: MonitorColumns = "-x1,-x2,-score".parse().unwrap();
    home.columns = none;
    assert_eq!(
        report(&home, Rows::simple(500)).await.verdict,
        Verdict::InsufficientData
    );
}

#[tokio::test]
async fn dates_after_scoring_and_ancient_ones_are_counted_and_stand_in_no_day() {
    let home = Home::new(Names::default(), &Rows::simple(4_000)).await;
    let mut rows = Rows::simple(2_000);
    // Five rows of the year 9999, one of the day after scoring, two of 1970.
    for row in 0..5 {
        rows.at[row] = Some(253_370_764_800_000_000);
    }
    rows.at[5] = Some(SCORED + DAY);
    (rows.at[6], rows.at[7]) = (Some(0), Some(DAY));
    let content = report(&home, rows).await;
    let outside = &content.quality.outside;
    assert_eq!((outside.later_rows, outside.ancient_rows), (6, 2));
    let later = finding(&content, "dated after the day of scoring, 2026-11-23");
    assert!(
        later.contains("6 rows are") && later.contains("9999-01-01"),
        "{later}"
    );
    let ancient = finding(&content, "dated long before all others");
    assert!(
        ancient.contains("2 rows are") && ancient.contains("1970-01-01"),
        "{ancient}"
    );
    let days = &content.performance.days;
    assert_eq!(days.len(), 4);
    assert_eq!(days.iter().map(|day| day.rows).sum::<u64>(), 1_992);
    let periods = content.drift.periods.as_ref().unwrap();
    assert_eq!(periods.dates.len(), 4);
    let freshness = content.quality.freshness.as_ref().unwrap();
    assert_eq!(
        (freshness.last.to_string().as_str(), freshness.missing_days),
        ("2025-03-04", 0)
    );
}

#[tokio::test]
async fn a_day_of_nulls_and_a_day_without_rows_are_dated() {
    let home = Home::new(Names::default(), &Rows::simple(4_000)).await;
    let mut rows = Rows::simple(3_000);
    // A hundred rows a day; those of 13 November are a day late.
    for (i, at) in rows.at.iter_mut().enumerate() {
        let day = match i / 100 {
            20 => 21,
            day => day as i64,
        };
        *at = Some(SCORED + (day - 30) * DAY);
    }
    let calm = report(&home, rows.clone()).await;
    let gap = finding(&calm, "1 date has no rows");
    assert!(gap.ends_with(": 2026-11-13."), "{gap}");
    let unlike = |content: &Content| {
        let mut findings = content.findings.iter();
        findings.any(|of| of.text.contains("unlike training"))
    };
    assert!(!unlike(&calm), "{:#?}", calm.findings);
    assert!(
        home.html()
            .await
            .contains("1 day without rows (2026-11-13)")
    );

    rows.features[0][1_400..1_500].fill(None);
    let broken = report(&home, rows).await;
    let text = finding(&broken, "x1 is unlike training on its own on 1 of 29 days");
    assert!(
        text.contains(": 2026-11-07 (PSI ") && text.contains(", 100 % missing)"),
        "{text}"
    );
}

#[tokio::test]
async fn numbers_below_the_limits_that_training_did_not_have_are_noted() {
    let home = Home::new(Names::default(), &Rows::simple(4_000)).await;
    let mut rows = Rows::simple(2_000);
    rows.features[0][..5].fill(Some(-999.0));
    rows.features[1][..30].fill(None);
    let content = report(&home, rows).await;
    let expected = "x1: 5 rows (0.25 %) lie beyond the range of training, 0 to 96: down to −999, \
                    which looks like a placeholder for a missing value.";
    assert_eq!(finding(&content, "beyond the range"), expected);
    let expected = "x2: missing or infinite values went from 0 % to 1.5 %.";
    assert_eq!(finding(&content, "missing or infinite"), expected);
    let calm = report(&home, Rows::simple(2_000)).await;
    let mut findings = calm.findings.iter();
    assert!(
        !findings.any(|of| of.text.starts_with('x')),
        "{:#?}",
        calm.findings
    );
}

#[tokio::test]
async fn rows_dated_before_training_are_noted() {
    let home = Home::new(Names::default(), &Rows::simple(4_000)).await;
    let data = |split, first: &str| DatasetManifest {
        holdout: "fraction=0.1".to_owned(),
        rows: 4_000,
        labelled_rows: 4_000,
        shards: vec![RawShard {
            rows: 4_000,
            time: Some(TimeRange {
                first: first.parse().unwrap(),
                last: "2025-06-30T12:00:00".parse().unwrap(),
            }),
            ..RawShard::default()
        }],
        ..DatasetManifest::empty(
            Header::new(Inputs::new("data-prep", 1), &home.step),
            version("1"),
            split,
            "",
        )
    };
    let train = data(Split::Train, "2025-03-06T12:00:00");
    let holdout = data(Split::Holdout, "2025-03-05T12:00:00");
    for (key, data) in [("train", &train), ("holdout", &holdout)] {
        let key = format!("{key}/1/_manifest.json");
        home.store.put_json(&key, data).await.unwrap();
    }
    // From 1 to 4 March; the last of these may be the first day in another time zone.
    let content = report(&home, Rows::simple(2_000)).await;
    let expected = "1,500 rows are dated before the rows that the model was trained and measured \
                    on, which begin on 2025-03-05: from 2025-03-01 on.";
    assert_eq!(finding(&content, "dated before the rows"), expected);
}

#[tokio::test]
async fn a_model_that_predicts_one_class_alone_and_scores_that_are_no_probabilities_are_reported() {
    let low = |count: usize| {
        let mut rows = Rows::simple(count);
        rows.score
            .iter_mut()
            .for_each(|score| *score = score.map(|score| 0.3 + score / 10.0));
        rows.label = (0..count).map(|i| Some(i64::from(i % 500 == 0))).collect();
        rows
    };
    let mut home = Home::new(Names::default(), &low(4_000)).await;
    let content = report(&home, low(10_000)).await;
    let never = finding(&content, "The model never predicts 1");
    assert!(
        never.contains("highest score, 0.4") && never.contains("None of the 20 rows that are 1"),
        "{never}"
    );
    let apart = finding(&content, "times the base rate, 0.002");
    assert!(apart.contains("175 times"), "{apart}");
    // The advice is on what training reads.
    let (setting, key) = ("MODEL_CLASS_WEIGHT=none", "`calibration`");
    home.class_weight = ClassWeight::Balanced;
    let cases = [(false, setting, key), (true, key, setting)];
    for (more, (by_models_json, said, unsaid)) in (1..).zip(cases) {
        home.by_models_json = by_models_json;
        home.put_model(&low(4_000)).await;
        let balanced = report(&home, low(10_000 + more)).await;
        let apart = finding(&balanced, "This is expected");
        assert!(apart.contains(said) && !apart.contains(unsaid), "{apart}");
    }
    let warned = content
        .findings
        .iter()
        .filter(|of| of.severity == Severity::Warn)
        .count();
    assert!(warned >= 2);
    let above = content.performance.thresholds.iter();
    let found: Vec<f64> = above
        .filter(|at| at.predicted_positive_rate > Some(0.0))
        .map(|at| at.threshold)
        .collect();
    assert!(
        found.contains(&0.4),
        "the row of the highest score: {found:?}"
    );

    let calm = Home::new(Names::default(), &Rows::simple(4_000)).await;
    let content = report(&calm, Rows::simple(2_000)).await;
    for part in [
        "never predicts",
        "always predicts",
        "times the base rate",
        "Recall is 0",
    ] {
        assert!(
            !content.findings.iter().any(|of| of.text.contains(part)),
            "{part}"
        );
    }
}

#[tokio::test]
async fn a_far_value_in_training_hides_no_shift() {
    let spread = |i: usize, by: f64| by + (i * 7_919 % 10_007) as f64 / 500.0;
    let rows = |count: usize, by: f64| {
        let mut rows = Rows::simple(count);
        rows.features[0] = (0..count).map(|i| Some(spread(i, by))).collect();
        rows
    };
    for far in [999_999_999.0, -9.2e18] {
        let mut reference = rows(4_000, 100.0);
        reference.features[0][7] = Some(far);
        let home = Home::new(Names::default(), &reference).await;
        let content = report(&home, rows(2_000, 100.0)).await;
        assert_eq!(content.verdict, Verdict::Ok, "{far}");
        let content = report(&home, rows(2_000, 150.0)).await;
        assert_eq!(content.verdict, Verdict::Alert, "{far}");
        finding(&content, "x1 drifted");
        assert_eq!(content.drift.features[0].hidden, None);
    }
    // A value that many rows repeat hides nothing.
    let zeros = |mut rows: Rows| {
        let value = |(i, value): (usize, &mut Option<f64>)| {
            *value = if i % 10 < 6 { Some(0.0) } else { *value };
        };
        rows.features[0].iter_mut().enumerate().for_each(value);
        rows
    };
    let home = Home::new(Names::default(), &zeros(rows(4_000, 100.0))).await;
    let content = report(&home, zeros(rows(2_000, 100.0))).await;
    assert_eq!(content.verdict, Verdict::Ok, "{:?}", content.findings);
}

#[tokio::test]
async fn a_rare_value_that_vanished_is_seen() {
    let of = |count: usize, values: fn(usize) -> f64| {
        let mut rows = Rows::simple(count);
        rows.features[1] = (0..count).map(|i| Some(values(i))).collect();
        rows
    };
    // Twelve values: one of them, between others, in 4 % of the rows.
    let then = |i: usize| {
        if i.is_multiple_of(25) {
            5.5
        } else {
            (i % 11) as f64
        }
    };
    let home = Home::new(Names::default(), &of(4_400, then)).await;
    let content = report(&home, of(2_200, |i| (i % 11) as f64)).await;
    assert!(content.verdict >= Verdict::Warn, "{:?}", content.findings);
    finding(&content, "x2 drifted");
}

#[tokio::test]
async fn no_rows_are_never_ok() {
    let home = Home::new(Names::default(), &Rows::simple(4_000)).await;
    let content = report(&home, Rows::simple(0)).await;
    assert_eq!(content.verdict, Verdict::InsufficientData);
    finding(&content, "nothing was scored");
}

#[tokio::test]
async fn a_fit_that_did_not_converge_is_the_first_warning_and_its_advice_is_below() {
    let reference = Rows::simple(400);
    let mut home = Home::new(Names::default(), &reference).await;
    let fine = report(&home, Rows::simple(300)).await;
    assert!(!fine.findings.iter().any(|of| of.area == Area::Model));
    home.warnings = (0..7).map(|i| format!("warning number {i}")).collect();
    home.put_model(&reference).await;
    let mut rows = Rows::simple(300);
    rows.id.clone_from_slice(&vec!["c1".to_owned(); 300]);
    let content = report(&home, rows).await;
    let warnings = content.findings.iter();
    let first = warnings.clone().find(|of| of.severity == Severity::Warn);
    let first = first.unwrap();
    assert_eq!(first.area, Area::Model, "{:#?}", content.findings);
    assert!(first.text.contains("did not converge (Newton steps: 3)"));
    let html = home.html().await;
    for warning in &home.warnings {
        assert!(html.contains(&format!("<li>{warning}</li>")), "{warning}");
    }
    assert!(html.contains("2 more warnings"));
}
