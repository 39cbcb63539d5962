//! Labels against a join in SQL, and profiles against numpy, whatever came first.

use crate::lab::{Home, Results, Time, id};
use runtime::failure::exit_code;

const DAY: &str = "at::date";
/// Nothing is labelled when it is scored.
const LATER: fn(usize) -> bool = |_| false;

fn later(
    data_version: &'static str,
    version: u64,
    scored: i64,
    ids: std::ops::Range<usize>,
) -> Results {
    Results {
        labelled: LATER,
        ..Results::new(data_version, version, scored, ids)
    }
}

fn labels(
    ids: std::ops::Range<usize>,
    label: impl Fn(usize) -> Option<u8>,
) -> Vec<(usize, Option<u8>)> {
    ids.map(|id| (id, label(id))).collect()
}

#[tokio::test]
async fn labels_are_filled_in_where_they_change_something_and_the_last_file_wins() {
    let home = Home::new();
    let results = later("1", 1, 1, 0..500);
    home.publish(&results).await.unwrap();
    let first = labels(0..300, |i| (!i.is_multiple_of(3)).then_some((i % 2) as u8));
    let second = labels(200..600, |i| (i % 5 > 0).then_some(1));
    let files = [
        ("labels/1.parquet", &first[..]),
        ("labels/2.parquet", &second[..]),
    ];
    let before = home.psql("SELECT xmin, id FROM predictions ORDER BY id");

    let labelled = home.label(&results, &files).await.unwrap();
    let expected = |i: usize| match i {
        200.. if !i.is_multiple_of(5) => Some(1),
        ..300 if !i.is_multiple_of(3) => Some(i % 2),
        _ => None,
    };
    let known = (0..600).filter(|i| expected(*i).is_some()).count() as u64;
    let absent = (500..600).filter(|i| expected(*i).is_some()).count() as u64;
    assert_eq!(
        (
            labelled.labels,
            labelled.changed,
            labelled.absent,
            labelled.reused
        ),
        (known, known - absent, absent, false)
    );
    let mut rows: Vec<(String, Option<usize>)> = (0..500).map(|i| (id(i), expected(i))).collect();
    rows.sort();
    let shown: Vec<String> = rows
        .iter()
        .map(|(id, y)| format!("{id}|{}", y.map_or(String::new(), |y| y.to_string())))
        .collect();
    assert_eq!(
        home.psql("SELECT id, y FROM predictions ORDER BY id COLLATE \"C\""),
        shown.join("\n")
    );
    home.assert_profiles_are_true(DAY);

    // Rows that got none were not written.
    let after = home.psql("SELECT xmin, id FROM predictions ORDER BY id");
    assert_eq!(
        before.lines().filter(|line| after.contains(*line)).count() as u64,
        500 - labelled.changed
    );
    let again = home.label(&results, &files).await.unwrap();
    assert_eq!(
        (again.reused, again.labels, again.changed),
        (true, known, labelled.changed)
    );
    assert_eq!(
        home.psql("SELECT count(*), min(files), min(workflow) FROM prediction_labels"),
        "1|2|w"
    );

    // A correction, and a file that is taken away: what was filled in stays.
    let third = labels(0..10, |_| Some(0));
    let corrected = home
        .label(&results, &[files[0], ("labels/3.parquet", &third[..])])
        .await
        .unwrap();
    assert!(!corrected.reused && corrected.changed > 0);
    assert_eq!(home.psql("SELECT count(*) FROM predictions WHERE y = 0"), {
        let zero = |i: &usize| {
            if *i < 10 {
                true
            } else {
                (if *i < 300 && !i.is_multiple_of(3) {
                    Some(i % 2)
                } else {
                    expected(*i)
                }) == Some(0)
            }
        };
        (0..500).filter(zero).count().to_string()
    });
    home.assert_profiles_are_true(DAY);
}

