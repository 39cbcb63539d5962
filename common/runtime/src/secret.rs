//! Secrets, and variables that other tools define. They are no flags, because others see command
//! lines.

use std::ffi::OsString;

use anyhow::Result;

use crate::failure::Failure;

/// What the variable `name` holds; `None` if it is not set, or empty, as a template leaves it.
///
/// # Errors
/// A value that is not UTF-8: exit 2, without the value.
#[expect(clippy::disallowed_methods, reason = "secrets are no flags")]
pub fn from_environment(name: &str) -> Result<Option<String>> {
    std::env::var_os(name).map_or(Ok(None), |value| text(name, value))
}

fn text(name: &str, value: OsString) -> Result<Option<String>> {
    let value = value.into_string();
    let value = value.map_err(|_| Failure::usage(format!("{name} is not UTF-8")))?;
    // A file that became a secret often ends with a line break.
    let value = value.trim_end_matches(['\r', '\n']);
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::failure::{USAGE, exit_code};

    #[test]
    fn the_line_break_of_a_file_is_no_part_of_its_secret() {
        for (value, secret) in [
            ("hunter2", Some("hunter2")),
            ("hunter2\n", Some("hunter2")),
            (" hunter 2\r\n", Some(" hunter 2")),
            ("", None),
            ("\n", None),
        ] {
            let read = text("PGPASSWORD", value.into()).unwrap();
            assert_eq!(read.as_deref(), secret, "{value:?}");
        }
    }

    #[test]
    fn a_secret_that_is_no_text_is_refused_by_the_name_of_its_variable() {
        let error = text("PGPASSWORD", OsString::from_vec(vec![b'p', 0xFF])).unwrap_err();
        assert_eq!(error.to_string(), "PGPASSWORD is not UTF-8");
        assert_eq!(exit_code(&error), USAGE);
    }
}
