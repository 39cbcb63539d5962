//! Who may look.

use anyhow::Result;
use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use runtime::failure::Failure;
use store::digest;

/// Who may look: everybody, who has the password, or whom a proxy names.
pub(crate) enum Access {
    Open,
    /// Digest of the header that the right user and password give: two digests say nothing by the
    /// time they take.
    Password {
        expected: String,
        user: String,
    },
    Proxy(HeaderName),
}

/// Whether a request may go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// As that user; `None` where nobody is asked.
    Granted(Option<String>),
    /// A browser asks for user and password then.
    AskPassword,
    Refused,
}

impl Access {
    pub(crate) fn new(
        user: Option<String>,
        password: Option<String>,
        header: Option<String>,
    ) -> Result<Self> {
        // A variable that a template leaves empty is not set.
        let set = |value: Option<String>| value.filter(|text| !text.is_empty());
        match (set(user), set(password), set(header)) {
            (None, None, None) => Ok(Self::Open),
            (Some(user), Some(password), None) if !user.contains(':') => {
                let given = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                Ok(Self::Password { expected: digest::hex(given.as_bytes()), user })
            }
            (Some(_), Some(_), None) => Err(Failure::usage("DASHBOARD_USER holds a colon, which no user's name can")),
            (None, None, Some(name)) => Ok(Self::Proxy(name.parse().map_err(|_| {
                Failure::usage(
                    "--user-header (DASHBOARD_USER_HEADER) is not the name of a header, such as X-Forwarded-User",
                )
            })?)),
            (Some(_), None, _) => {
                Err(Failure::usage("DASHBOARD_USER is set and DASHBOARD_PASSWORD is not: set both or neither"))
            }
            (None, Some(_), _) => {
                Err(Failure::usage("DASHBOARD_PASSWORD is set and DASHBOARD_USER is not: set both or neither"))
            }
            (Some(_), Some(_), Some(_)) => Err(Failure::usage(
                "choose one: DASHBOARD_USER and DASHBOARD_PASSWORD, or --user-header (DASHBOARD_USER_HEADER)",
            )),
        }
    }

    pub(crate) fn check(&self, headers: &HeaderMap) -> Entry {
        let text = |name: &HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .filter(|value| !value.is_empty())
        };
        match self {
            Self::Open => Entry::Granted(None),
            Self::Password { expected, user } => match text(&header::AUTHORIZATION) {
                Some(given) if digest::hex(given.as_bytes()) == *expected => {
                    Entry::Granted(Some(user.clone()))
                }
                _ => Entry::AskPassword,
            },
            Self::Proxy(name) => {
                text(name).map_or(Entry::Refused, |user| Entry::Granted(Some(user.to_owned())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn the_right_password_opens_and_nothing_else_does() {
        let some = |text: &str| Some(text.to_owned());
        let access = Access::new(some("ada"), some("s3cret:x"), None).unwrap();
        let given = |text: &str| with("authorization", &format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(
            access.check(&given("ada:s3cret:x")),
            Entry::Granted(some("ada"))
        );
        for wrong in ["ada:", "ada:s3cret", "eve:s3cret:x", ""] {
            assert_eq!(access.check(&given(wrong)), Entry::AskPassword, "{wrong}");
        }
        assert_eq!(access.check(&HeaderMap::new()), Entry::AskPassword);
    }

    #[test]
    fn a_proxy_names_the_user() {
        let access = Access::new(None, None, Some("X-Forwarded-User".to_owned())).unwrap();
        assert_eq!(
            access.check(&with("x-forwarded-user", "ada")),
            Entry::Granted(Some("ada".to_owned()))
        );
        assert_eq!(access.check(&HeaderMap::new()), Entry::Refused);
    }

    #[test]
    fn half_of_an_access_is_refused() {
        let some = |text: &str| Some(text.to_owned());
        for (user, password, header) in [
            (some("a"), None, None),
            (None, some("b"), None),
            (some("a"), some("b"), some("x")),
            (some("a:b"), some("c"), None),
            (None, None, some("not a header")),
        ] {
            assert!(Access::new(user, password, header).is_err());
        }
    }
}
