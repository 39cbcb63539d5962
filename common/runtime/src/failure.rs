//! Why a step stopped, and the exit code by which Argo decides whether to try again.

use std::error::Error;
use std::io::ErrorKind;

/// A failure whose exit code means something to the workflow; everything else is a bug (exit 1).
///
/// The text says what, where, and what to do next, in one screen.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Usage or configuration: a person must act. Exit 2.
    #[error("{0}")]
    Usage(String),
    /// What is stored is missing, or is not as it was written: a person must act. Exit 2.
    #[error("{0}")]
    Damaged(String),
    /// The data violates its contract. Exit 10.
    #[error("{0}")]
    Contract(String),
    /// A gate refused: a promotion, or what a report shows. Exit 11.
    #[error("{0}")]
    Refused(String),
    /// A service is unreachable or overloaded; trying again may help. Exit 75.
    #[error("{0}")]
    Unavailable(String),
    /// Stopped by SIGTERM or SIGINT. Exit 143.
    #[error("stopped by SIGTERM or SIGINT; nothing was committed")]
    Stopped,
}

/// Exit code of a service that is unreachable or overloaded.
pub const UNAVAILABLE: u8 = 75;
/// Exit code of a bug.
pub const BUG: u8 = 1;
/// Exit code of wrong usage or configuration; clap uses the same.
pub const USAGE: u8 = 2;

/// Exit code of a step that SIGTERM or SIGINT stopped.
pub const STOPPED: u8 = 143;
/// Exit code of a violated data contract.
pub const CONTRACT: u8 = 10;

impl Failure {
    /// A configuration failure as an error.
    pub fn usage(text: impl Into<String>) -> anyhow::Error {
        Failure::Usage(text.into()).into()
    }

    /// Something stored that is missing or changed, as an error.
    pub fn damaged(text: impl Into<String>) -> anyhow::Error {
        Failure::Damaged(text.into()).into()
    }

    /// A contract violation as an error.
    pub fn contract(text: impl Into<String>) -> anyhow::Error {
        Failure::Contract(text.into()).into()
    }

    /// The exit code of the contract.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) | Failure::Damaged(_) => USAGE,
            Failure::Contract(_) => CONTRACT,
            Failure::Refused(_) => 11,
            Failure::Unavailable(_) => UNAVAILABLE,
            Failure::Stopped => STOPPED,
        }
    }
}

/// The exit code for an error chain: that of the first [`Failure`] in it, else what the failing
/// file means, else [`BUG`].
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in causes(error.as_ref()) {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.exit_code();
        }
        if let Some(code) = cause.downcast_ref::<std::io::Error>().and_then(io_code) {
            return code;
        }
    }
    BUG
}

/// Whether an error says that something stored is missing or not as it was written, and not that it
/// could not be read: the same question gets the same answer tomorrow.
pub fn is_damaged(error: &anyhow::Error) -> bool {
    causes(error.as_ref())
        .find_map(|cause| cause.downcast_ref::<Failure>())
        .is_some_and(|failure| matches!(failure, Failure::Damaged(_)))
}

/// The error and all that caused it, those included that passed through a writer as errors of input
/// and output: their chain leaves out what they hold themselves.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| {
        let held = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        held.map(|held| held as &(dyn Error + 'static))
            .or_else(|| cause.source())
    })
}

/// The innermost cause in its own words. Of a client's errors those around it repeat it, or quote
/// a URL that may hold a secret.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Linux's numbers of errors that have no kind: what a disk, or one over a network, reports of
/// itself; links that lead in a circle; more open files than the process, or the machine, may have.
const IO_ERROR: i32 = 5;
const LINKS_IN_A_CIRCLE: i32 = 40;
const FILES_OF_PROCESS: i32 = 24;
const FILES_OF_SYSTEM: i32 = 23;

fn is_among(error: &std::io::Error, numbers: &[i32]) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| numbers.contains(&number))
}

/// Files that a person must see to, since a retry would meet the same; and disks over a network
/// that are away for now.
fn io_code(error: &std::io::Error) -> Option<u8> {
    match error.kind() {
        _ if error.raw_os_error() == Some(IO_ERROR) => Some(UNAVAILABLE),
        _ if is_among(
            error,
            &[LINKS_IN_A_CIRCLE, FILES_OF_PROCESS, FILES_OF_SYSTEM],
        ) =>
        {
            Some(USAGE)
        }
        ErrorKind::TimedOut
        | ErrorKind::StaleNetworkFileHandle
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionRefused
        | ErrorKind::NotConnected
        | ErrorKind::ResourceBusy
        | ErrorKind::OutOfMemory
        | ErrorKind::WouldBlock => Some(UNAVAILABLE),
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::FileTooLarge
        | ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::InvalidFilename
        | ErrorKind::InvalidData
        | ErrorKind::UnexpectedEof
        | ErrorKind::NotFound => Some(USAGE),
        _ => None,
    }
}

