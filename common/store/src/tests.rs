mod bench;
mod contents;
mod credentials;
mod failures;
mod refusals;
mod suite;
mod uploads;

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store").to_str().unwrap()).unwrap();
    (folder, store)
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    let error = Store::open("/no/such/folder").unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 2);
}
