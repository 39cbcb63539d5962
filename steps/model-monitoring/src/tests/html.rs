//! The page is well-formed, self-contained, and escapes what the data calls its columns.

use super::home::{Home, Names, Reported, Rows};

const VOID: [&str; 6] = ["meta", "br", "hr", "img", "input", "link"];

/// Checks that tags are balanced and that nothing needs more than the page itself.
fn check(page: &str) {
    let style = page.find("<style>").unwrap()..page.find("</style>").unwrap();
    let lower = page.to_lowercase();
    assert!(!page.contains("NaN"));
    for forbidden in [
        "<script",
        "javascript:",
        "http",
        "data:",
        "<link",
        "<img",
        "<iframe",
        "target=",
        "@import",
        "infinity",
    ] {
        assert!(!lower.contains(forbidden), "the page holds {forbidden}");
    }
    assert!(
        !page[style.clone()].contains("url(")
            || page[style.clone()].matches("url(").count() == page[style].matches("url(#").count()
    );
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").unwrap();
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("every tag ends");
        let tag = &rest[start + 1..end];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop(),
                Some(name),
                "</{name}> closes another element, after {}",
                &rest[..start.min(80)]
            );
        } else {
            let name = tag.split([' ', '\n', '/']).next().unwrap();
            attributes(tag);
            if !tag.ends_with('/') && !VOID.contains(&name) {
                open.push(name);
            }
            if name == "style" {
                rest = &rest[rest.find("</style>").unwrap()..];
                continue;
            }
        }
        rest = &rest[end + 1..];
    }
    assert_eq!(open, [] as [&str; 0], "elements are left open");
    ids(page);
}

/// Values are in double quotes, and none of them is run.
fn attributes(tag: &str) {
    assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
    for (index, piece) in tag.split('"').enumerate() {
        if index % 2 == 0 {
            let name = piece.trim_end_matches('=').rsplit(' ').next().unwrap();
            assert!(!name.starts_with("on"), "<{tag}> runs something");
        }
    }
}

/// Names are unique, and each one that is referred to is there.
fn ids(page: &str) {
    let values = |attribute: &str| -> Vec<&str> {
        page.split(&format!(" {attribute}=\""))
            .skip(1)
            .map(|piece| piece.split('"').next().unwrap())
            .collect()
    };
    let mut names = values("id");
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "an id stands twice");
    for name in values("aria-labelledby")
        .iter()
        .flat_map(|names| names.split(' '))
    {
        assert!(names.contains(&name), "{name} is not there");
    }
}

#[tokio::test]
async fn the_page_is_well_formed_whatever_the_columns_are_called() {
    let names = Names {
        id: "the \"id\"",
        time: Some("a.t"),
        target: "y '<i>'",
        features: vec!["<b>\"x\"</b> onload=\"1\"", "a b.c&amp;"],
    };
    let mut home = Home::new(names, &Rows::simple(400)).await;
    home.reasons = Some(|_| Some(r#"[{"feature": "<i>\"r", "contribution": -1.5}]"#.to_owned()));
    let mut rows = Rows::simple(300);
    rows.features[0]
        .iter_mut()
        .for_each(|value| *value = value.map(|value| value * 40.0));
    rows.features[1][7] = None;
    rows.score[7] = None;
    let results = home
        .results(&[rows.slice(0, 170), rows.slice(150, 300)])
        .await;
    home.deliver("1.parquet", &[("c4", 1_740_787_200_000_000, Some(1))]);
    let (outputs, report) = home.report(&results).await;
    assert_eq!(outputs.get("verdict"), Some("alert"));
    assert_eq!(report.content.quality.late_labels.matched_rows, 1);
    let page = home.html().await;
    check(&page);
    assert!(
        page.contains("&lt;b&gt;&quot;x&quot;&lt;/b&gt; onload=&quot;1&quot;")
            && page.contains("a b.c&amp;amp;")
            && page.contains("&lt;i&gt;&quot;r")
    );
}

#[tokio::test]
async fn every_kind_of_page_is_well_formed() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let unlabelled = Rows {
        label: vec![None; 150],
        ..Rows::simple(150)
    };
    let unscored = Rows {
        score: vec![None; 150],
        ..Rows::simple(150)
    };
    let one_class = Rows {
        label: vec![Some(1); 150],
        ..Rows::simple(150)
    };
    let nothing_finite = Rows {
        features: vec![vec![Some(f64::NAN); 150], vec![None; 150]],
        ..unscored.clone()
    };
    for parts in [
        vec![],
        vec![Rows::simple(1)],
        vec![unlabelled],
        vec![unscored],
        vec![one_class],
        vec![nothing_finite],
    ] {
        let results = home.results(&parts).await;
        home.try_report(&results).await.unwrap();
        check(&home.html().await);
    }
    let no_time = Home::new(
        Names {
            time: None,
            ..Names::default()
        },
        &Rows::simple(400),
    )
    .await;
    let results = no_time.results(&[Rows::simple(150)]).await;
    no_time.try_report(&results).await.unwrap();
    check(&no_time.html().await);
}

#[tokio::test]
async fn seven_hundred_days_and_three_hundred_features_stay_one_small_page_with_the_worst_first() {
    const FEATURES: usize = 300;
    let features: Vec<&'static str> = (0..FEATURES)
        .map(|i| &*Box::leak(format!("feature {i}").into_boxed_str()))
        .collect();
    let names = Names {
        features,
        ..Names::default()
    };
    let widen = |rows: Rows| Rows {
        features: vec![rows.features[0].clone(); FEATURES],
        ..rows
    };
    let home = Home::new(names, &widen(Rows::simple(2_000))).await;
    let mut rows = widen(Rows::simple(7_000));
    rows.at = (0..7_000)
        .map(|row| Some(1_640_995_200_000_000 + row % 700 * 86_400_000_000))
        .collect();
    rows.features[287]
        .iter_mut()
        .for_each(|value| *value = value.map(|value| value + 60.0));
    let results = home.results(&[rows]).await;
    let (_, report) = home.report(&results).await;
    assert_eq!(
        (
            report.content.performance.days.len(),
            report.content.drift.features.len()
        ),
        (700, FEATURES)
    );
    assert_eq!(
        report.content.drift.drifted_features, 1,
        "of many features none exceeds the limit by chance"
    );
    let page = home.html().await;
    check(&page);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    let place = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("{text} is not in the page"))
    };
    assert!(place("<h3>feature 287</h3>") < place("<h3>feature 0</h3>"));
    let folded = place("276 more features, which drifted less");
    assert!(
        page[..folded].ends_with("<details><summary>") && page[folded..].contains("feature 299")
    );
}
