//! Which raw files one data version scores. `batch-inference` decides it once, and `data-prep`
//! reads it.
//!
//! ```
//! use catalog::selection::listing;
//!
//! let file = store::Object {
//!     key: "predict/a.csv".to_owned(),
//!     bytes: 10,
//!     stamp: "1".to_owned(),
//! };
//! let changed = store::Object { stamp: "2".to_owned(), ..file.clone() };
//! assert_eq!(listing(&[file.clone()])?, listing(&[file.clone()])?);
//! assert_ne!(listing(&[file])?, listing(&[changed])?);
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use crate::manifest::TimeRange;

use store::Object;
use store::digest;

/// The raw files that a data version scores, as they were when it was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Which of the matching files were taken.
    pub predict_shards: PredictShards,
    /// The glob as it was given.
    pub glob: String,
    /// The files, in the order of their keys.
    pub shards: Vec<Object>,
    /// The workflow that made the choice; empty when it was made by hand, or by an earlier
    /// release.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workflow: String,
    /// [`listing`] of all files that matched; empty when an earlier release made the choice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub listing: String,
    /// What the features of the rows look back at; `None` for a model that looks at each row alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// Raw files whose rows the features of the rows to score look back at, chosen once: what arrives
/// later changes no score.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The times of the rows to score for which it was chosen; `None` where they are not known, so
    /// that it holds for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<TimeRange>,
    /// The earliest time that these rows look back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDateTime>,
    /// The files. Of rows with the same ids and time, those of the file that comes first count.
    pub files: Vec<HistoryFile>,
}

/// A raw file that rows to score look back at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryFile {
    /// Its key under the raw root.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was last changed.
    pub stamp: String,
    /// Digest of its content when it was read before; empty for a file that never was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// The data set that it is of, counted from the one that was scored last: rows with the same
    /// ids and time of one data set all count.
    pub data_set: usize,
}

/// A digest of what a listing says of files, which changes when any came, went or changed.
pub fn listing(files: &[Object]) -> serde_json::Result<String> {
    digest::of_json(&files)
}

/// Which raw files are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PredictShards {
    /// All that match the glob.
    All,
    /// Those in no committed results of the model's name under another data version.
    New,
}

impl fmt::Display for PredictShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PredictShards::All => "all",
            PredictShards::New => "new",
        })
    }
}
