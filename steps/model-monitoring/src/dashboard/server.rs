//! The HTTP side: addresses, headers, and how many pages are made at once. Nothing here writes anywhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, RawQuery, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use common::drift::Thresholds;
use common::store::Store;
use common::tracking::Tracking;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::access::{Access, Entry};
use super::choice::parameter;
use super::source::Source;
use super::{Choice, Model, gauges, records, tables};
use crate::page::dashboard as page;

/// Pages that are made at the same time; others wait.
const AT_ONCE: usize = 16;
/// How long a page waits for its turn.
const TURN: Duration = Duration::from_secs(15);
/// How long a page may take to be made.
const MADE: Duration = Duration::from_secs(30);
/// Runs that are listed.
const RUNS: usize = 100;

const HTML: &str = "text/html; charset=utf-8";

/// On every answer: a page runs nothing but its own, asks nobody else, and stands in nobody's frame.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; connect-src 'self'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// What all pages share.
pub(crate) struct State {
    pub(crate) source: Source,
    pub(crate) tracking: Tracking,
    pub(crate) store: Store,
    pub(crate) thresholds: Thresholds,
    pub(crate) access: Access,
    pub(crate) busy: Busy,
}

/// Turns of making a page.
pub(crate) struct Busy(Semaphore);

impl Default for Busy {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// An answer that is no page.
pub(crate) enum Problem {
    /// What was asked for can't be.
    Asked(String),
    /// There is no such thing.
    Missing(String),
    /// Something is down or wrong, told as the error tells it: service, host, never a secret.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, heading, text) = match self {
            Self::Asked(text) => (StatusCode::BAD_REQUEST, "That can't be shown", text),
            Self::Missing(text) => (StatusCode::NOT_FOUND, "There is no such thing", text),
            Self::Failed(error) => {
                tracing::warn!("a page can't be made: {error:#}");
                (StatusCode::SERVICE_UNAVAILABLE, "This can't be shown now", format!("{error:#}"))
            }
        };
        (status, [(header::CONTENT_TYPE, HTML)], page::problem(heading, &text)).into_response()
    }
}

type Answer = Result<Response, Problem>;
type Us = Shared<Arc<State>>;

fn html(page: String) -> Answer {
    Ok(([(header::CONTENT_TYPE, HTML)], page).into_response())
}

/// Every address.
pub(crate) fn router(state: State) -> Router {
    let state = Arc::new(state);
    let asset = |kind: &'static str, content: String| {
        get(move || async move { ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=3600")], content) })
    };
    Router::new()
        .route("/", get(overview))
        .route("/models/{name}", get(model))
        .route("/models/{name}/compare", get(compare))
        .route("/runs", get(runs))
        .route("/data", get(data))
        .route("/prediction", get(prediction))
        .route("/tables/{file}", get(table))
        .route("/metrics", get(metrics))
        .route("/assets/style.css", asset("text/css; charset=utf-8", page::style()))
        .route("/assets/icon.svg", asset("image/svg+xml", page::ICON.to_owned()))
        .fallback(|| async { Problem::Missing("Nothing is at this address.".to_owned()) })
        .route_layer(middleware::from_fn_with_state(state.clone(), guard))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(middleware::map_response(with_headers))
        .with_state(state)
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let cache = HeaderValue::from_static("no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(cache);
    response
}

/// Lets in who may look, a bounded number at a time.
async fn guard(Shared(state): Us, request: Request, next: Next) -> Response {
    // Prometheus comes past the proxy that asks people who they are.
    if request.uri().path() != "/metrics" {
        match state.access.check(request.headers()) {
            Entry::Granted(user) => tracing::debug!(user, path = request.uri().path(), "asked"),
            Entry::AskPassword => {
                let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"alameda\", charset=\"UTF-8\"")];
                return (StatusCode::UNAUTHORIZED, ask, "user and password, please\n").into_response();
            }
            Entry::Refused => {
                return (StatusCode::FORBIDDEN, "come through the proxy that knows who you are\n").into_response();
            }
        }
    }
    let busy =
        |text: &'static str| (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], text).into_response();
    let Ok(Ok(_turn)) = tokio::time::timeout(TURN, state.busy.0.acquire()).await else {
        return busy("many people are looking; try again in a moment\n");
    };
    match tokio::time::timeout(MADE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => busy("the page took too long; choose fewer days, or try again in a moment\n"),
    }
}

async fn ready(Shared(state): Us) -> Answer {
    apart(async move || {
        Ok(match state.source.check().await {
            Ok(()) => (StatusCode::OK, "ready\n").into_response(),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")).into_response(),
        })
    })
    .await
}

