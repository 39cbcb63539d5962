//! Tables that the first release wrote, in `common/testing/fixtures/released`.

use std::sync::Arc;

use crate::lab::{Home, Results};
use crate::{Reader, Settings};
use profile::profiles::{Baseline, FormerBaseline};

const DAY: &str = "at::date";

/// A database as the first release left it, and what its profiles are counted by.
fn released() -> (Home, Arc<Baseline>) {
    let mut home = Home::new();
    home.psql(include_str!(
        "../../../testing/fixtures/released/tables.sql"
    ));
    let text = home.psql("SELECT baseline FROM prediction_baselines");
    let former: FormerBaseline = serde_json::from_str(&text).unwrap();
    let baseline = Arc::new(former.now().unwrap());
    home.baseline = Some(baseline.clone());
    (home, baseline)
}

/// The rows of each day, and what lies below and above the training data of `x`.
async fn days(home: &Home) -> Vec<(String, i64, i64, i64)> {
    let settings = Settings::from_url(&home.url).unwrap();
    let reader = Reader::new(&settings, &home.step, vec![home.table.clone()], 1).unwrap();
    let counted = reader
        .days("churn", 1, Some("1"), None, None)
        .await
        .unwrap();
    let counted = counted.unwrap();
    assert_eq!(counted.left_out_rows, 0);
    let cells = &counted.baseline.features[0].cells;
    let days = counted.days.iter().map(|of| {
        let x = &of.profile.features[0];
        let day = of.day.unwrap().to_string();
        (day, of.profile.rows(), x.below(cells), x.above(cells))
    });
    days.collect()
}

#[tokio::test]
async fn a_table_of_the_first_release_is_read_as_it_is_and_migrated_by_the_next_publication() {
    let expected = [
        ("2025-01-01".to_owned(), 20, 1, 0),
        ("2025-01-02".to_owned(), 20, 0, 1),
        ("2025-01-03".to_owned(), 20, 0, 0),
    ];
    // The very first baselines do not say which values are few.
    for without_values in [false, true] {
        let (home, baseline) = released();
        if without_values {
            home.psql("UPDATE prediction_baselines SET baseline = baseline #- '{features,0,values}' #- '{features,1,values}'");
        }
        assert_eq!(days(&home).await, expected);

        home.publish(&Results::new("2", 1, 900_000_000, 0..80))
            .await
            .unwrap();
        let formats = "SELECT array_agg(DISTINCT format_version) FROM prediction_profiles \
                       UNION ALL SELECT array_agg(format_version) FROM prediction_baselines";
        assert_eq!(home.psql(formats), "{2}\n{2}");
        home.assert_profiles_are_true(DAY);
        assert_eq!(days(&home).await, expected);
        // Cells as wide as the baseline says, in every row.
        let widths = format!(
            "SELECT DISTINCT jsonb_array_length(features->'x'->'cells') - {} FROM prediction_profiles",
            baseline.features[0].cells.len()
        );
        assert_eq!(home.psql(&widths), "0");
    }
}

#[tokio::test]
async fn days_that_were_counted_without_their_weights_are_read_beside_others() {
    let mut home = Home::new();
    let weighing = |scored, ids, days| Results {
        weighs: true,
        days,
        ..Results::new("1", 1, scored, ids)
    };
    home.publish(&weighing(1, 0..100, 2)).await.unwrap();
    home.psql("ALTER TABLE prediction_profiles DROP COLUMN weights");
    home.baseline = Home::weighing().baseline;
    let by_day = async |home: &Home| -> Vec<bool> {
        let settings = Settings::from_url(&home.url).unwrap();
        let reader = Reader::new(&settings, &home.step, vec![home.table.clone()], 1).unwrap();
        let counted = reader.days("churn", 1, None, None, None).await.unwrap();
        let days = counted.unwrap().days;
        days.iter().map(|of| of.profile.weights.is_some()).collect()
    };
    assert_eq!(by_day(&home).await, [false; 2]);
    // Of three days, of which two have rows of before.
    home.publish(&weighing(2, 300..400, 3)).await.unwrap();
    assert_eq!(by_day(&home).await, [false, false, true]);
    let rows = "SELECT sum(rows) FROM prediction_profiles";
    assert_eq!(home.psql(rows), "200");
}

#[tokio::test]
async fn what_the_first_release_counted_is_taken_off_when_its_rows_are_overwritten() {
    let (home, _) = released();
    // Two thirds of its rows, scored again.
    let results = Results {
        days: 3,
        ..Results::new("2", 1, 900_000_000, 4000..4040)
    };
    home.publish(&results).await.unwrap();
    home.assert_profiles_are_true(DAY);
    let rows = "SELECT data_version, count(*) FROM predictions GROUP BY 1 ORDER BY 1";
    assert_eq!(home.psql(rows), "1|20\n2|40");
}
