//! What is broken is named, with the exit code of the contract.

use catalog::layout;
use runtime::failure::exit_code;

use super::home::{Home, Names, Reported, Rows};

#[test]
fn the_command_line_is_well_formed_and_checks_its_numbers() {
    crate::command().debug_assert();
    let report = |flag: &str| {
        let line = [
            "model-monitoring",
            "report",
            "--raw-url=r",
            "--results-manifest=k",
            flag,
        ];
        crate::command().try_get_matches_from(line)
    };
    for flag in [
        "--psi-warn=NaN",
        "--psi-alert=-1",
        "--psi-alert=inf",
        "--min-rows=x",
    ] {
        assert!(report(flag).is_err(), "{flag}");
    }
    assert!(report("--psi-warn=0").is_ok());
}

async fn simple() -> (Home, String) {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let results = home.results(&[Rows::simple(120)]).await;
    (home, results)
}

async fn refused(home: &Home, results: &str, code: u8, expected: &str) {
    let error = home.try_report(results).await.unwrap_err();
    let message = format!("{error:#}");
    assert_eq!(exit_code(&error), code, "{message}");
    assert!(
        message.contains(expected),
        "{message} should say {expected}"
    );
    assert!(
        home.store.list("reports").await.unwrap().is_empty(),
        "nothing is visible"
    );
}

#[tokio::test]
async fn a_changed_file_of_the_model_is_refused_by_name() {
    for file in [
        layout::MODEL_FILE,
        layout::REFERENCE_FILE,
        layout::METRICS_FILE,
    ] {
        let (home, results) = simple().await;
        home.store
            .put(
                &layout::model_file(&home.model_folder(), file),
                b"{}".to_vec(),
            )
            .await
            .unwrap();
        refused(&home, &results, 2, file).await;
    }
}

#[tokio::test]
async fn a_missing_or_corrupt_manifest_is_refused_by_name() {
    let (home, results) = simple().await;
    refused(
        &home,
        "results/9/m/v3/_manifest.json",
        2,
        "there is no results manifest results/9/m/v3/_manifest.json",
    )
    .await;
    refused(&home, "../x", 2, "\"../x\" is refused").await;
    home.store
        .put(&results, b"{\"format_version\": 1, ".to_vec())
        .await
        .unwrap();
    refused(&home, &results, 2, "corrupt").await;
}

#[tokio::test]
async fn a_damaged_part_is_refused_by_name() {
    let (home, results) = simple().await;
    let part = home
        .store
        .list("results")
        .await
        .unwrap()
        .into_iter()
        .find(|object| object.key.contains("/part-"))
        .unwrap();
    let file = home.store.local_path(&part.key).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    refused(&home, &results, 2, &part.key).await;
}

#[tokio::test]
async fn a_part_with_other_rows_than_its_manifest_says_is_refused() {
    let (home, results) = simple().await;
    let manifest = String::from_utf8(home.store.require(&results).await.unwrap()).unwrap();
    home.store
        .put(
            &results,
            manifest
                .replace("\"rows\": 120", "\"rows\": 119")
                .into_bytes(),
        )
        .await
        .unwrap();
    refused(
        &home,
        &results,
        2,
        "holds 120 rows, and its manifest says 119",
    )
    .await;
}

#[tokio::test]
async fn a_label_file_that_breaks_the_contract_is_refused_by_name() {
    let (home, results) = simple().await;
    home.deliver("1.parquet", &[("c1", 0, Some(1)), ("c2", 0, Some(7))]);
    refused(&home, &results, 10, "labels/1.parquet").await;
    home.deliver("1.parquet", &[("c1", 0, Some(1)), ("c1", 0, Some(0))]);
    refused(&home, &results, 10, "repeat").await;
    std::fs::write(home.folder.path().join("raw/labels/1.parquet"), b"PAR1").unwrap();
    refused(&home, &results, 10, "labels/1.parquet").await;
}
