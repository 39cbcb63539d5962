//! Features of categories are judged and shown as those of numbers.

use database::CountedDay;
use pages::content::CategoryRows;
use pages::html::escaped;
use profile::categories::{Categories, code};
use profile::drift::Verdict;
use profile::profiles::{FeatureBaseline, Kind, Profile};

use super::*;
use crate::{Model, Side};

/// What is shown of a feature of categories, as training had them, and of rows now: 50 without a
/// value, and some with.
async fn live(trained: &Categories, now: &[(&str, i64)]) -> Live {
    let home = home().await;
    let key = home.results(&[Rows::simple(400)]).await;
    let results: ResultsManifest = manifest::require(&home.store, &key).await.unwrap();
    let mut of_model = (*baseline(&home, &results).await).clone();
    let counted = trained.counted();
    of_model.features[1] = FeatureBaseline {
        name: HOSTILE.to_owned(),
        kind: Kind::Categories,
        hidden: 0.0,
        values: trained.names(),
        cells: counted.cells,
        reference: counted.counts,
    };
    let mut profile = Profile::new(&of_model);
    let counts = &mut profile.features[1];
    counts.add_nulls(50);
    for (city, rows) in now {
        let code = code(&trained.names(), city);
        counts.add(&of_model.features[1].cells, code, *rows);
    }
    let score = &of_model.score;
    let rows = now.iter().map(|(_, rows)| rows).sum::<i64>();
    profile.score.add(score, Some(0.4), None, 50 + rows);
    let counted = CountedDays {
        baseline: Arc::new(of_model),
        days: vec![CountedDay {
            data_version: "1".to_owned(),
            day: Some("2026-11-22".parse().unwrap()),
            profile,
        }],
        left_out_rows: 0,
    };
    let (choice, scored) = (Choice::default(), "2026-11-23".parse().unwrap());
    Live::new(&counted, &choice, &rules(), None, scored).unwrap()
}

/// The page of a model over what is shown.
pub(super) fn page_of(live: Live) -> String {
    let side = Side {
        version: 1,
        choice: Choice::default(),
        timezone: "UTC".to_owned(),
        live,
    };
    let model = Model {
        name: "m".to_owned(),
        scored: Vec::new(),
        champion: None,
        side: Some(side),
        reported: None,
        later_rows: 0,
    };
    crate::page::model(&model, &Choice::default(), &rules().thresholds, true, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_are_judged_by_their_shares() {
    let trained = [("Bern", 600), ("Rome", 300)].map(|(city, rows)| (city.to_owned(), rows));
    let trained = Categories::of(100, trained);
    let live = live(&trained, &[("Bern", 250), ("Oslo", 200)]).await;
    let features = live.drift.features.iter();
    let column = features.clone().find(|of| of.name == HOSTILE).unwrap();
    assert_eq!(
        (live.verdict, column.verdict),
        (Verdict::Alert, Verdict::Alert)
    );
    assert_eq!((column.ks, column.current.mean), (None, None));
    let shares = column.categories.as_ref().unwrap();
    let rows = |value: &str, reference, current| CategoryRows {
        value: value.to_owned(),
        reference,
        current,
    };
    assert_eq!(
        shares.values,
        [rows("Bern", 600, 250), rows("Rome", 300, 0)]
    );
    let beside = (shares.reference_nulls, shares.nulls, shares.new_rows);
    assert_eq!(beside, (100, 50, 200));
    assert_eq!(live.features[1].above, 0);
    let shown = pages::page::drift::of(&live.drift, &rules().thresholds, None).to_string();
    for text in ["Vanished values: Rome", "others", "40 %"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains("<script>"));
    assert!(!page_of(live).contains("Profiles count the rarer values"));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_whose_rarer_values_are_counted_together_are_named() {
    let trained = Categories::of(0, (0..150).map(|i| (format!("city {i}"), 10 - i / 20)));
    // All rows hold one of the rarer values.
    let live = live(&trained, &[("city 149", 450)]).await;
    let shown = page_of(live);
    let name = escaped(HOSTILE);
    let expected = format!("Profiles count the rarer values of {name} together: only the reports");
    assert!(shown.contains(&expected), "{shown}");
}
