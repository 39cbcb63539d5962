//! Whole numbers of which double precision holds some alone.

use super::home::{Home, Rows};

/// 2^53: of the whole numbers that follow, every second one is a double.
const MOST: i64 = 1 << 53;

const FAMILIES: [&str; 4] = [
    "linear-regression",
    "gradient-boosting",
    "random-forest",
    "mean",
];

/// Two features, and numbers to predict; the first 300 rows are the holdout.
fn rows(number: impl Fn(i64) -> i64) -> Rows {
    let features = |row: i64| vec![Some((row % 7) as f64), Some((row % 2) as f64)];
    Rows {
        x: (0..900).map(features).collect(),
        y: (0..900).map(|row| Some(number(row))).collect(),
    }
}

fn only(family: &str) -> String {
    format!(r#"{{"candidates": [{{"family": "{family}"}}]}}"#)
}

/// The warnings of a training on two files of 300 rows.
async fn warned(home: &Home, models: &str, rows: &Rows) -> Vec<String> {
    home.write_models(models);
    let shards = [rows.slice(300, 600), rows.slice(600, 900)];
    let flags = home.prepared("1", &rows.slice(0, 300), &shards).await;
    let outputs = home.train(&flags).await.unwrap();
    let manifest = home.manifest(&outputs).await;
    manifest.warnings
}

#[tokio::test]
async fn a_target_that_is_rounded_is_named_with_its_row() {
    for family in FAMILIES {
        let number = |row: i64| MOST + 2 * (row % 60) + i64::from(row == 617);
        let home = Home::of_number(2).await;
        let found = warned(&home, &only(family), &rows(number)).await;
        let of_rounding = found.iter().filter(|of| of.contains("precision rounds"));
        let of_rounding: Vec<&String> = of_rounding.collect();
        assert_eq!(of_rounding.len(), 1, "{family}: {found:?}");
        let expected = "target \"target\" is 9007199254741027 in raw file train/2.parquet (row 18 \
                        of train/1/part-";
        assert!(of_rounding[0].starts_with(expected), "{found:?}");
        let expected = "), id 17, which double precision rounds: different values may be taken \
                        for the same; write it less a constant into the raw files";
        assert!(of_rounding[0].ends_with(expected), "{found:?}");

        // What double precision holds is nothing to say.
        let number = |row: i64| MOST + 2 * (row % 60);
        let home = Home::of_number(2).await;
        let found = warned(&home, &only(family), &rows(number)).await;
        let said = found.iter().any(|of| of.contains("precision rounds"));
        assert!(!said, "{family}: {found:?}");
    }
}

#[tokio::test]
async fn the_first_value_that_is_rounded_is_the_first_in_the_order_of_the_files() {
    // The 24th row of the first file; of the second one the 18th, whose value is larger.
    let odd = |row: i64| i64::from(row == 323) + 1001 * i64::from(row == 617);
    let rows = rows(|row| MOST + 2 * (row % 60) + odd(row));
    let home = Home::of_number(2).await;
    let found = warned(&home, &only("mean"), &rows).await;
    let expected = "target \"target\" is 9007199254741039 in raw file train/1.parquet (row 24 of";
    let said = found.iter().find(|of| of.contains("precision rounds"));
    let said = said.unwrap();
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains(", the first of 2 such values: "), "{said}");
}

#[tokio::test]
async fn a_target_that_is_the_same_once_it_is_rounded_is_not_said_to_be_the_same() {
    let rows = rows(|row| MOST + row % 2);
    for family in FAMILIES {
        let home = Home::of_number(2).await;
        home.write_models(&only(family));
        let shards = [rows.slice(300, 900)];
        let flags = home.prepared("1", &rows.slice(0, 300), &shards).await;
        let (code, text) = home.refused(&flags).await;
        assert_eq!(code, 10, "{text}");
        for expected in [
            "target \"target\" is 9007199254740992 in double precision in all 600 rows of \
             train/1/_manifest.json: there is nothing to predict; target \"target\" is \
             9007199254740993 in raw file train/1.parquet (row 2 of train/1/part-",
            "), id 1, which double precision rounds, the first of 300 such values: different \
             values may be taken for the same; write it less a constant into the raw files",
        ] {
            assert!(text.contains(expected), "{family}: {text}");
        }
    }
}

#[tokio::test]
async fn features_that_are_rounded_are_named_unless_they_are_dropped() {
    let rows = rows(|row| 20 + row * 7 % 60);
    let sentence = |name: &str, id: i64, count: u64| {
        let begins = format!(
            "feature {name:?} is 9007199254740993 in raw file train/1.parquet (row {} of train/1/",
            id + 1
        );
        let ends = format!(
            "), id {id}, which double precision rounds, the first of {count} such values: \
             different values may be taken for the same; subtract a constant from it in \
             features.sql, or, where that does no harm, cast it to double there"
        );
        (begins, ends)
    };
    let home = Home::of_number(2).await.of_whole(MOST);
    let found = warned(&home, &only("mean"), &rows).await;
    assert_eq!(found.len(), 3, "{found:?}");
    for (said, (begins, ends)) in found
        .iter()
        .zip([sentence("feature1", 2, 257), sentence("feature2", 1, 300)])
    {
        assert!(said.starts_with(&begins) && said.ends_with(&ends), "{said}");
    }
    let expected = "feature \"feature2\" has one value in double precision in all training rows";
    assert!(found[2].starts_with(expected), "{found:?}");

    let home = Home::of_number(2).await.of_whole(MOST);
    let models = r#"{"candidates": [{"family": "mean"}],
        "preprocessing": {"columns": {"feature2": {"drop": true}}}}"#;
    let found = warned(&home, models, &rows).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&sentence("feature1", 2, 257).0));

    // What features.sql makes of them, as the warnings advise.
    let home = Home::of_number(2).await.of_whole(0);
    let found = warned(&home, &only("mean"), &rows).await;
    assert_eq!(found, [""; 0]);
}
