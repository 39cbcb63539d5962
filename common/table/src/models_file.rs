//! Whether a folder has a `models.json`, and its text.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use learn::models::FILE;
use runtime::failure::Failure;

/// The text of `models.json` in a folder, if it is there.
///
/// # Errors
/// A file that can't be read: exit 2.
pub fn text(folder: &Path) -> Result<Option<Vec<u8>>> {
    let file = folder.join(FILE);
    match std::fs::read(&file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(Failure::usage(format!("{}: {error}", file.display()))),
    }
}
