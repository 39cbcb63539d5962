//! The bytes of every file that the step writes.

use testing::golden;

use super::Bench;
use crate::plan::ALGORITHM;

#[tokio::test]
async fn every_file_has_the_bytes_of_its_algorithm() {
    let bench = Bench::of("c0ffee00c0ffee00".to_owned()).await;
    let predict = bench.prepare("1", &[30, 0, 400]).await;
    bench.score("models:/m/1", &predict).await.unwrap();
    let files = golden::files(&bench.store, ALGORITHM, &["_work", "results"]).await;
    insta::with_settings!({description => golden::OTHER_BYTES}, {
        insta::assert_snapshot!(files.unwrap());
    });
}
