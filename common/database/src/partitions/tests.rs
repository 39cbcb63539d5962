//! Tables in partitions of a month.

use super::{DAY_MICROS, MICROS};
use crate::lab::{Home, Results, Time};
use runtime::failure::exit_code;
use settings::PartitionBy;

const NAMES: &str = "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'predictions'::regclass";

fn results(days: usize, scored: i64, ids: std::ops::Range<usize>) -> Results {
    Results {
        days,
        ..Results::new("1", 1, scored, ids)
    }
}

#[tokio::test]
async fn partitions_are_made_as_rows_come_and_hold_what_one_table_holds() {
    let (whole, cut) = (Home::new(), Home::partitioned());
    let all = [
        results(40, 1, 0..400),
        results(80, 2, 300..900),
        results(5, 3, 0..100),
    ];
    let rows = "SELECT * FROM predictions ORDER BY id, at";
    for results in &all {
        for home in [&whole, &cut] {
            home.publish(results).await.unwrap();
        }
        assert_eq!(cut.psql(rows), whole.psql(rows));
        assert_eq!(cut.profiles(), whole.profiles());
    }
    cut.assert_profiles_are_true("at::date");
    assert_eq!(
        cut.psql(NAMES),
        "predictions_2025_01 predictions_2025_02 predictions_2025_03"
    );
    assert_eq!(
        cut.psql("SELECT count(*) FROM pg_indexes WHERE tablename = 'predictions_2025_02' AND indexdef ~ 'btree|brin'"),
        "2"
    );
}

#[tokio::test]
async fn a_query_over_some_days_reads_their_partition_alone() {
    let home = Home::partitioned();
    home.publish(&results(80, 1, 0..400)).await.unwrap();
    let plan = home.psql(
        "EXPLAIN SELECT count(*) FROM predictions WHERE at >= '2025-02-03' AND at < '2025-02-10'",
    );
    assert!(plan.contains("predictions_2025_02"), "{plan}");
    assert!(
        !plan.contains("predictions_2025_01") && !plan.contains("predictions_2025_03"),
        "{plan}"
    );
}

#[tokio::test]
async fn months_of_instants_are_those_of_utc() {
    let mut home = Home::partitioned();
    home.step = home.step.in_timezone(chrono_tz::Asia::Tokyo);
    home.publish(&Results {
        time: Time::Zoned,
        ..results(31, 1, 0..400)
    })
    .await
    .unwrap();
    // In Tokyo the last evening is in February.
    assert_eq!(home.psql(NAMES), "predictions_2025_01");
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "400");
}

#[tokio::test]
async fn what_cannot_be_cut_is_refused_and_what_is_cut_stays_so() {
    let home = Home::partitioned();
    let error = home
        .publish(&Results {
            time: Time::None,
            ..results(5, 1, 0..9)
        })
        .await
        .unwrap_err();
    assert!(
        exit_code(&error) == 2 && error.to_string().contains("no time column"),
        "{error}"
    );

    let mut home = Home::new();
    home.publish(&results(5, 1, 0..9)).await.unwrap();
    home.table.partition_by = PartitionBy::Month;
    let error = home.publish(&results(5, 2, 0..9)).await.unwrap_err();
    assert!(
        exit_code(&error) == 2 && error.to_string().contains("has no partitions"),
        "{error}"
    );

    let mut home = Home::partitioned();
    home.publish(&results(5, 1, 0..9)).await.unwrap();
    home.table.partition_by = PartitionBy::None;
    home.publish(&results(40, 2, 0..99)).await.unwrap();
    assert_eq!(home.psql(NAMES), "predictions_2025_01 predictions_2025_02");
}

#[tokio::test]
async fn partitions_that_a_person_made_are_used() {
    let home = Home::partitioned();
    home.publish(&results(5, 1, 0..9)).await.unwrap();
    home.psql("CREATE TABLE early PARTITION OF predictions FOR VALUES FROM ('2025-02-01') TO ('2025-03-01')");
    home.publish(&results(80, 2, 0..400)).await.unwrap();
    assert_eq!(
        home.psql(NAMES),
        "early predictions_2025_01 predictions_2025_03"
    );
}