/// What to do next about a failing file, when the cause alone does not say it.
pub fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let of_file = |file: &std::io::Error| match file.kind() {
        _ if is_among(file, &[FILES_OF_PROCESS, FILES_OF_SYSTEM]) => {
            Some("too many files are open: raise the limit (ulimit -n), then run it again")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Some(
            "the disk or a limit on it is full: free space there or give the step a larger volume, then run it again",
        ),
        ErrorKind::PermissionDenied => {
            Some("check the owner and the mode of that file and of its folder, then run it again")
        }
        ErrorKind::ReadOnlyFilesystem => {
            Some("nothing can be written there: give another folder, then run it again")
        }
        _ => None,
    };
    causes(error.as_ref()).find_map(|cause| of_file(cause.downcast_ref()?))
}

/// The first characters of a text, as a message quotes it: a long one fills no screen.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn the_first_failure_of_a_chain_decides_the_exit_code() {
        let wrapped = |failure: Failure| {
            Err::<(), _>(failure)
                .context("committing train")
                .unwrap_err()
        };
        for (failure, code) in [
            (Failure::Usage("u".into()), 2),
            (Failure::Damaged("d".into()), 2),
            (Failure::Contract("c".into()), 10),
            (Failure::Refused("r".into()), 11),
            (Failure::Unavailable("s".into()), 75),
            (Failure::Stopped, 143),
        ] {
            assert_eq!(exit_code(&wrapped(failure)), code);
        }
        assert_eq!(exit_code(&anyhow::anyhow!("index out of range")), BUG);
    }

    #[test]
    fn a_disk_that_is_away_is_worth_another_try() {
        for kind in [
            ErrorKind::TimedOut,
            ErrorKind::StaleNetworkFileHandle,
            ErrorKind::ConnectionReset,
        ] {
            let away = anyhow::Error::from(std::io::Error::from(kind)).context("reading part 3");
            assert_eq!(exit_code(&away), 75, "{kind:?}");
        }
    }

    #[test]
    fn only_a_bug_ends_as_a_bug() {
        for (number, code) in [
            (5, 75),
            (40, 2),
            (24, 2),
            (23, 2),
            (17, 2),
            (36, 2),
            (12, 75),
        ] {
            let error = anyhow::Error::from(std::io::Error::from_raw_os_error(number));
            assert_eq!(exit_code(&error), code, "{error}");
        }
        let text = String::from_utf8(vec![0xff]).unwrap_err();
        assert_eq!(exit_code(&text.into()), BUG);
    }

    #[test]
    fn a_file_that_may_not_be_read_is_not_said_to_be_unwritable() {
        let denied = anyhow::Error::from(std::io::Error::from(ErrorKind::PermissionDenied));
        assert!(
            hint(&denied.context("reading a"))
                .is_some_and(|hint| hint.contains("mode of that file"))
        );
    }

    #[test]
    fn what_a_writer_passes_on_keeps_its_meaning() {
        let passed_on = |error: anyhow::Error| {
            let boxed = error.reallocate_into_boxed_dyn_error_without_backtrace();
            anyhow::Error::from(std::io::Error::other(boxed)).context("writing part 3")
        };
        let away = anyhow::Error::from(Failure::Unavailable("S3 is away".into()));
        assert_eq!(exit_code(&passed_on(away)), UNAVAILABLE);
        let full =
            anyhow::Error::from(std::io::Error::from(ErrorKind::StorageFull)).context("copying a");
        assert!(exit_code(&passed_on(full)) == USAGE);
    }

    #[test]
    fn a_quoted_text_is_cut_between_characters() {
        for (text, shown) in [("", ""), ("größe", "größe"), ("größer", "größe...")] {
            assert_eq!(shortened(text, 5), shown);
        }
    }

    #[test]
    fn a_full_disk_needs_a_person() {
        let full = anyhow::Error::from(std::io::Error::from(ErrorKind::StorageFull))
            .context("writing part 3");
        assert_eq!(exit_code(&full), USAGE);
        assert!(hint(&full).is_some_and(|hint| hint.contains("free space there")));
    }
}
