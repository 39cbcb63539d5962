//! The training rows of a category, beside the mean of the target in it.

use super::*;

const SETTINGS: &str = r#"{
    "categorical": {"encode": "target", "frequency": true, "standardize": false}
}"#;

fn with_missing(values: &[&str]) -> [(&'static str, Values); 1] {
    let of = |text: &&str| (*text != "-").then(|| (*text).to_owned());
    [("c", Values::Texts(values.iter().map(of).collect()))]
}

fn fit_of<'a>(columns: &'a [(&'a str, Values)]) -> Training<'a> {
    let mut training = Training::new(columns);
    training.y = (0..8).map(|row| f64::from(row % 3)).collect();
    training.weights = Some((0..8).map(f64::from).collect());
    training.folds = Some((0..8).map(|row| row % 2).collect());
    training
}

/// What comes out last in each row.
fn last(values: &[f64], width: usize) -> Vec<f64> {
    let rows = values.chunks_exact(width);
    rows.map(|row| row[width - 1]).collect()
}

#[test]
fn a_column_with_an_encoding_of_its_own_does_not_count_rows_by_default() {
    let columns = with_missing(&["b", "a", "b", "a", "b", "b", "a", "a"]);
    let own = |own: &str| {
        let all = r#""categorical": {"encode": "target", "frequency": true}"#;
        let settings = format!(r#"{{{all}, "columns": {{"c": {{{own}}}}}}}"#);
        let mut training = fit_of(&columns);
        training.weights = None;
        training.fit(&settings).map(|fitted| names(&fitted))
    };
    let one_hot = own(r#""encode": "one-hot", "min_frequency": 1"#);
    assert_eq!(one_hot.unwrap(), ["c = a", "c = b"]);
    assert_eq!(own(r#""encode": "ordinal""#).unwrap(), ["c"]);
    for counted in [r#""encode": "target""#, r#""standardize": false"#] {
        assert_eq!(own(counted).unwrap(), ["c", "c (frequency)"]);
    }
    let error = own(r#""encode": "one-hot", "frequency": true"#).unwrap_err();
    assert!(error.to_string().contains("column \"c\": `frequency`"));
}

#[test]
fn categories_count_their_rows_and_rare_and_unknown_ones_are_0() {
    let columns = with_missing(&["b", "a", "-", "a", "b", "c", "a", "-"]);
    let scored = with_missing(&["a", "b", "c", "new", "-"]);
    let mut training = fit_of(&columns);
    for (said, expected) in [
        ("", [3.0, 2.0, 1.0, 0.0, 2.0]),
        (r#""min_frequency": 2,"#, [3.0, 2.0, 0.0, 0.0, 2.0]),
        (r#""min_frequency": 3,"#, [3.0, 0.0, 0.0, 0.0, 0.0]),
        (r#""impute": "most-frequent","#, [5.0, 2.0, 1.0, 0.0, 5.0]),
    ] {
        let settings = SETTINGS.replace(r#""encode""#, &format!(r#"{said} "encode""#));
        for chunk in [1, 3, 8] {
            training.chunk = chunk;
            let fitted = training.fit(&settings).unwrap();
            assert_eq!(names(&fitted), ["c", "c (frequency)"]);
            let outputs = fitted.preprocessing.output_columns();
            assert_eq!(outputs[1].origin, Origin::Frequency);
            let ours = transform(&fitted.preprocessing, &scored).unwrap();
            assert_eq!(last(&ours, 2), expected, "{said}");
        }
    }
}

#[test]
fn training_rows_have_the_frequency_of_all_folds() {
    let columns = with_missing(&["b", "a", "-", "a", "b", "c", "a", "-"]);
    let mut training = fit_of(&columns);
    training.classes = ["x", "y", "z"].map(str::to_owned).to_vec();
    let fitted = training.fit(SETTINGS).unwrap();
    let of_classes = ["c (target x)", "c (target y)", "c (target z)"];
    assert_eq!(names(&fitted)[..3], of_classes);
    let ours = out_of_fold(&fitted, &columns, training.folds.as_ref().unwrap());
    assert_eq!(last(&ours, 4), [2.0, 3.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0]);
}

#[test]
fn frequencies_are_standardised_with_the_means() {
    let columns = with_missing(&["b", "a", "-", "a", "b", "c", "a", "-"]);
    let mut training = fit_of(&columns);
    training.weights = None;
    let settings = r#"{"categorical": {"encode": "target", "frequency": true}}"#;
    let fitted = training.fit(settings).unwrap().preprocessing;
    let ours = last(&transform(&fitted, &columns).unwrap(), 2);
    let squares: f64 = ours.iter().map(|value| value * value).sum();
    close(&[ours.iter().sum(), squares / 8.0], &[0.0, 1.0]);
}

#[test]
fn a_state_without_frequencies_is_read_as_before_and_one_of_another_length_is_refused() {
    let columns = with_missing(&["b", "a", "-", "a", "b", "c", "a", "-"]);
    let training = fit_of(&columns);
    let counted = training.fit(SETTINGS).unwrap().preprocessing;
    let kept = serde_json::to_string(&counted).unwrap();
    let frequencies = r#","frequencies":[3,2,1,2]"#;
    let before = kept.replace(frequencies, "");
    assert_ne!(before, kept);
    let read: Preprocessing = serde_json::from_str(&before).unwrap();
    let plain = training.fit(&SETTINGS.replace("true", "false")).unwrap();
    assert_eq!(read, plain.preprocessing);
    assert_eq!(serde_json::to_string(&read).unwrap(), before);
    let means = transform(&read, &columns).unwrap();
    let ours = transform(&counted, &columns).unwrap();
    assert_eq!(ours.len(), 2 * means.len());
    assert!(ours.iter().step_by(2).eq(&means));
    let broken = kept.replace(frequencies, r#","frequencies":[3,2,1]"#);
    let error = serde_json::from_str::<Preprocessing>(&broken).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("one frequency per category"), "{error}");
}
