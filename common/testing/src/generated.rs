//! Texts that a test makes from the code and compares with those in the repository. `just accept`
//! writes them anew.

use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- generated from the code from here; `just accept` writes it again -->\n";
const END: &str = "<!-- to here -->\n";

/// Writes the generated part of a document, where that is asked for, or compares it. `document` is
/// its path from the root of the repository.
///
/// # Errors
/// A document that can't be read or written, or has no such part.
///
/// # Panics
/// If the part is another: the test has failed.
pub fn keep(document: &str, made: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(document);
    let text = std::fs::read_to_string(&file).context(document.to_owned())?;
    let parts = text.split_once(BEGIN);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (written, after)) =
        parts.with_context(|| format!("{document} has no generated part"))?;
    if is_renewed() {
        std::fs::write(&file, format!("{before}{BEGIN}{made}{END}{after}"))?;
        return Ok(());
    }
    assert_eq!(
        written, made,
        "{document} is stale: run `just accept` and read what changed"
    );
    Ok(())
}

/// Whether `just accept` runs the test, which writes what it would compare with.
#[expect(
    clippy::disallowed_methods,
    reason = "renews what a test compares with"
)]
pub fn is_renewed() -> bool {
    std::env::var("INSTA_UPDATE").as_deref() == Ok("always")
}
