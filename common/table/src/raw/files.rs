//! Which files are raw files: one rule for the steps that read them and for the upload that brings
//! them.
//!
//! Names that begin with `.` or `_` belong to programs and not to the data, such as `._a.parquet`
//! and `_delta_log`: they are passed over. What was surely meant as data and can't be read is
//! refused by name, since a row that is left out in silence is the worst fault.

use std::fmt;

use anyhow::Result;

use super::{ENDINGS, format_of};
use runtime::failure::Failure;
use store::{Entry, Kind, Object, Store, matches_glob};

/// Names that a message lists.
const NAMED: usize = 10;

/// What an entry is, seen by a reader of raw files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A raw file.
    Raw,
    /// Its name, or that of a folder that holds it, begins with `.` or `_`.
    PassedOver,
    /// As it seems it was meant as a raw file.
    NearMiss(NearMiss),
    /// Nothing that was asked for.
    Other,
}

/// Why what was meant as a raw file is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NearMiss {
    /// A link whose target does not exist, as of a cache that was emptied.
    DanglingLink,
    /// Neither a file nor a folder.
    Special,
    /// A folder with the name of a file, as Spark and Dask write data.
    Folder,
    /// A known ending in capital letters.
    LetterCase,
    /// An ending that no raw file has.
    Ending,
    /// A name that is no key of a store, or shows as another one.
    Name,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DanglingLink => "is a link to a file that does not exist",
            Self::Special => "is a pipe, a socket or a device",
            Self::Folder => "is a folder, and a raw file is one file",
            Self::LetterCase => "has an extension in capital letters",
            Self::Ending => "has an extension that no raw file has",
            Self::Name => {
                "has a control character, one that turns the direction of text, or a backslash in its \
                 name"
            }
        })
    }
}

impl NearMiss {
    fn advice(self, setting: &str, glob: Option<&str>) -> String {
        match self {
            Self::DanglingLink => {
                "restore the files that the links point to, or remove the links".to_owned()
            }
            Self::Special => "put regular files in their place".to_owned(),
            Self::Folder => format!(
                "move the files out of the folders, or name them by {setting}, such as {}",
                deeper(glob.unwrap_or("train/*.parquet"))
            ),
            Self::LetterCase => "write the extension in lower case".to_owned(),
            Self::Ending => format!("narrow {setting}, or rename them to end with {ENDINGS}"),
            Self::Name => "rename them, or the folders that hold them".to_owned(),
        }
    }
}

/// A glob of the files in the folders that a glob matches.
fn deeper(glob: &str) -> String {
    let (folder, name) = glob.rsplit_once('/').unwrap_or(("", glob));
    let ending = name.rsplit_once('*').map_or("", |(_, ending)| ending);
    let folder = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    format!("{folder}{name}/*{ending}")
}

/// Judges an entry by its key. Without a glob every folder is looked into.
pub fn judge(glob: Option<&str>, key: &str, kind: Kind) -> Verdict {
    let matches = |key: &str| glob.is_none_or(|glob| matches_glob(glob, key));
    let corrected = in_small_letters(key);
    let is_meant = matches(key) || corrected.as_deref().is_some_and(matches);
    if !is_meant {
        return Verdict::Other;
    }
    if is_hidden(glob, key) {
        return Verdict::PassedOver;
    }
    let named_as_file = format_of(key).is_some() || corrected.is_some();
    let exact = glob.is_some_and(|glob| glob == key);
    match kind {
        Kind::File if format_of(key).is_some() && is_key(key) => Verdict::Raw,
        Kind::File if format_of(key).is_some() => Verdict::NearMiss(NearMiss::Name),
        Kind::File if corrected.is_some() => Verdict::NearMiss(NearMiss::LetterCase),
        Kind::File if glob.is_some() => Verdict::NearMiss(NearMiss::Ending),
        Kind::DanglingLink if glob.is_some() || named_as_file => {
            Verdict::NearMiss(NearMiss::DanglingLink)
        }
        Kind::Special if glob.is_some() || named_as_file => Verdict::NearMiss(NearMiss::Special),
        Kind::Folder if exact || named_as_file => Verdict::NearMiss(NearMiss::Folder),
        Kind::File | Kind::DanglingLink | Kind::Special | Kind::Folder => Verdict::Other,
    }
}

/// Whether a store reads a file of this name, and not only lists it, and whether the name shows as
/// what it is.
pub fn is_key(key: &str) -> bool {
    let turns = |char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !key.contains(|char: char| char == '\\' || char.is_control() || turns(char))
}

