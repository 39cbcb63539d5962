//! Multipart uploads that were begun by a call whose answer was lost: nobody knows their ids, so S3 is asked for them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::path::Path as Location;

use super::super::http::element;
use super::{Bucket, lock};

/// How far the clock of a server may jump within a listing.
const SLACK: Duration = Duration::from_secs(1);

impl Bucket {
    /// Aborts uploads of one key that began since `since` and are not known to be ours. A step that works on the same
    /// shard at the very same time loses its upload with them, and is told to run again.
    pub(super) async fn sweep(&self, location: &Location, since: Instant) {
        let unknown = match self.unknown(location, since).await {
            Ok(unknown) => unknown,
            Err(error) => {
                tracing::warn!(
                    "an upload of s3://{}/{location} may be left over, and S3 does not tell ({error:#}); the bucket's \
                     lifecycle rule for unfinished uploads removes it",
                    self.name
                );
                return;
            }
        };
        for id in unknown {
            tracing::info!("aborting an upload of s3://{}/{location} whose begin got lost", self.name);
            self.abort(location, &id).await;
        }
    }

    /// Ids of such uploads.
    async fn unknown(&self, location: &Location, since: Instant) -> Result<Vec<String>> {
        let credential = self.credentials.get_credential().await?;
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("prefix", location.as_ref())
            .append_pair("uploads", "")
            .finish()
            // As signatures want it.
            .replace('+', "%20");
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = format!("{}?{query}", self.endpoint).parse().context("the address of the bucket")?;
        AwsAuthorizer::new(&credential, "s3", &self.region).authorize(&mut request, None);
        let answer = self.http.execute(request).await?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok()).map(DateTime::parse_from_rfc2822);
        let now: DateTime<Utc> = date.context("an answer without a date")??.into();
        let listing = answer.into_body().bytes().await?;
        // By the server's clock alone.
        let from = now - (since.elapsed() + SLACK);
        let known = lock(&self.uploads.open);
        let listing = String::from_utf8_lossy(&listing);
        let uploads = uploads(&listing).filter(|upload| {
            upload.key == location.as_ref() && upload.initiated >= from && !known.contains_key(&upload.id)
        });
        Ok(uploads.map(|upload| upload.id).collect())
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
            let text = element(upload, name)?.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            Some(text.replace("&#39;", "'").replace("&apos;", "'").replace("&#34;", "\"").replace("&amp;", "&"))
        };
        let initiated = DateTime::parse_from_rfc3339(element(upload, "Initiated")?).ok()?.into();
        Some(Listed { key: text("Key")?, id: text("UploadId")?, initiated })
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
        assert_eq!(found, [("a & b".to_owned(), "x1".to_owned()), ("c".to_owned(), "x2".to_owned())]);
    }
}
