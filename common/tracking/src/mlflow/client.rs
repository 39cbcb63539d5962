//! One call to the server: sent, judged, and tried again while that may help.

use anyhow::{Result, anyhow};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::super::TrackingArgs;
use super::settings::{self, Login};
use runtime::failure::{Failure, innermost, shortened};
use runtime::retry::{Budget, Service, Trouble};

/// As much of a server's message as an error quotes.
const QUOTED: usize = 300;

/// A server, and how calls to it are made.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    address: Url,
    login: Login,
    pub(super) service: Service,
    pub(super) budget: Budget,
}

/// What the server says to a call that it understood and refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Such as `RESOURCE_ALREADY_EXISTS`.
    pub(super) code: String,
    /// In words.
    pub(super) message: String,
}

impl Refusal {
    /// Whether what was asked for does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.code == "RESOURCE_DOES_NOT_EXIST"
    }

    /// Whether what was to be made exists.
    pub(super) fn is_taken(&self) -> bool {
        self.code == "RESOURCE_ALREADY_EXISTS"
    }
}

/// The outcome of one try.
type Tried<R> = Result<Result<R, Refusal>, Trouble>;

/// Part of the path of a call, and what it carries.
#[derive(Clone)]
pub(super) struct Call {
    method: Method,
    url: Url,
    body: Body,
}

#[derive(Clone)]
enum Body {
    None,
    Json(Value),
    Bytes(Vec<u8>),
}

impl Client {
    pub(super) fn new(
        uri: &str,
        args: &TrackingArgs,
        login: Login,
        budget: Budget,
    ) -> Result<Self> {
        let address = settings::address(uri)?;
        Ok(Self {
            http: settings::http(args)?,
            service: settings::service(&address),
            address,
            login,
            budget,
        })
    }

    pub(super) fn with_budget(&self, budget: Budget) -> Self {
        Self {
            budget,
            ..self.clone()
        }
    }

    /// The name of the user, if it is known.
    pub(super) fn user(&self) -> Option<&str> {
        match &self.login {
            Login::Basic { user, .. } => Some(user),
            _ => None,
        }
    }

    /// The address of a page for people.
    pub(super) fn page(&self, path: &str) -> String {
        format!("{}/#/{path}", self.address.as_str().trim_end_matches('/'))
    }

    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Call {
        let mut url = self.url(&format!("api/2.0/mlflow/{path}"));
        url.query_pairs_mut().extend_pairs(query);
        Call {
            method: Method::GET,
            url,
            body: Body::None,
        }
    }

    /// A call that carries JSON. Numbers in it are finite: serde would write `null` for others, and
    /// the server would drop what comes after them.
    pub(super) fn send(&self, method: Method, path: &str, body: &impl Serialize) -> Result<Call> {
        let body = Body::Json(serde_json::to_value(body)?);
        Ok(Call {
            method,
            url: self.url(&format!("api/2.0/mlflow/{path}")),
            body,
        })
    }

    /// A `POST` that carries JSON.
    pub(super) fn post(&self, path: &str, body: &impl Serialize) -> Result<Call> {
        self.send(Method::POST, path, body)
    }

