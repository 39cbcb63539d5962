//! The bytes of a verdict.

use testing::golden;

use super::home::{DATA, FAIR, GOOD, Home};
use crate::ALGORITHM;

#[tokio::test]
async fn verdicts_have_the_bytes_of_their_algorithm() {
    let home = Home::new();
    for coefficients in [FAIR, GOOD] {
        let version = home.register(&DATA, coefficients).await;
        home.promote(version).await.unwrap();
    }
    let files = golden::files(&home.store, ALGORITHM, &["models"]).await;
    let files = files.unwrap();
    let of_the_step = |line: &&str| line.starts_with("ALGORITHM") || line.contains("/verdict-");
    let verdicts: Vec<&str> = files.lines().filter(of_the_step).collect();
    insta::with_settings!({description => golden::OTHER_BYTES}, {
        insta::assert_snapshot!(verdicts.join("\n"));
    });
}
