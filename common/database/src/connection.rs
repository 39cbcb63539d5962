//! Where the database is, from the environment: the one place that reads it.
//!
//! `DATABASE_URL` holds a connection string as libpq reads it, `postgres://...` or `host=...
//! user=...`. What it does not say is taken from `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`,
//! `PGDATABASE`, `PGSSLMODE` and `PGSSLROOTCERT`. There is a database if `DATABASE_URL` or `PGHOST`
//! is set. They are no flags, because command lines are seen by others.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use runtime::failure::Failure;
use runtime::secret;

/// Time for a connection to be made, where nothing else is said.
const CONNECT: Duration = Duration::from_secs(10);
/// Time without a sign of life after which the other side is asked for one.
const IDLE: Duration = Duration::from_secs(10);
/// Time between two questions, three of which go unanswered before a connection is given up.
const PROBE: Duration = Duration::from_secs(5);
/// Time in which what was sent must be acknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How much of TLS is asked for, in libpq's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// `disable`, `prefer` and `require`: nothing is verified.
    Nothing,
    /// `verify-ca`: the certificate is signed by somebody who is trusted.
    Authority,
    /// `verify-full`: and it is the host's.
    Name,
}

/// A database and how to reach it. It holds a password and does not show it.
#[derive(Clone)]
pub struct Settings {
    pub(super) config: Config,
    pub(super) verify: Verify,
    /// Certificates to trust; the system's if there is none.
    pub(super) root: Option<PathBuf>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, database {}", self.host(), self.database())
    }
}

impl Settings {
    /// What the environment says; `None` when there is no database.
    ///
    /// # Errors
    /// A variable that can't be understood: exit 2, without its value.
    pub fn from_environment() -> Result<Option<Self>> {
        Self::from_variables(secret::from_environment)
    }

    /// Settings of a connection string alone.
    pub fn from_url(url: &str) -> Result<Self> {
        let settings =
            Self::from_variables(|name| Ok((name == "DATABASE_URL").then(|| url.to_owned())))?;
        settings.ok_or_else(|| Failure::usage("the connection string is empty"))
    }

    fn from_variables(variable: impl Fn(&str) -> Result<Option<String>>) -> Result<Option<Self>> {
        let variable =
            |name| Ok::<_, anyhow::Error>(variable(name)?.filter(|value| !value.is_empty()));
        let (url, hosts) = (variable("DATABASE_URL")?, variable("PGHOST")?);
        if url.is_none() && hosts.is_none() {
            return Ok(None);
        }
        let parsed = Parsed::new(url.as_deref().unwrap_or_default())?;
        let mut config = parsed.config;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let hosts = hosts.ok_or_else(|| {
                Failure::usage("DATABASE_URL names no host: add it, or set PGHOST beside it")
            })?;
            hosts.split(',').for_each(|host| {
                config.host(host.trim());
            });
        }
        if config.get_ports().is_empty()
            && let Some(ports) = variable("PGPORT")?
        {
            for port in ports.split(',') {
                let port = port.trim().parse();
                config
                    .port(port.map_err(|_| Failure::usage("PGPORT is not a port, such as 5432"))?);
            }
        }
        if let (None, Some(user)) = (config.get_user(), variable("PGUSER")?) {
            config.user(user);
        }
        if let (None, Some(password)) = (config.get_password(), variable("PGPASSWORD")?) {
            config.password(password);
        }
        if let (None, Some(database)) = (config.get_dbname(), variable("PGDATABASE")?) {
            config.dbname(database);
        }
        let (mode, root) = (
            parsed.mode.or(variable("PGSSLMODE")?),
            parsed.root.or(variable("PGSSLROOTCERT")?),
        );
        // libpq's own way of asking for the system's certificates.
        let root = root.filter(|root| root != "system").map(PathBuf::from);
        let (mode, verify) = tls_mode(mode.as_deref().unwrap_or("prefer"), root.is_some())?;
        config
            .ssl_mode(mode)
            .keepalives_idle(IDLE)
            .keepalives_interval(PROBE)
            .keepalives_retries(3);
        config.tcp_user_timeout(UNACKNOWLEDGED);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("alameda");
        }
        Ok(Some(Self {
            config,
            verify,
            root,
        }))
    }

    /// Host and port, several of them separated by commas.
    pub(super) fn host(&self) -> String {
        let ports = self.config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        let addresses = self.config.get_hostaddrs().iter().map(ToString::to_string);
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let names: Vec<String> = if self.config.get_hosts().is_empty() {
            addresses.collect()
        } else {
            hosts.collect()
        };
        let shown: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{name}:{}", port(index)))
            .collect();
        shown.join(",")
    }

    pub(super) fn database(&self) -> &str {
        self.config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or("of the user's name")
    }
}

