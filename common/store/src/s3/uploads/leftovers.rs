//! Multipart uploads that were begun by a call whose answer was lost: nobody knows their ids, so S3
//! is asked for them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpError, HttpRequest, HttpRequestBody};
use object_store::path::Path as Location;

use super::super::http::element;
use super::{Bucket, Outcome, lock};
use crate::environment::Source;

/// How far the clock of a server may jump within a listing.
const SLACK: Duration = Duration::from_secs(1);

impl Bucket {
    /// Aborts uploads of one key that began since `since` and are not known to be ours. A step that
    /// works on the same shard at the very same time loses its upload with them, and is to
    /// run again.
    pub(super) async fn sweep(&self, location: &Location, since: Instant) {
        let unknown = match self.unknown(location, since).await {
            Ok(unknown) => unknown,
            Err(error) => {
                tracing::warn!(
                    "an upload of s3://{}/{location} may be left over, and S3 did not answer \
                     ({error:#}); the bucket's \
                     lifecycle rule for unfinished uploads removes it",
                    self.name
                );
                return;
            }
        };
        for id in unknown {
            tracing::info!(
                "aborting an upload of s3://{}/{location} whose first answer was lost",
                self.name
            );
            self.abort(location, &id).await;
        }
    }

    /// Ids of such uploads.
    async fn unknown(&self, location: &Location, since: Instant) -> Result<Vec<String>> {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("prefix", location.as_ref())
            .append_pair("uploads", "")
            .finish()
            // As signatures want it.
            .replace('+', "%20");
        let mut unsigned = HttpRequest::new(HttpRequestBody::empty());
        *unsigned.uri_mut() = format!("{}?{query}", self.endpoint)
            .parse()
            .context("the address of the bucket")?;
        let operation = format!(
            "listing unfinished uploads of s3://{}/{location}",
            self.name
        );
        let Outcome::Done((date, listing)) = self
            .call(&operation, 0, || self.get_signed(unsigned.clone()))
            .await?
        else {
            return Err(self.unexpected(&operation));
        };
        let now = DateTime::parse_from_rfc2822(&date)
            .with_context(|| format!("{operation}: the date {date:?}"))?;
        // By the server's clock alone.
        let from = now.to_utc() - (since.elapsed() + SLACK);
        let known = lock(&self.uploads.open);
        let listing = String::from_utf8_lossy(&listing);
        let uploads = uploads(&listing).filter(|upload| {
            upload.key == location.as_ref()
                && upload.initiated >= from
                && !known.contains_key(&upload.id)
        });
        Ok(uploads.map(|upload| upload.id).collect())
    }

    /// Date and body of the answer to a request that is signed here.
    async fn get_signed(
        &self,
        mut request: HttpRequest,
    ) -> object_store::Result<(String, Vec<u8>)> {
        let failed = |error: HttpError| object_store::Error::Generic {
            store: "S3",
            source: Box::new(error),
        };
        if self.identity.source() != Source::Nobody {
            let credential = self.credentials.get_credential().await?;
            AwsAuthorizer::new(&credential, "s3", &self.region).authorize(&mut request, None);
        }
        let answer = self.http.execute(request).await.map_err(failed)?;
        let date = answer
            .headers()
            .get("date")
            .and_then(|date| date.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok((
            date,
            answer.into_body().bytes().await.map_err(failed)?.to_vec(),
        ))
    }
}

struct Listed {
    key: String,
    id: String,
    initiated: DateTime<Utc>,
}

/// What a listing of uploads holds.
fn uploads(xml: &str) -> impl Iterator<Item = Listed> {
    xml.split("<Upload>").skip(1).filter_map(|upload| {
        let text = |name: &str| {
            let text = element(upload, name)?
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"");
            Some(
                text.replace("&#39;", "'")
                    .replace("&apos;", "'")
                    .replace("&#34;", "\"")
                    .replace("&amp;", "&"),
            )
        };
        let initiated = DateTime::parse_from_rfc3339(element(upload, "Initiated")?)
            .ok()?
            .into();
        Some(Listed {
            key: text("Key")?,
            id: text("UploadId")?,
            initiated,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_uploads_is_read() {
        let xml = "<ListMultipartUploadsResult><Bucket>b</Bucket><Upload><Key>a &amp; b</Key><UploadId>x1</UploadId>\
                   <Initiated>2026-11-24T12:00:00.123Z</Initiated></Upload><Upload><Key>c</Key></Upload>\
                   <Upload><Key>c</Key><UploadId>x2</UploadId><Initiated>2026-11-24T12:00:01Z</Initiated></Upload>\
                   </ListMultipartUploadsResult>";
        let found: Vec<_> = uploads(xml).map(|upload| (upload.key, upload.id)).collect();
        assert_eq!(
            found,
            [
                ("a & b".to_owned(), "x1".to_owned()),
                ("c".to_owned(), "x2".to_owned())
            ]
        );
    }
}
