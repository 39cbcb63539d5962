//! Objects as files on this machine.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempPath;

use super::Object;
use crate::digest::{self, Written};
use runtime::work::Space;

/// A file that holds an object's bytes, for as long as this lives: a reader that has opened the
/// file may drop it.
///
/// In a folder store it is the object's own file: do not change it. Of S3 it is a copy in the
/// scratch folder.
pub struct LocalFile {
    place: Place,
    /// Where the object is, as messages show it.
    name: String,
}

enum Place {
    Own(PathBuf),
    Copy {
        path: TempPath,
        object: Object,
        written: Written,
        /// What the copy takes of the disk, given back together with it.
        _space: Space,
    },
}

impl LocalFile {
    pub(super) fn copied(
        path: TempPath,
        name: String,
        object: Object,
        written: Written,
        space: Space,
    ) -> Self {
        Self {
            place: Place::Copy {
                path,
                object,
                written,
                _space: space,
            },
            name,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Own(path) => path,
            Place::Copy { path, .. } => path,
        }
    }

    /// What the object was when it was copied; `None` for a file that is no copy, and that may
    /// change while it is read.
    pub fn copied_object(&self) -> Option<&Object> {
        match &self.place {
            Place::Own(_) => None,
            Place::Copy { object, .. } => Some(object),
        }
    }

    /// Size and digest of the content. A copy was hashed when it was made; else the file is read
    /// from end to end.
    pub fn hash(&self) -> Result<Written> {
        match &self.place {
            Place::Own(path) => hash_file(path),
            Place::Copy { written, .. } => Ok(written.clone()),
        }
    }
}

impl From<PathBuf> for LocalFile {
    fn from(path: PathBuf) -> Self {
        Self {
            name: path.display().to_string(),
            place: Place::Own(path),
        }
    }
}

impl AsRef<Path> for LocalFile {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

impl fmt::Display for LocalFile {
    /// Where the object is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for LocalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalFile").field(&self.name).finish()
    }
}

/// The digest and size of a local file, read once from end to end.
pub fn hash_file(path: &Path) -> Result<Written> {
    let file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    digest::of_reader(file).with_context(|| format!("reading {}", path.display()))
}
