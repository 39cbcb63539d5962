//! The bytes of every file of a model.

use testing::golden;

use crate::ALGORITHM;

#[tokio::test]
async fn every_file_has_the_bytes_of_its_algorithm() {
    let (home, flags) = super::simple().await;
    home.train(&flags).await.unwrap();
    let files = golden::files(&home.store, ALGORITHM, &["models"]).await;
    insta::with_settings!({description => golden::OTHER_BYTES}, {
        insta::assert_snapshot!(files.unwrap());
    });
}