#[tokio::test]
async fn what_partitions_that_a_person_made_leave_uncovered_is_made() {
    let home = Home::partitioned();
    home.publish(&results(1, 1, 0..9)).await.unwrap();
    home.psql("CREATE TABLE week PARTITION OF predictions FOR VALUES FROM ('2025-02-03') TO ('2025-02-10 12:00')");
    home.psql(
        "CREATE TABLE rest PARTITION OF predictions FOR VALUES FROM ('2025-03-01') TO (MAXVALUE)",
    );
    home.psql("ALTER TABLE predictions DETACH PARTITION predictions_2025_01");
    home.psql("ALTER TABLE predictions ATTACH PARTITION predictions_2025_01 FOR VALUES FROM (MINVALUE) TO ('2025-02-01')");
    home.publish(&results(80, 2, 9..400)).await.unwrap();
    assert_eq!(
        home.psql(NAMES),
        "predictions_2025_01 predictions_2025_02_01 predictions_2025_02_10 rest week"
    );
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "400");
}

#[tokio::test]
async fn a_name_that_is_taken_is_reported() {
    let home = Home::partitioned();
    home.psql("CREATE TABLE predictions_2025_01 (x int)");
    let error = home.publish(&results(5, 1, 0..9)).await.unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let text = error.to_string();
    assert!(
        text.contains("predictions_2025_01\" already exists") && text.contains("; rename or drop"),
        "{text}"
    );
}

/// Postgres holds 4714 BC to 294276 AD, and takes neither a sign nor a year 0.
#[tokio::test]
async fn times_of_any_year_that_postgres_holds_find_a_partition() {
    let mut home = Home::partitioned();
    // No profile has a day beyond the calendar.
    home.baseline = None;
    let midnight = |text: &str| {
        let moment: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
        moment.timestamp_micros()
    };
    let firsts = [
        *MICROS.start(),
        midnight("-0001-12-31T00:00:00Z"),
        midnight("0000-12-31T00:00:00Z"),
        midnight("0001-01-01T00:00:00Z"),
        midnight("9999-12-31T00:00:00Z"),
        midnight("+10000-01-01T00:00:00Z"),
        midnight("+262142-12-31T00:00:00Z"),
        *MICROS.end() - DAY_MICROS,
    ];
    for (number, from) in firsts.into_iter().enumerate() {
        let number = number as i64;
        let ids = 9 * number as usize..9 * number as usize + 9;
        home.publish(&Results {
            from,
            ..results(1, 1 + number, ids)
        })
        .await
        .unwrap();
    }
    assert_eq!(
        home.psql("SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' ORDER BY 1"),
        "predictions_0001_01|FOR VALUES FROM ('0001-01-01 00:00:00') TO ('0001-02-01 00:00:00')\n\
         predictions_0001_12_bc|FOR VALUES FROM ('0001-12-01 00:00:00 BC') TO ('0001-01-01 00:00:00')\n\
         predictions_0002_12_bc|FOR VALUES FROM ('0002-12-01 00:00:00 BC') TO ('0001-01-01 00:00:00 BC')\n\
         predictions_10000_01|FOR VALUES FROM ('10000-01-01 00:00:00') TO ('10000-02-01 00:00:00')\n\
         predictions_262142_12|FOR VALUES FROM ('262142-12-01 00:00:00') TO (MAXVALUE)\n\
         predictions_4714_11_bc|FOR VALUES FROM (MINVALUE) TO ('4714-12-01 00:00:00 BC')\n\
         predictions_9999_12|FOR VALUES FROM ('9999-12-01 00:00:00') TO ('10000-01-01 00:00:00')"
    );
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "72");
}
