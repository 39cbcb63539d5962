//! How the server is reached: address, login, certificates.

use std::fmt;

use anyhow::{Context, Result};
use url::Url;

use super::super::TrackingArgs;
use runtime::failure::Failure;
use runtime::retry::Service;
use runtime::secret;

/// Time for a connection to stand.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);
/// Time that a connection is kept when nothing is said: servers close theirs after some seconds.
const IDLE: std::time::Duration = std::time::Duration::from_secs(2);

/// How a program shows who it is.
#[derive(Clone)]
pub(in super::super) enum Login {
    /// Not at all.
    None,
    /// By user and password.
    Basic {
        /// Its name, which is no secret.
        user: String,
        password: String,
    },
    /// By a token.
    Token(String),
}

impl fmt::Debug for Login {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Token(_) => "Token",
        })
    }
}

impl Login {
    /// The login that the environment holds. Secrets reach the tracking here and nowhere else:
    /// `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, which win, or
    /// `MLFLOW_TRACKING_TOKEN`.
    pub(in super::super) fn from_environment() -> Result<Self> {
        let user = secret::from_environment("MLFLOW_TRACKING_USERNAME")?;
        let password = secret::from_environment("MLFLOW_TRACKING_PASSWORD")?;
        let token = secret::from_environment("MLFLOW_TRACKING_TOKEN")?;
        Ok(match (user, password, token) {
            (Some(user), Some(password), _) => Self::Basic { user, password },
            (_, _, Some(token)) if token.chars().all(|c| c.is_ascii_graphic()) => {
                Self::Token(token)
            }
            (_, _, Some(_)) => {
                return Err(Failure::usage(
                    "MLFLOW_TRACKING_TOKEN has characters that no token has, such as a space",
                ));
            }
            (Some(_), None, None) | (None, Some(_), None) => {
                return Err(Failure::usage(
                    "set both MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD: one of them is missing",
                ));
            }
            (None, None, None) => Self::None,
        })
    }

    /// Who logs in, for messages; without the secret.
    pub(super) fn described(&self) -> String {
        match self {
            Self::None => "no login was given".to_owned(),
            Self::Basic { user, .. } => format!("as user {user}"),
            Self::Token(_) => "by a token".to_owned(),
        }
    }
}

/// The address of a server, without a slash at its end.
///
/// # Errors
/// Anything but a plain http or https URL: exit 2. The address itself is not shown, since it may
/// hold a password.
pub(super) fn address(uri: &str) -> Result<Url> {
    let refused = |why: &str| {
        Failure::usage(format!(
            "MLFLOW_TRACKING_URI (--tracking-uri) {why}: give the address of an MLflow server, such as http://mlflow:5000, \
             or leave it empty to keep runs and models in the store"
        ))
    };
    let mut url = match Url::parse(uri) {
        Ok(url) => url,
        Err(_) => {
            let scheme = uri
                .split_once("://")
                .map(|(scheme, _)| format!("is a {scheme}:// address that can't be read"));
            return Err(refused(&scheme.unwrap_or("is no URL".to_owned())));
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(&format!(
            "has the scheme {}, which is not supported",
            url.scheme()
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            "contains a user or a password: give them in MLFLOW_TRACKING_USERNAME and \
             MLFLOW_TRACKING_PASSWORD instead",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("has a part after ? or #"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// The server as errors name it.
pub(super) fn service(address: &Url) -> Service {
    let host = address.host_str().unwrap_or_default();
    let port = address
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    Service {
        name: "MLflow",
        host: format!("{host}{port}"),
    }
}

/// A client with the certificates that were asked for. It follows no redirect: those lead to a
/// login page, or from http to https, and a person must see it.
pub(super) fn http(args: &TrackingArgs) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("alameda/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .danger_accept_invalid_certs(args.insecure_tls);
    if let Some(path) = args
        .server_cert_path
        .as_ref()
        .filter(|path| !path.as_os_str().is_empty())
    {
        let what = || {
            format!(
                "reading the certificates {} (MLFLOW_TRACKING_SERVER_CERT_PATH)",
                path.display()
            )
        };
        let pem = std::fs::read(path).with_context(what)?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| Failure::usage(format!("{}: it contains no PEM certificate", what())))?;
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().context("preparing TLS for MLflow")
}
