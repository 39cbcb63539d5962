//! What training refuses, with which exit code, and what it says.

use catalog::layout::Split;

use super::home::{Home, Rows, flags};
use crate::Training;

/// One feature, with `bad` in some rows of the second training shard.
async fn with_feature(bad: Option<f64>) -> (u8, String) {
    let home = Home::new(1).await;
    let mut rows = Rows::simple(9000);
    for row in [8999, 17, 8191] {
        rows.x[row][0] = bad;
    }
    let flags = home
        .prepared("1", &Rows::simple(10), &[Rows::simple(12), rows])
        .await;
    home.refused(&flags).await
}

#[tokio::test]
async fn a_feature_that_is_null_or_not_finite_is_named_with_its_count_and_raw_file() {
    for bad in [
        None,
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(f64::NEG_INFINITY),
    ] {
        let (code, text) = with_feature(bad).await;
        assert_eq!(code, 10, "{text}");
        assert!(
            text.contains("feature \"feature1\" is null, NaN or infinite in 3 rows"),
            "{text}"
        );
        assert!(
            text.contains("raw file train/2.parquet (row 18 of train/1/part-")
                && text.contains("), id 17; fill such values"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_row_without_a_label_is_named() {
    let home = Home::new(1).await;
    let mut unlabelled = Rows::simple(20);
    unlabelled.y[3] = None;
    let flags = home
        .prepared(
            "1",
            &Rows::simple(10),
            &[Rows::simple(12), unlabelled.clone()],
        )
        .await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(
        text.contains("target \"target\" is null in 1 rows") && text.contains("train/2.parquet"),
        "{text}"
    );

    let home = Home::new(1).await;
    let flags = home.prepared("1", &unlabelled, &[Rows::simple(10)]).await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(
        text.contains("the holdout data of 1") && text.contains("train/0.parquet"),
        "{text}"
    );
}

#[tokio::test]
async fn a_label_of_neither_class_is_refused() {
    let home = Home::new(1).await;
    let mut rows = Rows::simple(20);
    rows.y[3] = Some(2);
    let flags = home.prepared("1", &Rows::simple(10), &[rows]).await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(
        text.contains("target target is 2: its allowed values are 0, 1"),
        "{text}"
    );
    assert!(text.contains("train/1/part-"), "{text}");
}

#[tokio::test]
async fn one_class_or_no_rows_are_refused() {
    let one_class = Rows {
        y: vec![Some(0); 30],
        ..Rows::simple(30)
    };
    for (holdout, train, expected) in [
        (
            Rows::simple(10),
            vec![one_class],
            "target \"target\" is 0 in all 30 rows of train/1/_manifest.json",
        ),
        (
            Rows::simple(10),
            vec![Rows::new(1, &[1.0], &[1])],
            "is 1 in all 1 rows",
        ),
        (
            Rows::simple(10),
            vec![Rows::default()],
            "the train data of 1 has no rows",
        ),
        (Rows::simple(10), vec![], "the train data of 1 has no rows"),
        (
            Rows::default(),
            vec![Rows::simple(10)],
            "the holdout data of 1 has no rows",
        ),
    ] {
        let home = Home::new(1).await;
        let flags = home.prepared("1", &holdout, &train).await;
        let (code, text) = home.refused(&flags).await;
        assert_eq!(code, 10, "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn weights_of_0_are_named_where_nothing_else_weighs() {
    let of = |weight: fn(usize) -> f64| {
        let x = (0..30).flat_map(|i| [(i % 7) as f64, weight(i)]);
        let y = (0..30).map(|i| u8::from(i % 3 == 0));
        Rows::new(2, &x.collect::<Vec<_>>(), &y.collect::<Vec<_>>())
    };
    let of_others: fn(usize) -> f64 = |i| if i % 3 == 0 { 0.0 } else { 2.0 };
    let none: fn(usize) -> f64 = |_| 0.0;
    for (classes, weight, expected) in [
        (
            2,
            of_others,
            "target \"target\" is 0 in all 20 rows of train/1/_manifest.json whose weight \
             \"feature2\" is above 0, and the other 10 do not count: a classifier needs rows of both \
             classes; check the weights, the raw files",
        ),
        (
            2,
            none,
            "weight \"feature2\" is 0 in all 30 rows of train/1/_manifest.json, so that none of them \
             counts: a classifier needs rows of both classes; check the weights, the raw files",
        ),
        (
            0,
            none,
            "weight \"feature2\" is 0 in all 30 rows of train/1/_manifest.json, so that none of them \
             counts: there is nothing to learn from; check the weights, the raw files",
        ),
    ] {
        let families = match classes {
            0 => ["linear-regression", "gradient-boosting"],
            _ => ["logistic-regression", "gradient-boosting"],
        };
        for family in families {
            let home = Home::weighed(2, classes).await;
            home.write_models(&format!(r#"{{"candidates": [{{"family": "{family}"}}]}}"#));
            let flags = home.prepared("1", &of(|_| 1.0), &[of(weight)]).await;
            let (code, text) = home.refused(&flags).await;
            assert_eq!(code, 10, "{text}");
            assert!(text.contains(expected), "{family}: {text}");
        }
    }
}

#[tokio::test]
async fn a_number_that_is_the_same_in_all_rows_is_refused_as_one_class_is() {
    let alike = Rows {
        y: vec![Some(7); 30],
        ..Rows::simple(30)
    };
    for family in [
        "linear-regression",
        "gradient-boosting",
        "random-forest",
        "mean",
    ] {
        let home = Home::of_number(1).await;
        home.write_models(&format!(r#"{{"candidates": [{{"family": "{family}"}}]}}"#));
        let flags = home
            .prepared("1", &Rows::simple(10), std::slice::from_ref(&alike))
            .await;
        let (code, text) = home.refused(&flags).await;
        assert_eq!(code, 10, "{text}");
        let expected = "target \"target\" is 7 in all 30 rows of train/1/_manifest.json: there is \
                        nothing to predict; check the raw files, the filter of dataset.json";
        assert!(text.contains(expected), "{family}: {text}");
    }
}

#[tokio::test]
async fn a_feature_whose_spread_overflows_is_named() {
    let home = Home::new(1).await;
    let flags = home
        .prepared(
            "1",
            &Rows::simple(10),
            &[Rows::new(1, &[1e308, -1e308, 1e308], &[1, 0, 1])],
        )
        .await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(text.contains("feature1 is too large to train on"), "{text}");
    assert!(
        text.contains(
            "\nfeature \"feature1\" is 1e308 in raw file train/1.parquet (row 1 of train/1/"
        ),
        "{text}"
    );
    assert!(
        text.contains("null by nullif(\"feature1\", 1e308) in"),
        "{text}"
    );
}

#[tokio::test]
async fn data_without_features_is_refused() {
    let home = Home::new(0).await;
    let rows = Rows {
        x: vec![vec![]; 4],
        y: vec![Some(0), Some(1), Some(0), Some(1)],
    };
    let flags = home.prepared("1", &rows.slice(0, 3), &[rows]).await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("there are no features: at least one column must be a feature; name features in dataset.json"), "{text}");
}

#[tokio::test]
async fn manifests_that_do_not_belong_together_are_refused() {
    let home = Home::new(1).await;
    let first = home
        .prepared("1", &Rows::simple(10), &[Rows::simple(20)])
        .await;
    let second = home
        .prepared("2", &Rows::simple(10), &[Rows::simple(20)])
        .await;
    let cases = [
        (
            flags(&first.train_manifest, &second.holdout_manifest),
            2,
            "data version 1 and 2",
        ),
        (
            flags(&first.holdout_manifest, &first.holdout_manifest),
            2,
            "which holds holdout data: give train data",
        ),
        (
            flags(&first.train_manifest, &first.train_manifest),
            2,
            "which holds train data: give holdout data",
        ),
        (
            flags("train/9/_manifest.json", &first.holdout_manifest),
            2,
            "there is no data set manifest train/9/_manifest.json",
        ),
        (
            flags("../secrets", &first.holdout_manifest),
            2,
            "is refused",
        ),
    ];
    for (flags, expected_code, expected) in cases {
        let (code, text) = home.refused(&flags).await;
        assert_eq!(code, expected_code, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    home.edit(&first.holdout_manifest, |manifest| {
        manifest.holdout = "fraction=0.1".to_owned()
    })
    .await;
    let (_, text) = home.refused(&first).await;
    assert!(
        text.contains("holdout rule first-shard and fraction=0.1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_holdout_that_was_trained_on_is_refused() {
    let home = Home::new(1).await;
    // The holdout's file stands among the training files under another name.
    let holdout = Rows::simple(10);
    let flags = home
        .prepared("1", &holdout, &[Rows::simple(20), holdout.clone()])
        .await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(
        text.contains(
            "raw file train/0.parquet of the holdout has the same content as train/2.parquet"
        ),
        "{text}"
    );

    let home = Home::new(1).await;
    let flags = home
        .prepared("1", &Rows::simple(10), &[Rows::simple(20)])
        .await;
    home.edit(&flags.holdout_manifest, |manifest| {
        manifest.shards[0].key = "train/1.parquet".to_owned()
    })
    .await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 10, "{text}");
    assert!(
        text.contains("raw file train/1.parquet is in the training data and in the holdout"),
        "{text}"
    );

    // A rule on rows takes both sides from the same files.
    for key in [&flags.train_manifest, &flags.holdout_manifest] {
        home.edit(key, |manifest| manifest.holdout = "fraction=0.1".to_owned())
            .await;
    }
    home.train(&flags).await.unwrap();
}

#[tokio::test]
async fn damaged_parts_are_refused_by_name() {
    let home = Home::new(1).await;
    let flags = home
        .prepared("1", &Rows::simple(10), &[Rows::simple(20)])
        .await;
    home.edit(&flags.train_manifest, |manifest| {
        manifest.parts[0].rows = 21
    })
    .await;
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains("holds 20 rows, and its manifest says 21"),
        "{text}"
    );

    let home = Home::new(1).await;
    let flags: Training = home
        .prepared("1", &Rows::simple(10), &[Rows::simple(20)])
        .await;
    let parts = home.store.list(&Split::Train.to_string()).await.unwrap();
    let part = parts
        .iter()
        .find(|object| object.key.ends_with(".parquet"))
        .unwrap();
    let bytes = home.store.require(&part.key).await.unwrap();
    home.store
        .put(&part.key, bytes[..bytes.len() / 2].to_vec())
        .await
        .unwrap();
    let (code, text) = home.refused(&flags).await;
    assert_eq!(code, 2, "{text}");
    assert!(
        text.contains(&part.key)
            && text.contains("is not the file that its manifest lists")
            && text.contains("prepare the data again with cache=refresh"),
        "{text}"
    );
}
