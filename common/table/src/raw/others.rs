//! The other files of a step: a change of the contract is for all of them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use store::LocalFile;

/// Bytes and number of the files at most on which advice is tried: those that come first. A file
/// may have to be copied for it, and each change of the contract reads it once.
const BYTES: u64 = 512 << 20;
const FILES: usize = 1_000;

/// The raw files that a step reads by one contract. What a message about one of them advises is
/// tried on all, so that no file refuses what another one asked for.
#[derive(Clone, Default)]
pub struct Others {
    files: Option<Arc<Files>>,
    is_trial: bool,
}

type Open = dyn Fn(&str) -> Result<LocalFile> + Send + Sync;

struct Files {
    keys: Vec<String>,
    /// How many there are, with those on which nothing is tried.
    all: usize,
    open: Box<Open>,
    /// Whether a file takes a change of the contract.
    takes: Mutex<Known<bool>>,
    /// Texts of a file that are in the way of a change.
    texts: Mutex<Known<BTreeSet<String>>>,
}

/// What is known of files, by their place and a change.
type Known<T> = HashMap<(usize, String), T>;

impl Files {
    /// The files besides `own`, with their places.
    fn besides<'a>(&'a self, own: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let all = self.keys.iter().map(String::as_str).enumerate();
        all.filter(move |(_, key)| *key != own)
    }

    /// What is to be known of a file and a change, which is looked at once; `None` of a file that
    /// can't be opened: another message names it.
    fn known<T: Clone>(
        &self,
        known: &mut Known<T>,
        (place, key): (usize, &str),
        change: &str,
        of: impl FnOnce(&str, &Path) -> T,
    ) -> Option<T> {
        let at = (place, change.to_owned());
        if let Some(found) = known.get(&at) {
            return Some(found.clone());
        }
        let file = (self.open)(key).ok()?;
        let found = of(key, file.path());
        known.insert(at, found.clone());
        Some(found)
    }
}

impl Others {
    /// Of files, with their bytes, in the order of the step; the file of the message may be one of
    /// them. `open` may wait for the store: messages are made on blocking threads.
    pub fn new(
        files: impl IntoIterator<Item = (String, u64)>,
        open: impl Fn(&str) -> Result<LocalFile> + Send + Sync + 'static,
    ) -> Self {
        let (mut keys, mut all, mut bytes) = (Vec::new(), 0, 0_u64);
        for (key, size) in files {
            all += 1;
            bytes = bytes.saturating_add(size);
            if bytes <= BYTES && keys.len() < FILES {
                keys.push(key);
            }
        }
        Self {
            files: Some(Arc::new(Files {
                keys,
                all,
                open: Box::new(open),
                takes: Mutex::default(),
                texts: Mutex::default(),
            })),
            is_trial: false,
        }
    }

    /// Of a file on which a change is tried: nothing is advised about it.
    pub(super) fn trial() -> Self {
        Self {
            files: None,
            is_trial: true,
        }
    }

    pub(super) fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// The first file besides `own` that does not take a change. One that can't be opened refuses
    /// nothing.
    pub(super) fn refusing<'a>(
        &'a self,
        own: &'a str,
        change: &str,
        takes: impl Fn(&str, &Path) -> bool,
    ) -> Option<&'a str> {
        let files = self.files.as_ref()?;
        // One file is copied at a time.
        let mut known = files.takes.lock().unwrap_or_else(PoisonError::into_inner);
        let refuses = |file: &(usize, &str)| {
            let takes = files.known(&mut known, *file, change, &takes);
            takes.is_some_and(|takes| !takes)
        };
        files.besides(own).find(refuses).map(|(_, key)| key)
    }

    /// Texts of all files besides `own` that are in the way of a change.
    pub(super) fn texts(
        &self,
        own: &str,
        change: &str,
        of: impl Fn(&str, &Path) -> BTreeSet<String>,
    ) -> BTreeSet<String> {
        let Some(files) = self.files.as_ref() else {
            return BTreeSet::new();
        };
        let mut known = files.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = |file: (usize, &str)| files.known(&mut known, file, change, &of);
        files.besides(own).filter_map(texts).flatten().collect()
    }

    /// On how many of how many files advice is tried, where those are not all.
    pub(super) fn bounded(&self) -> Option<(usize, usize)> {
        let files = self.files.as_ref()?;
        (files.keys.len() < files.all).then_some((files.keys.len(), files.all))
    }
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.files.as_ref().map(|files| &files.keys);
        f.debug_tuple("Others").field(&keys).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_file_is_asked_once_for_a_change_and_large_ones_are_not() {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let seen = opened.clone();
        let files = [("a", 1), ("gone", 1), ("b", 1), ("c", 1), ("large", BYTES)];
        let files = files.map(|(key, bytes)| (key.to_owned(), bytes));
        let others = Others::new(files, move |key| {
            seen.lock().unwrap().push(key.to_owned());
            anyhow::ensure!(key != "gone", "it is gone");
            Ok(LocalFile::from(PathBuf::from(key)))
        });
        let takes = |key: &str, _: &Path| key != "c";
        for _ in 0..2 {
            assert_eq!(others.refusing("a", "x", takes), Some("c"));
        }
        assert_eq!(*opened.lock().unwrap(), ["gone", "b", "c", "gone"]);
        assert_eq!(others.refusing("c", "x", takes), None);
        assert_eq!(others.bounded(), Some((4, 5)));
    }
}
