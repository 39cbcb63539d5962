//! Who may look, and that nobody writes.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_through_a_dashboard() {
    let (home, _, url) = published("unwritten").await;
    let role = "CREATE ROLE looker LOGIN PASSWORD 'pw'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker";
    postgres().psql("unwritten", role).unwrap();
    let mut url = url::Url::parse(&url).unwrap();
    url.set_username("looker").unwrap();
    url.set_password(Some("pw")).unwrap();
    // To read is all that its role must be allowed.
    let at = serve_tables(&home, url.as_str(), vec![table()]).await;
    let before = postgres()
        .psql(
            "unwritten",
            "SELECT count(*), max(xmin::text::bigint) FROM predictions",
        )
        .unwrap();
    for path in [
        "/prediction?id=c7'%3B+DROP+TABLE+predictions%3B--",
        "/models/m?data=x'%3B+DELETE+FROM+predictions%3B--",
    ] {
        assert_eq!(ask(at, path, "").await.status, 200, "{path}");
    }
    assert_eq!(
        postgres()
            .psql(
                "unwritten",
                "SELECT count(*), max(xmin::text::bigint) FROM predictions"
            )
            .unwrap(),
        before
    );
    let stream_answer = ask(at, "/healthz", "").await;
    assert_eq!(stream_answer.body, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_opens_all_but_the_probes() {
    let home = home().await;
    let some = |text: &str| Some(text.to_owned());
    let source = Source::store(home.store.clone(), home.timezone);
    let at = serve(
        &home,
        source,
        Access::new(some("ada"), some("pw"), None).unwrap(),
    )
    .await;
    for path in [
        "/",
        "/models/m",
        "/runs",
        "/tables/scored.csv",
        "/assets/style.css",
    ] {
        let answer = ask(at, path, "").await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.headers["www-authenticate"].starts_with("Basic"),
            "{path}"
        );
        assert_eq!(
            ask(at, path, "Authorization: Basic YWRhOndyb25n\r\n")
                .await
                .status,
            401,
            "{path}"
        );
    }
    assert_eq!(ask(at, "/metrics", "").await.status, 401);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(at, path, "").await.status, 200, "{path}");
    }
    for path in ["/", "/metrics"] {
        assert_eq!(
            ask(at, path, "Authorization: Basic YWRhOnB3\r\n")
                .await
                .status,
            200,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_s_word_opens_all_and_prometheus_comes_past_it() {
    let home = home().await;
    let source = Source::store(home.store.clone(), home.timezone);
    let at = serve(
        &home,
        source,
        Access::new(None, None, Some("X-User".to_owned())).unwrap(),
    )
    .await;
    for path in [
        "/",
        "/runs",
        "/tables/scored.csv",
        "/reports/1/m/v3",
        "/assets/app.js",
    ] {
        assert_eq!(ask(at, path, "").await.status, 403, "{path}");
    }
    assert_eq!(ask(at, "/", "X-User: ada\r\n").await.status, 200);
    assert_eq!(ask(at, "/metrics", "").await.status, 200);
}
