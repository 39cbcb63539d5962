//! Where a step works and leaves its outputs: in a container on its volume, and on a laptop, which
//! has none, among temporary files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::failure::Failure;

/// The volume of a container.
pub(super) const VOLUME: &str = "/work";

/// The scratch folder that was given, else the volume if there is one.
pub(super) fn work(given: Option<&Path>, volume: &Path) -> PathBuf {
    match given {
        Some(given) => given.to_owned(),
        None if is_writable(volume) => volume.to_owned(),
        None => std::env::temp_dir(),
    }
}

/// Where outputs go.
#[derive(Clone, Debug)]
pub(super) enum Out {
    /// To a folder, which is made when it is missing.
    Folder(PathBuf),
    /// To a new temporary folder.
    Temporary,
}

impl Out {
    /// The folder that was given, else one on the volume if there is one.
    pub(super) fn new(given: Option<&Path>, volume: &Path) -> Self {
        match given {
            Some(given) => Self::Folder(given.to_owned()),
            None if is_writable(volume) => Self::Folder(volume.join("out")),
            None => Self::Temporary,
        }
    }

    /// Makes the folder.
    pub(super) fn make(&self) -> Result<PathBuf> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder).with_context(|| place(folder))?;
                Ok(folder.clone())
            }
            Self::Temporary => {
                let folder = tempfile::Builder::new().prefix("alameda-out-").tempdir();
                let folder = folder.context("creating a folder for outputs")?.keep();
                tracing::info!("outputs are in {}", folder.display());
                Ok(folder)
            }
        }
    }
}

/// Makes certain that outputs can be written: a step that moved an alias and then failed could not
/// be run again.
///
/// # Errors
/// A folder that can't be made or written: exit 2.
pub(super) fn check(out: &Out) -> Result<()> {
    let Out::Folder(folder) = out else {
        return Ok(());
    };
    let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    match tried {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(format!(
            "{}: {error}; nothing was done: give another folder",
            place(folder)
        ))),
    }
}

/// What is being done, for errors.
pub(super) fn place(folder: &Path) -> String {
    format!(
        "writing outputs to {} (--out, ALAMEDA_OUT)",
        folder.display()
    )
}

fn is_writable(folder: &Path) -> bool {
    folder.is_dir() && tempfile::tempfile_in(folder).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_volume_there_are_temporary_folders() {
        let home = tempfile::tempdir().unwrap();
        let (volume, none) = (home.path(), home.path().join("none"));
        assert_eq!(work(None, volume), volume);
        assert_eq!(work(None, &none), std::env::temp_dir());
        assert_eq!(work(Some(&none), volume), none);
        let Out::Folder(out) = Out::new(None, volume) else {
            panic!("the volume is there");
        };
        assert_eq!(out, volume.join("out"));
        let out = Out::new(None, &none);
        assert!(check(&out).is_ok() && !none.exists());
        let made = out.make().unwrap();
        assert!(made.is_dir() && made.starts_with(std::env::temp_dir()));
        std::fs::remove_dir(made).unwrap();
    }

    #[test]
    fn outputs_that_cannot_be_written_are_refused_by_their_flag() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for folder in [file.path().to_owned(), file.path().join("out")] {
            let error = check(&Out::Folder(folder)).unwrap_err();
            assert_eq!(crate::failure::exit_code(&error), 2);
            assert!(error.to_string().contains("--out, ALAMEDA_OUT"), "{error}");
        }
    }
}