#[tokio::test]
async fn labels_and_scorings_in_any_order_give_the_same_tables() {
    let (first, second) = (later("1", 1, 1, 0..300), later("20", 2, 2, 200..400));
    let known = labels(100..450, |i| Some((i % 2) as u8));
    let files = [("labels/1.parquet", &known[..])];
    let mut outcomes = Vec::new();
    for order in [
        "first second labels",
        "first labels second labels",
        "second labels first labels",
        "labels second first labels",
    ] {
        let home = Home::new();
        for what in order.split(' ') {
            match what {
                "first" => drop(home.publish(&first).await.unwrap()),
                "second" => drop(home.publish(&second).await.unwrap()),
                _ => {
                    // With nothing published since, there is nothing to do; and else there is.
                    home.label(&second, &files).await.unwrap();
                }
            }
        }
        home.assert_profiles_are_true(DAY);
        assert!(home.label(&first, &files).await.unwrap().reused);
        outcomes.push((
            home.psql("SELECT * FROM predictions ORDER BY id"),
            home.profiles(),
        ));
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_label_outlives_a_scoring_without_one() {
    let home = Home::new();
    home.publish(&later("1", 1, 1, 0..100)).await.unwrap();
    let known = labels(0..100, |i| Some((i % 2) as u8));
    home.label(&later("1", 1, 1, 0..100), &[("a.parquet", &known[..])])
        .await
        .unwrap();
    home.publish(&later("20", 1, 2, 0..100)).await.unwrap();
    assert_eq!(
        home.psql("SELECT data_version, count(*), sum(y) FROM predictions GROUP BY 1"),
        "20|100|50"
    );
    home.assert_profiles_are_true(DAY);
}

#[tokio::test]
async fn only_predictions_of_the_model_are_labelled_and_a_table_that_is_not_there_is_no_failure() {
    let home = Home::new();
    let results = later("1", 1, 1, 0..50);
    let known = labels(0..50, |_| Some(1));
    let labelled = home
        .label(&results, &[("a.parquet", &known[..])])
        .await
        .unwrap();
    assert_eq!((labelled.changed, labelled.reused), (0, false));

    home.publish(&results).await.unwrap();
    home.psql(
        "INSERT INTO predictions SELECT id, at, y, x, flag, city, probability, 'other', 1, '1', scored_at FROM predictions",
    );
    assert_eq!(
        home.label(&results, &[("a.parquet", &known[..])])
            .await
            .unwrap()
            .changed,
        50
    );
    assert_eq!(
        home.psql("SELECT model_name, count(y) FROM predictions GROUP BY 1 ORDER BY 1"),
        "churn|50\nother|0"
    );
}

#[tokio::test]
async fn labels_that_cannot_be_joined_are_refused() {
    let home = Home::new();
    home.publish(&later("1", 1, 1, 0..50)).await.unwrap();
    let zoned = Results {
        time: Time::Zoned,
        ..later("1", 1, 1, 0..50)
    };
    let known = labels(0..50, |_| Some(1));
    let error = home
        .label(&zoned, &[("a.parquet", &known[..])])
        .await
        .unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert!(
        error
            .to_string()
            .contains("\"at\" is timestamp without time zone in the table"),
        "{error}"
    );
}

#[tokio::test]
async fn labels_that_are_filled_in_at_the_same_time_give_what_one_gives() {
    let home = Home::new();
    let results = later("1", 1, 1, 0..400);
    home.publish(&results).await.unwrap();
    let known = labels(0..400, |i| Some((i % 2) as u8));
    let files = [("a.parquet", &known[..])];
    let republished = later("20", 1, 2, 100..200);
    let (one, other, published) = tokio::join!(
        home.label(&results, &files),
        home.label(&results, &files),
        home.publish(&republished)
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    published.unwrap();
    home.label(&results, &files).await.unwrap();
    assert!(
        one.changed == 400 || other.changed == 400,
        "{one:?} {other:?}"
    );
    assert_eq!(
        home.psql("SELECT count(*), sum(y) FROM predictions"),
        "400|200"
    );
    home.assert_profiles_are_true(DAY);
}
