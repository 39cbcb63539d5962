//! What holds for a model of every family that the registry has, for each kind of target that it
//! learns: a family that is registered is tried here without a line of its own.

use std::collections::BTreeMap;

use learn::estimator::{Families, Family};
use learn::fitted_model::Reader;
use learn::frame::{Column, Frame};
use learn::model::ClassValue;
use learn::task::{Target, Tasks, Values};
use runtime::step::Outputs;
use serde_json::{Map, Value, json};

use super::home::Home;
use super::trees::weighed_rows;

/// The options that a family needs; none where it does not learn a target of so many classes, or of
/// a number for 0.
fn options(family: &dyn Family, classes: usize) -> Option<Map<String, Value>> {
    let classes = 0..classes as i64;
    let target = Target {
        name: "target".to_owned(),
        classes: classes.map(ClassValue::Int).collect(),
    };
    let task = Tasks::standard().of_target(&target).unwrap();
    let learns = family.learns(task, &target);
    learns.then(|| family.example_options())
}

/// The bytes of every file of a model.
async fn files(home: &Home, outputs: &Outputs) -> BTreeMap<String, Vec<u8>> {
    let manifest = home.manifest(outputs).await;
    let mut files = BTreeMap::new();
    for file in manifest.files {
        let (_, name) = file.key.rsplit_once('/').unwrap();
        let bytes = home.store.require(&file.key).await.unwrap();
        files.insert(name.to_owned(), bytes);
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_the_same_files_again_on_any_threads_and_explains_each_row() {
    for family in Families::standard().all() {
        let mut learnt = 0;
        for classes in [0, 2, 3] {
            let Some(mut candidate) = options(*family, classes) else {
                continue;
            };
            learnt += 1;
            let name = family.name();
            candidate.insert("family".to_owned(), name.into());
            let mut home = Home::weighed(4, classes).await;
            home.step = home.step.with_threads(4).with_memory(1 << 28);
            let models = json!({"candidates": [candidate], "explain": 2});
            home.write_models(&models.to_string());
            let all = weighed_rows(900, 0, classes);
            let shards = [all.slice(0, 300), all.slice(300, 301), all.slice(301, 900)];
            let holdout = weighed_rows(300, 1_000_000, classes);
            let flags = home.prepared("1", &holdout, &shards).await;
            let outputs = home.train(&flags).await.unwrap();
            let made = files(&home, &outputs).await;
            let step = home.step.with_threads(1).with_memory(1 << 30).refreshing();
            let again = crate::train::train(&step, &home.store, &home.tracking, &flags);
            let again = files(&home, &again.await.unwrap()).await;
            assert!(again == made, "{name}, {classes} classes");
            let reused = home.train(&flags).await.unwrap();
            assert_eq!(reused.get("reused"), Some("true"), "{name}");

            let model = Reader::standard().read(&made["model.json"]).unwrap();
            let inputs = model.preprocessing.output_columns().into_iter();
            let inputs: Vec<String> = inputs.map(|output| output.name).collect();
            for export in model.estimator.exports(&inputs).unwrap() {
                assert!(made[export.name] == export.bytes, "{name}: {}", export.name);
            }
            let frame = Frame::new(vec![
                Column::Numbers(&[-0.3, 0.2]),
                Column::Numbers(&[300.0, -100.0]),
                Column::Numbers(&[0.2, f64::NAN]),
            ]);
            let predictions = model.predictions(&frame).unwrap();
            let reasons = predictions.iter().find(|of| of.name == "top_reasons");
            let Some(Values::Texts(reasons)) = reasons.map(|of| &of.values) else {
                panic!("{name}: {predictions:?}");
            };
            for of_row in reasons {
                let of_row = of_row.as_ref().expect(name);
                let of_row: Vec<Value> = serde_json::from_str(of_row).unwrap();
                assert!(of_row.iter().all(|of| of["contribution"].is_number()));
            }
        }
        assert!(learnt > 0, "{}", family.name());
    }
}
