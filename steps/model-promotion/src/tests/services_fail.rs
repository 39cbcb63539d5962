//! What a person or another try may cure is never a verdict on a model.

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::failure::exit_code;
use runtime::retry::Budget;
use store::{Access, Environment, Role, Store};
use testing::{Fault, HttpProxy, Minio, Rule};

use super::configurations::OTHER;
use super::home::{DATA, FAIR, GOOD, Home, told};
use crate::Promote;

const FILE: &str = "train/0.parquet";

type Variables = BTreeMap<String, String>;

/// Variables, with one of them changed.
fn with(variables: &[(String, String)], name: &str, value: &str) -> Variables {
    let mut others: Variables = variables.iter().cloned().collect();
    others.insert(name.to_owned(), value.to_owned());
    others
}

/// A champion, and a candidate of another configuration.
async fn of_two_configurations() -> (Home, Promote) {
    let home = Home::new();
    home.promote(home.register(&DATA, FAIR).await)
        .await
        .unwrap();
    let candidate = home.register(&OTHER, GOOD).await;
    let flags = home.flags_with_raw(candidate);
    (home, flags)
}

/// The promotion fails, and leaves nothing.
async fn fails(home: &Home, step: &runtime::step::Step, flags: &Promote) -> (u8, String) {
    let before = home.objects().await;
    let error = home.promote_with(step, flags).await.unwrap_err();
    assert_eq!(
        home.objects().await,
        before,
        "a verdict was written: {error:#}"
    );
    assert_eq!(home.champion().await, Some(1));
    (exit_code(&error), format!("{error:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_files_that_cannot_be_had_fail_the_promotion() {
    let (home, flags) = of_two_configurations().await;
    let no_address = Promote {
        raw_url: None,
        ..flags.clone()
    };
    let (code, text) = fails(&home, &home.step, &no_address).await;
    assert!(
        code == 2 && text.contains("give --raw-url (RAW_URL)"),
        "{code}: {text}"
    );
    let no_folder = Promote {
        raw_url: Some("/no/such/folder".to_owned()),
        ..flags.clone()
    };
    let (code, text) = fails(&home, &home.step, &no_folder).await;
    assert!(
        code == 2 && text.contains("there is no folder"),
        "{code}: {text}"
    );
    let bytes = home.raw.require(FILE).await.unwrap();
    home.raw.delete(FILE).await.unwrap();
    let (code, text) = fails(&home, &home.step, &flags).await;
    assert!(code == 2 && text.contains("is gone from"), "{code}: {text}");
    // Restored, it is judged on its merits.
    home.raw.put(FILE, bytes).await.unwrap();
    let outputs = home.promote_with(&home.step, &flags).await.unwrap();
    assert_eq!(told(&outputs).0, "true", "{outputs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_that_refuses_or_is_away_fails_the_promotion() {
    let minio = Minio::start().unwrap();
    let proxy = HttpProxy::start(minio.port()).unwrap();
    let variables: Vec<(String, String)> = minio
        .variables()
        .into_iter()
        .filter(|(name, _)| name != "AWS_ENDPOINT_URL")
        .chain([("AWS_ENDPOINT_URL".to_owned(), proxy.url())])
        .collect();
    let (home, flags) = of_two_configurations().await;
    let url = format!("s3://{}/raw", Minio::BUCKET);
    let access = Access {
        environment: Environment::of(variables.clone()),
        ..Access::of_process(Role::Raw)
    };
    let bucket = Store::create_with(&url, &access).unwrap();
    bucket
        .put(FILE, home.raw.require(FILE).await.unwrap())
        .await
        .unwrap();
    let flags = Promote {
        raw_url: Some(url),
        ..flags
    };
    let step = |variables| {
        let step = home.step.with_store(home.store.url(), variables);
        step.within(Budget(Duration::from_secs(3)))
    };

    let wrong = step(with(
        &variables,
        "RAW_AWS_SECRET_ACCESS_KEY",
        "not-the-secret",
    ));
    assert_eq!(fails(&home, &wrong, &flags).await.0, 2);
    let wrong = step(with(&variables, "AWS_SECRET_ACCESS_KEY", "not-the-secret"));
    assert_eq!(fails(&home, &wrong, &flags).await.0, 2);

    let right = step(variables.into_iter().collect());
    let expired = "<Error><Code>ExpiredToken</Code><Message>it has expired</Message></Error>";
    proxy.set([Rule::always(Fault::Status(403, expired.to_owned()))]);
    let (code, text) = fails(&home, &right, &flags).await;
    assert!(
        [2, 75].contains(&code) && text.contains("ExpiredToken"),
        "{code}: {text}"
    );
    proxy.set([Rule::always(Fault::Status(503, String::new()))]);
    assert_eq!(fails(&home, &right, &flags).await.0, 75);
    proxy.set([]);

    let outputs = home.promote_with(&right, &flags).await.unwrap();
    assert_eq!(told(&outputs).0, "true", "{outputs:?}");
}