/// The key with its ending in small letters, if that makes it the name of a raw file.
fn in_small_letters(key: &str) -> Option<String> {
    if format_of(key).is_some() {
        return None;
    }
    let name = key.rfind('/').map_or(0, |slash| slash + 1);
    key[name..].rmatch_indices('.').find_map(|(dot, _)| {
        let (stem, ending) = key.split_at(name + dot);
        let ending = ending.to_ascii_lowercase();
        format_of(&ending)
            .is_some()
            .then(|| format!("{stem}{ending}"))
    })
}

/// Whether a segment of the key begins with `.` or `_` where the glob does not ask for that.
pub fn is_hidden(glob: Option<&str>, key: &str) -> bool {
    let mut asked = glob.unwrap_or_default().split('/');
    key.split('/').any(|segment| {
        let asked = asked.next().unwrap_or_default();
        ['.', '_']
            .iter()
            .any(|&mark| segment.starts_with(mark) && !asked.starts_with(mark))
    })
}

/// The error for near misses: exit 2, with the name of each and what to do. `place` is where they
/// are, and `setting` chooses the files.
pub fn refuse(
    near: &[(String, NearMiss)],
    place: &str,
    setting: &str,
    glob: Option<&str>,
) -> Result<()> {
    if near.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = near
        .iter()
        .take(NAMED)
        .map(|(key, what)| match is_key(key) {
            true => format!("\n  {key} {what}"),
            false => format!("\n  {key:?} {what}"),
        })
        .collect();
    if near.len() > NAMED {
        lines.push(format!("\n  and {} more", near.len() - NAMED));
    }
    let mut kinds: Vec<NearMiss> = near.iter().map(|(_, what)| *what).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let advice: Vec<String> = kinds
        .iter()
        .map(|what| what.advice(setting, glob))
        .collect();
    let among = glob
        .map(|glob| format!(" among {glob}"))
        .unwrap_or_default();
    Err(Failure::usage(format!(
        "what seems to be data{among} in {place} can't be read as raw files:{}\n{}; \
         a name that begins with . or _ is skipped",
        lines.concat(),
        advice.join("; ")
    )))
}

/// The raw files that a glob names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of their keys.
    pub files: Vec<Object>,
    passed_over: Vec<String>,
    others: Vec<String>,
}

/// The raw files among the objects of a store. `setting` names the flag and the variable that hold
/// the glob, for messages.
///
/// # Errors
/// Near misses: exit 2, see [`refuse`].
pub async fn find(store: &Store, glob: &str, setting: &str) -> Result<Found> {
    let (mut found, mut near) = (Found::default(), Vec::new());
    for Entry { object, kind } in store.entries(glob).await? {
        match judge(Some(glob), &object.key, kind) {
            Verdict::Raw => found.files.push(object),
            Verdict::PassedOver => found.passed_over.push(object.key),
            Verdict::NearMiss(what) => near.push((object.key, what)),
            Verdict::Other => found.others.push(object.key),
        }
    }
    refuse(&near, store.url(), setting, Some(glob))?;
    found.log(glob);
    Ok(found)
}

impl Found {
    fn log(&self, glob: &str) {
        let (files, glob) = (self.files.len(), glob.to_owned());
        if !self.passed_over.is_empty() {
            let names = names(&self.passed_over);
            tracing::info!(
                glob,
                files,
                "skipped, because a name begins with . or _: {names}"
            );
        }
        if !self.others.is_empty() {
            tracing::info!(
                glob,
                files,
                "not matched by the glob: {}",
                names(&self.others)
            );
        }
    }

    /// What to say of raw files beside those that the glob would match, where it matches none.
    pub fn unmatched(&self, glob: &str) -> Option<String> {
        let raw = self.others.iter().filter(|key| format_of(key).is_some());
        let raw: Vec<String> = raw.cloned().collect();
        let count = raw.len();
        (self.files.is_empty() && count > 0).then(|| {
            let (are, files) = match count {
                1 => ("is", "file"),
                _ => ("are", "files"),
            };
            format!(
                "there {are} {count} {files} where {glob} looks, and it matches none: {}",
                names(&raw)
            )
        })
    }

