//! The variables with which AWS's own tools configure an S3 server and its credentials.
//!
//! Everything else that a step reads from its environment is a flag of its command line too, and
//! clap reads it. These are not flags, and here is the one place that reads them: secrets must
//! never appear in a command line, nor in what a command line is printed into, and pods and laptops
//! have them set for other tools anyway.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use runtime::failure::Failure;
use runtime::secret;

/// Who S3 is asked as. They fall back together: half of one identity and half of another is none.
const IDENTITY: [&str; 12] = [
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    TOKEN_FILE,
    ROLE_ARN,
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    SKIP_SIGNATURE,
];
pub(super) const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub(super) const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
pub(super) const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
pub(super) const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
pub(super) const ROLE_ARN: &str = "AWS_ROLE_ARN";
const SKIP_SIGNATURE: &str = "AWS_SKIP_SIGNATURE";

/// Where S3 is; the first of a line that is set holds.
pub(super) const ENDPOINT: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
pub(super) const REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// How it is asked.
pub(super) const ALLOW_HTTP: &str = "AWS_ALLOW_HTTP";
pub(super) const VIRTUAL_HOSTED: &str = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST";
pub(super) const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// Handed on to the client as they are.
const OPTIONS: [&str; 5] = [
    "AWS_CHECKSUM_ALGORITHM",
    "AWS_REQUEST_PAYER",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_SSE_KMS_KEY_ID",
];

/// Which of a step's stores is opened; its variables and its URL are named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What Alameda writes: `STORE_URL`, `AWS_*`.
    Store,
    /// The raw files: `RAW_URL`, `RAW_AWS_*`, and what is not set of these from `AWS_*`.
    Raw,
}

impl Role {
    /// The variable that holds the URL.
    pub(super) fn url_variable(self) -> &'static str {
        match self {
            Role::Store => "STORE_URL",
            Role::Raw => "RAW_URL",
        }
    }

    /// What names of variables begin with, the most special first.
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Role::Store => &[""],
            Role::Raw => &["RAW_", ""],
        }
    }
}

/// Variables by name. Values may be secrets: they are not shown.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A setting, and the variable that it comes from.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) variable: String,
    pub(super) value: String,
}

impl Environment {
    /// The variables of this process that matter here.
    ///
    /// # Errors
    /// Those of [`secret::from_environment`].
    pub fn of_process() -> Result<Self> {
        let mut variables = BTreeMap::new();
        for name in Self::names() {
            if let Some(value) = secret::from_environment(&name)? {
                variables.insert(name, value);
            }
        }
        Ok(Self(variables))
    }

    /// Names of all variables that matter here.
    pub fn names() -> impl Iterator<Item = String> {
        let single = [ALLOW_HTTP, VIRTUAL_HOSTED, CA_BUNDLE];
        let names = IDENTITY
            .into_iter()
            .chain(ENDPOINT)
            .chain(REGION)
            .chain(single)
            .chain(OPTIONS);
        names.flat_map(|name| {
            Role::Raw
                .prefixes()
                .iter()
                .map(move |prefix| format!("{prefix}{name}"))
        })
    }

    /// Whether a variable of that name holds a secret.
    pub fn is_secret(name: &str) -> bool {
        [KEY_ID, SECRET_KEY, SESSION_TOKEN]
            .iter()
            .any(|secret| name.strip_prefix("RAW_").unwrap_or(name) == *secret)
    }

    /// Variables that are given, for tests. An empty one counts as not set.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
        variables.retain(|_, value| !value.is_empty());
        Self(variables)
    }

    fn get(&self, prefix: &str, name: &str) -> Option<Setting> {
        let variable = format!("{prefix}{name}");
        self.0.get(&variable).map(|value| Setting {
            variable: variable.clone(),
            value: value.clone(),
        })
    }

    /// The first of several names that is set, those of the role before the common ones.
    pub(super) fn first(&self, role: Role, names: &[&str]) -> Option<Setting> {
        role.prefixes()
            .iter()
            .find_map(|prefix| names.iter().find_map(|name| self.get(prefix, name)))
    }

    /// Whether a switch is on.
    ///
    /// # Errors
    /// Neither true nor false: exit 2.
    pub(super) fn switch(&self, role: Role, name: &str) -> Result<bool> {
        let Some(Setting { variable, value }) = self.first(role, &[name]) else {
            return Ok(false);
        };
        on(&value)
            .ok_or_else(|| Failure::usage(format!("{variable} is {value:?}: give true or false")))
    }

    /// What is handed on to the client: settings by the names that AWS gives them.
    pub(super) fn options(&self, role: Role) -> impl Iterator<Item = (&'static str, Setting)> {
        OPTIONS
            .into_iter()
            .filter_map(move |name| Some((name, self.first(role, &[name])?)))
    }

    /// Who S3 is asked as: all of it from the most special variables of which any is set.
    ///
    /// # Errors
    /// Half of an identity: exit 2, with the variable that is missing.
    pub(super) fn identity(&self, role: Role) -> Result<Identity> {
        let of = |prefix: &&&str| IDENTITY.iter().any(|name| self.get(prefix, name).is_some());
        let prefix: &'static str = role.prefixes().iter().find(of).copied().unwrap_or("");
        let settings: Vec<_> = IDENTITY
            .iter()
            .filter_map(|name| Some((*name, self.get(prefix, name)?.value)))
            .collect();
        let identity = Identity { prefix, settings };
        for (one, other) in [(KEY_ID, SECRET_KEY), (TOKEN_FILE, ROLE_ARN)] {
            for (there, missing) in [(one, other), (other, one)] {
                if identity.has(there) && !identity.has(missing) {
                    return Err(Failure::usage(format!(
                        "{prefix}{there} is set without {prefix}{missing}: set both, or none"
                    )));
                }
            }
        }
        Ok(identity)
    }
}

