use super::*;
use runtime::failure::exit_code;
use runtime::step::Cache;
use store::Store;

fn inputs(sql: &str) -> Inputs {
    Inputs::new("data-prep", 1)
        .with("features.sql", sql)
        .with("data-version", "1")
}

fn manifest(step: &Step, inputs: Inputs) -> DatasetManifest {
    let header = Header::new(inputs, step);
    let version = DataVersion::parse("1", step.timezone()).unwrap();
    DatasetManifest {
        rows: 2,
        labelled_rows: 2,
        parts: vec![Part {
            key: "p".to_owned(),
            rows: 2,
            bytes: 3,
            sha256: String::new(),
            ordinal: 0,
        }],
        ..DatasetManifest::empty(header, version, Split::Train, "c")
    }
}

async fn committed(step: &Step) -> (Store, DatasetManifest) {
    let store = Store::of(step).unwrap();
    store.put("p", b"abc".to_vec()).await.unwrap();
    let (manifest, reused) = commit(&store, "m", manifest(step, inputs("a")), Cache::Use)
        .await
        .unwrap();
    assert!(!reused);
    (store, manifest)
}

#[tokio::test]
async fn who_comes_second_with_the_same_inputs_gives_the_firsts() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("data-prep", home.path());
    let (store, first) = committed(&step).await;
    let (second, reused) = commit(
        &store,
        "m",
        manifest(&step.in_workflow("late"), inputs("a")),
        Cache::Use,
    )
    .await
    .unwrap();
    assert!(reused);
    assert_eq!(second, first);
    assert_eq!(
        reusable(&store, "m", &inputs("a"), Cache::Use)
            .await
            .unwrap(),
        Some(first)
    );
}

#[tokio::test]
async fn other_inputs_are_refused_and_named() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("data-prep", home.path());
    let (store, first) = committed(&step).await;
    let at_plan = reusable::<DatasetManifest>(&store, "m", &inputs("b"), Cache::Use)
        .await
        .unwrap_err();
    let at_commit = commit(&store, "m", manifest(&step, inputs("b")), Cache::Use)
        .await
        .unwrap_err();
    for error in [at_plan, at_commit] {
        assert_eq!(exit_code(&error), 2);
        assert!(
            error.to_string().contains("features.sql was a, and is b"),
            "{error}"
        );
        assert!(!error.to_string().contains("data-version was"), "{error}");
    }
    assert_eq!(
        require::<DatasetManifest>(&store, "m").await.unwrap(),
        first
    );
}

#[tokio::test]
async fn a_refresh_replaces_and_keeps_the_time_of_equal_work() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("data-prep", home.path()).in_workflow("second");
    let (store, first) = committed(&Step::for_test("data-prep", home.path())).await;
    assert_eq!(
        reusable::<DatasetManifest>(&store, "m", &inputs("a"), Cache::Refresh)
            .await
            .unwrap(),
        None
    );
    let (same, _) = commit(&store, "m", manifest(&step, inputs("a")), Cache::Refresh)
        .await
        .unwrap();
    assert_eq!(same.header.created_at, first.header.created_at);
    let (other, _) = commit(&store, "m", manifest(&step, inputs("b")), Cache::Refresh)
        .await
        .unwrap();
    assert_ne!(other.header.fingerprint, first.header.fingerprint);
    assert_eq!(
        require::<DatasetManifest>(&store, "m").await.unwrap(),
        other
    );
}

#[tokio::test]
async fn work_whose_objects_are_lost_is_not_reused() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("data-prep", home.path());
    let (store, _) = committed(&step).await;
    store.put("p", b"ab".to_vec()).await.unwrap();
    assert_eq!(
        reusable::<DatasetManifest>(&store, "m", &inputs("a"), Cache::Use)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_manifest_of_another_kind_is_said_to_be_one() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("data-prep", home.path());
    let (store, _) = committed(&step).await;
    let error = require::<ResultsManifest>(&store, "m").await.unwrap_err();
    assert_eq!(exit_code(&error), 2);
    assert_eq!(
        error.to_string(),
        "m is a data set manifest, and a results manifest is needed: give the key of one"
    );
}

#[tokio::test]
async fn manifests_of_another_format_and_corrupt_ones_are_refused_by_key() {
    let home = tempfile::tempdir().unwrap();
    let step = Step::for_test("data-prep", home.path());
    let (store, _) = committed(&step).await;
    let text = String::from_utf8(store.require("m").await.unwrap()).unwrap();
    for (content, part) in [
        (
            text.replace("\"format_version\": 1", "\"format_version\": 9"),
            "format_version 9",
        ),
        (text.replace("\"rows\": 2", "\"rows\": \"two\""), "corrupt"),
        (text[..text.len() / 2].to_owned(), "corrupt"),
        (String::new(), "corrupt"),
    ] {
        store.put("m", content.into_bytes()).await.unwrap();
        let error = require::<DatasetManifest>(&store, "m").await.unwrap_err();
        assert_eq!(exit_code(&error), 2, "{error:#}");
        assert!(
            error.to_string().contains(part) && error.to_string().contains('m'),
            "{error:#}"
        );
    }
}

#[test]
fn what_differs_is_reported_in_one_screen() {
    let many = (0..300).fold(inputs("a"), |inputs, i| {
        inputs.with(format!("raw train/{i:03}.parquet"), i)
    });
    let screen = many.differences(&inputs("b"));
    assert_eq!(screen.lines().count(), 10, "{screen}");
    assert!(
        screen.contains("features.sql was b, and is a") && screen.contains("and 293 more"),
        "{screen}"
    );
    assert!(
        inputs("a")
            .differences(&many)
            .contains("raw train/000.parquet is gone")
    );
}
