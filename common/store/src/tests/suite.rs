//! What holds in every store: a folder, and two S3 servers that have nothing in common.

use testing::S3Server;

use super::super::*;
use super::bench::{Bench, noise};
use crate::digest::{self, Written};

/// A store of its own, and what keeps it.
struct Place {
    store: Store,
    _folder: Option<tempfile::TempDir>,
    _bench: Option<Bench>,
}

impl Place {
    fn folder() -> Self {
        let (folder, store) = super::store();
        Self {
            store,
            _folder: Some(folder),
            _bench: None,
        }
    }

    fn bucket(server: S3Server) -> Self {
        let bench = Bench::new(server);
        Self {
            store: bench.store(),
            _folder: None,
            _bench: Some(bench),
        }
    }
}

/// A test in each store.
macro_rules! in_every_store {
    ($($test:ident)*) => {
        in_every_store!(@ in_a_folder, Place::folder(), $($test)*);
        in_every_store!(@ in_minio, Place::bucket(S3Server::minio()), $($test)*);
        in_every_store!(@ in_moto, Place::bucket(S3Server::moto()), $($test)*);
    };
    (@ $place:ident, $open:expr, $($test:ident)*) => {
        mod $place {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                let place = $open;
                super::$test(place.store.clone()).await;
            })*
        }
    };
}

in_every_store! {
    the_first_to_create_wins
    of_many_who_create_at_once_one_wins
    an_upload_shows_only_when_finished
    a_large_upload_is_read_back_whole_and_in_ranges
    names_with_spaces_and_quotes_are_kept
    a_listing_is_in_the_order_of_keys_and_ends_at_a_folder
    a_glob_stays_within_its_folders
    an_object_looks_the_same_until_it_changes
    a_corrupt_document_names_its_key
    the_end_of_an_object_can_be_read_alone
    a_range_that_no_object_has_needs_a_person
    what_is_not_there_is_named
    what_is_deleted_is_gone
    the_first_object_that_is_missing_or_of_another_size_is_found
}

fn keys(objects: Vec<Object>) -> Vec<String> {
    objects.into_iter().map(|object| object.key).collect()
}

async fn put_all(store: &Store, keys: &[&str]) {
    for key in keys {
        store.put(key, key.as_bytes().to_vec()).await.unwrap();
    }
}

async fn the_first_to_create_wins(store: Store) {
    assert!(store.put_json_new("a/b.json", &1).await.unwrap());
    assert!(!store.put_json_new("a/b.json", &2).await.unwrap());
    assert_eq!(store.get_json::<i32>("a/b.json").await.unwrap(), Some(1));
    store.put_json("a/b.json", &3).await.unwrap();
    assert_eq!(store.get_json::<i32>("a/b.json").await.unwrap(), Some(3));
}

async fn of_many_who_create_at_once_one_wins(store: Store) {
    let puts = (0..8).map(|number| {
        let store = store.clone();
        async move { store.put_json_new("a/b.json", &number).await }
    });
    let won: Vec<bool> = futures::future::try_join_all(puts).await.unwrap();
    let winners: Vec<usize> = (0..8).filter(|&number| won[number]).collect();
    assert_eq!(winners.len(), 1, "{won:?}");
    let found = store.get_json::<usize>("a/b.json").await.unwrap();
    assert_eq!(found, Some(winners[0]));
}

async fn an_upload_shows_only_when_finished(store: Store) {
    let mut abandoned = store.upload("x/part.bin").await.unwrap();
    abandoned.write(&[7; 100]).await.unwrap();
    drop(abandoned);
    assert_eq!(store.list("").await.unwrap(), []);

    let mut upload = store.upload("x/part.bin").await.unwrap();
    upload.write(b"ab").await.unwrap();
    upload.write(b"c").await.unwrap();
    assert_eq!(store.head("x/part.bin").await.unwrap(), None);
    let written = upload.finish().await.unwrap();
    assert_eq!(written.sha256, digest::hex(b"abc"));
    assert_eq!(store.require("x/part.bin").await.unwrap(), b"abc");
    assert_eq!(store.size("x/part.bin").await.unwrap(), Some(3));
}

async fn a_large_upload_is_read_back_whole_and_in_ranges(store: Store) {
    let content = noise(9 << 20);
    let mut upload = store.upload("a/large.bin").await.unwrap();
    for chunk in content.chunks(1_000_003) {
        upload.write(chunk).await.unwrap();
    }
    let written = upload.finish().await.unwrap();
    let expected = Written {
        bytes: 9 << 20,
        sha256: digest::hex(&content),
    };
    assert_eq!(written, expected);
    assert!(store.require("a/large.bin").await.unwrap() == content);
    let file = store.file("a/large.bin").await.unwrap();
    assert_eq!(file.hash().unwrap(), expected);
    assert!(std::fs::read(&file).unwrap() == content);
    let tail = store.tail("a/large.bin", 100).await.unwrap().unwrap();
    assert_eq!(tail, content[content.len() - 100..]);
    let range = |range| store.range("a/large.bin", range);
    assert_eq!(range(7..1_000).await.unwrap(), content[7..1_000]);
    assert!(range(7..7).await.unwrap().is_empty());
    for beyond in [(9 << 20) - 5..(9 << 20) + 1, 10 << 20..11 << 20] {
        assert!(range(beyond).await.is_err());
    }
}