    /// The error for a glob that must match a file and matches none: exit 2, with what lies there.
    pub async fn nothing(&self, store: &Store, glob: &str, advice: &str) -> Result<anyhow::Error> {
        let mut text = format!("no file matches {glob} in {}", store.url());
        for (what, keys) in [
            (
                "skipped, because a name begins with . or _",
                &self.passed_over,
            ),
            ("it does not match", &self.others),
        ] {
            if !keys.is_empty() {
                text += &format!("; {what}: {}", names(keys));
            }
        }
        if let Some(folder) = other_letter_case(store, glob).await? {
            text += &format!("; there is {folder}, and letter case counts");
        }
        Ok(Failure::usage(format!("{text}: {advice}")))
    }
}

/// A folder that is named as the glob's, but for letter case, where that one does not exist.
async fn other_letter_case(store: &Store, glob: &str) -> Result<Option<String>> {
    let fixed = glob.split('*').next().unwrap_or_default();
    let Some((folder, _)) = fixed.rsplit_once('/') else {
        return Ok(None);
    };
    let mut at = String::new();
    for segment in folder.split('/') {
        let entries = store.entries(&format!("{at}*")).await?;
        let name = |entry: &Entry| entry.object.key[at.len()..].to_owned();
        if !entries.iter().any(|entry| name(entry) == segment) {
            let other = entries
                .iter()
                .find(|entry| name(entry).eq_ignore_ascii_case(segment));
            return Ok(other.map(|entry| entry.object.key.clone()));
        }
        at += &format!("{segment}/");
    }
    Ok(None)
}

