//! A row of a date that cannot be takes nothing away from the days before.

use super::*;

/// Rows over four days, one of which is dated 9999-01-01.
fn rows() -> Rows {
    let mut rows = Rows::simple(2_000);
    rows.at[3] = Some(253_370_764_800_000_000);
    rows
}

async fn shows_the_days_before(at: SocketAddr) {
    let metrics = page(at, "/metrics").await;
    for (gauge, value) in [
        ("verdict", "0"),
        ("rows", "1999"),
        ("rows_after_scoring", "1"),
        // 2025-03-04
        ("last_day_timestamp_seconds", "1741046400"),
    ] {
        let line = format!("alameda_model_{gauge}{{model=\"m\",version=\"3\"}} {value}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let front = page(at, "/").await;
    assert!(front.contains("2025-03-04"), "{front}");
    let model = page(at, "/models/m").await;
    assert!(
        model.contains("2025-03-04") && model.contains("1,999"),
        "{model}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_year_9999_hides_no_day_of_a_database() {
    let home = home().await;
    let url = postgres().create_database("year_9999").unwrap();
    publish(&home, &url, rows(), 3, "1").await;
    shows_the_days_before(serve_tables(&home, &url, vec![table()]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_year_9999_hides_no_day_of_a_store() {
    let home = home().await;
    score(&home, &rows()).await;
    let source = Source::store(home.store.clone(), home.timezone);
    shows_the_days_before(serve(&home, source, Access::Open).await).await;
}
