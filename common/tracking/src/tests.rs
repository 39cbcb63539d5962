//! What holds in both homes, and what holds in MLflow.

mod both;
mod embedded;
mod failures;
mod homes;
mod in_mlflow;
mod places;
mod tls;

use super::mlflow::Login;
use super::run::workflow_fingerprint;
use super::*;
use runtime::failure::exit_code;
use store::digest;

use homes::{Home, PATIENT, fingerprint};

#[test]
fn an_address_is_read_as_it_is_written() {
    let uri: ModelUri = "models:/customer-classifier/12".parse().unwrap();
    assert_eq!(uri.version, 12);
    assert_eq!(uri.to_string(), "models:/customer-classifier/12");
    for text in [
        "",
        "models:/a",
        "models:/A/1",
        "models:/a/x",
        "models:/a/1/2",
        "a/1",
        "models:/a/-1",
    ] {
        assert!(text.parse::<ModelUri>().is_err(), "{text:?}");
    }
}
