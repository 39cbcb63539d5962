//! What cannot be shown, and what many ask for at once.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_says_why() {
    let (_home, at, _) = published("errors").await;
    for (path, status, said) in [
        ("/models/none", 404, "No model none"),
        (
            "/models/m?version=99",
            200,
            "There are no predictions in this selection",
        ),
        ("/models/m?from=never", 400, "from is not a date"),
        (
            "/models/m?version=99999999999999999999",
            400,
            "version is not a number",
        ),
        ("/tables/days.csv", 400, "Name a model"),
        ("/tables/predictions.csv", 400, "Name an id"),
        (
            "/tables/secrets.csv?model=m",
            404,
            "There is no table secrets",
        ),
        ("/tables/days.exe?model=m", 404, "A table is"),
        ("/nothing", 404, "There is no page at this address"),
        ("/prediction?id=%00", 200, "is of the type text"),
        (
            "/prediction?id=nobody",
            200,
            "No prediction has the id nobody",
        ),
    ] {
        let answer = ask(at, path, "").await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.body.contains(said), "{path}: {}", answer.body);
        assert!(
            answer.headers["content-security-policy"].contains("default-src 'none'"),
            "{path}"
        );
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
    }
    let metrics = page(at, "/metrics").await;
    assert!(
        metrics.contains("alameda_model_verdict{model=\"m\",version=\"4\"} 3"),
        "{metrics}"
    );
    assert!(
        metrics.contains("alameda_model_rows{model=\"m\",version=\"4\"} 1200"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_set_of_results_that_cannot_be_read_is_reported_and_takes_nothing_else_away() {
    let home = home().await;
    home.results(&[Rows::simple(400)]).await;
    home.store
        .put("results/9/other/v1/_manifest.json", b"{".to_vec())
        .await
        .unwrap();
    let at = serve(
        &home,
        Source::store(home.store.clone(), home.timezone),
        Access::Open,
    )
    .await;
    for path in ["/", "/data"] {
        let shown = page(at, path).await;
        assert!(
            shown.contains("results/9/other/v1/_manifest.json"),
            "{path}: {shown}"
        );
        assert!(shown.contains("/models/m?"), "{path}: {shown}");
    }
    assert_eq!(ask(at, "/metrics", "").await.status, 200);
    assert_eq!(ask(at, "/models/m", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_people_look_at_once() {
    let (_home, at, _) = published("many").await;
    let paths = [
        "/",
        "/models/m",
        "/models/m/compare",
        "/data",
        "/prediction?id=c7",
    ];
    let asked: Vec<_> = (0..250)
        .map(|i| tokio::spawn(ask_until_served(at, paths[i % paths.len()])))
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

/// Asks again as long as the dashboard says that too many people are looking, which depends on how
/// fast the machine is.
async fn ask_until_served(at: SocketAddr, path: &str) -> Answer {
    loop {
        let answer = ask(at, path, "").await;
        if answer.status != 503 || !answer.headers.contains_key("retry-after") {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_named_without_its_password() {
    let home = home().await;
    let url = "postgres://ada:s3cret-pw@127.0.0.1:1/alameda";
    let reader = Reader::new(
        &Settings::from_url(url).unwrap(),
        &home.step.within("1s".parse().unwrap()),
        vec![table()],
        2,
    )
    .unwrap();
    let at = serve(&home, Source::database(reader), Access::Open).await;
    assert_eq!(ask(at, "/healthz", "").await.status, 200);
    // Whoever may not look may ask this.
    let ready = ask(at, "/readyz", "").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (503, "not ready: the log says why\n")
    );
    let answer = ask(at, "/", "").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains("Postgres at 127.0.0.1:1"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("s3cret"));
    assert!(page(at, "/data").await.contains("can&#39;t be shown now"));
}
