use runtime::step::Step;
use store::Store;

use crate::publish::without_database;

#[tokio::test]
async fn results_that_do_not_exist_are_refused_by_key() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::of(&Step::for_test("publish-predictions", home.path())).unwrap();
    let error = without_database(&store, Some("results/1/m/v1/_manifest.json"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("results/1/m/v1/_manifest.json"),
        "{error}"
    );
    assert_eq!(runtime::failure::exit_code(&error), 2);
}
