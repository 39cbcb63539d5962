//! Values that are rare in tables, and limits.

use super::*;

fn median(numbers: &[f64], chunk: usize) -> f64 {
    let columns = [("x", Values::Numbers(numbers.to_vec()))];
    let mut training = Training::new(&columns);
    training.chunk = chunk;
    let settings = r#"{"numeric": {"standardize": false}}"#;
    let fitted = training.fit(settings).unwrap();
    match &fitted.preprocessing.columns()[0] {
        FittedColumn::Numeric(numeric) => numeric.impute.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn medians_are_exact_for_any_numbers_in_any_chunks() {
    let tiny = f64::from_bits(1);
    let cases: [(&[f64], f64); 9] = [
        (&[3.0], 3.0),
        (&[1.0, 2.0], 1.5),
        (&[5.0, f64::NAN, -5.0, 1.0], 1.0),
        (&[-0.0, 0.0, -0.0], 0.0),
        (&[tiny, tiny, -tiny], tiny),
        (&[2.0 * tiny, 4.0 * tiny], 3.0 * tiny),
        (&[f64::MAX, f64::MAX], f64::MAX),
        (&[-1e300, 1e-300, 1e300, 3e-300], 2e-300),
        (&[1.0, 1.0, 1.0, 9.0, 9.0, 9.0], 5.0),
    ];
    for (numbers, expected) in cases {
        for chunk in [1, 2, 100] {
            let ours = median(numbers, chunk);
            assert_eq!(ours.to_bits(), expected.to_bits(), "{numbers:?}");
        }
    }
}

#[test]
fn medians_of_many_numbers_equal_sorting() {
    let mut state = 7_u64;
    let mut number = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        // Any bits: every sign and every magnitude.
        let number = f64::from_bits(state ^ (state >> 29));
        if number.is_finite() { number } else { 1.0 }
    };
    for count in [999, 1000] {
        let mut numbers: Vec<f64> = (0..count).map(|_| number()).collect();
        let ours = median(&numbers, 64);
        let reversed: Vec<f64> = numbers.iter().rev().copied().collect();
        assert_eq!(ours.to_bits(), median(&reversed, 1000).to_bits());
        numbers.sort_by(f64::total_cmp);
        let middle = (numbers[(count - 1) / 2] + numbers[count / 2]) / 2.0;
        assert_eq!(ours.to_bits(), middle.to_bits());
    }
}

#[test]
fn numbers_whose_squares_are_0_are_standardised_and_are_no_constant() {
    let standardised = |scale: f64, chunk: usize| {
        let numbers = [1.0, 2.0, f64::NAN, 4.0, -8.0].map(|number| number * scale);
        let columns = [("x", Values::Numbers(numbers.to_vec()))];
        let mut training = Training::new(&columns);
        training.chunk = chunk;
        let fitted = training.fit("{}").unwrap().preprocessing;
        transform(&fitted, &columns).unwrap()
    };
    for scale in [1e-200, 1e-162, 1e-140, 1e100] {
        for chunk in [1, 100] {
            close(&standardised(scale, chunk), &standardised(1.0, 100));
        }
    }
}

#[test]
fn vocabularies_do_not_depend_on_chunks() {
    let many = (0..500).map(|i| Some(format!("v{}", (i * i) % 37)));
    let columns = [("c", Values::Texts(many.collect()))];
    let mut training = Training::new(&columns);
    let mut all = Vec::new();
    for chunk in [1, 3, 499, 1000] {
        training.chunk = chunk;
        let settings = r#"{"categorical": {"max_categories": 6}}"#;
        all.push(training.fit(settings).unwrap());
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    let found = &all[0].found[0];
    assert_eq!((found.distinct, found.rare), (Some(19), 14));
    assert_eq!(all[0].preprocessing.width(), 6);
}

#[test]
fn an_infinite_number_is_refused_or_clipped() {
    let numbers = vec![1.0, f64::INFINITY, f64::NEG_INFINITY];
    let columns = [("x", Values::Numbers(numbers))];
    let training = Training::new(&columns);
    let error = training.fit("{}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "column \"x\" is inf, and a model takes finite numbers only: bound it by `clip: [low, \
         high]` in models.json, or make such values null in features.sql"
    );
    // One bound does not hold the other side.
    let error = training
        .fit(r#"{"numeric": {"clip": [null, 5]}}"#)
        .unwrap_err();
    assert!(matches!(error, Error::Infinite { row: 2, .. }), "{error}");
    assert!(error.to_string().contains("is -inf, "), "{error}");
    let settings = r#"{"numeric": {"clip": [0, 5], "standardize": false}}"#;
    let fitted = training.fit(settings).unwrap().preprocessing;
    assert_eq!(transform(&fitted, &columns).unwrap(), [1.0, 5.0, 0.0]);
    // What was not infinite in training may be when rows are scored.
    let plain = [("x", Values::Numbers(vec![1.0, 2.0]))];
    let fitted = Training::new(&plain).fit("{}").unwrap().preprocessing;
    let error = transform(&fitted, &columns).unwrap_err();
    assert!(matches!(error, Error::Infinite { row: 1, .. }), "{error}");
}

#[test]
fn one_row_is_fitted_and_no_row_is_not() {
    let columns = [("x", Values::Numbers(vec![4.0])), ("c", texts(&[""]))];
    let settings = r#"{"categorical": {"min_frequency": 1}}"#;
    let fitted = Training::new(&columns).fit(settings).unwrap();
    assert_eq!(names(&fitted), ["x", "c = \"\""]);
    let ours = transform(&fitted.preprocessing, &columns).unwrap();
    assert_eq!(ours, [0.0, 1.0]);
    let none = [("x", Values::Numbers(vec![])), ("c", texts(&[]))];
    let ours = transform(&fitted.preprocessing, &none).unwrap();
    assert_eq!(ours, [0.0; 0]);
    assert_eq!(Training::new(&none).fit("{}"), Err(Error::NoRows));
}

#[test]
fn columns_without_any_value_are_named() {
    let columns = [("x", Values::Numbers(vec![f64::NAN; 3]))];
    let error = Training::new(&columns).fit("{}").unwrap_err();
    let column = "x".to_owned();
    assert_eq!(error, Error::AllMissing { column });
    let settings = r#"{"numeric": {"impute": {"constant": -1}, "standardize": false}}"#;
    let fitted = Training::new(&columns).fit(settings).unwrap();
    let ours = transform(&fitted.preprocessing, &columns).unwrap();
    assert_eq!(ours, [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
}

#[test]
fn trees_keep_what_is_missing() {
    let columns = [("x", Values::Numbers(vec![1.0, f64::NAN]))];
    let mut training = Training::new(&columns);
    training.family = Family::Trees;
    let fitted = training.fit("{}").unwrap().preprocessing;
    let ours = transform(&fitted, &columns).unwrap();
    close(&ours, &[1.0, f64::NAN]);
}

#[test]
fn trees_get_few_categories_one_by_one_and_many_by_the_target() {
    let column = |count: usize| {
        let of_row = |row: usize| Some(format!("c{:02}", row % count));
        Values::Texts((0..count * 12).map(of_row).collect())
    };
    let fit = |count: usize, family: Family, settings: &str| {
        let columns = [("city", column(count))];
        let mut training = Training::new(&columns);
        training.y = (0..count * 12).map(|row| f64::from(row % 2 == 0)).collect();
        training.folds = Some((0..count as u32 * 12).map(|row| row % 3).collect());
        training.family = family;
        training.fit(settings).unwrap()
    };
    let few = fit(ONE_HOT_OF_TREES, Family::Trees, "{}");
    assert_eq!(names(&few).len(), ONE_HOT_OF_TREES);
    assert!(few.out_of_fold.is_none());
    let many = fit(ONE_HOT_OF_TREES + 1, Family::Trees, "{}");
    assert_eq!(names(&many), ["city", "city (frequency)"]);
    assert!(many.out_of_fold.is_some());
    let said = r#"{"categorical": {"encode": "target", "frequency": true}}"#;
    assert_eq!(
        many.preprocessing,
        fit(ONE_HOT_OF_TREES + 1, Family::Trees, said).preprocessing
    );
    for uncounted in [r#""frequency": false"#, r#""encode": "target""#] {
        let settings = format!(r#"{{"categorical": {{{uncounted}}}}}"#);
        let own = fit(ONE_HOT_OF_TREES + 1, Family::Trees, &settings);
        assert_eq!(names(&own), ["city"]);
    }
    for (family, settings) in [
        (Family::Linear, "{}"),
        (Family::Trees, r#"{"categorical": {"encode": "one-hot"}}"#),
        (Family::Trees, r#"{"categorical": {"max_categories": 99}}"#),
    ] {
        let own = fit(ONE_HOT_OF_TREES + 1, family, settings);
        assert_eq!(names(&own).len(), ONE_HOT_OF_TREES + 1, "{settings}");
    }
}

#[test]
fn few_rows_are_rare_one_by_one_and_not_by_the_target() {
    let rare = |count: usize| {
        let of_row = |row: usize| Some(format!("c{:02}", row % count));
        let columns = [("city", Values::Texts((0..count * 3).map(of_row).collect()))];
        let mut training = Training::new(&columns);
        training.y = (0..count * 3).map(|row| f64::from(row % 2 == 0)).collect();
        training.folds = Some((0..count as u32 * 3).map(|row| row % 3).collect());
        training.family = Family::Trees;
        training.fit("{}").unwrap().found[0].rare
    };
    assert_eq!(rare(ONE_HOT_OF_TREES), ONE_HOT_OF_TREES);
    assert_eq!(rare(ONE_HOT_OF_TREES + 1), 0);
}

#[test]
fn too_many_distinct_values_and_too_long_texts_are_refused_with_a_way_out() {
    let many: Vec<_> = (0..=MAX_DISTINCT).map(|i| Some(i.to_string())).collect();
    let columns = [("id", Values::Texts(many))];
    let mut training = Training::new(&columns);
    for chunk in [9_999, 1_000_000] {
        training.chunk = chunk;
        let error = training.fit("{}").unwrap_err().to_string();
        let expected = "column \"id\" has more than 100000 distinct values: group them in \
             features.sql, or leave the column out by `drop: true` in models.json";
        assert_eq!(error, expected);
    }
    let long = (0..20).map(|i| Some(i.to_string() + &"x".repeat(1 << 20)));
    let columns = [("note", Values::Texts(long.collect()))];
    let error = Training::new(&columns).fit("{}").unwrap_err().to_string();
    assert!(
        error.contains("\"note\" take more than 16777216 bytes"),
        "{error}"
    );
}

#[test]
fn a_fold_with_all_rows_is_refused() {
    let columns = [("c", texts(&["a", "b"]))];
    let mut training = Training::new(&columns);
    training.folds = Some(vec![1, 1]);
    let settings = r#"{"categorical": {"encode": "target"}}"#;
    let error = training.fit(settings).unwrap_err();
    assert_eq!(error, Error::Fold { fold: 1 });
}

#[test]
fn labels_and_weights_are_checked() {
    let columns = [("c", texts(&["a", "b"]))];
    let mut training = Training::new(&columns);
    training.weights = Some(vec![1.0, -1.0]);
    let error = training.fit("{}").unwrap_err().to_string();
    let expected = "weight is -1 in row 1: it must be a finite number, 0 or more";
    assert_eq!(error, expected);
    training.weights = None;
    training.classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    training.y = vec![2.0, 3.0];
    let error = training.fit("{}").unwrap_err().to_string();
    let expected = "label is 3 in row 1: it must be the index of a class, from 0 to 2";
    assert_eq!(error, expected);
}

#[test]
fn columns_beside_those_of_the_target_are_in_no_fold() {
    let columns = [
        ("c", texts(&["a", "b", "a", "b"])),
        ("d", texts(&["x", "y", "y", "x"])),
    ];
    let mut training = Training::new(&columns);
    training.y = vec![1.0, 0.0, 0.0, 1.0];
    training.folds = Some(vec![0, 1, 1, 0]);
    let settings = r#"{
        "columns": {"c": {"encode": "target", "standardize": false}, "d": {"min_frequency": 1}}
    }"#;
    let fitted = training.fit(settings).unwrap();
    let ours = out_of_fold(&fitted, &columns, &[0, 1, 1, 0]);
    // The rows of the other fold are all of one label.
    let one_hot = [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
    for (row, d) in one_hot.into_iter().enumerate() {
        let encoded = 1.0 - training.y[row];
        assert_eq!(ours[3 * row..3 * row + 3], [encoded, d[0], d[1]]);
    }
}

#[test]
fn distinct_values_of_many_columns_are_bounded_together_and_the_largest_column_is_named() {
    let values =
        |count: usize| Values::Texts((0..600).map(|i| Some(format!("v{}", i % count))).collect());
    let columns = [("a", values(20)), ("b", values(500)), ("c", values(30))];
    let mut training = Training::new(&columns);
    for chunk in [50, 600] {
        training.chunk = chunk;
        training.memory = u64::MAX;
        let whole = training.fit("{}").unwrap();
        // 550 values take between 64 and 512 bytes each.
        training.memory = 550 * 512;
        assert_eq!(training.fit("{}").unwrap(), whole);
        training.memory = 550 * 64;
        let Error::Memory { column, limit, .. } = training.fit("{}").unwrap_err() else {
            panic!("another error");
        };
        assert_eq!((column.as_str(), limit), ("b", 550 * 64));
        // What is left out is not counted.
        let dropped = r#"{"columns": {"b": {"drop": true}, "c": {"drop": true}}}"#;
        training.fit(dropped).unwrap();
    }
}
