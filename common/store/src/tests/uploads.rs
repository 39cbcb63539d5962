//! Streaming writes: how many calls they take, and that nothing is left of those that end early.

use std::time::Duration;

use testing::{Fault, Rule, S3Server};

use super::super::*;
use super::bench::{Bench, noise, refused};
use crate::digest::{self, Written};
use runtime::step::{Close, Step};

const MIB: usize = 1 << 20;

async fn write(store: &Store, key: &str, bytes: &[u8]) -> Result<Written> {
    let mut upload = store.upload(key).await?;
    for chunk in bytes.chunks(3 * MIB + 1) {
        upload.write(chunk).await?;
    }
    upload.finish().await
}

fn begins(method: &str, path: &str) -> bool {
    method == "POST" && path.ends_with("uploads=")
}

fn completes(method: &str, path: &str) -> bool {
    method == "POST" && path.contains("uploadId=")
}

fn sends_a_part(method: &str, path: &str) -> bool {
    method == "PUT" && path.contains("partNumber=")
}

#[tokio::test]
async fn a_small_object_is_one_call_and_a_large_one_is_sent_in_parts() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        for (bytes, calls) in [
            (0, &["PUT"][..]),
            (8 * MIB, &["PUT"]),
            (8 * MIB + 1, &["POST", "PUT", "PUT", "POST"]),
            (24 * MIB, &["POST", "PUT", "PUT", "PUT", "POST"]),
        ] {
            let content = noise(bytes);
            let written = write(&store, "x", &content).await.unwrap();
            assert_eq!(bench.calls(), calls, "{} {bytes}", bench.server.name);
            assert_eq!(written.sha256, digest::hex(&content));
            assert!(
                store.require("x").await.unwrap() == content,
                "{} {bytes}",
                bench.server.name
            );
            bench.calls();
        }
        assert_eq!(bench.unfinished(), "", "{}", bench.server.name);
    }
}

#[tokio::test]
async fn the_etag_of_a_file_is_the_servers_where_parts_grow() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store().with_part_sizes(5 * MIB, 2);
        // Parts of 5, 5, 5, 10, 10 and 20 MiB, the last one shorter.
        let content = noise(38 * MIB);
        write(&store, "x", &content).await.unwrap();
        let file = bench.scratch.path().join("x");
        std::fs::write(&file, &content).unwrap();
        let object = store.head("x").await.unwrap().unwrap();
        bench.calls();
        assert!(store.holds(&object, &file).await.unwrap());
        assert_eq!(
            bench.calls(),
            [""; 0],
            "{}: it is not read",
            bench.server.name
        );
    }
}

#[tokio::test]
async fn a_dropped_upload_leaves_nothing() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let mut upload = store.upload("x").await.unwrap();
        upload.write(&noise(20 * MIB)).await.unwrap();
        assert_ne!(
            bench.unfinished(),
            "",
            "{}: it has begun",
            bench.server.name
        );
        drop(upload);
        bench.access.uploads.close(Duration::from_secs(60)).await;
        assert_eq!(bench.unfinished(), "", "{}", bench.server.name);
        assert_eq!(store.list("").await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_dropped_upload_is_aborted_while_the_step_goes_on() {
    let bench = Bench::new(S3Server::minio());
    let store = bench.store();
    let mut upload = store.upload("x").await.unwrap();
    upload.write(&noise(20 * MIB)).await.unwrap();
    drop(upload);
    while bench.access.uploads.count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.unfinished(), "");
}

#[tokio::test]
async fn closing_aborts_what_others_still_hold_and_lets_nothing_begin() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let mut held = store.upload("held").await.unwrap();
        held.write(&noise(20 * MIB)).await.unwrap();
        let mut later = store.upload("later").await.unwrap();
        later.write(&noise(8 * MIB)).await.unwrap();
        bench.access.uploads.close(Duration::from_secs(60)).await;
        assert_eq!(bench.unfinished(), "", "{}", bench.server.name);
        refused(later.write(&[1]).await, 143);
        assert!(held.write(&noise(20 * MIB)).await.is_err());
        drop((held, later));
        assert_eq!(bench.unfinished(), "", "{}", bench.server.name);
    }
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    for server in S3Server::all() {
        let bench = Bench::new(server).within(Duration::from_secs(8));
        let store = bench.store();
        let last_part =
            |method: &str, path: &str| sends_a_part(method, path) && path.contains("partNumber=2");
        for fails in [last_part, completes] {
            bench
                .proxy
                .set([Rule::always(Fault::Status(503, String::new())).when(fails)]);
            let text = refused(write(&store, "x", &noise(8 * MIB + 1)).await, 75);
            assert!(
                text.contains(&format!("writing {}/x", bench.url())),
                "{text}"
            );
        }
        bench.access.uploads.close(Duration::from_secs(60)).await;
        assert_eq!(bench.unfinished(), "", "{}", bench.server.name);
        assert_eq!(store.list("").await.unwrap(), []);
    }
}