/// libpq's modes in the words of the driver, and what is verified.
fn tls_mode(mode: &str, has_root: bool) -> Result<(SslMode, Verify)> {
    Ok(match mode {
        "disable" => (SslMode::Disable, Verify::Nothing),
        "prefer" => (SslMode::Prefer, Verify::Nothing),
        // As libpq does: who names an authority wants it to be asked.
        "require" if has_root => (SslMode::Require, Verify::Authority),
        "require" => (SslMode::Require, Verify::Nothing),
        "verify-ca" => (SslMode::Require, Verify::Authority),
        "verify-full" => (SslMode::Require, Verify::Name),
        _ => {
            return Err(Failure::usage(
                "sslmode (in DATABASE_URL, or PGSSLMODE) must be disable, prefer, require, verify-ca or verify-full",
            ));
        }
    })
}

/// A connection string, and what the driver does not know of it.
struct Parsed {
    config: Config,
    mode: Option<String>,
    root: Option<String>,
}

impl Parsed {
    fn new(text: &str) -> Result<Self> {
        let mut kept = String::new();
        let (mut mode, mut root) = (None, None);
        let mut take = |key: &str, value: String| {
            let taken = match key {
                "sslmode" => &mut mode,
                "sslrootcert" => &mut root,
                _ => return false,
            };
            *taken = Some(value).filter(|value| !value.is_empty());
            true
        };
        if ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            let query = query_of(text)?;
            kept.push_str(&text[..text.len() - query.len()]);
            let pairs = query
                .trim_start_matches('?')
                .split('&')
                .filter(|pair| !pair.is_empty());
            let others: Vec<&str> = pairs
                .filter(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    !take(key, percent_decoded(value))
                })
                .collect();
            if !others.is_empty() {
                kept = format!("{kept}?{}", others.join("&"));
            }
        } else {
            // An empty value counts as none, as libpq has it.
            for (key, value) in key_values(text)?
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
            {
                if !take(&key, value.clone()) {
                    kept += &format!(
                        "{key}='{}' ",
                        value.replace('\\', r"\\").replace('\'', r"\'")
                    );
                }
            }
        }
        let config = kept.parse().map_err(|error: tokio_postgres::Error| {
            // The cause names an option, never a value.
            let cause = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            Failure::usage(format!("DATABASE_URL is not a connection string: {cause}"))
        })?;
        Ok(Self { config, mode, root })
    }
}

/// The query of a URL with its question mark; a password may hold one too.
fn query_of(url: &str) -> Result<&str> {
    let rest = url.split_once('@').map_or(url, |(_, rest)| rest);
    if rest.len() < url.len() && rest.contains('@') {
        return Err(Failure::usage(
            "DATABASE_URL holds more than one @: write %40 for one in the user or the password",
        ));
    }
    Ok(rest.find('?').map_or("", |at| &rest[at..]))
}

fn percent_decoded(value: &str) -> String {
    let pair = format!("v={}", value.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// What the driver knows of libpq's keywords; others are refused without naming them, since a
/// password with a space in it looks like one.
const KEYWORDS: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslmode",
    "sslrootcert",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// The pairs of `key = value`, values quoted as libpq allows.
fn key_values(text: &str) -> Result<Vec<(String, String)>> {
    let refused = || {
        Failure::usage(format!(
            "DATABASE_URL is not a connection string: it must be postgres://..., or pairs of {}; \
             quote values with spaces",
            KEYWORDS.join(", ")
        ))
    };
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(refused)?;
        let key = key.trim();
        if !KEYWORDS.contains(&key) {
            return Err(refused());
        }
        let after = after.trim_start();
        let quoted = after.starts_with('\'');
        let mut characters = after.char_indices().skip(usize::from(quoted));
        let (mut value, mut end) = (String::new(), None);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                '\'' if quoted => {
                    end = Some(at + 1);
                    break;
                }
                space if !quoted && space.is_whitespace() => {
                    end = Some(at);
                    break;
                }
                other => value.push(other),
            }
        }
        if quoted && end.is_none() {
            return Err(refused());
        }
        pairs.push((key.to_owned(), value));
        rest = after[end.unwrap_or(after.len())..].trim_start();
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests;
