//! Profiles against numpy's counts of the table, whatever was published, in whatever order.

use crate::Retention;
use crate::lab::{Home, Results, Time, baseline};

const DAY: &str = "at::date";

#[tokio::test]
async fn profiles_say_what_the_table_holds_however_often_rows_are_overwritten() {
    let all = [
        Results::new("1", 1, 10, 0..900),
        Results::new("20", 1, 20, 500..1500),
        Results::new("1", 2, 30, 300..600),
        Results::new("300", 1, 5, 2000..2100),
        Results {
            labelled: |_| false,
            ..Results::new("300", 2, 40, 0..300)
        },
    ];
    let mut outcomes = Vec::new();
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
        let mut home = Home::new();
        for index in order {
            home.publish(&all[index]).await.unwrap();
            home.assert_profiles_are_true(DAY);
        }
        // Nothing more comes of it.
        home.publish(&all[order[1]]).await.unwrap();
        home.step = home.step.refreshing();
        let before = home.profiles();
        home.publish(&all[order[2]]).await.unwrap();
        assert_eq!(home.profiles(), before);
        // The order decides which version's label counts if several have one.
        outcomes.push(home.psql(
            "SELECT model_version, data_version, day, rows, unscored_rows, features FROM prediction_profiles ORDER BY 1, 2, 3",
        ));
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn what_rows_weigh_is_added_and_taken_off_with_them() {
    let home = Home::weighing();
    let weighing = |scored, ids| Results {
        weighs: true,
        ..Results::new("1", 1, scored, ids)
    };
    for (scored, ids) in [(10, 0..900), (30, 300..600), (20, 500..1500)] {
        home.publish(&weighing(scored, ids)).await.unwrap();
        home.assert_profiles_are_true(DAY);
    }
    let late = [(301, Some(1)), (302, None), (304, Some(0)), (1200, Some(1))];
    home.label(&weighing(20, 500..1500), &[("a.csv", &late[..])])
        .await
        .unwrap();
    home.assert_profiles_are_true(DAY);
    // Rows without the column weigh 1, as those that lack a weight do.
    home.publish(&Results::new("2", 1, 40, 1500..1700))
        .await
        .unwrap();
    home.assert_profiles_are_true(DAY);
}

#[tokio::test]
async fn days_are_those_of_the_time_zone_and_there_is_one_profile_without_a_time() {
    let mut home = Home::new();
    home.baseline = Some(baseline(0.5, "Europe/Berlin"));
    let zoned = |scored, ids| Results {
        time: Time::Zoned,
        ..Results::new("1", 1, scored, ids)
    };
    home.publish(&zoned(1, 0..300)).await.unwrap();
    home.publish(&zoned(2, 200..500)).await.unwrap();
    home.assert_profiles_are_true("(at AT TIME ZONE 'Europe/Berlin')::date");
    assert_eq!(
        home.psql("SELECT min(day), count(*) FROM prediction_profiles"),
        "2025-01-01|6"
    );

    let home = Home::new();
    let timeless = |scored, ids| Results {
        time: Time::None,
        ..Results::new("1", 1, scored, ids)
    };
    home.publish(&timeless(1, 0..300)).await.unwrap();
    home.publish(&timeless(2, 200..500)).await.unwrap();
    home.assert_profiles_are_true("NULL::date");
    assert_eq!(
        home.psql("SELECT day IS NULL, rows FROM prediction_profiles"),
        "t|500"
    );
}

#[tokio::test]
async fn a_model_that_is_another_one_under_the_same_version_is_counted_anew() {
    let mut home = Home::new();
    home.baseline = None;
    home.publish(&Results::new("1", 1, 1, 0..200))
        .await
        .unwrap();
    assert_eq!(home.profiles(), "");
    for (scored, step) in [(2, 0.5), (3, 0.25)] {
        home.baseline = Some(baseline(step, "Etc/UTC"));
        home.publish(&Results::new("20", 1, scored, 100 * scored as usize..700))
            .await
            .unwrap();
        home.assert_profiles_are_true(DAY);
    }
    assert_eq!(
        home.psql("SELECT sum(rows) FROM prediction_profiles"),
        "700"
    );
    assert_eq!(
        home.psql("SELECT baseline->>'model' FROM prediction_baselines"),
        "model of 0.25"
    );
}

#[tokio::test]
async fn what_somebody_else_changed_is_counted_anew_when_it_shows() {
    let home = Home::new();
    home.publish(&Results::new("1", 1, 1, 0..400))
        .await
        .unwrap();
    home.psql("UPDATE prediction_profiles SET features = '{}' WHERE day = '2025-01-02'");
    home.psql("UPDATE prediction_profiles SET unlabelled = ARRAY[1, 2] WHERE day = '2025-01-03'");
    home.psql("DELETE FROM prediction_profiles WHERE day = '2025-01-04'");
    home.publish(&Results::new("20", 1, 2, 200..600))
        .await
        .unwrap();
    home.assert_profiles_are_true(DAY);

    home.psql("TRUNCATE predictions");
    home.publish(&Results::new("1", 1, 1, 0..400))
        .await
        .unwrap();
    home.assert_profiles_are_true(DAY);
    home.psql("DROP TABLE predictions");
    home.publish(&Results::new("20", 1, 2, 200..600))
        .await
        .unwrap();
    home.assert_profiles_are_true(DAY);
}

#[tokio::test]
async fn a_label_that_is_known_stays_known_whichever_scoring_comes_first() {
    let labelled = Results {
        labelled: |_| true,
        ..Results::new("1", 1, 1, 0..200)
    };
    let unlabelled = Results {
        labelled: |_| false,
        ..Results::new("20", 2, 2, 100..300)
    };
    let mut outcomes = Vec::new();
    for order in [[&labelled, &unlabelled], [&unlabelled, &labelled]] {
        let home = Home::new();
        for results in order {
            home.publish(results).await.unwrap();
            home.assert_profiles_are_true(DAY);
        }
        assert_eq!(
            home.psql(
                "SELECT model_version, count(*), count(y) FROM predictions GROUP BY 1 ORDER BY 1"
            ),
            "1|100|100\n2|200|100"
        );
        outcomes.push((
            home.profiles(),
            home.psql("SELECT * FROM predictions ORDER BY id"),
        ));
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

#[tokio::test]
async fn columns_that_other_versions_lack_do_not_matter() {
    let mut home = Home::new();
    home.publish(&Results::new("1", 1, 1, 0..200))
        .await
        .unwrap();
    home.psql("ALTER TABLE predictions DROP COLUMN flag");
    // The row of the dropped feature is unknown now, and was not when it was counted: the day is
    // counted again.
    let mut other = (*baseline(0.5, "Etc/UTC")).clone();
    other.features.truncate(1);
    home.baseline = Some(std::sync::Arc::new(other));
    home.publish(&Results::new("20", 2, 2, 100..300))
        .await
        .unwrap();
    assert_eq!(
        home.psql("SELECT model_version, sum(rows) FROM prediction_profiles GROUP BY 1 ORDER BY 1"),
        "1|100\n2|200"
    );
}

#[tokio::test]
async fn whatever_is_published_labelled_and_dropped_in_whatever_order_the_profiles_are_true() {
    for seed in 0..8_u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut home = if seed % 2 == 0 {
            Home::new()
        } else {
            Home::partitioned()
        };
        for _ in 0..6 {
            let (from, rows) = (next(400) as usize, 50 + next(400) as usize);
            let data_version = ["1", "20", "300"][next(3) as usize];
            let results = Results {
                days: 70,
                labelled: if next(2) == 0 {
                    |_| false
                } else {
                    |i| i % 4 == 0
                },
                ..Results::new(
                    data_version,
                    1 + next(3),
                    next(50) as i64,
                    from..from + rows,
                )
            };
            match next(8) {
                0..5 => drop(home.publish(&results).await.unwrap()),
                5 | 6 => {
                    let known: Vec<_> = (from..from + rows)
                        .map(|i| (i, Some(next(2) as u8)))
                        .collect();
                    home.label(&results, &[("a.parquet", &known[..])])
                        .await
                        .unwrap();
                }
                _ => {
                    let (days, now) = (
                        20 + next(20) as u32,
                        "2025-03-01T12:00:00Z".parse().unwrap(),
                    );
                    let retention = Retention::new(&results.publication(), days).unwrap();
                    home.database()
                        .retain(&home.table, &retention, now)
                        .await
                        .unwrap();
                }
            }
            home.step = if next(3) == 0 {
                home.step.refreshing()
            } else {
                home.step
            };
        }
        home.publish(&Results::new("4000", 1, 100, 0..10))
            .await
            .unwrap();
        home.assert_profiles_are_true(DAY);
    }
}

#[tokio::test]
async fn the_queries_of_the_documentation_give_what_the_rows_give() {
    let home = Home::weighing();
    home.publish(&Results {
        labelled: |_| true,
        weighs: true,
        ..Results::new("1", 1, 1, 0..900)
    })
    .await
    .unwrap();
    let page = include_str!("../../../../docs/profiles.md")
        .replace("feature1", "x")
        .replace("customer-classifier", "churn");
    let blocks: Vec<&str> = page
        .split("```")
        .skip(1)
        .step_by(2)
        .map(|block| block.trim_start_matches("sql\n"))
        .collect();
    let [rows, moments, categories, accuracy, by_weight] = blocks[..] else {
        panic!("{blocks:?}")
    };
    let ask = |sql: &str| home.psql(sql.trim().split(';').next().unwrap());
    assert_eq!(ask(rows), home.psql("SELECT count(*) FROM predictions"));
    let of_rows = "SELECT at::date AS day, CASE WHEN city <> 'Oslo' THEN city END AS value, count(city) FROM predictions \
                   GROUP BY 1, 2 HAVING count(city) > 0 ORDER BY 1, 2 NULLS LAST";
    let page = ask(categories);
    let page: Vec<&str> = page.lines().filter(|line| !line.ends_with("|0")).collect();
    assert_eq!(page.join("\n"), home.psql(of_rows));
    let finite = "x IS NOT NULL AND x NOT IN ('NaN', 'Infinity', '-Infinity')";
    for (of_page, of_rows) in [
        (moments, format!("SELECT at::date, avg(x), stddev_pop(x) FROM predictions WHERE {finite} GROUP BY 1 ORDER BY 1")),
        (
            accuracy,
            "SELECT at::date, avg(((probability >= 0.5) = (y = 1))::int), avg((y = 1)::int) FILTER (WHERE probability >= 0.5) \
             FROM predictions WHERE probability IS NOT NULL GROUP BY 1 ORDER BY 1"
                .to_owned(),
        ),
        (
            by_weight,
            "SELECT at::date, sum(coalesce(w, 1) * ((probability >= 0.5) = (y = 1))::int) / sum(coalesce(w, 1)) \
             FROM predictions WHERE probability IS NOT NULL GROUP BY 1 ORDER BY 1"
                .to_owned(),
        ),
    ] {
        let (page, rows) = (ask(of_page), home.psql(&of_rows));
        let numbers = |text: &str| -> Vec<f64> {
            text.lines().flat_map(|line| line.split('|').skip(1)).map(|number| number.parse().unwrap()).collect()
        };
        let (page, rows) = (numbers(&page), numbers(&rows));
        assert!(!rows.is_empty() && page.len() == rows.len(), "{page:?} {rows:?}");
        assert!(page.iter().zip(&rows).all(|(a, b)| (a - b).abs() < 1e-9), "{page:?} {rows:?}");
    }
}
