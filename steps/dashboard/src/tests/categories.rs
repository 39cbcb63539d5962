//! Features of categories are judged and shown as those of numbers.

use database::CountedDay;
use pages::content::CategoryRows;
use profile::categories::{Categories, code};
use profile::drift::Verdict;
use profile::profiles::{FeatureBaseline, Kind, Profile};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn categories_are_judged_by_their_shares() {
    let home = home().await;
    let key = home.results(&[Rows::simple(400)]).await;
    let results: ResultsManifest = manifest::require(&home.store, &key).await.unwrap();
    let mut of_model = (*baseline(&home, &results).await).clone();
    let trained = [("Bern", 600), ("Rome", 300)].map(|(city, rows)| (city.to_owned(), rows));
    let trained = Categories::of(100, trained);
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
    for (city, rows) in [("Bern", 250), ("Oslo", 200)] {
        let code = code(&trained.names(), city);
        counts.add(&of_model.features[1].cells, code, rows);
    }
    let score = &of_model.score;
    profile.score.add(score, Some(0.4), None, 500);
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
    let live = Live::new(&counted, &choice, &rules(), None, scored).unwrap();
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
}
