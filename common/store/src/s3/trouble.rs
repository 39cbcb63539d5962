//! What a failed call to S3 means: whether it may heal, and what a person has to do where it does
//! not.

use object_store::client::HttpError;

use super::Bucket;
use super::http::Refusal;
use crate::environment::{self, Source};
use runtime::failure::{Failure, causes, innermost};

/// What a failed call means.
pub(super) enum Verdict {
    /// There is no such key or upload.
    Missing,
    /// The key is taken, or what is there is not what it was.
    Differs,
    /// Transient: a retry may help.
    Passing(String),
    /// A person must act.
    Lasting(anyhow::Error),
}

type Error<'a> = &'a (dyn std::error::Error + 'static);

impl Bucket {
    /// Of a call; `operation` is such as `reading s3://data/a.json`.
    pub(super) fn judge(&self, operation: &str, error: Error<'_>) -> Verdict {
        if let Some(refusal) = Refusal::of(error) {
            return self.judge_refusal(operation, refusal);
        }
        if let Some(odd) =
            causes(error).find_map(|cause| cause.downcast_ref::<object_store::path::Error>())
        {
            let what = format!("it contains an object whose key no step can use ({odd})");
            return self.lasting(operation, &what, "rename or remove that object");
        }
        match transport(error) {
            Some(Transport::Broken(text)) => Verdict::Passing(text),
            Some(Transport::Untrusted(text)) => self.lasting(
                operation,
                &format!("its certificate is not trusted ({text})"),
                "set AWS_CA_BUNDLE to a file with the certificate of its authority, or use the \
                 host name in its certificate",
            ),
            None => self.foreign(operation, &innermost(error)),
        }
    }

    fn judge_refusal(&self, operation: &str, refusal: &Refusal) -> Verdict {
        let variable = |name: &str| self.identity.variable(name);
        let credentials = || {
            format!(
                "{} and {}",
                variable(environment::KEY_ID),
                variable(environment::SECRET_KEY)
            )
        };
        let permissions = || {
            format!(
                "give its user the permissions that docs/object-store.md lists for bucket {}, or correct {}",
                self.name,
                credentials()
            )
        };
        let code = refusal.code.as_deref().unwrap_or_default();
        match (refusal.status, code) {
            (_, "NoSuchBucket") => self.lasting(
                operation,
                &format!("there is no bucket {}", self.name),
                &format!("create it, or correct {}", self.role.url_variable()),
            ),
            (404, "NoSuchKey" | "NoSuchUpload") => Verdict::Missing,
            (404, "") if !refusal.is_foreign => Verdict::Missing,
            (409 | 412, "" | "PreconditionFailed" | "ConditionalRequestConflict") => Verdict::Differs,
            (_, "SignatureDoesNotMatch") => self.lasting(
                operation,
                "it refuses the secret key (SignatureDoesNotMatch)",
                &format!("correct {}", variable(environment::SECRET_KEY)),
            ),
            (_, "InvalidAccessKeyId") => self.lasting(
                operation,
                "it does not know the access key (InvalidAccessKeyId)",
                &format!("correct {}", credentials()),
            ),
            (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => self.lasting(
                operation,
                &format!("the session token has expired ({code})"),
                &format!("get new ones: {} and {}", credentials(), variable(environment::SESSION_TOKEN)),
            ),
            (_, "InvalidToken" | "InvalidTokenId") => self.lasting(
                operation,
                &format!("it refuses the session token ({code})"),
                &format!("correct {}, or leave it out", variable(environment::SESSION_TOKEN)),
            ),
            (_, "RequestTimeTooSkewed") => self.lasting(
                operation,
                "the clocks of the two machines differ too much (RequestTimeTooSkewed)",
                "set the clock of this one",
            ),
            (_, "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed")
            | (_, "IllegalLocationConstraintException")
            | (301 | 302 | 307 | 308, _) => self.lasting(
                operation,
                &format!("bucket {} is in another region than {} ({refusal})", self.name, self.region),
                "set AWS_REGION to the bucket's",
            ),
            (507, _) | (_, "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded") => self.lasting(
                operation,
                &format!("it has no space left ({refusal})"),
                &format!("free space there, or raise the quota of bucket {}", self.name),
            ),
            (501, _) | (_, "NotImplemented") => self.lasting(
                operation,
                &format!("it can't do this ({refusal})"),
                "use a server that has S3's conditional writes and multipart uploads, see docs/object-store.md",
            ),
            (408 | 425 | 429 | 500..=599, _)
            | (_, "RequestTimeout" | "SlowDown" | "OperationAborted" | "InternalError" | "ServiceUnavailable")
            // The body was damaged on its way.
            | (_, "BadDigest" | "IncompleteBody" | "XAmzContentSHA256Mismatch") => Verdict::Passing(refusal.to_string()),
            (401 | 403, _) => {
                self.lasting(operation, &format!("it does not allow this ({refusal})"), &permissions())
            }
            _ if refusal.is_foreign => self.foreign(operation, &refusal.to_string()),
            _ => self.lasting(operation, &format!("it refuses this ({refusal})"), "see the log of the server"),
        }
    }

    /// Of what gives the keys that requests are signed with.
    pub(super) fn judge_credentials(&self, operation: &str, error: Error<'_>) -> Verdict {
        let refusal = Refusal::of(error);
        let broken = match transport(error) {
            Some(Transport::Broken(text)) if refusal.is_none() => Some(text),
            _ => None,
        };
        // The code alone: an answer of who exchanges secrets may hold one.
        let answer = match refusal {
            Some(Refusal {
                code: Some(code),
                status,
                ..
            }) => format!("{code} ({status})"),
            Some(Refusal { status, .. }) => format!("HTTP status {status}"),
            None => innermost(error),
        };
        let passing = broken.is_some()
            || refusal.is_some_and(|refusal| refusal.status == 429 || refusal.status >= 500);
        match self.identity.source() {
            Source::Machine => Verdict::Lasting(Failure::usage(format!(
                "there are no credentials for {} ({operation}): set {} and {}, or give the pod a role, see \
                 docs/object-store.md (the machine's own role was tried last: {answer})",
                self.service,
                self.identity.variable(environment::KEY_ID),
                self.identity.variable(environment::SECRET_KEY),
            ))),
            Source::WebIdentity | Source::Container if passing => {
                Verdict::Passing(format!("getting credentials: {}", broken.unwrap_or(answer)))
            }
            Source::WebIdentity => Verdict::Lasting(Failure::usage(format!(
                "no credentials for {} ({operation}): the web identity in {} was not exchanged for them: {answer}; check {} and \
                 whom that role trusts",
                self.service,
                self.identity.variable(environment::TOKEN_FILE),
                self.identity.variable(environment::ROLE_ARN),
            ))),
            Source::Container | Source::Variables | Source::Nobody => {
                Verdict::Lasting(Failure::usage(format!(
                    "no credentials for {} ({operation}): {answer}; check what the pod's service account is bound to",
                    self.service
                )))
            }
        }
    }

    fn foreign(&self, operation: &str, answer: &str) -> Verdict {
        self.lasting(
            operation,
            &format!("it does not answer as S3 does ({answer})"),
            "correct AWS_ENDPOINT_URL",
        )
    }

    fn lasting(&self, operation: &str, what: &str, remedy: &str) -> Verdict {
        Verdict::Lasting(Failure::usage(format!(
            "{}: {operation}: {what}; {remedy}",
            self.service
        )))
    }
}

enum Transport {
    /// No answer, or not all of it.
    Broken(String),
    /// The other side is not who it should be.
    Untrusted(String),
}

/// What went wrong on the way, in the words of the innermost cause; `None` when an answer came.
fn transport(error: Error<'_>) -> Option<Transport> {
    causes(error).find_map(|cause| cause.downcast_ref::<HttpError>())?;
    let text = innermost(error);
    Some(match text.contains("certificate") {
        true => Transport::Untrusted(text),
        false => Transport::Broken(text),
    })
}
