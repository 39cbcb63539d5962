//! The rows of a fixed set of results, as Postgres holds them.

use super::fixture::{Home, Results};

/// What the test says where they differ.
const OTHER_ROWS: &str = "publishing the same results leaves other rows, types or comments in \
    Postgres: applications read them, and tables of earlier releases hold the former ones; where \
    that is meant, say so in docs/predictions-table.md and renew the snapshot with \
    INSTA_UPDATE=always";

#[test]
fn a_fixed_set_of_results_leaves_the_same_bytes_in_postgres() {
    let home = Home::new();
    let results = Results::new("25.05.1", 2, 3600, 0..40);
    home.write(&results);
    home.publish(&results, &[]).expect(0);
    let columns = home.psql(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum) \
         FROM pg_attribute WHERE attrelid = 'predictions'::regclass AND attnum > 0 ORDER BY attnum",
    );
    let indexes = home
        .psql("SELECT indexdef FROM pg_indexes WHERE tablename = 'predictions' ORDER BY indexname");
    // Postgres's binary form of each value: what a driver reads, to the last bit.
    let rows = home.psql(
        "SELECT \"customerId\", encode(timestamp_send(\"date\"), 'hex'), target, \
         encode(float8send(feature1), 'hex'), encode(float8send(feature2), 'hex'), prediction, \
         encode(float8send(probability), 'hex'), model_name, model_version, data_version, \
         encode(timestamptz_send(scored_at), 'hex') \
         FROM predictions ORDER BY \"customerId\" COLLATE \"C\", \"date\"",
    );
    assert_eq!(rows.lines().count(), results.rows());
    insta::with_settings!({description => OTHER_ROWS}, {
        insta::assert_snapshot!(format!("{columns}\n\n{indexes}\n\n{rows}"));
    });
}
