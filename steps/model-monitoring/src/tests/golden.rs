//! The bytes of a report.

use testing::golden;

use super::home::{Home, Names, Reported, Rows};
use crate::subject::ALGORITHM;

#[tokio::test]
async fn every_file_has_the_bytes_of_its_algorithm() {
    let home = Home::new(Names::default(), &Rows::simple(400)).await;
    let rows = Rows::simple(300);
    let results = home
        .results(&[rows.slice(0, 100), rows.slice(100, 300)])
        .await;
    home.try_report(&results).await.unwrap();
    let files = golden::files(&home.store, ALGORITHM, &["reports"]).await;
    insta::with_settings!({description => golden::OTHER_BYTES}, {
        insta::assert_snapshot!(files.unwrap());
    });
}
