//! The HTTP side: addresses and headers. Nothing here writes anywhere.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, RawQuery, Request, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::access::Entry;
use super::answer::{Answer, HTML, Problem, apart, html, paged};
use super::choice::{Wanted, parameter};
use super::page;
use super::state::State;
use super::{Choice, DataSet, Lookups, Model, Reports, gauges, records, tables};

/// Runs that are listed.
const RUNS: usize = 100;

/// On every answer: a page runs nothing but its own, asks nobody else, and is in nobody's
/// frame.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; connect-src 'self'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

type Us = Shared<Arc<State>>;

/// Every address.
pub(crate) fn router(state: State) -> Router {
    let state = Arc::new(state);
    let asset = |kind: &'static str, content: String| {
        get(move || async move {
            (
                [
                    (header::CONTENT_TYPE, kind),
                    (header::CACHE_CONTROL, "max-age=3600"),
                ],
                content,
            )
        })
    };
    Router::new()
        .route("/", get(overview))
        .route("/models/{name}", get(model))
        .route("/models/{name}/compare", get(compare))
        .route("/runs", get(runs))
        .route("/data", get(data))
        .route("/data/{*folder}", get(data_set))
        .route("/prediction", get(prediction))
        .route("/reports/{data_version}/{name}/{version}", get(report))
        .route("/tables/{file}", get(table))
        .route("/metrics", get(metrics))
        .route(
            "/assets/style.css",
            asset("text/css; charset=utf-8", page::style()),
        )
        .route(
            "/assets/app.js",
            asset("text/javascript; charset=utf-8", page::SCRIPT.to_owned()),
        )
        .route(
            "/assets/icon.svg",
            asset("image/svg+xml", page::ICON.to_owned()),
        )
        .fallback(|| async { Problem::Missing("There is no page at this address.".to_owned()) })
        .route_layer(middleware::from_fn_with_state(state.clone(), guard))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(middleware::map_response(with_headers))
        .with_state(state)
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS
        .into_iter()
        .chain([(header::CACHE_CONTROL, "no-store")])
    {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Lets in who may look.
async fn guard(Shared(state): Us, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    match state.access.check(request.headers()) {
        Entry::Granted(user) => tracing::debug!(user, path, "asked"),
        // Prometheus comes past the proxy that asks people who they are; a password it can give.
        Entry::Refused if path == "/metrics" => {}
        Entry::Refused => {
            return (
                StatusCode::FORBIDDEN,
                "use the proxy that authenticates users\n",
            )
                .into_response();
        }
        Entry::AskPassword => {
            let ask = [(
                header::WWW_AUTHENTICATE,
                "Basic realm=\"alameda\", charset=\"UTF-8\"",
            )];
            return (
                StatusCode::UNAUTHORIZED,
                ask,
                "user and password required\n",
            )
                .into_response();
        }
    }
    next.run(request).await
}

async fn ready(Shared(state): Us) -> Response {
    let turns = state.limits.probes.clone();
    let asked = apart(turns, async move || {
        state.source.check().await?;
        Ok("ready\n".into_response())
    });
    match asked.await {
        Ok(ready) => ready,
        // Anybody may ask, so the answer does not say where the source is.
        Err(problem) => {
            if let Problem::Failed(error) = &problem {
                tracing::warn!("not ready: {error:#}");
            }
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: the log says why\n",
            )
                .into_response()
        }
    }
}

async fn overview(Shared(state): Us) -> Answer {
    paged(&state, async move |state| {
        let lookups = Lookups::default();
        let (models, unreadable) = state.overview(Some(&lookups)).await?;
        html(page::overview(
            &models,
            &state.source.place(),
            &state.rules.thresholds,
            &unreadable,
            &lookups.troubles(),
        ))
    })
    .await
}

async fn model(Shared(state): Us, Path(name): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let choice = Choice::parse(&query.unwrap_or_default(), "").map_err(Problem::Asked)?;
    paged(&state, async move |state| {
        let lookups = Lookups::default();
        let model = found(&state, &name, &choice, &lookups).await?;
        let late_labels = state.source.knows_late_labels();
        html(page::model(
            &model,
            &choice,
            &state.rules.thresholds,
            late_labels,
            &lookups.troubles(),
        ))
    })
    .await
}

async fn found(
    state: &State,
    name: &str,
    choice: &Choice,
    lookups: &Lookups,
) -> Result<Model, Problem> {
    let missing = || {
        Problem::Missing(format!(
            "No model {name} has predictions in {}.",
            state.source.place()
        ))
    };
    state
        .model(name, choice, lookups)
        .await?
        .ok_or_else(missing)
}

async fn compare(Shared(state): Us, Path(name): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let (mut a, b) = (
        Choice::parse(&query, "a-").map_err(Problem::Asked)?,
        Choice::parse(&query, "b-").map_err(Problem::Asked)?,
    );
    paged(&state, async move |state| {
        let lookups = Lookups::default();
        let model = found(&state, &name, &b, &lookups).await?;
        // Where neither side is chosen, the version before is compared with the one that scored
        // last.
        if (a.version, b.version) == (None, None) {
            let newest = model.side.as_ref().map(|side| side.version);
            let earlier = model
                .scored
                .iter()
                .map(|of| of.model_version)
                .filter(|version| Some(*version) < newest);
            a.version = earlier.max().or(newest);
        }
        let left = state.side(&name, &model.scored, &a, Some(&lookups)).await?;
        html(page::compare(
            &model,
            left.as_ref(),
            &a,
            &b,
            &lookups.troubles(),
        ))
    })
    .await
}