fn names(keys: &[String]) -> String {
    let shown = keys[..keys.len().min(NAMED)].join(", ");
    match keys.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NearMiss::{DanglingLink, Ending, Folder, LetterCase, Name};
    use Verdict::{NearMiss as Near, Other, PassedOver, Raw};

    #[test]
    fn every_kind_of_entry_has_one_verdict() {
        let table = [
            ("train/*.parquet", "train/a.parquet", Kind::File, Raw),
            ("train/*.parquet", "train/a.csv", Kind::File, Other),
            (
                "train/*.parquet",
                "train/._a.parquet",
                Kind::File,
                PassedOver,
            ),
            (
                "train/*.parquet",
                "train/_a.parquet",
                Kind::DanglingLink,
                PassedOver,
            ),
            (
                "train/*.parquet",
                "train/_a.PARQUET",
                Kind::File,
                PassedOver,
            ),
            ("train/*.parquet", "train/_delta_log", Kind::Folder, Other),
            ("train/*", "train/_delta_log", Kind::Folder, PassedOver),
            ("train/*", "train/_SUCCESS", Kind::File, PassedOver),
            ("train/*", "train/a.txt", Kind::File, Near(Ending)),
            ("train/*", "train/archive", Kind::Folder, Other),
            ("train/*", "train/archive.csv", Kind::Folder, Near(Folder)),
            ("train/*", "train/a.CSV", Kind::File, Near(LetterCase)),
            ("train/*", "train/a\n.csv", Kind::File, Near(Name)),
            ("train/*.csv", "train/a\t.csv", Kind::File, Near(Name)),
            ("train/*.csv", "train/a\\b.csv", Kind::File, Near(Name)),
            ("train/*.csv", "train/a\u{85}b.csv", Kind::File, Near(Name)),
            (
                "train/*.csv",
                "train/a\u{202e}b.csv",
                Kind::File,
                Near(Name),
            ),
            (
                "train/*.csv",
                "train/a\u{2066}b.csv",
                Kind::File,
                Near(Name),
            ),
            ("train/*.csv", "train/\u{5d0}\u{200f}.csv", Kind::File, Raw),
            ("train/*/*.csv", "train/a\rb/c.csv", Kind::File, Near(Name)),
            ("train/*.csv", "train/a\n.parquet", Kind::File, Other),
            ("train/*.csv", "train/_a\n.csv", Kind::File, PassedOver),
            ("train/*.csv", "train/a b%ü.csv", Kind::File, Raw),
            (
                "train/*.parquet",
                "train/A.PARQUET",
                Kind::File,
                Near(LetterCase),
            ),
            (
                "train/*.PARQUET",
                "train/A.PARQUET",
                Kind::File,
                Near(LetterCase),
            ),
            (
                "train/*.parquet",
                "train/A.Parquet",
                Kind::Folder,
                Near(Folder),
            ),
            (
                "train/*.parquet",
                "train/a.parquet",
                Kind::DanglingLink,
                Near(DanglingLink),
            ),
            ("train/*.parquet", "train/a.txt", Kind::DanglingLink, Other),
            ("one", "one", Kind::Folder, Near(Folder)),
            ("_in/*.csv", "_in/a.csv", Kind::File, Raw),
            ("_in/*.csv", "_in/.a.csv", Kind::File, PassedOver),
            ("in/_*.csv", "in/_a.csv", Kind::File, Raw),
            ("in/_*.csv", "in/a.csv", Kind::File, Other),
            ("*/a.csv", "_tmp/a.csv", Kind::File, PassedOver),
            ("*/*.csv", "x/.b/a.csv", Kind::File, Other),
        ];
        for (glob, key, kind, verdict) in table {
            assert_eq!(
                judge(Some(glob), key, kind),
                verdict,
                "{glob} {key} {kind:?}"
            );
        }
        let without_glob = [
            ("a/b/c.csv", Kind::File, Raw),
            ("a/_b/c.csv", Kind::File, PassedOver),
            ("README.md", Kind::File, Other),
            ("a.CSV", Kind::File, Near(LetterCase)),
            ("a", Kind::Folder, Other),
            ("a.csv", Kind::Folder, Near(Folder)),
            ("a.csv", Kind::DanglingLink, Near(DanglingLink)),
            ("notes", Kind::DanglingLink, Other),
            ("a.csv", Kind::Special, Near(NearMiss::Special)),
            ("notes", Kind::Special, Other),
        ];
        for (key, kind, verdict) in without_glob {
            assert_eq!(judge(None, key, kind), verdict, "{key} {kind:?}");
        }
    }

    #[test]
    fn the_advice_for_a_folder_is_a_glob_of_its_files() {
        for (glob, expected) in [
            ("train/*.parquet", "train/*.parquet/*.parquet"),
            ("*.csv", "*.csv/*.csv"),
            ("a/one", "a/one/*"),
        ] {
            assert_eq!(deeper(glob), expected);
        }
    }

    #[tokio::test]
    async fn a_name_that_is_no_key_is_reported_in_one_line() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().to_str().unwrap()).unwrap();
        for name in ["a.csv", "b\nc.csv", "d\\e.csv", "f\u{202e}g.csv"] {
            std::fs::write(home.path().join(name), "x").unwrap();
        }
        let error = find(&store, "*.csv", "TRAIN_GLOB").await.unwrap_err();
        assert_eq!(runtime::failure::exit_code(&error), 2);
        let text = error.to_string();
        let has = "has a control character, one that turns the direction of text, or a backslash in \
                   its name";
        let lines = [r#""b\nc.csv""#, r#""d\\e.csv""#, r#""f\u{202e}g.csv""#];
        let lines = lines.map(|name| format!("\n  {name} {has}")).concat();
        assert!(text.contains(&format!("{lines}\nrename them")), "{text}");
    }

    #[tokio::test]
    async fn a_glob_that_matches_nothing_names_what_lies_there() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path().to_str().unwrap()).unwrap();
        for key in ["Data/Train/a.parquet", "in/_a.csv", "in/b.txt"] {
            store.put(key, vec![1]).await.unwrap();
        }
        let refused = async |glob: &str| {
            let found = find(&store, glob, "TRAIN_GLOB").await.unwrap();
            assert_eq!(found.files, []);
            found
                .nothing(&store, glob, "check it")
                .await
                .unwrap()
                .to_string()
        };
        let text = refused("in/*.csv").await;
        assert!(
            text.contains("begins with . or _: in/_a.csv; it does not match: in/b.txt"),
            "{text}"
        );
        let found = find(&store, "in/*.csv", "TRAIN_GLOB").await.unwrap();
        assert_eq!(found.unmatched("in/*.csv"), None, "no raw file lies there");
        store.put("in/c.parquet", vec![1]).await.unwrap();
        let unmatched = async |glob: &str| {
            let found = find(&store, glob, "TRAIN_GLOB").await.unwrap();
            found.unmatched(glob)
        };
        assert_eq!(
            unmatched("in/*.csv").await.unwrap(),
            "there is 1 file where in/*.csv looks, and it matches none: in/c.parquet"
        );
        store.put("in/d.csv.gz", vec![1]).await.unwrap();
        let expected = "there are 2 files where in/*.csv looks, and it matches none: in/c.parquet, \
                        in/d.csv.gz";
        assert_eq!(unmatched("in/*.csv").await.unwrap(), expected);
        assert_eq!(unmatched("in/*.parquet").await, None);
        for glob in ["Data/train/*.parquet", "data/train/*.parquet"] {
            let text = refused(glob).await;
            assert!(text.contains("letter case counts: check it"), "{text}");
        }
        assert!(!refused("other/*.csv").await.contains("letter case"));
    }
}
