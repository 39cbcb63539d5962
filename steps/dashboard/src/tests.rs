//! The dashboard over real predictions, in Postgres and in a store, as programs and as Prometheus
//! see it.

mod dates;
mod in_browser;
mod several;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::OnceLock;

use arrow::array::Float64Array;
use catalog::layout;
use catalog::manifest::{self, File, ModelManifest, ResultsManifest};
use database::{CountedDays, Database, Publication, Reader, RowSorter, Settings, Table};
use learn::metrics::{Classification, Report as Metrics};
use pages::content::{SegmentedColumn, Segments};
use pages::judge::Rules;
use pages::judge::performance::{SegmentCounts, segment};
use profile::drift::Thresholds;
use profile::profiles::Baseline;
use serde_json::Value;
use settings::{PartitionBy, TableArgs};
use store::digest;
use table::parts;
use table::profiling::{Profiler, Rows as Counted};
use testing::{Postgres, PostgresOptions};
use testing_home::{Home, Names, Rows, name, version};
use tracking::Tracking;

use crate::access::Access;
use crate::server::{Busy, State, router};
use crate::source::Source;
use crate::{Choice, Live};
use settings::monitored::MonitorColumns;

/// A name that a page must show and never run.
const HOSTILE: &str = "x\"'><script>alert(1)</script>";

fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start(PostgresOptions::default()).unwrap())
}

fn table() -> Table {
    table_of("predictions")
}

fn table_of(name: &str) -> Table {
    let arguments = TableArgs {
        database_schema: "public".to_owned(),
        predictions_table: name.to_owned(),
        predictions_partition: PartitionBy::None,
    };
    Table::of(&arguments).unwrap()
}

fn rules() -> Rules {
    Rules {
        thresholds: Thresholds {
            warn: 0.1,
            alert: 0.25,
            min_rows: 100,
        },
        columns: MonitorColumns::All,
    }
}

async fn home() -> Home {
    let names = Names {
        features: vec!["x1", HOSTILE],
        ..Names::default()
    };
    Home::new(names, &Rows::simple(4_000)).await
}

/// Serves until the test ends.
async fn serve(home: &Home, source: Source, access: Access) -> SocketAddr {
    let state = State {
        source,
        tracking: Tracking::embedded(&home.store),
        store: home.store.clone(),
        rules: rules(),
        access,
        busy: Busy::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router(state)).await });
    at
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Asks as the plainest client does.
async fn ask(at: SocketAddr, path: &str, headers: &str) -> Answer {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{headers}\r\n");
    let text = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    let text = text.await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Answer {
        status,
        headers: headers.collect(),
        body: body.to_owned(),
    }
}

