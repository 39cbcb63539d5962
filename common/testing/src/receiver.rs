//! A receiver of webhooks: it keeps what it is sent, and answers as a test configures it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::faults::listen;

/// A message that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// The header `Idempotency-Key`.
    pub idempotency_key: String,
    /// Its body, `null` when it is no JSON.
    pub body: Value,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    answers: VecDeque<u16>,
}

/// The receiver; it ends when it is dropped.
pub struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
    runtime: Option<Runtime>,
}

impl Receiver {
    /// Starts it on a free port of 127.0.0.1.
    pub fn start() -> Result<Self> {
        let (runtime, listener, port) = listen()?;
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| receive(&shared, request));
                    // A connection that ends early is the client's to notice.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            port,
            state,
            runtime: Some(runtime),
        })
    }

    /// Its address with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// Answers the next messages with these statuses, and all after them with 200.
    pub fn answer(&self, statuses: &[u16]) {
        lock(&self.state).answers = statuses.iter().copied().collect();
    }

    /// What has arrived since this was asked before.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut lock(&self.state).received)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The receiver may be dropped in a runtime of its user's.
            runtime.shutdown_background();
        }
    }
}

async fn receive(
    state: &Mutex<State>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let path = request
        .uri()
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let key = request
        .headers()
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let mut state = lock(state);
    let body = serde_json::from_slice(&body).unwrap_or_default();
    state.received.push(Received {
        path,
        idempotency_key: key,
        body,
    });
    let mut answer = Response::new(Empty::new());
    let status = state
        .answers
        .pop_front()
        .and_then(|status| status.try_into().ok());
    *answer.status_mut() = status.unwrap_or_default();
    Ok(answer)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
