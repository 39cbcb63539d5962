//! Flags that `--split` requires.

use anyhow::Result;
use runtime::failure::Failure;

/// The value of a flag that `--split` requires; `from` says who gives it.
pub(crate) fn required<'a>(value: &'a Option<String>, flag: &str, from: &str) -> Result<&'a str> {
    let value = value.as_deref();
    value.ok_or_else(|| Failure::usage(format!("{flag} is missing: {from}")))
}
