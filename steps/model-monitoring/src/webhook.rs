//! Messages to a webhook, such as one of Slack, Mattermost or Teams. Whoever knows its URL can
//! write there: the URL is a secret, and nothing here shows more of it than the host.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use reqwest::StatusCode;
use serde::Serialize;
use url::Url;

use runtime::failure::{Failure, innermost};
use runtime::retry::{Budget, Service, Trouble};
use runtime::secret;

/// Time for a connection to stand, and for an answer to come.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

pub(crate) struct Webhook {
    http: reqwest::Client,
    url: Url,
    /// Where the URL comes from, for messages.
    variable: &'static str,
    service: Service,
    budget: Budget,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Webhook").field(&self.service.host).finish()
    }
}

impl Webhook {
    /// The webhook whose URL an environment variable holds; `None` without one.
    ///
    /// # Errors
    /// Those of [`secret::from_environment`] and [`Webhook::new`].
    pub(crate) fn from_environment(variable: &'static str, budget: Budget) -> Result<Option<Self>> {
        let url = secret::from_environment(variable)?;
        url.map(|url| Self::new(&url, variable, budget)).transpose()
    }

    /// The webhook at `url`, which is in `variable`.
    ///
    /// # Errors
    /// Anything but an http or https URL: exit 2, without the URL.
    pub(crate) fn new(url: &str, variable: &'static str, budget: Budget) -> Result<Self> {
        let parsed = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = parsed.ok_or_else(|| {
            Failure::usage(format!(
                "{variable} is not an http or https URL: correct it, or leave it out to send no \
                 messages"
            ))
        })?;
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        let service = Service {
            name: "the webhook",
            host: format!("{}{port}", url.host_str().unwrap_or_default()),
        };
        // A redirect leads to a login page, or from http to https: a person must see it.
        let http = reqwest::Client::builder()
            .user_agent(concat!("alameda/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .context("preparing TLS for the webhook")?;
        Ok(Self {
            http,
            url,
            variable,
            service,
            budget,
        })
    }

    /// Posts a message as JSON. An answer that gets lost makes it arrive twice, with the same
    /// `Idempotency-Key`.
    ///
    /// # Errors
    /// No answer, 408, 425, 429 or 5xx until the budget is spent: exit 75. Any other refusal: exit
    /// 2.
    pub(crate) async fn post(
        &self,
        operation: &str,
        idempotency_key: &str,
        message: &impl Serialize,
    ) -> Result<()> {
        self.budget
            .call(&self.service, operation, || {
                self.once(operation, idempotency_key, message)
            })
            .await
    }

    async fn once(
        &self,
        operation: &str,
        key: &str,
        message: &impl Serialize,
    ) -> Result<(), Trouble> {
        let request = self
            .http
            .post(self.url.clone())
            .header("Idempotency-Key", key)
            .json(message);
        let status = request
            .send()
            .await
            .map_err(|error| self.unsent(operation, &error))?
            .status();
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(Trouble::Passing(anyhow!("{status}")))
            }
            status if status.is_server_error() => Err(Trouble::Passing(anyhow!("{status}"))),
            // What it says besides may quote the URL.
            status => Err(Trouble::Lasting(Failure::usage(format!(
                "{} refuses {operation}: {status}; correct {}",
                self.service, self.variable
            )))),
        }
    }

    /// A message that came to no answer. The innermost cause alone is shown: those around it hold
    /// the URL.
    fn unsent(&self, operation: &str, error: &reqwest::Error) -> Trouble {
        let cause = innermost(error);
        if error.is_builder() {
            let text = format!(
                "{operation} can't be sent to {}: correct {}",
                self.service, self.variable
            );
            return Trouble::Lasting(Failure::usage(text));
        }
        Trouble::Passing(match (error.is_timeout(), error.is_connect()) {
            (true, _) => anyhow!("no answer"),
            (_, true) => anyhow!("no connection: {cause}"),
            (_, false) if error.source().is_some() => anyhow!("{cause}"),
            _ => anyhow!("the message was not sent"),
        })
    }
}
