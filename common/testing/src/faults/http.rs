//! A proxy that knows HTTP: it counts calls, and answers, delays or cuts those that a rule picks.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Result;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;

use super::listen;
use services::local;

/// A call that went through the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Such as `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What the client saw; `None` for a call that was cut.
    pub status: Option<u16>,
    /// Bytes of the request's body that the service was sent.
    pub sent: u64,
    /// Bytes of the answer's body that the client was sent.
    pub received: u64,
}

/// How a call goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The service never sees it; the client gets this status and body.
    Status(u16, String),
    /// It takes this much longer.
    Delay(Duration),
    /// The service never sees it; the connection is reset.
    Reset,
    /// The service does it; the connection is reset in place of the answer.
    LoseAnswer,
    /// The connection is reset after this many bytes of the answer's body.
    CutAnswer(usize),
    /// After this many bytes of the answer's body nothing comes for a while.
    PauseAnswer(usize, Duration),
}

/// Whether a call is meant, by its method and path.
type Matches = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// Which calls go wrong, and how.
#[derive(Clone)]
pub struct Rule {
    matches: Matches,
    fault: Fault,
    left: Option<usize>,
}

impl Rule {
    /// Every call goes wrong.
    pub fn always(fault: Fault) -> Self {
        Self {
            matches: Arc::new(|_, _| true),
            fault,
            left: None,
        }
    }

    /// Only calls whose method and path (with query) please `matches`.
    pub fn when(self, matches: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            matches: Arc::new(matches),
            ..self
        }
    }

    /// Only the first `calls` of them.
    pub fn times(self, calls: usize) -> Self {
        Self {
            left: Some(calls),
            ..self
        }
    }
}

/// The proxy; it ends when it is dropped.
pub struct HttpProxy {
    port: u16,
    state: Arc<Mutex<State>>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    calls: Vec<Call>,
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;
type Upstream = Client<HttpConnector, Counted>;

impl HttpProxy {
    /// Starts it in front of a port on 127.0.0.1. The `Host` header stays as the client wrote it.
    pub fn start(upstream: u16) -> Result<Self> {
        let (runtime, listener, port) = listen()?;
        let state: Arc<Mutex<State>> = Arc::default();
        let client: Upstream = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let shared = state.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, client) = (shared.clone(), client.clone());
                // Whoever resets a connection leaves nothing to send.
                let _ = stream.set_zero_linger();
                tokio::spawn(async move {
                    let service = service_fn(|request| pass(&shared, &client, upstream, request));
                    // A connection that ends early, on purpose or not, is the client's to notice.
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

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address, such as `http://127.0.0.1:9000`.
    pub fn url(&self) -> String {
        format!("http://{}", local(self.port))
    }

    /// Sets the rules, in place of those before; the first that matches a call holds.
    pub fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        self.lock().rules = rules.into_iter().collect();
    }

    /// The calls since the last time that they were taken.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    /// The same, which stay to be taken.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn pass(
    state: &Arc<Mutex<State>>,
    client: &Upstream,
    upstream: u16,
    request: Request<Incoming>,
) -> std::io::Result<Answer> {
    let method = request.method().to_string();
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let (fault, at) = {
        let mut state = lock(state);
        let rule = state
            .rules
            .iter_mut()
            .find(|rule| rule.left != Some(0) && (rule.matches)(&method, &path));
        let fault = rule.map(|rule| {
            rule.left = rule.left.map(|left| left - 1);
            rule.fault.clone()
        });
        state.calls.push(Call {
            method,
            path: path.clone(),
            status: None,
            sent: 0,
            received: 0,
        });
        (fault, state.calls.len() - 1)
    };
    let counter = Counter {
        state: state.clone(),
        at,
        path,
    };
    match &fault {
        Some(Fault::Status(status, text)) => {
            counter.count(|call| call.status = Some(*status));
            // What the client still sends is taken in, so that it reads the answer.
            let _ = request.into_body().collect().await;
            let body = Full::new(Bytes::from(text.clone()))
                .map_err(|never: Infallible| match never {})
                .boxed();
            let mut answer = Response::new(body);
            *answer.status_mut() =
                hyper::StatusCode::from_u16(*status).map_err(std::io::Error::other)?;
            return Ok(answer);
        }
        Some(Fault::Reset) => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Fault::LoseAnswer | Fault::CutAnswer(_) | Fault::PauseAnswer(..)) | None => {}
    }
    let (mut head, body) = request.into_parts();
    head.uri = Uri::try_from(format!("http://{}{}", local(upstream), counter.path))
        .map_err(std::io::Error::other)?;
    let body = Counted {
        body,
        counter: counter.clone(),
        is_answer: false,
        left: None,
        pause: None,
        pausing: None,
    };
    let mut answer = client
        .request(Request::from_parts(head, body))
        .await
        .map_err(std::io::Error::other)?;
    // It speaks of the connection to the service. The one to the client is reset when it is closed,
    // and what is on its way would get lost.
    answer.headers_mut().remove(hyper::header::CONNECTION);
    if matches!(fault, Some(Fault::LoseAnswer)) {
        return Err(std::io::ErrorKind::ConnectionReset.into());
    }
    let status = answer.status().as_u16();
    counter.count(|call| call.status = Some(status));
    let left = match fault {
        Some(Fault::CutAnswer(left)) => Some(left),
        _ => None,
    };
    let pause = match fault {
        Some(Fault::PauseAnswer(left, time)) => Some((left, time)),
        _ => None,
    };
    Ok(answer.map(|body| {
        Counted {
            body,
            counter,
            is_answer: true,
            left,
            pause,
            pausing: None,
        }
        .boxed()
    }))
}

/// Where the bytes of one call are counted.
#[derive(Clone)]
struct Counter {
    state: Arc<Mutex<State>>,
    at: usize,
    path: String,
}

impl Counter {
    fn count(&self, change: impl FnOnce(&mut Call)) {
        let mut state = lock(&self.state);
        // The calls may have been taken in the meantime.
        if let Some(call) = state
            .calls
            .get_mut(self.at)
            .filter(|call| call.path == self.path)
        {
            change(call);
        }
    }
}

/// A body whose bytes are counted, and that may break off or pause.
struct Counted {
    body: Incoming,
    counter: Counter,
    is_answer: bool,
    left: Option<usize>,
    /// After how many more bytes it pauses, and for how long.
    pause: Option<(usize, Duration)>,
    pausing: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if let Some((_, time)) = self.pause.take_if(|(left, _)| *left == 0) {
            self.pausing = Some(Box::pin(tokio::time::sleep(time)));
        }
        if let Some(pausing) = &mut self.pausing {
            ready!(pausing.as_mut().poll(context));
            self.pausing = None;
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map(|frame| {
            frame.map(|frame| {
                let frame = frame.map_err(std::io::Error::other)?;
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match self.left {
                    Some(left) if bytes > left => {
                        return Err(std::io::ErrorKind::ConnectionReset.into());
                    }
                    left => self.left = left.map(|left| left - bytes),
                }
                if let Some((left, _)) = &mut self.pause {
                    *left = left.saturating_sub(bytes);
                }
                let is_answer = self.is_answer;
                self.counter.count(|call| {
                    *if is_answer {
                        &mut call.received
                    } else {
                        &mut call.sent
                    } += bytes as u64
                });
                Ok(frame)
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