async fn runs(Shared(state): Us) -> Answer {
    paged(&state, async move |state| {
        let (runs, attempted, verdicts) = futures::join!(
            state.tracking.runs(None, RUNS),
            records::attempted(&state.store),
            records::verdicts(&state.store, &state.tracking)
        );
        html(page::runs(&runs, &attempted, &verdicts))
    })
    .await
}

async fn data(Shared(state): Us) -> Answer {
    paged(&state, async move |state| {
        let (scored, sets, reports) = futures::join!(
            state.source.scored(),
            records::data_sets(&state.store),
            Reports::list(&state.store)
        );
        html(page::data(&scored, &sets, &reports))
    })
    .await
}

async fn data_set(Shared(state): Us, Path(folder): Path<String>) -> Answer {
    paged(&state, async move |state| {
        html(page::data_set(&in_folder(&state, &folder).await?))
    })
    .await
}

async fn in_folder(state: &State, folder: &str) -> Result<DataSet, Problem> {
    let missing = || Problem::Missing(format!("There is no data set in {folder}."));
    records::data_set(&state.store, folder)
        .await?
        .ok_or_else(missing)
}

async fn prediction(Shared(state): Us, RawQuery(query): RawQuery) -> Answer {
    let wanted = Wanted::parse(&query.unwrap_or_default());
    paged(&state, async move |state| {
        let found = state.source.predictions(&wanted).await?;
        html(page::prediction(
            &wanted,
            found.as_ref(),
            &state.source.tables(),
        ))
    })
    .await
}

async fn table(Shared(state): Us, Path(file): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let choice = Choice::parse(&query, "").map_err(Problem::Asked)?;
    let (name, kind) = match file.split_once('.') {
        Some((name, kind @ ("csv" | "json"))) => (name.to_owned(), kind.to_owned()),
        _ => {
            return Err(Problem::Missing(
                "A table is a .csv or a .json file.".to_owned(),
            ));
        }
    };
    paged(&state, async move |state| {
        let table = match name.as_str() {
            "scored" => tables::scored(&state.source.scored().await?),
            "runs" => tables::runs(&state.tracking.runs(None, RUNS).await?),
            "workflows" => tables::workflows(&records::attempted(&state.store).await?.attempts),
            "prepared" => tables::prepared(&records::data_sets(&state.store).await?.sets),
            "raw-files" => {
                tables::raw_files(&in_folder(&state, &asked(&query, "set", "a data set")?).await?)
            }
            "left-out" => tables::left_out(&records::data_sets(&state.store).await?.sets),
            "predictions" => {
                asked(&query, "id", "an id")?;
                let wanted = Wanted::parse(&query);
                let none = || Problem::Missing("There is no table of predictions.".to_owned());
                tables::predictions(&state.source.predictions(&wanted).await?.ok_or_else(none)?)
            }
            _ => {
                let of_model = tables::OF_MODEL
                    .iter()
                    .find(|(of_model, _)| *of_model == name);
                let none = || Problem::Missing(format!("There is no table {name}."));
                let (_, of_model) = of_model.ok_or_else(none)?;
                let model = found(
                    &state,
                    &asked(&query, "model", "a model")?,
                    &choice,
                    &Lookups::default(),
                )
                .await?;
                of_model(&model).ok_or_else(|| {
                    Problem::Missing("That version has no predictions.".to_owned())
                })?
            }
        };
        let (content_type, content) = if kind == "csv" {
            ("text/csv; charset=utf-8", table.csv()?)
        } else {
            ("application/json", table.json()?)
        };
        // The name is one of those above.
        let disposition = format!("attachment; filename=\"{name}.{kind}\"");
        let headers = [
            (header::CONTENT_TYPE, content_type.to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        Ok((headers, content).into_response())
    })
    .await
}

fn asked(query: &str, name: &str, what: &str) -> Result<String, Problem> {
    parameter(query, name).ok_or_else(|| Problem::Asked(format!("Name {what}: ?{name}=...")))
}

/// A report as it was written. It is a page of its own, which loads and runs nothing.
async fn report(
    Shared(state): Us,
    Path((data_version, model_name, version)): Path<(String, String, String)>,
) -> Answer {
    let none = || {
        Problem::Missing(format!(
            "There is no report on {model_name} {version} and {data_version}."
        ))
    };
    let model_version = version
        .strip_prefix('v')
        .and_then(|number| number.parse().ok())
        .ok_or_else(none)?;
    let key = records::report_page(&data_version, &model_name, model_version).ok_or_else(none)?;
    let page = paged(&state, async move |state| {
        let missing = || Problem::Missing(format!("There is no {key}."));
        Ok(state
            .store
            .get(&key)
            .await?
            .ok_or_else(missing)?
            .into_response())
    });
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    Ok((
        [
            (header::CONTENT_TYPE, HTML),
            (header::CONTENT_SECURITY_POLICY, policy),
        ],
        page.await?.into_body(),
    )
        .into_response())
}

async fn metrics(Shared(state): Us) -> Answer {
    paged(&state, async move |state| {
        let text = gauges::text(&state.overview(None).await?.0);
        Ok((
            [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )],
            text,
        )
            .into_response())
    })
    .await
}
