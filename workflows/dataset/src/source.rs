//! Which raw files a folder holds, and which ones a command line names.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use runtime::failure::Failure;
use store::Kind;
use table::raw::ENDINGS;
use table::raw::files::{self, NearMiss, Verdict, is_hidden, judge};

/// One raw file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path below the folder that was looked through, and its key in a store.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
}

/// The files of a folder.
#[derive(Debug, Default)]
pub struct Sources {
    /// In the order of their keys.
    pub files: Vec<Source>,
    /// Path below the folder, and why it is not brought.
    pub left_out: Vec<(String, &'static str)>,
}

/// Finds the raw files below `dir` that match a glob, by the rule of the steps that read them. A
/// link represents what it leads to. A folder that is `target`, where the files would go to, is
/// refused.
///
/// # Errors
/// No such folder or no raw file in it, what seems to be data and can't be read as a raw file, a
/// name that is not UTF-8: exit 2.
pub fn find(dir: &Path, glob: Option<&str>, target: &str) -> Result<Sources> {
    if !dir.is_dir() {
        return Err(Failure::usage(format!(
            "there is no folder {}",
            dir.display()
        )));
    }
    let mut search = Search {
        glob,
        target: Path::new(target).canonicalize().ok(),
        open: Vec::new(),
        found: Sources::default(),
        near: Vec::new(),
    };
    search.walk(dir, "")?;
    let Search {
        mut found,
        mut near,
        ..
    } = search;
    near.sort();
    files::refuse(&near, &dir.display().to_string(), "--glob", glob)?;
    if found.files.is_empty() {
        let which = glob
            .map(|glob| format!(" that matches {glob}"))
            .unwrap_or_default();
        let skipped = |reason: &str| {
            let of = found.left_out.iter().filter(|(_, why)| *why == reason);
            let keys: Vec<&str> = of.map(|(key, _)| &**key).collect();
            match keys.len() {
                0 => String::new(),
                1 => format!(" ({} is skipped: {reason})", keys[0]),
                more => format!(" ({} and {} more are skipped: {reason})", keys[0], more - 1),
            }
        };
        let hidden = skipped(HIDDEN) + &skipped(OTHER);
        return Err(Failure::usage(format!(
            "there is no file{which} in {} whose name ends with {ENDINGS}{hidden}; the steps read \
             train/*.parquet and predict/*.parquet, or what TRAIN_GLOB and PREDICT_GLOB say",
            dir.display()
        )));
    }
    found.files.sort_by(|a, b| a.key.cmp(&b.key));
    found.left_out.sort();
    Ok(found)
}

/// Why a file is passed over.
const HIDDEN: &str = "its name begins with . or _";
const OTHER: &str = "its name is not that of a Parquet or CSV file";
const CIRCLE: &str = "it is a link to a folder that holds it";

struct Search<'a> {
    glob: Option<&'a str>,
    target: Option<PathBuf>,
    /// The folders on the way to the one that is looked through, without links.
    open: Vec<PathBuf>,
    found: Sources,
    near: Vec<(String, NearMiss)>,
}

impl Search<'_> {
    fn walk(&mut self, folder: &Path, below: &str) -> Result<()> {
        let reading = || format!("reading the folder {}", folder.display());
        let real = folder.canonicalize().with_context(reading)?;
        if !below.is_empty() && self.target.as_ref() == Some(&real) {
            return Err(Failure::usage(format!(
                "{} is the target of the upload: upload another folder, or choose another RAW_URL",
                folder.display()
            )));
        }
        // A link can lead back, and would do so again and again.
        if self.open.iter().any(|open| open.starts_with(&real)) {
            self.found.left_out.push((below.to_owned(), CIRCLE));
            return Ok(());
        }
        self.open.push(real);
        for entry in std::fs::read_dir(folder).with_context(reading)? {
            let entry = entry.with_context(reading)?;
            let link = entry.file_type().with_context(reading)?.is_symlink();
            self.see(entry.path(), link, below)?;
        }
        self.open.pop();
        Ok(())
    }

    fn see(&mut self, path: PathBuf, link: bool, below: &str) -> Result<()> {
        let key = key(below, &path)?;
        let metadata = match std::fs::metadata(&path) {
            Err(_) if link => None,
            found => Some(found.with_context(|| format!("looking up {}", path.display()))?),
        };
        let kind = metadata.as_ref().map_or(Kind::DanglingLink, Kind::of);
        match (judge(self.glob, &key, kind), metadata) {
            (Verdict::Raw, Some(metadata)) => self.found.files.push(Source {
                key,
                path,
                bytes: metadata.len(),
            }),
            (Verdict::NearMiss(what), _) if what != NearMiss::Ending => self.near.push((key, what)),
            (Verdict::PassedOver, _) => self.found.left_out.push((key, HIDDEN)),
            (_, Some(metadata)) if metadata.is_dir() => {
                if !is_hidden(self.glob, &key) {
                    self.walk(&path, &key)?;
                }
            }
            // What a glob leaves out is no news.
            _ if self.glob.is_some() => {}
            (_, None) => self.found.left_out.push((key, "it is a broken link")),
            _ => self.found.left_out.push((key, OTHER)),
        }
        Ok(())
    }
}

/// The key of a path.
fn key(below: &str, path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let refused = || Failure::usage(format!("{path:?} has a name that is not UTF-8: rename it"));
    let name = name.ok_or_else(refused)?;
    Ok(match below {
        "" => name.to_owned(),
        below => format!("{below}/{name}"),
    })
}
