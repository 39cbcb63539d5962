//! What S3 answers, seen before the client of `object_store` does: that keeps neither the status
//! nor the code of a refusal where a caller can read them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use runtime::failure::causes;

/// As much of an unknown refusal's text as an error shows.
const MESSAGE_CHARACTERS: usize = 160;

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Of HTTP.
    pub(super) status: u16,
    /// Of S3, such as `NoSuchKey`; none without a body, as to a `HEAD`.
    pub(super) code: Option<String>,
    /// In S3's words, cut.
    pub(super) message: String,
    /// Whether there was a body that is not S3's.
    pub(super) is_foreign: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) if self.message.is_empty() => write!(f, "{code} ({})", self.status),
            Some(code) => write!(f, "{code} ({}): {}", self.status, self.message),
            None => write!(f, "HTTP status {}", self.status),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    fn new(status: u16, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let code = element(&body, "Code").map(str::to_owned);
        let message = element(&body, "Message").unwrap_or_default();
        let message: String = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            status,
            is_foreign: code.is_none() && !body.trim().is_empty(),
            code,
            message: message.chars().take(MESSAGE_CHARACTERS).collect(),
        }
    }

    /// The refusal in a chain of errors.
    pub(super) fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }
}

/// The status that a refusal inside an answer of 200 would have had, by its code.
fn status_of(code: Option<&str>) -> u16 {
    match code {
        Some("AccessDenied") => 403,
        Some("NoSuchUpload" | "NoSuchKey" | "NoSuchBucket") => 404,
        Some("SlowDown" | "ServiceUnavailable") => 503,
        Some("InternalError") | None => 500,
        Some(_) => 400,
    }
}

/// The text of the first element of that name.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// Makes clients that turn every refusal into an error with a [`Refusal`] in it.
#[derive(Debug, Default)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Watched(
            ReqwestConnector::default().connect(options)?,
        )))
    }
}

#[derive(Debug)]
struct Watched(HttpClient);

impl HttpService for Watched {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            // Completing an upload may fail after S3 has begun its answer with 200, and deleting is
            // reported key by key.
            let may_fail_late = request.method().as_str() == "POST";
            // To the client any page is a listing of nothing.
            let lists = request
                .uri()
                .query()
                .is_some_and(|query| query.contains("list-type=2"));
            let response = self.0.execute(request).await?;
            let status = response.status();
            if status.is_success() && !may_fail_late && !lists {
                return Ok(response);
            }
            let (head, body) = response.into_parts();
            let body = body.bytes().await?;
            let text = String::from_utf8_lossy(&body);
            let refusal = match status.as_u16() {
                200..=299 if lists && !text.contains("<ListBucketResult") => {
                    Refusal::new(200, &body)
                }
                200..=299 if element(&text, "Error").is_some() => {
                    Refusal::new(status_of(element(&text, "Code")), &body)
                }
                200..=299 => return Ok(HttpResponse::from_parts(head, body.into())),
                status => Refusal::new(status, &body),
            };
            Err(HttpError::new(HttpErrorKind::Unknown, refusal))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_reported_in_a_line() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>The specified\n bucket does not exist\
                   </Message><HostId>abc</HostId></Error>";
        let refusal = Refusal::new(404, xml.as_bytes());
        assert_eq!(
            refusal.to_string(),
            "NoSuchBucket (404): The specified bucket does not exist"
        );
        assert!(!refusal.is_foreign);
        let page = Refusal::new(502, b"<html>Bad gateway</html>");
        assert_eq!(
            (page.to_string().as_str(), page.is_foreign),
            ("HTTP status 502", true)
        );
        assert!(!Refusal::new(404, b"").is_foreign);
    }
}