/// What a switch says, in the words that the client knows.
fn on(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Some(true),
        "0" | "false" | "off" | "no" | "n" => Some(false),
        _ => None,
    }
}

/// Who S3 is asked as.
#[derive(Clone)]
pub(super) struct Identity {
    /// What the names of its variables begin with.
    pub(super) prefix: &'static str,
    /// By the names that AWS gives them.
    pub(super) settings: Vec<(&'static str, String)>,
}

/// Where an identity gets its keys from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Variables hold them.
    Variables,
    /// A web identity is exchanged for them, as with IAM roles for service accounts.
    WebIdentity,
    /// The container's agent gives them, as with EKS Pod Identity and ECS.
    Container,
    /// The machine gives them; what is left when nothing is set.
    Machine,
    /// Nobody: requests are not signed.
    Nobody,
}

impl Identity {
    fn has(&self, name: &str) -> bool {
        self.settings.iter().any(|(known, _)| *known == name)
    }

    /// In the client's order.
    pub(super) fn source(&self) -> Source {
        let has = |name: &str| self.has(name);
        match () {
            () if self
                .settings
                .iter()
                .any(|(name, value)| *name == SKIP_SIGNATURE && on(value) == Some(true)) =>
            {
                Source::Nobody
            }
            () if has(KEY_ID) => Source::Variables,
            () if has(TOKEN_FILE) => Source::WebIdentity,
            () if has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
                || has("AWS_CONTAINER_CREDENTIALS_FULL_URI") =>
            {
                Source::Container
            }
            () => Source::Machine,
        }
    }

    /// A variable as messages name it.
    pub(super) fn variable(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::failure::exit_code;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn an_identity_is_never_mixed_of_two() {
        let set = environment(&[
            (KEY_ID, "store"),
            (SECRET_KEY, "store-secret"),
            (SESSION_TOKEN, "store-token"),
            ("RAW_AWS_ACCESS_KEY_ID", "raw"),
            ("RAW_AWS_SECRET_ACCESS_KEY", "raw-secret"),
        ]);
        let raw = set.identity(Role::Raw).unwrap();
        assert_eq!(
            raw.settings,
            [
                (KEY_ID, "raw".to_owned()),
                (SECRET_KEY, "raw-secret".to_owned())
            ]
        );
        assert_eq!(raw.variable(SECRET_KEY), "RAW_AWS_SECRET_ACCESS_KEY");
        assert_eq!(set.identity(Role::Store).unwrap().settings[0].1, "store");

        let half = environment(&[
            (KEY_ID, "store"),
            (SECRET_KEY, "s"),
            ("RAW_AWS_ACCESS_KEY_ID", "raw"),
        ]);
        let error = half.identity(Role::Raw).err().unwrap();
        assert_eq!(exit_code(&error), 2);
        assert!(
            error
                .to_string()
                .contains("without RAW_AWS_SECRET_ACCESS_KEY"),
            "{error}"
        );
    }

    #[test]
    fn the_raw_files_take_what_they_have_no_setting_for_from_the_store() {
        let set = environment(&[
            (KEY_ID, "store"),
            (SECRET_KEY, "s"),
            ("AWS_ENDPOINT_URL", "http://one"),
            ("RAW_AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "us-east-2"),
            ("RAW_AWS_ALLOW_HTTP", ""),
            (ALLOW_HTTP, "TRUE"),
        ]);
        let value = |role, names: &[&str]| set.first(role, names).unwrap().value;
        assert_eq!(value(Role::Raw, &ENDPOINT), "http://one");
        assert_eq!(value(Role::Raw, &REGION), "eu-west-1");
        assert_eq!(value(Role::Store, &REGION), "us-east-2");
        assert!(set.switch(Role::Raw, ALLOW_HTTP).unwrap());
        assert_eq!(set.identity(Role::Raw).unwrap().settings[0].1, "store");
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", environment(&[(SECRET_KEY, "hunter2")]));
        assert!(
            shown.contains(SECRET_KEY) && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    #[test]
    fn the_keys_come_from_where_the_variables_say() {
        for (variables, source) in [
            (&[][..], Source::Machine),
            (
                &[
                    (KEY_ID, "a"),
                    (SECRET_KEY, "b"),
                    (TOKEN_FILE, "/t"),
                    (ROLE_ARN, "r"),
                ],
                Source::Variables,
            ),
            (&[(TOKEN_FILE, "/t"), (ROLE_ARN, "r")], Source::WebIdentity),
            (
                &[(
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    "http://169.254.170.23/v1",
                )],
                Source::Container,
            ),
            (&[("AWS_SKIP_SIGNATURE", "true")], Source::Nobody),
        ] {
            assert_eq!(
                environment(variables)
                    .identity(Role::Store)
                    .unwrap()
                    .source(),
                source,
                "{variables:?}"
            );
        }
    }
}