#[tokio::test]
async fn lost_answers_neither_double_nor_lose_an_upload() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let content = noise(20 * MIB);
        for (name, lost) in [
            ("begin", begins as fn(&str, &str) -> bool),
            ("part", sends_a_part),
            ("complete", completes),
            ("small", |method, path| {
                method == "PUT" && !path.contains("partNumber=")
            }),
        ] {
            bench
                .proxy
                .set([Rule::always(Fault::LoseAnswer).when(lost).times(1)]);
            let content = if name == "small" {
                &content[..10]
            } else {
                &content
            };
            let written = write(&store, name, content).await.unwrap();
            assert_eq!(written.sha256, digest::hex(content));
            assert!(
                store.require(name).await.unwrap() == content,
                "{} {name}",
                bench.server.name
            );
            if name != "begin" || tells_when_uploads_began(&bench.server) {
                let left = bench.unfinished();
                assert!(
                    !left.contains(&format!("/{name} ")),
                    "{} {name}: {left}",
                    bench.server.name
                );
            }
        }
    }
}

/// moto says of every upload that it began in 2010: ours and those of others can't be told apart,
/// and none is touched.
fn tells_when_uploads_began(server: &S3Server) -> bool {
    server.name != "moto"
}

#[tokio::test]
async fn an_upload_whose_begin_is_never_answered_is_found_and_aborted() {
    for server in S3Server::all().into_iter().filter(tells_when_uploads_began) {
        let bench = Bench::new(server).within(Duration::from_secs(8));
        let store = bench.store();
        bench
            .proxy
            .set([Rule::always(Fault::LoseAnswer).when(begins)]);
        refused(write(&store, "a & b/x", &noise(9 * MIB)).await, 75);
        assert_ne!(
            bench.unfinished(),
            "",
            "{}: it has begun",
            bench.server.name
        );
        bench.access.uploads.close(Duration::from_secs(60)).await;
        assert_eq!(bench.unfinished(), "", "{}", bench.server.name);
    }
}

#[tokio::test]
async fn an_upload_that_somebody_else_aborts_is_worth_another_run() {
    let bench = Bench::new(S3Server::minio());
    let store = bench.store();
    let mut upload = store.upload("x").await.unwrap();
    upload.write(&noise(10 * MIB)).await.unwrap();
    let aborted = bench.boto3(
        "for upload in s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix + '/x').get('Uploads', []):\n\
         \x20   s3.abort_multipart_upload(Bucket=bucket, Key=upload['Key'], UploadId=upload['UploadId'])\n\
         \x20   print('aborted')\n",
    );
    assert_eq!(aborted, "aborted\n");
    let text = refused(upload.finish().await, 75);
    assert!(text.contains("somebody else aborted"), "{text}");
    assert_eq!(store.get("x").await.unwrap(), None);
}

#[tokio::test]
async fn what_a_step_leaves_open_is_aborted_when_it_is_closed() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let home = tempfile::tempdir().unwrap();
        let variables = bench.server.variables.iter().cloned().collect();
        let step = Step::for_test("probe", home.path()).with_store(&bench.url(), variables);
        let mut upload = Store::of(&step).unwrap().upload("x").await.unwrap();
        // Its first part is sent.
        upload.write(&vec![0; 17 << 20]).await.unwrap();
        let open = step.opened::<OpenUploads>();
        assert_eq!(open.count(), 1);
        assert_ne!(bench.unfinished(), "", "{}", bench.server.name);
        open.close(Duration::from_secs(60)).await;
        assert_eq!(bench.unfinished(), "", "{}", bench.server.name);
    }
}