async fn page(at: SocketAddr, path: &str) -> String {
    let answer = ask(at, path, "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

async fn baseline(home: &Home, results: &ResultsManifest) -> Arc<Baseline> {
    let model: ModelManifest = manifest::require(&home.store, &results.model)
        .await
        .unwrap();
    Arc::new(
        model
            .load_baseline(&home.store, home.timezone)
            .await
            .unwrap(),
    )
}

/// Publishes rows as the version of a model; gives nothing, for the database holds it.
async fn publish(home: &Home, url: &str, rows: Rows, model_version: u64, data_version: &str) {
    let set = ("m", model_version, data_version);
    publish_to(&table(), home, url, rows, set).await;
}

/// Publishes rows to a table, as those of a model, its version and a data version.
async fn publish_to(
    table: &Table,
    home: &Home,
    url: &str,
    rows: Rows,
    (model, model_version, data_version): (&str, u64, &str),
) {
    let key = home.results(&[rows]).await;
    let mut results: ResultsManifest = manifest::require(&home.store, &key).await.unwrap();
    results.model_name = model.parse().unwrap();
    results.model_version = model_version;
    results.data_version = version(data_version);
    results.header.fingerprint = format!("{model_version} {data_version}");
    let publication = Publication::new(&results, "w").unwrap();
    let sorter = RowSorter::new(&publication, home.step.work())
        .profiling(&baseline(home, &results).await, 1 << 26)
        .unwrap();
    let file = home.store.file(&results.parts[0].key).await.unwrap();
    for batch in parts::read(&file, &publication.columns(), home.step.work()).unwrap() {
        sorter.push(0, &batch.unwrap()).unwrap();
    }
    let database = Database::new(&Settings::from_url(url).unwrap(), &home.step).unwrap();
    database
        .publish(table, &sorter.finish().unwrap())
        .await
        .unwrap();
}

/// A home and a dashboard over a database of its own, with two versions over four days.
async fn published(database: &str) -> (Home, SocketAddr, String) {
    let home = home().await;
    let url = server().create_database(database).unwrap();
    publish(&home, &url, Rows::simple(2_000), 3, "1").await;
    let mut drifted = Rows::simple(1_200);
    drifted.features[1]
        .iter_mut()
        .for_each(|value| *value = Some(3.0));
    publish(&home, &url, drifted, 4, "2").await;
    let reader = Reader::new(
        &Settings::from_url(&url).unwrap(),
        &home.step,
        vec![table()],
        4,
    )
    .unwrap();
    let at = serve(&home, Source::database(reader), Access::Open).await;
    (home, at, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_each_day_are_those_that_sql_counts_in_the_rows() {
    let (_home, at, _) = published("numbers").await;
    for (version, threshold) in [(3, 0.5), (4, 0.3)] {
        let shown: Vec<Value> = serde_json::from_str(
            &page(
                at,
                &format!("/tables/days.json?model=m&version={version}&threshold={threshold}"),
            )
            .await,
        )
        .unwrap();
        let sql = format!(
            "SELECT (at AT TIME ZONE 'UTC')::date, count(*), count(y), count(*) FILTER (WHERE y = 1 AND probability >= {threshold}), \
             count(*) FILTER (WHERE y = 0 AND probability >= {threshold}), avg(probability), \
             avg(((probability >= {threshold})::int = y)::int) FILTER (WHERE y IS NOT NULL) \
             FROM predictions WHERE model_version = {version} GROUP BY 1 ORDER BY 1"
        );
        let counted = server().psql("numbers", &sql).unwrap();
        // The later version has scored the same keys anew; it stands for its own model name and
        // version.
        assert!(
            !shown.is_empty() && shown.len() == counted.lines().count(),
            "v{version}: {shown:?}\n{counted}"
        );
        for (day, line) in shown.iter().zip(counted.lines()) {
            let columns: Vec<&str> = line.split('|').collect();
            let whole = |index: usize| columns[index].parse::<u64>().unwrap();
            let number = |index: usize| columns[index].parse::<f64>().unwrap();
            assert_eq!(day["day"], columns[0]);
            assert_eq!(
                (day["rows"].as_u64(), day["labelled_rows"].as_u64()),
                (Some(whole(1)), Some(whole(2))),
                "{line}"
            );
            assert_eq!(
                (
                    day["true_positives"].as_u64(),
                    day["false_positives"].as_u64()
                ),
                (Some(whole(3)), Some(whole(4))),
                "{line}"
            );
            assert!(
                (day["mean_score"].as_f64().unwrap() - number(5)).abs() < 1e-6,
                "{day} {line}"
            );
            match columns[6] {
                "" => assert!(day["accuracy"].is_null(), "{day} {line}"),
                _ => assert!(
                    (day["accuracy"].as_f64().unwrap() - number(6)).abs() < 1e-9,
                    "{day} {line}"
                ),
            }
        }
    }
    let csv = ask(at, "/tables/features.csv?model=m&version=4", "").await;
    assert!(csv.headers["content-disposition"].contains("features.csv"));
    assert!(
        csv.body.lines().nth(2).unwrap().contains("alert"),
        "the feature that was held still drifted most: {}",
        csv.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_says_why() {
    let (_home, at, _) = published("errors").await;
    for (path, status, said) in [
        ("/models/none", 404, "No model none"),
        (
            "/models/m?version=99",
            200,
            "No predictions are in this choice",
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
        ("/nothing", 404, "Nothing is at this address"),
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
async fn what_is_chosen_is_compared_and_nothing_else() {
    let (_home, at, _) = published("compared").await;
    for (query, a, b) in [
        ("", 3, 4),
        ("?a-version=3&b-version=3", 3, 3),
        ("?a-version=4&b-version=3", 4, 3),
        (
            "?a-version=3&a-to=2025-03-02&b-version=3&b-from=2025-03-03&by=day",
            3,
            3,
        ),
    ] {
        let shown = page(at, &format!("/models/m/compare{query}")).await;
        assert!(
            shown.contains(&format!(">A: v{a}<")) && shown.contains(&format!(">B: v{b}<")),
            "{query}: {shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_another_threshold_the_holdout_is_no_measure() {
    let home = home().await;
    let results: ResultsManifest =
        manifest::require(&home.store, &home.results(&[Rows::simple(400)]).await)
            .await
            .unwrap();
    let counted = CountedDays {
        baseline: baseline(&home, &results).await,
        days: Vec::new(),
        left_out_rows: 7,
    };
    let report = Classification::new(0.5).report(None);
    let holdout = Metrics {
        accuracy: Some(0.8),
        recall: Some(0.7),
        roc_auc: Some(0.9),
        ..report
    };
    let scored = "2026-11-23".parse().unwrap();
    let live = |threshold: Option<f64>| {
        let choice = Choice {
            threshold,
            ..Choice::default()
        };
        Live::new(&counted, &choice, &rules(), Some(holdout.clone()), scored).unwrap()
    };
    let own = live(None);
    assert_eq!((own.threshold, own.left_out_rows), (own.model_threshold, 7));
    assert_eq!(own.performance.holdout.accuracy, Some(0.8));
    let other = live(Some(0.9)).performance.holdout;
    assert_eq!(
        (other.accuracy, other.recall, other.roc_auc),
        (None, None, Some(0.9))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_set_of_results_that_cannot_be_read_is_told_and_takes_nothing_else_away() {
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
        .map(|i| tokio::spawn(ask(at, paths[i % paths.len()], "")))
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().status, 200);
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

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_through_a_dashboard() {
    let (home, _, url) = published("unwritten").await;
    let role = "CREATE ROLE looker LOGIN PASSWORD 'pw'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker";
    server().psql("unwritten", role).unwrap();
    let mut url = url::Url::parse(&url).unwrap();
    url.set_username("looker").unwrap();
    url.set_password(Some("pw")).unwrap();
    // To read is all that its role must be allowed.
    let reader = Reader::new(
        &Settings::from_url(url.as_str()).unwrap(),
        &home.step,
        vec![table()],
        4,
    )
    .unwrap();
    let at = serve(&home, Source::database(reader), Access::Open).await;
    let before = server()
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
        server()
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

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_shown_as_it_was_written_and_its_segments_stand_on_the_model_s_page() {
    let (home, at, _) = published("reports").await;
    assert_eq!(ask(at, "/reports/2/m/v4", "").await.status, 404);
    for path in [
        "/reports/..%2F..%2Fmodels/m/v4",
        "/reports/2/m/4",
        "/reports/2/M!/v4",
        "/reports/2/m/v-1",
    ] {
        assert_eq!(ask(at, path, "").await.status, 404, "{path}");
    }
    let region = |name: &str, rows: u64| {
        let counts = SegmentCounts {
            rows,
            scored_rows: rows,
            score_sum: 0.5 * rows as f64,
            ..SegmentCounts::default()
        };
        segment(Some(name.to_owned()), &counts, 1_200)
    };
    let by_region = SegmentedColumn {
        column: HOSTILE.to_owned(),
        values: vec![region("north", 900), region("=1", 300)],
    };
    let segments = Segments {
        score: Vec::new(),
        columns: vec![by_region],
        too_many_values: Vec::new(),
    };
    let folder = layout::report(&version("2"), &name(), 4);
    let report = serde_json::json!({"data_version": "2", "segments": segments, "more": 1});
    home.store
        .put_json(&layout::report_json(&folder), &report)
        .await
        .unwrap();
    home.store
        .put(&layout::report_html(&folder), b"<p>the report</p>".to_vec())
        .await
        .unwrap();

    let shown = ask(at, "/reports/2/m/v4", "").await;
    assert_eq!(
        (shown.status, shown.body.as_str()),
        (200, "<p>the report</p>")
    );
    assert!(shown.headers["content-security-policy"].starts_with("sandbox; default-src 'none'"));
    assert!(page(at, "/data").await.contains("href=\"/reports/2/m/v4\""));
    let model = page(at, "/models/m").await;
    assert!(
        model.contains("href=\"/reports/2/m/v4\"") && model.contains("north"),
        "{model}"
    );
    // The other version has no report.
    assert!(!page(at, "/models/m?version=3").await.contains("north"));
    assert!(!page(at, "/models/m?segment=score").await.contains("north"));
    let csv = page(at, "/tables/segments.csv?model=m").await;
    assert!(
        csv.contains("north") && csv.contains("'=1") && csv.starts_with("column,value,lower"),
        "{csv}"
    );
    let by_score: Vec<Value> = serde_json::from_str(
        &page(
            at,
            "/tables/segments.json?model=m&segment=score&threshold=0.3",
        )
        .await,
    )
    .unwrap();
    let counted = server().psql(
        "reports",
        "SELECT count(*), count(*) FILTER (WHERE (probability >= 0.3)::int = y) FROM predictions \
         WHERE model_version = 4 AND y IS NOT NULL",
    );
    let counted = counted.unwrap();
    let (measured, right) = counted.split_once('|').unwrap();
    let sum = |get: &dyn Fn(&Value) -> f64| by_score.iter().map(get).sum::<f64>();
    assert_eq!(
        sum(&|part| part["measured_rows"].as_f64().unwrap()),
        measured.parse::<f64>().unwrap()
    );
    let of_part = |part: &Value| {
        part["accuracy"].as_f64().unwrap_or(0.0) * part["measured_rows"].as_f64().unwrap()
    };
    assert!((sum(&of_part) - right.parse::<f64>().unwrap()).abs() < 1e-6);
    assert!((sum(&|part| part["share"].as_f64().unwrap()) - 1.0).abs() < 1e-9);
    for part in &by_score {
        assert!(
            (part["reference_share"].as_f64().unwrap() - 0.1).abs() < 0.03,
            "{part}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_a_file() {
    let (home, at, _) = published("tables").await;
    let attempt = serde_json::json!({
        "format_version": 1, "workflow": "w-1", "data_version": "2", "status": "Failed", "duration_seconds": 3.5,
        "attempts": 2, "recorded_at": "2025-03-04T00:00:00Z",
        "failures": [{"displayName": "data-prep-map(0)", "message": HOSTILE}],
    });
    home.store
        .put_json("_attempts/2/w-1.json", &attempt)
        .await
        .unwrap();
    for (path, header, rows) in [
        ("scored", "model_name,", 2),
        ("runs", "run_id,", 0),
        ("workflows", "workflow,", 1),
        ("prepared", "data_version,", 0),
        ("left-out", "data_version,", 0),
        ("days", "day,", 4),
        ("features", "column,", 3),
        ("metrics", "metric,", 8),
        ("calibration", "lower,", 10),
        ("values", "feature,", 2),
        ("thresholds", "threshold,", 9),
        ("segments", "column,", 10),
        ("predictions", "id,", 1),
    ] {
        let query = "?model=m&version=4&id=c7";
        let csv = page(at, &format!("/tables/{path}.csv{query}")).await;
        assert!(csv.starts_with(header), "{path}: {csv}");
        assert_eq!(csv.lines().count(), rows + 1, "{path}: {csv}");
        let json: Vec<Value> =
            serde_json::from_str(&page(at, &format!("/tables/{path}.json{query}")).await).unwrap();
        assert_eq!(json.len(), rows, "{path}");
    }
    let runs = page(at, "/runs").await;
    assert!(
        runs.contains("w-1") && runs.contains("&lt;script&gt;") && runs.contains("Failed"),
        "{runs}"
    );
}

/// Results with the profiles of their days, as scoring writes them.
async fn score(home: &Home, rows: &Rows) {
    let key = home.results(std::slice::from_ref(rows)).await;
    let mut results: ResultsManifest = manifest::require(&home.store, &key).await.unwrap();
    let baseline = baseline(home, &results).await;
    let mut profiler = Profiler::new(&baseline, 1 << 26);
    let days: Vec<Option<i32>> = rows
        .at
        .iter()
        .map(|at| at.map(|at| (at / 86_400_000_000) as i32))
        .collect();
    let labels: Vec<Option<u8>> = rows
        .label
        .iter()
        .map(|label| label.map(|label| label as u8))
        .collect();
    let features: Vec<Float64Array> = rows
        .features
        .iter()
        .map(|values| Float64Array::from(values.clone()))
        .collect();
    let scores = Float64Array::from(rows.score.clone());
    profiler
        .add(
            Counted {
                days: &days,
                labels: &labels,
                scores: &scores,
                features: &features,
            },
            1,
        )
        .unwrap();
    let folder = layout::scored(&version("25.05.1"), &name(), 3);
    for stored in profiler.stored().unwrap() {
        let (key, bytes) = (
            layout::profile(&folder, stored.day),
            serde_json::to_vec(&stored).unwrap(),
        );
        home.store.put(&key, bytes.clone()).await.unwrap();
        results.profiles.push(File {
            key,
            bytes: bytes.len() as u64,
            sha256: digest::hex(&bytes),
        });
    }
    home.store.put_json(&key, &results).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_alone_shows_the_same_days() {
    let home = home().await;
    let rows = Rows::simple(800);
    let at = serve(
        &home,
        Source::store(home.store.clone(), home.timezone),
        Access::Open,
    )
    .await;
    assert!(
        page(at, "/").await.contains("alameda demo"),
        "an empty store says what to run"
    );
    score(&home, &rows).await;
    let shown: Vec<Value> =
        serde_json::from_str(&page(at, "/tables/days.json?model=m").await).unwrap();
    assert_eq!(shown.len(), 4);
    for (index, day) in shown.iter().enumerate() {
        let of_day: Vec<usize> = (0..800).filter(|i| i % 4 == index).collect();
        let measured: Vec<usize> = of_day
            .iter()
            .copied()
            .filter(|i| rows.label[*i].is_some())
            .collect();
        let right = measured
            .iter()
            .filter(|i| i64::from(rows.score[**i].unwrap() >= 0.5) == rows.label[**i].unwrap())
            .count();
        assert_eq!(
            (day["rows"].as_u64(), day["labelled_rows"].as_u64()),
            (Some(200), Some(measured.len() as u64))
        );
        match measured.len() {
            0 => assert!(day["accuracy"].is_null()),
            all => assert_eq!(day["accuracy"].as_f64(), Some(right as f64 / all as f64)),
        }
    }
    assert!(page(at, "/").await.contains("/models/m?"));
    assert!(page(at, "/prediction?id=c1").await.contains("DATABASE_URL"));
}