async fn names_with_spaces_and_quotes_are_kept(store: Store) {
    let key = "raw/día 1 'a' 100%+&=.parquet";
    store.put(key, b"x".to_vec()).await.unwrap();
    let found = store.glob("raw/*.parquet").await.unwrap();
    assert_eq!(keys(found), [key]);
    let file = store.file(key).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
}

async fn a_listing_is_in_the_order_of_keys_and_ends_at_a_folder(store: Store) {
    put_all(
        &store,
        &["raw/b", "raw/a/x", "raw/a.csv", "raw2/c", "raw/B"],
    )
    .await;
    let listed = keys(store.list("raw").await.unwrap());
    assert_eq!(listed, ["raw/B", "raw/a.csv", "raw/a/x", "raw/b"]);
    assert_eq!(store.list("nothing").await.unwrap(), []);
    let sizes = store.list("raw2").await.unwrap();
    assert_eq!((sizes.len(), sizes[0].bytes), (1, 6));
}

async fn a_glob_stays_within_its_folders(store: Store) {
    put_all(
        &store,
        &[
            "raw/a.csv",
            "raw/b.parquet",
            "raw/more/c.csv",
            "ü s/e f.csv",
        ],
    )
    .await;
    for (glob, expected) in [
        ("raw/*.csv", "raw/a.csv"),
        ("raw/*/*.csv", "raw/more/c.csv"),
        ("*/e f.csv", "ü s/e f.csv"),
        ("raw/b.parquet", "raw/b.parquet"),
    ] {
        assert_eq!(keys(store.glob(glob).await.unwrap()), [expected], "{glob}");
    }
    assert_eq!(store.glob("raw/*.txt").await.unwrap(), []);
}

async fn an_object_looks_the_same_until_it_changes(store: Store) {
    store.put("a/b.csv", b"one".to_vec()).await.unwrap();
    let before = store.head("a/b.csv").await.unwrap().unwrap();
    assert_eq!((before.key.as_str(), before.bytes), ("a/b.csv", 3));
    let alone = std::slice::from_ref(&before);
    assert_eq!(store.list("a").await.unwrap(), alone);
    assert_eq!(store.glob("a/*.csv").await.unwrap(), alone);
    store.put("a/b.csv", b"other".to_vec()).await.unwrap();
    let after = store.head("a/b.csv").await.unwrap().unwrap();
    assert_ne!(after, before);
}

async fn a_corrupt_document_names_its_key(store: Store) {
    store.put("m.json", b"{\"rows\": ".to_vec()).await.unwrap();
    let error = store
        .get_json::<serde_json::Value>("m.json")
        .await
        .unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 2);
    assert!(error.to_string().contains("m.json is corrupt"), "{error}");
}

async fn the_end_of_an_object_can_be_read_alone(store: Store) {
    store.put("a", b"abcdef".to_vec()).await.unwrap();
    assert_eq!(store.tail("a", 2).await.unwrap().unwrap(), b"ef");
    assert_eq!(store.tail("a", 100).await.unwrap().unwrap(), b"abcdef");
    assert_eq!(store.tail("b", 2).await.unwrap(), None);
}

async fn a_range_that_no_object_has_needs_a_person(store: Store) {
    store.put("a", b"abcdef".to_vec()).await.unwrap();
    assert_eq!(store.range("a", 1..3).await.unwrap(), b"bc");
    for range in [4..8, 6..8, 10..12] {
        let error = store.range("a", range).await.unwrap_err();
        assert_eq!(runtime::failure::exit_code(&error), 2, "{error:#}");
    }
}

async fn what_is_not_there_is_named(store: Store) {
    assert_eq!(store.get("a/b").await.unwrap(), None);
    assert_eq!(store.head("a/b").await.unwrap(), None);
    assert!(store.find_file("a/b").await.unwrap().is_none());
    let error = store.file("a/b").await.unwrap_err();
    assert_eq!(runtime::failure::exit_code(&error), 2);
    assert!(error.to_string().contains("there is no a/b in"), "{error}");
}

async fn what_is_deleted_is_gone(store: Store) {
    put_all(&store, &["a/b", "a/c"]).await;
    store.delete("a/b").await.unwrap();
    assert_eq!(store.get("a/b").await.unwrap(), None);
    assert_eq!(keys(store.list("a").await.unwrap()), ["a/c"]);
}

async fn the_first_object_that_is_missing_or_of_another_size_is_found(store: Store) {
    put_all(&store, &["a/1", "a/2", "b/3"]).await;
    let missing = async |objects: &[(&str, u64)]| store.first_missing(objects).await.unwrap();
    assert_eq!(missing(&[("a/1", 3), ("a/2", 3), ("b/3", 3)]).await, None);
    assert_eq!(
        missing(&[("a/1", 3), ("a/9", 3), ("b/3", 3)]).await,
        Some(1)
    );
    assert_eq!(
        missing(&[("a/1", 3), ("a/2", 3), ("b/3", 4)]).await,
        Some(2)
    );
}