/// Makes an answer on a thread of its own: counting and writing a page must not hold up the probes, and what is asked of
/// the database and the store can't move from one thread to another while it waits.
async fn apart<F: Future<Output = Answer>>(make: impl FnOnce() -> F + Send + 'static) -> Answer {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let runtime = Handle::current();
    std::thread::Builder::new().name("page".to_owned()).spawn(move || {
        // Nobody waits any more for a page that took too long.
        let _ = sender.send(runtime.block_on(make()));
    })?;
    receiver.await?
}

async fn overview(Shared(state): Us) -> Answer {
    apart(async move || html(page::overview(&state.overview().await?, &state.source.place(), &state.thresholds))).await
}

async fn model(Shared(state): Us, Path(name): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let choice = Choice::parse(&query.unwrap_or_default(), "").map_err(Problem::Asked)?;
    apart(async move || {
        let model = found(&state, &name, &choice).await?;
        html(page::model(&model, &choice, &state.thresholds, state.source.knows_late_labels()))
    })
    .await
}

async fn found(state: &State, name: &str, choice: &Choice) -> Result<Model, Problem> {
    let missing = || Problem::Missing(format!("No model {name} has predictions in {}.", state.source.place()));
    state.model(name, choice).await?.ok_or_else(missing)
}

async fn compare(Shared(state): Us, Path(name): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let (mut a, b) =
        (Choice::parse(&query, "a-").map_err(Problem::Asked)?, Choice::parse(&query, "b-").map_err(Problem::Asked)?);
    apart(async move || {
        let model = found(&state, &name, &b).await?;
        // Without a choice the version before is compared with the newest.
        if a == b {
            let newest = model.side.as_ref().map(|side| side.version);
            let mut earlier = model.scored.iter().rev().map(|of| of.model_version);
            a.version = earlier.find(|version| Some(*version) != newest).or(a.version);
        }
        let left = state.side(&name, &model.scored, &a).await?;
        html(page::compare(&model, left.as_ref(), &a, &b))
    })
    .await
}

async fn runs(Shared(state): Us) -> Answer {
    apart(async move || {
        let (runs, attempted) = futures::join!(state.tracking.runs(None, RUNS), records::attempted(&state.store));
        html(page::runs(&runs, &attempted))
    })
    .await
}

async fn data(Shared(state): Us) -> Answer {
    apart(async move || {
        let (scored, sets) = futures::join!(state.source.scored(), records::data_sets(&state.store));
        html(page::data(&scored, &sets))
    })
    .await
}

async fn prediction(Shared(state): Us, RawQuery(query): RawQuery) -> Answer {
    let id = parameter(&query.unwrap_or_default(), "id");
    apart(async move || {
        let found = match &id {
            Some(id) => state.source.predictions(id).await?,
            None => None,
        };
        html(page::prediction(id.as_deref(), found.as_ref(), state.source.knows_late_labels()))
    })
    .await
}

async fn table(Shared(state): Us, Path(file): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let choice = Choice::parse(&query, "").map_err(Problem::Asked)?;
    let (name, kind) = match file.split_once('.') {
        Some((name, kind @ ("csv" | "json"))) => (name.to_owned(), kind.to_owned()),
        _ => return Err(Problem::Missing("A table is a .csv or a .json file.".to_owned())),
    };
    apart(async move || {
        let table = match name.as_str() {
            "scored" => tables::scored(&state.source.scored().await?),
            "days" | "features" => {
                let unnamed = || Problem::Asked("Name a model: ?model=...".to_owned());
                let model = found(&state, &parameter(&query, "model").ok_or_else(unnamed)?, &choice).await?;
                let none = || Problem::Missing("That version has no predictions.".to_owned());
                let side = model.side.ok_or_else(none)?;
                if name == "days" { tables::days(&side.live) } else { tables::features(&side.live) }
            }
            _ => return Err(Problem::Missing("The tables are scored, days and features.".to_owned())),
        };
        let (content_type, content) =
            if kind == "csv" { ("text/csv; charset=utf-8", table.csv()?) } else { ("application/json", table.json()?) };
        // The name is one of those above.
        let disposition = format!("attachment; filename=\"{name}.{kind}\"");
        let headers = [(header::CONTENT_TYPE, content_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
        Ok((headers, content).into_response())
    })
    .await
}

async fn metrics(Shared(state): Us) -> Answer {
    apart(async move || {
        let text = gauges::text(&state.overview().await?);
        Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
    })
    .await
}
