mod bench;
mod contents;
mod credentials;
mod failures;
mod refusals;
mod uploads;

use super::*;
use crate::digest;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path().join("store").to_str().unwrap()).unwrap();
    (folder, store)
}

#[tokio::test]
async fn the_first_to_create_wins() {
    let (_folder, store) = store();
    assert!(store.put_json_new("a/b.json", &1).await.unwrap());
    assert!(!store.put_json_new("a/b.json", &2).await.unwrap());
    assert_eq!(store.get_json::<i32>("a/b.json").await.unwrap(), Some(1));
}

#[tokio::test]
async fn an_upload_shows_only_when_finished() {
    let (_folder, store) = store();
    let mut abandoned = store.upload("x/part.bin").await.unwrap();
    abandoned.write(&[7; 100]).await.unwrap();
    drop(abandoned);
    assert_eq!(store.list("").await.unwrap(), []);

    let mut upload = store.upload("x/part.bin").await.unwrap();
    upload.write(b"ab").await.unwrap();
    upload.write(b"c").await.unwrap();
    let written = upload.finish().await.unwrap();
    assert_eq!(written.sha256, digest::hex(b"abc"));
    assert_eq!(store.require("x/part.bin").await.unwrap(), b"abc");
    assert_eq!(store.size("x/part.bin").await.unwrap(), Some(3));
}

#[tokio::test]
async fn names_with_spaces_and_quotes_are_kept() {
    let (folder, store) = store();
    let raw = folder.path().join("store/raw");
    std::fs::create_dir_all(&raw).unwrap();
    std::fs::write(raw.join("día 1 'a' 100%.parquet"), b"x").unwrap();
    let found = store.glob("raw/*.parquet").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        std::fs::read(store.file(&found[0].key).await.unwrap()).unwrap(),
        b"x"
    );
}

#[tokio::test]
async fn a_corrupt_document_names_its_key() {
    let (_folder, store) = store();
    store.put("m.json", b"{\"rows\": ".to_vec()).await.unwrap();
    let error = store
        .get_json::<serde_json::Value>("m.json")
        .await
        .unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 2);
    assert!(error.to_string().contains("m.json is corrupt"), "{error}");
}

#[tokio::test]
async fn the_end_of_an_object_can_be_read_alone() {
    let (_folder, store) = store();
    store.put("a", b"abcdef".to_vec()).await.unwrap();
    assert_eq!(store.tail("a", 2).await.unwrap().unwrap(), b"ef");
    assert_eq!(store.tail("a", 100).await.unwrap().unwrap(), b"abcdef");
    assert_eq!(store.tail("b", 2).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (_folder, store) = store();
    assert!(store.find_file("a/b").await.unwrap().is_none());
    let error = store.file("a/b").await.unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 2);
    assert!(error.to_string().contains("there is no a/b in"), "{error}");
    assert_eq!(
        runtime::failure::exit_code(&Store::open("/no/such/folder").unwrap_err()),
        2
    );
}
