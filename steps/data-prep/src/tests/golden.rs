//! The bytes of every file that the step writes.

use std::time::{Duration, UNIX_EPOCH};

use testing::golden;

use super::*;
use crate::ALGORITHM;

const DATASET: &str = r#"{"columns": [
    {"name": "customerId", "type": "utf8", "role": "id"},
    {"name": "date", "type": "timestamp", "role": "time"},
    {"name": "feature1", "type": "float64", "role": "feature", "min": 0},
    {"name": "feature2", "type": "float64", "role": "feature", "nullable": true},
    {"name": "target", "type": "int64", "role": "target", "allowed": [0, 1]}
], "filter": "feature2 < 4"}"#;
const FEATURES: &str = "SELECT *, feature1 - feature2 AS difference FROM raw";

#[tokio::test(flavor = "multi_thread")]
async fn every_file_has_the_bytes_of_its_algorithm() {
    let bench = Bench::with_files(&[30, 400]);
    bench.configure("dataset.json", DATASET);
    bench.configure("features.sql", FEATURES);
    bench.write("predict/a.parquet", &without(&sample(7, 30), "target"));
    for key in [&train_key(0), &train_key(1), "predict/a.parquet"] {
        // A stamp is an input.
        let file = fs::File::options().write(true).open(bench.raw_path(key));
        let day = UNIX_EPOCH + Duration::from_secs(1_750_000_000);
        file.unwrap().set_modified(day).unwrap();
    }
    bench.prepare(&["--holdout=fraction=0.2"]).await.unwrap();
    let arguments = bench.select().await;
    bench.predict(&arguments).await.unwrap();
    let files = golden::files(&bench.store, ALGORITHM, &[""]).await;
    insta::with_settings!({description => golden::OTHER_BYTES}, {
        insta::assert_snapshot!(files.unwrap());
    });
}
