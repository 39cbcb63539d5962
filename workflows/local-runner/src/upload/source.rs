//! Which files a folder holds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::failure::Failure;
use common::layout;
use common::raw::{ENDINGS, format_of};
use common::store::matches_glob;

use super::Source;

/// The files of a folder.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// In the order of their keys.
    pub(super) files: Vec<Source>,
    /// Path below the folder, and why it is not brought.
    pub(super) left_out: Vec<(String, &'static str)>,
}

/// Finds the raw files below `dir` that match a glob. What begins with `.` or `_` is left out, as readers of data sets
/// do, and so is what is no parquet or CSV file. A link to a file stands for the file.
///
/// # Errors
/// No such folder or no raw file in it, a link to a folder or to nothing, a name that no object can have: exit 2.
pub(super) fn find(dir: &Path, glob: Option<&str>, target: &str) -> Result<Sources> {
    if !dir.is_dir() {
        return Err(Failure::usage(format!(
            "there is no folder {}",
            dir.display()
        )));
    }
    let mut found = Sources::default();
    walk(
        dir,
        "",
        Path::new(target).canonicalize().ok().as_deref(),
        &mut found,
    )?;
    if let Some(glob) = glob {
        found.files.retain(|file| matches_glob(glob, &file.key));
        found.left_out.clear();
    }
    if found.files.is_empty() {
        let which = glob
            .map(|glob| format!(" that matches {glob}"))
            .unwrap_or_default();
        return Err(Failure::usage(format!(
            "there is no file{which} in {} whose name ends with {ENDINGS}; the steps read \
             train/*.parquet and predict/*.parquet, or what TRAIN_GLOB and PREDICT_GLOB say",
            dir.display()
        )));
    }
    found.files.sort_by(|a, b| a.key.cmp(&b.key));
    found.left_out.sort();
    Ok(found)
}

fn walk(folder: &Path, below: &str, target: Option<&Path>, found: &mut Sources) -> Result<()> {
    let reading = || format!("reading the folder {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let path = entry.path();
        let key = key(below, &path)?;
        let name = key.rsplit('/').next().unwrap_or_default();
        if name.starts_with(['.', '_']) {
            found.left_out.push((key, "its name begins with . or _"));
            continue;
        }
        let link = entry.file_type().with_context(reading)?.is_symlink();
        let metadata = std::fs::metadata(&path).with_context(|| {
            format!(
                "looking up {}{}",
                path.display(),
                if link { ", a link to nothing" } else { "" }
            )
        })?;
        if metadata.is_dir() && link {
            return Err(Failure::usage(format!(
                "{} is a link to a folder, and may lead in a circle: upload that folder itself, or replace the link by it",
                path.display()
            )));
        }
        if metadata.is_dir() {
            if target.is_some_and(|target| path.canonicalize().is_ok_and(|path| path == target)) {
                return Err(Failure::usage(format!(
                    "{} is where the files would go to: upload another folder, or choose another RAW_URL",
                    path.display()
                )));
            }
            walk(&path, &key, target, found)?;
        } else if format_of(name).is_some() {
            found.files.push(Source {
                key,
                path,
                bytes: metadata.len(),
            });
        } else {
            found
                .left_out
                .push((key, "it is no parquet or CSV file by its name"));
        }
    }
    Ok(())
}

/// The key of a path.
fn key(below: &str, path: &PathBuf) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let plain = name.filter(|name| !name.contains('*') && !name.contains(char::is_control));
    let refused = || {
        Failure::usage(format!(
            "{path:?} has a name that no raw file can have: give it one in UTF-8, without *, backslash and control characters"
        ))
    };
    let name = plain.ok_or_else(refused)?;
    let key = if below.is_empty() {
        name.to_owned()
    } else {
        format!("{below}/{name}")
    };
    layout::check(&key).map_err(|_| refused())?;
    Ok(key)
}