    /// The upload of a file to the server's own store of artifacts. Each segment is encoded by
    /// itself.
    pub(super) fn put_artifact(&self, path: &str, bytes: Vec<u8>) -> Call {
        let mut url = self.url("api/2.0/mlflow-artifacts/artifacts");
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path.split('/').filter(|segment| !segment.is_empty()));
        }
        Call {
            method: Method::PUT,
            url,
            body: Body::Bytes(bytes),
        }
    }

    /// How the server is set up.
    pub(super) fn server_info(&self) -> Call {
        Call {
            method: Method::GET,
            url: self.url("api/3.0/mlflow/server-info"),
            body: Body::None,
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.address.clone();
        url.set_path(&format!(
            "{}/{path}",
            self.address.path().trim_end_matches('/')
        ));
        url
    }

    /// Makes a call that does no harm when it is made twice, and gives its answer or the server's
    /// refusal.
    pub(super) async fn ask<R: DeserializeOwned>(
        &self,
        operation: &str,
        call: &Call,
    ) -> Result<Result<R, Refusal>> {
        self.budget
            .call(&self.service, operation, || self.once(operation, call))
            .await
    }

    /// The same where a refusal needs a person: exit 2.
    pub(super) async fn must<R: DeserializeOwned>(
        &self,
        operation: &str,
        call: &Call,
    ) -> Result<R> {
        self.ask(operation, call)
            .await?
            .map_err(|refusal| self.refused(operation, &refusal))
    }

    /// A refusal as a failure.
    pub(super) fn refused(&self, operation: &str, refusal: &Refusal) -> anyhow::Error {
        let Refusal { code, message } = refusal;
        Failure::usage(format!(
            "{} refuses {operation}: {message} ({code})",
            self.service
        ))
    }

    /// Tries a call once.
    pub(super) async fn once<R: DeserializeOwned>(&self, operation: &str, call: &Call) -> Tried<R> {
        let mut request = self.http.request(call.method.clone(), call.url.clone());
        request = match &call.body {
            Body::None => request,
            Body::Json(value) => request.json(value),
            Body::Bytes(bytes) => request.body(bytes.clone()),
        };
        let response = self
            .authorized(request)
            .send()
            .await
            .map_err(|error| self.unsent(operation, &error))?;
        let (status, is_json) = (response.status(), is_json(&response));
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.unsent(operation, &error))?;
        if status.is_success() {
            // An upload is answered with nothing.
            let answer = if bytes.is_empty() {
                b"{}"
            } else {
                bytes.as_ref()
            };
            return match serde_json::from_slice(answer) {
                Ok(answer) => Ok(Ok(answer)),
                Err(error) if is_json => Err(Trouble::Lasting(Failure::usage(format!(
                    "{} sent an answer to {operation} that this program can't read: {error}; is it MLflow 3?",
                    self.service
                )))),
                Err(_) => Err(self.no_mlflow(operation, status)),
            };
        }
        self.judge(operation, status, &bytes)
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.login {
            Login::None => request,
            Login::Basic { user, password } => request.basic_auth(user, Some(password)),
            Login::Token(token) => request.bearer_auth(token),
        }
    }

    /// A call that the server answered with an error: what it means, by the server's own code
    /// before the status.
    fn judge<R>(&self, operation: &str, status: StatusCode, bytes: &[u8]) -> Tried<R> {
        #[derive(serde::Deserialize)]
        struct Answer {
            error_code: Option<String>,
            message: Option<String>,
            detail: Option<Value>,
        }
        let answer: Option<Answer> = serde_json::from_slice(bytes).ok();
        let text = String::from_utf8_lossy(bytes);
        let (code, message) = match answer {
            Some(Answer {
                error_code,
                message,
                detail,
            }) => {
                let detail = detail.map(|detail| {
                    detail
                        .as_str()
                        .map_or_else(|| detail.to_string(), str::to_owned)
                });
                (error_code, message.or(detail).unwrap_or_default())
            }
            // A page for people is of no use in a log.
            None if text.trim_start().starts_with('<') => (None, String::new()),
            None => (None, text.into_owned()),
        };
        let line = message.trim().lines().next().unwrap_or_default();
        let message = shortened(line, QUOTED);
        let lasting = |text: String| Err(Trouble::Lasting(Failure::usage(text)));
        let Service { host, .. } = &self.service;
        match status {
            StatusCode::UNAUTHORIZED => lasting(format!(
                "{} refuses the login ({}) for {operation}: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or \
                 MLFLOW_TRACKING_TOKEN, to a valid login",
                self.service,
                self.login.described()
            )),
            StatusCode::FORBIDDEN if message.contains("Invalid Host header") => lasting(format!(
                "{} refuses this host name ({operation}): start the server with --allowed-hosts={host} \
                 (MLFLOW_SERVER_ALLOWED_HOSTS), the port included; the option replaces the default list",
                self.service
            )),
            StatusCode::FORBIDDEN => lasting(format!(
                "{} does not permit {operation} ({}): {}; ask its administrator for permission to EDIT the experiment and the \
                 registered model",
                self.service,
                self.login.described(),
                if message.is_empty() {
                    "permission denied"
                } else {
                    &message
                },
            )),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(passing(status, &message))
            }
            StatusCode::NOT_IMPLEMENTED => lasting(format!(
                "{} can't do this: {operation}: {message}",
                self.service
            )),
            _ if status.is_server_error() => Err(passing(status, &message)),
            _ => match code {
                Some(code) => Ok(Err(Refusal { code, message })),
                None if message.is_empty()
                    || status.is_redirection()
                    || status == StatusCode::NOT_FOUND =>
                {
                    Err(self.no_mlflow(operation, status))
                }
                None => lasting(format!(
                    "{} refuses {operation}: {message} ({status})",
                    self.service
                )),
            },
        }
    }

    /// Something else than MLflow answers there.
    fn no_mlflow(&self, operation: &str, status: StatusCode) -> Trouble {
        let why = if status.is_redirection() {
            "it redirects, to https or to a login page"
        } else {
            "nothing there answers as MLflow does"
        };
        Trouble::Lasting(Failure::usage(format!(
            "{} is not an MLflow server, or not under this path: {operation}: {status}: {why}; check MLFLOW_TRACKING_URI",
            self.service
        )))
    }

    /// A call that came to no answer.
    fn unsent(&self, operation: &str, error: &reqwest::Error) -> Trouble {
        let cause = innermost(error);
        let tls = [
            "certificate",
            "InvalidContentType",
            "corrupt message",
            "HandshakeFailure",
        ];
        if error.is_builder() || tls.iter().any(|word| cause.contains(word)) {
            return Trouble::Lasting(Failure::usage(format!(
                "{} can't be reached at MLFLOW_TRACKING_URI: {operation}: {cause}; check http or \
                 https, the host name, and \
                 MLFLOW_TRACKING_SERVER_CERT_PATH",
                self.service
            )));
        }
        Trouble::Passing(anyhow!(if error.is_connect() {
            format!("no connection: {cause}")
        } else {
            cause
        }))
    }
}

fn is_json(response: &Response) -> bool {
    let kind = response
        .headers()
        .get(reqwest::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.contains("json"))
}

fn passing(status: StatusCode, message: &str) -> Trouble {
    Trouble::Passing(match message {
        "" => anyhow!("{status}"),
        message => anyhow!("{status}: {message}"),
    })
}
