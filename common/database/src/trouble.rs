//! What the server's errors mean: which of them may pass, and what a person can do about the
//! others.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use runtime::failure::{Failure, causes};
use runtime::retry::{Service, Trouble};

/// Why a connection ended. A caller that waits for an answer only learns that there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended(Arc<Mutex<Option<String>>>);

impl Ended {
    /// A connection has ended, with what the server said last if it said something.
    pub(super) fn note(&self, error: &Error) {
        let text = error.as_db_error().map_or_else(|| chain(error), message);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A failed call as the retry sees it. `operation` says what it did, such as `creating the table`.
pub(super) fn of(service: &Service, ended: &Ended, operation: &str, error: &Error) -> Trouble {
    let Some(answer) = error.as_db_error() else {
        return without_answer(service, ended, operation, error);
    };
    let text = message(answer);
    let lasting = |hint: &str| {
        Trouble::Lasting(Failure::usage(format!(
            "{service}: {operation}: {text}{hint}"
        )))
    };
    match answer.code().code() {
        // Connections, shutdowns, overload, locks, and conflicts with other transactions.
        code if code.starts_with("08") || code.starts_with("40") => {
            Trouble::Passing(anyhow!("{operation}: {text}"))
        }
        "53000" | "53200" | "53300" | "55P03" | "55006" | "57014" | "57P01" | "57P02" | "57P03"
        | "57P05" => Trouble::Passing(anyhow!("{operation}: {text}")),
        "28P01" | "28000" => lasting(
            "; check the user and the password (DATABASE_URL, or PGUSER and PGPASSWORD), and what pg_hba.conf allows them",
        ),
        "3D000" => {
            lasting("; create the database, or name another one (DATABASE_URL, or PGDATABASE)")
        }
        "3F000" => {
            lasting("; create the schema, or name another one (--database-schema, DATABASE_SCHEMA)")
        }
        "42501" => lasting(
            "; a dashboard's user needs USAGE on the schema and SELECT on its tables, and nothing else; one who publishes needs \
             CREATE and USAGE on the schema and TEMPORARY on the database, must own the tables to create and widen them, and \
             needs SELECT, INSERT, UPDATE and DELETE to fill them",
        ),
        "25006" => lasting("; name the primary server, not a replica (DATABASE_URL, or PGHOST)"),
        // A transaction that was idle, or took, longer than somebody allows it.
        "25P03" | "25P04" => Trouble::Passing(anyhow!("{operation}: {text}")),
        // A pooler that gives each transaction another connection loses what was prepared.
        "26000" | "42P05" => lasting(
            "; connect to the server itself, or to a pooler that keeps sessions (pool_mode = session)",
        ),
        "22021" | "22P05" => lasting(
            "; the database does not hold every character: create it with ENCODING 'UTF8', or name \
             another one (DATABASE_URL, or PGDATABASE)",
        ),
        // A trigger, or a rule of a view: neither is of ours.
        "P0001" | "44000" => lasting("; check what was added to the table, or publish to another"),
        // No statement of ours names a table or column of the predictions that was not looked up
        // before.
        "42P01" | "42703" => lasting(
            "; that table was made by another version of Alameda, or changed by somebody else: rename it, then run the step again",
        ),
        // A column to widen, or a partition to drop, that something else is made of.
        "0A000" | "2BP01" => lasting(
            "; drop what depends on it, such as a view, run the step again, and create it again",
        ),
        "42P07" => lasting(
            "; rename or drop what has that name, or publish to another table (--predictions-table, PREDICTIONS_TABLE)",
        ),
        "53100" => lasting(
            "; free space on the server's disk or give it a larger one, then run the step again",
        ),
        "53400" => lasting("; raise that limit for the user, then run the step again"),
        code if code.starts_with("23") => {
            lasting("; drop the constraint that was added to the table, or publish to another")
        }
        code if ["28", "53", "54", "55", "58", "XX"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            lasting("")
        }
        code => Trouble::Lasting(anyhow!("{service}: {operation}: {text} (SQLSTATE {code})")),
    }
}

/// The server's message, with its detail and its hint.
fn message(answer: &DbError) -> String {
    let mut text = answer.message().to_owned();
    for (name, more) in [("detail", answer.detail()), ("hint", answer.hint())] {
        if let Some(more) = more {
            text += &format!(" ({name}: {})", more.trim_end_matches('.'));
        }
    }
    text
}

/// No answer, or an answer of a server that is not what it has to be.
fn without_answer(service: &Service, ended: &Ended, operation: &str, error: &Error) -> Trouble {
    let mut text = chain(error);
    if let Some(reason) = ended.take().filter(|_| error.is_closed()) {
        text += &format!(": {reason}");
    }
    let lasting = |hint: &str| {
        Trouble::Lasting(Failure::usage(format!(
            "{service}: {operation}: {text}{hint}"
        )))
    };
    if text.contains("server does not support TLS") {
        return lasting(
            "; turn TLS on in the server (ssl = on), or allow a plain connection (sslmode=prefer or disable, PGSSLMODE)",
        );
    }
    match causes(error).find_map(|cause| cause.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidForName
            | rustls::CertificateError::NotValidForNameContext { .. },
        )) => lasting(
            "; connect with a host name of the server's certificate, or use a weaker mode (sslmode=verify-ca, PGSSLMODE)",
        ),
        Some(rustls::Error::InvalidCertificate(_)) => lasting(
            "; set sslrootcert (in DATABASE_URL, or PGSSLROOTCERT) to the file of the authority that signed the server's certificate",
        ),
        Some(_) => lasting(""),
        // Wrong SCRAM answers, a password that is asked for and not there.
        None if text.starts_with("authentication error")
            || text.starts_with("invalid configuration") =>
        {
            lasting("; check the user and the password (DATABASE_URL, or PGUSER and PGPASSWORD)")
        }
        None => Trouble::Passing(anyhow!("{operation}: {text}")),
    }
}

/// An error and what caused it.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        // Wrappers repeat what they wrap.
        let message = cause.to_string();
        if !text.ends_with(&message) {
            text += &format!(": {message}");
        }
    }
    text
}
