//! What is written and read, on two servers that have nothing in common; boto3 has the other view.

use futures::{StreamExt, TryStreamExt};

use testing::S3Server;

use super::super::*;
use super::bench::{Bench, noise};
use crate::digest::{self, Written};

#[tokio::test]
async fn boto3_reads_what_is_written() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        store.put_json("a/one.json", &[1, 2]).await.unwrap();
        let large = noise(20 << 20);
        let mut upload = store.upload("a/día 1 'x' 100%+&=.parquet").await.unwrap();
        for chunk in large.chunks(1_000_003) {
            upload.write(chunk).await.unwrap();
        }
        let written = upload.finish().await.unwrap();
        assert_eq!(
            (written.bytes, &written.sha256),
            (20 << 20, &digest::hex(&large)),
            "{}",
            bench.server.name
        );

        let seen = bench.boto3(
            "for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)['Contents']:\n\
             \x20   body = s3.get_object(Bucket=bucket, Key=found['Key'])['Body'].read()\n\
             \x20   print(found['Key'].removeprefix(prefix + '/'), len(body), hashlib.sha256(body).hexdigest(), found['ETag'])\n",
        );
        let listed = store.list("").await.unwrap();
        let lines = listed.iter().map(|object| {
            let sha256 = if object.key.ends_with("json") {
                digest::hex(b"[\n  1,\n  2\n]\n")
            } else {
                written.sha256.clone()
            };
            format!(
                "{} {} {sha256} \"{}\"\n",
                object.key, object.bytes, object.stamp
            )
        });
        assert_eq!(seen, lines.collect::<String>(), "{}", bench.server.name);
    }
}

#[tokio::test]
async fn what_boto3_writes_is_read() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        bench.boto3(
            "for key in ['raw/a.csv', 'raw/b.parquet', 'raw/more/c.csv', 'raw/', 'raw2/d.csv', 'ünd so/e f.csv']:\n\
             \x20   s3.put_object(Bucket=bucket, Key=f'{prefix}/{key}', Body=key.encode())\n",
        );
        let keys = |objects: Vec<Object>| {
            objects
                .into_iter()
                .map(|object| object.key)
                .collect::<Vec<_>>()
        };
        let name = bench.server.name;
        assert_eq!(
            keys(store.list("raw").await.unwrap()),
            ["raw/a.csv", "raw/b.parquet", "raw/more/c.csv"],
            "{name}"
        );
        assert_eq!(
            keys(store.glob("raw/*.csv").await.unwrap()),
            ["raw/a.csv"],
            "{name}"
        );
        assert_eq!(
            keys(store.glob("raw/*/*.csv").await.unwrap()),
            ["raw/more/c.csv"],
            "{name}"
        );
        assert_eq!(
            keys(store.glob("*/e f.csv").await.unwrap()),
            ["ünd so/e f.csv"],
            "{name}"
        );
        assert_eq!(
            keys(store.list("nothing").await.unwrap()),
            Vec::<String>::new(),
            "{name}"
        );

        let found = store.head("ünd so/e f.csv").await.unwrap().unwrap();
        assert_eq!((found.bytes, found.key.as_str()), (15, "ünd so/e f.csv"));
        assert_eq!(
            store.require("ünd so/e f.csv").await.unwrap(),
            "ünd so/e f.csv".as_bytes()
        );
        assert_eq!(
            store.glob("ünd so/*").await.unwrap(),
            std::slice::from_ref(&found),
            "{name}: the stamp is the same"
        );
        assert_eq!(
            store.tail("raw/b.parquet", 7).await.unwrap().unwrap(),
            b"parquet"
        );
        assert_eq!(store.get("raw/x").await.unwrap(), None);
        assert_eq!(store.head("raw/x").await.unwrap(), None);
        assert_eq!(store.tail("raw/x", 7).await.unwrap(), None);

        let before = found.stamp;
        store
            .put("ünd so/e f.csv", b"other".to_vec())
            .await
            .unwrap();
        assert_ne!(
            store.head("ünd so/e f.csv").await.unwrap().unwrap().stamp,
            before
        );
        store.delete("ünd so/e f.csv").await.unwrap();
        assert_eq!(store.get("ünd so/e f.csv").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_file_is_a_copy_that_vanishes() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let content = noise(9 << 20);
        store.put("a/big.bin", content.clone()).await.unwrap();
        bench.calls();
        let file = store.file("a/big.bin").await.unwrap();
        assert_eq!(bench.calls(), ["GET"], "{}", bench.server.name);
        assert!(file.path().starts_with(bench.scratch.path()));
        assert_eq!(std::fs::read(&file).unwrap(), content);
        assert_eq!(
            file.hash().unwrap(),
            Written {
                bytes: 9 << 20,
                sha256: digest::hex(&content)
            }
        );
        assert_eq!(
            file.copied_object(),
            store.head("a/big.bin").await.unwrap().as_ref()
        );
        assert_eq!(file.to_string(), format!("{}/a/big.bin", bench.url()));
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
        assert!(store.find_file("a/none").await.unwrap().is_none());
        assert_eq!(
            std::fs::read_dir(bench.scratch.path()).unwrap().count(),
            0,
            "nothing stays in the scratch folder"
        );
    }
}

#[tokio::test]
async fn long_listings_come_page_by_page() {
    for server in S3Server::all() {
        let bench = Bench::new(server);
        let store = bench.store();
        let puts = (0..1005).map(|number| {
            let store = store.clone();
            async move { store.put(&format!("many/{number:04}"), Vec::new()).await }
        });
        futures::stream::iter(puts)
            .buffer_unordered(16)
            .try_collect::<Vec<()>>()
            .await
            .unwrap();
        bench.calls();
        let keys: Vec<String> = store
            .list("many")
            .await
            .unwrap()
            .into_iter()
            .map(|object| object.key)
            .collect();
        let expected: Vec<String> = (0..1005)
            .map(|number| format!("many/{number:04}"))
            .collect();
        assert_eq!(keys, expected, "{}", bench.server.name);
        assert_eq!(bench.calls(), ["GET", "GET"], "{}", bench.server.name);
    }
}
