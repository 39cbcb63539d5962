//! What the table and the ledger hold after results were published.

use super::fixture::{Home, Results};

#[test]
fn the_table_holds_what_the_parts_hold() {
    let home = Home::new();
    let results = Results::new("1", 1, 0, 0..3000);
    home.write(&results);
    let ran = home.publish(&results, &[]).expect(0);
    assert!(
        ran.stdout.contains(r#""rows":3000"#) && ran.stdout.contains(r#""reused":false"#),
        "{}",
        ran.stdout
    );
    home.assert_table_is(&[&results]);
    assert_eq!(
        home.psql(
            "SELECT rows, data_version, model_version, workflow FROM prediction_publications"
        ),
        "3000|1|1|manual"
    );
}

#[test]
fn published_again_nothing_is_done() {
    let home = Home::new();
    let results = Results::new("1", 1, 0, 0..100);
    home.write(&results);
    home.publish(&results, &[]).expect(0);
    let before = home.psql("SELECT xmin, * FROM predictions ORDER BY 2, 3");
    let ran = home.publish(&results, &[]).expect(0);
    assert!(
        ran.stdout.contains(r#""rows":100"#) && ran.stdout.contains(r#""reused":true"#),
        "{}",
        ran.stdout
    );
    assert_eq!(
        home.psql("SELECT xmin, * FROM predictions ORDER BY 2, 3"),
        before
    );
    // Asked to do it again it does, and nothing differs.
    let ran = home.publish(&results, &["--cache=refresh"]).expect(0);
    assert!(ran.stdout.contains(r#""reused":false"#), "{}", ran.stdout);
    home.assert_table_is(&[&results]);
}

#[test]
fn the_row_that_was_scored_last_stands_in_any_order_of_publishing() {
    let all = [
        Results::new("1", 1, 10, 0..900),
        Results::new("2", 1, 20, 500..1500),
        Results::new("1", 2, 30, 300..600),
        Results::new("3", 1, 5, 2000..2100),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let home = Home::new();
        for index in order {
            home.write(&all[index]);
            home.publish(&all[index], &[]).expect(0);
        }
        home.assert_table_is(&all.each_ref());
    }
}
