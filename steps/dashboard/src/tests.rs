//! The dashboard over real predictions, in Postgres and in a store, as programs and as Prometheus
//! see it.

mod access;
mod categories;
mod dates;
mod files;
mod in_browser;
mod numbers;
mod several;
mod trouble;
mod weights;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use arrow::array::Float64Array;
use catalog::layout;
use catalog::manifest::{self, File, ModelManifest, ResultsManifest};
use database::{
    CountedDay, CountedDays, Database, Publication, Reader, RowSorter, Settings, Table,
};
use learn::metrics::{Classification, Report as Metrics};
use pages::judge::Rules;
use profile::drift::Thresholds;
use profile::profiles::Baseline;
use serde_json::Value;
use settings::{PartitionBy, TableArgs};
use store::digest;
use table::parts;
use table::profiling::{Profiler, Rows as Counted};
use testing::postgres;
use testing_home::{Home, Names, Rows, name, version};
use tracking::Tracking;

use crate::access::Access;
use crate::server::router;
use crate::source::Source;
use crate::state::{Limits, State};
use crate::{Choice, Live};
use settings::monitored::MonitorColumns;

/// A name that a page must show and never run.
const HOSTILE: &str = "x\"'><script>alert(1)</script>";

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
    Home {
        reasons: Some(reasons),
        ..Home::new(names, &Rows::simple(4_000)).await
    }
}

/// The same of every row that has a prediction, but for one that has none.
fn reasons(row: usize) -> Option<String> {
    let reasons = serde_json::json!([
        {"feature": HOSTILE, "contribution": 0.8125},
        {"feature": "x1", "contribution": -0.25},
    ]);
    match row {
        57 => Some("[]".to_owned()),
        58 => None,
        _ => Some(reasons.to_string()),
    }
}

/// Serves until the test ends.
async fn serve(home: &Home, source: Source, access: Access) -> SocketAddr {
    let state = State {
        source,
        tracking: Tracking::embedded(&home.store),
        store: home.store.clone(),
        rules: rules(),
        access,
        limits: Limits::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router(state)).await });
    at
}

/// Serves tables of a database to everybody.
async fn serve_tables(home: &Home, url: &str, tables: Vec<Table>) -> SocketAddr {
    let settings = Settings::from_url(url).unwrap();
    let reader = Reader::new(&settings, &home.step, tables, 4).unwrap();
    serve(home, Source::database(reader), Access::Open).await
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
    let made = model.load_baseline(&home.store, home.timezone).await;
    Arc::new(Baseline {
        weight: home.weight.map(|_| "weight".to_owned()),
        ..made.unwrap()
    })
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
    let url = postgres().create_database(database).unwrap();
    publish(&home, &url, Rows::simple(2_000), 3, "1").await;
    let mut drifted = Rows::simple(1_200);
    drifted.features[1]
        .iter_mut()
        .for_each(|value| *value = Some(3.0));
    publish(&home, &url, drifted, 4, "2").await;
    let at = serve_tables(&home, &url, vec![table()]).await;
    (home, at, url)
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
    let labels: Vec<Option<f64>> = rows
        .label
        .iter()
        .map(|label| label.map(|label| label as f64))
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
                weights: None,
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
