//! Answers: what each one may take, and what goes wrong with it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::page;
use super::state::State;

/// How long a page waits for its turn.
const TURN: Duration = Duration::from_secs(15);
/// How long a page may take to be made.
const MADE: Duration = Duration::from_secs(30);
/// The type of a page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// An answer that is no page.
pub(crate) enum Problem {
    /// What was asked for can't be.
    Asked(String),
    /// Not found.
    Missing(String),
    /// Something is down or wrong, in the words of the error: service, host, never a secret.
    Failed(anyhow::Error),
    /// Too much is asked for at once, or one thing takes too long.
    Busy(&'static str),
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, heading, text) = match self {
            Self::Busy(text) => {
                let headers = [(header::RETRY_AFTER, "5"), (header::CONTENT_TYPE, HTML)];
                let page = page::problem("This can't be shown now", text);
                return (StatusCode::SERVICE_UNAVAILABLE, headers, page).into_response();
            }
            Self::Asked(text) => (StatusCode::BAD_REQUEST, "That can't be shown", text),
            Self::Missing(text) => (StatusCode::NOT_FOUND, "Not found", text),
            Self::Failed(error) => {
                tracing::warn!("a page can't be made: {error:#}");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "This can't be shown now",
                    format!("{error:#}"),
                )
            }
        };
        (
            status,
            [(header::CONTENT_TYPE, HTML)],
            page::problem(heading, &text),
        )
            .into_response()
    }
}

/// What an address gives.
pub(crate) type Answer = Result<Response, Problem>;

pub(crate) fn html(page: String) -> Answer {
    Ok(([(header::CONTENT_TYPE, HTML)], page).into_response())
}

/// Makes an answer in its turn, on a thread of its own: counting and writing a page must not hold
/// up the probes, and what is asked of the database and the store can't move from one thread to
/// another while it waits. Nobody is waited for who has gone away.
pub(crate) async fn apart<F: Future<Output = Answer>>(
    turns: Arc<Semaphore>,
    make: impl FnOnce() -> F + Send + 'static,
) -> Answer {
    let Ok(Ok(turn)) = tokio::time::timeout(TURN, turns.acquire_owned()).await else {
        return Err(Problem::Busy(
            "There are too many requests. Try again in a moment.",
        ));
    };
    let (mut sender, receiver) = tokio::sync::oneshot::channel();
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("page".to_owned())
        .spawn(move || {
            let _turn = turn;
            let made = runtime.block_on(async {
                tokio::select! {
                    made = tokio::time::timeout(MADE, make()) => Some(made),
                    () = sender.closed() => None,
                }
            });
            let late = |_| {
                Err(Problem::Busy(
                    "The page took too long. Choose fewer days, or try again in a moment.",
                ))
            };
            if let Some(made) = made {
                // Gone away in the end.
                let _ = sender.send(made.unwrap_or_else(late));
            }
        })?;
    receiver.await?
}

/// Makes a page in its turn.
pub(crate) async fn paged<F: Future<Output = Answer>>(
    state: &Arc<State>,
    make: impl FnOnce(Arc<State>) -> F + Send + 'static,
) -> Answer {
    let shared = state.clone();
    apart(state.limits.pages.clone(), move || make(shared)).await
}
