//! The raw files that one data version scores: chosen once, so that every rerun reads the same ones.

use serde::{Deserialize, Serialize};

use crate::layout::{DataVersion, ModelName};
use crate::store::Object;

/// Which raw predict files are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PredictShards {
    /// All that match the glob.
    All,
    /// Those in no committed results of this model name under another data version.
    New,
}

impl std::fmt::Display for PredictShards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::New => "new",
        })
    }
}

/// What `_selection.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The data set version that is scored.
    pub data_version: DataVersion,
    /// The model name that scores it.
    pub model_name: ModelName,
    /// How the files were chosen.
    pub predict_shards: PredictShards,
    /// Which files were looked at, `{data-version}` filled in.
    pub predict_glob: String,
    /// The chosen files in the order of their keys; may be empty.
    pub shards: Vec<Object>,
}
