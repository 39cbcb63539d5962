//! Retention on tables with and without partitions.

use chrono::{DateTime, Utc};

use super::Retention;
use crate::lab::{Home, Results, Time, baseline};
use runtime::failure::exit_code;
use settings::PartitionBy;

/// Rows of 90 days from 2025-01-01.
fn results(data_version: &'static str, scored: i64) -> Results {
    Results {
        days: 90,
        ..Results::new(data_version, 1, scored, 0..900)
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl Home {
    async fn retain(&self, results: &Results, days: u32, now: &str) -> super::Dropped {
        let retention = Retention::new(&results.publication(), days).unwrap();
        self.database()
            .retain(&self.table, &retention, at(now))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn old_rows_are_deleted_and_their_profiles_stay() {
    let home = Home::new();
    home.publish(&results("1", 1)).await.unwrap();
    let before = home.profiles();
    let dropped = home
        .retain(&results("1", 1), 40, "2025-03-22T15:00:00Z")
        .await;
    assert_eq!((dropped.partitions, dropped.rows), (0, 400));
    assert_eq!(
        home.psql("SELECT min(at)::date, count(*) FROM predictions"),
        "2025-02-10|500"
    );
    assert_eq!(home.profiles(), before);
    assert_eq!(
        home.psql("SELECT kept_from FROM prediction_retention"),
        "2025-02-10 00:00:00+00"
    );
    assert_eq!(
        home.retain(&results("1", 1), 40, "2025-03-22T23:00:00Z")
            .await
            .rows,
        0
    );
    // Never back.
    assert_eq!(
        home.retain(&results("1", 1), 400, "2025-03-22T23:00:00Z")
            .await
            .rows,
        0
    );
    assert_eq!(
        home.psql("SELECT kept_from FROM prediction_retention"),
        "2025-02-10 00:00:00+00"
    );
}

#[tokio::test]
async fn days_that_reach_before_the_first_year_keep_all_rows() {
    let mut home = Home::new();
    // Here the first midnight of year 1 is an instant of the year before.
    home.step = home.step.in_timezone(chrono_tz::Asia::Tokyo);
    home.baseline = None;
    let zoned = Results {
        time: Time::Zoned,
        ..results("1", 1)
    };
    home.publish(&zoned).await.unwrap();
    // 739,331 days lie between 0001-01-01 and 2025-03-22.
    for days in [739_332, 740_000, 3_000_000, 99_999_999, 739_331] {
        let dropped = home.retain(&zoned, days, "2025-03-22T03:00:00Z").await;
        assert_eq!(dropped, super::Dropped::default(), "{days} days");
    }
    assert_eq!(
        home.psql("SELECT first_day FROM prediction_retention"),
        "0001-01-01"
    );
}

#[tokio::test]
async fn partitions_are_dropped_whole() {
    let home = Home::partitioned();
    home.publish(&results("1", 1)).await.unwrap();
    let before = home.profiles();
    let dropped = home
        .retain(&results("1", 1), 40, "2025-03-22T15:00:00Z")
        .await;
    assert_eq!((dropped.partitions, dropped.rows), (1, 0));
    assert_eq!(
        home.psql("SELECT min(at)::date, count(*) FROM predictions"),
        "2025-02-01|590"
    );
    assert_eq!(home.profiles(), before);
    assert_eq!(
        home.retain(&results("1", 1), 40, "2025-03-22T15:00:00Z")
            .await,
        super::Dropped::default()
    );
}

#[tokio::test]
async fn what_was_dropped_does_not_come_back() {
    for mut home in [Home::new(), Home::partitioned()] {
        home.publish(&results("1", 1)).await.unwrap();
        let profiles = home.profiles();
        home.retain(&results("1", 1), 40, "2025-03-22T15:00:00Z")
            .await;
        let rows = home.psql("SELECT * FROM predictions ORDER BY id, at");
        assert!(home.publish(&results("1", 1)).await.unwrap().reused);
        home.step = home.step.refreshing();
        home.publish(&results("1", 1)).await.unwrap();
        assert_eq!(home.psql("SELECT * FROM predictions ORDER BY id, at"), rows);
        assert_eq!(home.profiles(), profiles);

        // Others come in as far as they are kept, and old ones that are all too old do not.
        home.publish(&results("20", 2)).await.unwrap();
        home.publish(&Results {
            days: 10,
            ..results("300", 3)
        })
        .await
        .unwrap();
        assert_eq!(
            home.psql(
                "SELECT min(at) >= '2025-02-01', count(DISTINCT data_version) FROM predictions"
            ),
            "t|1"
        );
        home.assert_profiles_are_true("at::date");
        // Nor do labels look for them.
        let known: Vec<(usize, Option<u8>)> = (0..900).map(|i| (i, Some(1))).collect();
        let labelled = home
            .label(&results("20", 2), &[("a.parquet", &known[..])])
            .await
            .unwrap();
        let rows = home
            .psql("SELECT count(*) FROM predictions")
            .parse::<u64>()
            .unwrap();
        assert_eq!((labelled.labels, labelled.absent), (900, 900 - rows));
        home.assert_profiles_are_true("at::date");
    }
}

#[tokio::test]
async fn each_model_keeps_its_rows_for_as_long_as_its_setting_says() {
    for home in [Home::new(), Home::partitioned()] {
        let (churn, upsell) = (
            results("1", 1),
            Results {
                model_name: "upsell",
                version: 2,
                ..results("1", 2)
            },
        );
        home.publish(&churn).await.unwrap();
        home.publish(&upsell).await.unwrap();
        let rows = |model: &str| {
            home.psql(&format!(
                "SELECT * FROM predictions WHERE model_name = '{model}' ORDER BY 1, 2"
            ))
        };
        let (churns, profiles) = (rows("churn"), home.profiles());
        let dropped = home.retain(&upsell, 40, "2025-03-22T15:00:00Z").await;
        let old = if home.table.partition_by == PartitionBy::Month {
            310
        } else {
            400
        };
        assert_eq!(
            (dropped.partitions, dropped.rows),
            (0, old),
            "the other model has rows in every month"
        );
        assert_eq!((rows("churn"), home.profiles()), (churns, profiles));

        // What one has dropped, the other may still publish, and label.
        let corrected = Results {
            days: 20,
            ..results("20", 3)
        };
        home.publish(&corrected).await.unwrap();
        let known: Vec<(usize, Option<u8>)> = (0..900).map(|i| (i, Some(1))).collect();
        assert_eq!(
            home.label(&corrected, &[("a.parquet", &known[..])])
                .await
                .unwrap()
                .absent,
            0
        );
        home.publish(&Results {
            model_name: "upsell",
            version: 2,
            ..corrected.clone()
        })
        .await
        .unwrap();
        assert_eq!(
            home.psql("SELECT model_name FROM predictions WHERE data_version = '20' GROUP BY 1"),
            "churn"
        );
        home.assert_profiles_are_true("at::date");

        // A month goes whole when nobody has rows in it any more.
        let dropped = home.retain(&churn, 40, "2025-03-22T15:00:00Z").await;
        assert_eq!(
            dropped.partitions,
            u64::from(home.table.partition_by == PartitionBy::Month)
        );
        assert_eq!(
            home.psql(
                "SELECT model_name, kept_from, first_day FROM prediction_retention ORDER BY 1"
            ),
            ["churn", "upsell"]
                .map(|model| match home.table.partition_by {
                    PartitionBy::Month => format!("{model}|2025-02-01 00:00:00+00|2025-02-01"),
                    PartitionBy::None => format!("{model}|2025-02-10 00:00:00+00|2025-02-10"),
                })
                .join("\n")
        );
        home.assert_profiles_are_true("at::date");
    }
}

#[tokio::test]
async fn what_an_earlier_layout_remembers_is_refused_by_name() {
    let home = Home::new();
    home.psql("CREATE TABLE prediction_retention (predictions_table text PRIMARY KEY, kept_from timestamptz NOT NULL)");
    let error = home.publish(&results("1", 1)).await.unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    assert!(
        error
            .to_string()
            .contains("prediction_retention\": column \"model_name\" does not exist; that table"),
        "{error:#}"
    );
    home.psql("DROP TABLE prediction_retention");
    home.publish(&results("1", 1)).await.unwrap();
}

#[tokio::test]
async fn a_table_that_retention_has_emptied_keeps_its_profiles() {
    let home = Home::new();
    home.publish(&results("1", 1)).await.unwrap();
    let old = home.profiles();
    home.retain(&results("1", 1), 10, "2026-01-01T00:00:00Z")
        .await;
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "0");
    home.publish(&results("20", 2)).await.unwrap();
    assert_eq!(home.profiles(), old);
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "0");
}

#[tokio::test]
async fn instants_are_kept_from_midnight_in_the_time_zone_on() {
    let mut home = Home::new();
    home.step = home.step.in_timezone(chrono_tz::Europe::Berlin);
    home.baseline = Some(baseline(0.5, "Europe/Berlin"));
    let zoned = Results {
        time: Time::Zoned,
        ..results("1", 1)
    };
    home.publish(&zoned).await.unwrap();
    home.retain(&zoned, 40, "2025-03-22T23:30:00Z").await;
    assert_eq!(
        home.psql("SELECT kept_from, first_day FROM prediction_retention"),
        "2025-02-10 23:00:00+00|2025-02-11"
    );
    // The last day that was dropped is one of Berlin, too.
    let history = "SELECT max(day) FROM prediction_profiles WHERE day < '2025-02-11'";
    assert_eq!(home.psql(history), "2025-02-10");
    home.psql("TRUNCATE predictions");
    home.publish(&zoned).await.unwrap();
    assert_eq!(home.psql(history), "2025-02-10");
    home.assert_profiles_are_true("(at AT TIME ZONE 'Europe/Berlin')::date");
}

#[tokio::test]
async fn a_partition_that_others_need_is_named() {
    let home = Home::partitioned();
    home.publish(&results("1", 1)).await.unwrap();
    home.psql("CREATE VIEW january AS SELECT * FROM predictions_2025_01");
    let retention = Retention::new(&results("1", 1).publication(), 40).unwrap();
    let retain = async || {
        home.database()
            .retain(&home.table, &retention, at("2025-03-22T15:00:00Z"))
            .await
    };
    let error = retain().await.unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let text = error.to_string();
    assert!(
        text.contains("view january depends on table")
            && text.contains("; drop what depends on it"),
        "{text}"
    );
    home.psql("DROP VIEW january");
    assert_eq!(retain().await.unwrap().partitions, 1);
}
