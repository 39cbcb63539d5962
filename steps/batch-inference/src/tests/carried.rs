//! Columns that scored rows carry beside what the model needs.

use learn::fitted_model::Reader;
use profile::reference::CategoryProfile;
use runtime::failure::exit_code;

use super::*;

fn few(name: &str) -> CategoryProfile {
    CategoryProfile {
        name: name.to_owned(),
        rows: 100,
        nulls: 0,
        values: Some(vec![("n".to_owned(), 100)]),
    }
}

async fn kept(bench: &Bench, key: &str) -> (Vec<String>, ResultsManifest) {
    let (manifest, batch) = bench.results(key).await;
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    (
        names.take_while(|name| name != "prediction").collect(),
        manifest,
    )
}

#[tokio::test]
async fn a_text_that_had_few_values_in_training_is_carried_and_others_are_not() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[20, 30]).await;
    let older = bench.score("models:/m/1", &predict).await.unwrap().0;
    let (names, manifest) = kept(&bench, &older).await;
    assert_eq!(
        names,
        ["id", "y", "b \"2\"", "a.1"],
        "no profile of it, no column"
    );
    assert_eq!(manifest.header.inputs.get("segment columns"), None);

    for (seed, category, carried) in [
        ("few", few("note"), true),
        (
            "wide",
            CategoryProfile {
                values: None,
                ..few("note")
            },
            false,
        ),
        ("other", few("town"), false),
    ] {
        let version = bench
            .register_with(model(zero_one()), seed, vec![category])
            .await;
        let uri = format!("models:/m/{version}");
        let key = bench.score(&uri, &predict).await.unwrap().0;
        let (names, manifest) = kept(&bench, &key).await;
        assert_eq!(names.len(), if carried { 5 } else { 4 }, "{seed}");
        if carried {
            assert_eq!(names[4], "note");
            assert_eq!(manifest.header.inputs.get("segment columns"), Some("note"));
            let (_, batch) = bench.results(&key).await;
            let notes = batch.column_by_name("note").unwrap();
            assert!(
                notes
                    .as_string::<i32>()
                    .iter()
                    .all(|note| note == Some("n"))
            );
            assert!(bench.score(&uri, &predict).await.unwrap().1, "reused");
        }
    }
}

#[tokio::test]
async fn the_setting_names_columns_or_none_and_a_wrong_name_is_refused_with_what_there_is() {
    let bench = Bench::new().await;
    let predict = bench.prepare("1", &[20]).await;
    let named = |text: &str| -> SegmentColumns { text.parse().unwrap() };
    let key = bench
        .score_carrying("models:/m/1", &predict, named("note"))
        .await
        .unwrap()
        .0;
    let (names, _) = kept(&bench, &key).await;
    assert_eq!(
        names.last().unwrap(),
        "note",
        "also by a model without a profile of it"
    );

    let version = bench
        .register_with(model(zero_one()), "few", vec![few("note")])
        .await;
    let uri = format!("models:/m/{version}");
    let key = bench
        .score_carrying(&uri, &predict, named("none"))
        .await
        .unwrap()
        .0;
    assert_eq!(kept(&bench, &key).await.0.len(), 4);
    for (wrong, why) in [
        ("a.1", "has the role feature"),
        ("town", "is not a column of the result of features.sql"),
    ] {
        let error = bench
            .score_carrying(&uri, &predict, named(wrong))
            .await
            .unwrap_err();
        assert_eq!(exit_code(&error), 2);
        let text = format!("{error:#}");
        assert!(
            text.contains(why) && text.contains("it can name note"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn wide_texts_are_cut() {
    let wide = "w".repeat(50_000);
    let schema = Arc::new(Schema::new(
        columns()
            .iter()
            .map(|column| {
                let data_type = match (column.name.as_str(), column.data_type.as_str()) {
                    ("note", _) => DataType::LargeUtf8,
                    (_, "Utf8") => DataType::Utf8,
                    (_, "Float64") => DataType::Float64,
                    _ => DataType::Int64,
                };
                Field::new(&column.name, data_type, true)
            })
            .collect::<Vec<_>>(),
    ));
    let mut arrays = rows(0, 8).columns().to_vec();
    arrays[1] = Arc::new(arrow::array::LargeStringArray::from(vec![wide.as_str(); 8]));
    let batch = RecordBatch::try_new(schema.clone(), arrays).unwrap();
    let scorer = crate::score::Scorer::new(
        Arc::new(Reader::standard().first(model(zero_one())).unwrap()),
        "models:/m/1".parse().unwrap(),
        "1".to_owned(),
        &schema.project(&[0, 4, 2, 3, 1]).unwrap(),
        1,
    )
    .unwrap();
    let (scored, _) = scorer
        .score(&batch.project(&[0, 4, 2, 3, 1]).unwrap())
        .unwrap();
    let note = scored.column_by_name("note").unwrap().as_string::<i32>();
    assert_eq!(
        note.value(7).chars().count(),
        table::categories::MOST_CHARACTERS + 1
    );
    assert!(note.value(7).ends_with('…'));
}
