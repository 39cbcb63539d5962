//! What `resolve` is asked for.

use catalog::layout::{DataVersion, ModelName};
use catalog::selection::PredictShards;
use runtime::step::Cache;

/// Which rows are to be scored, and by which model.
pub(crate) struct Request {
    pub(crate) data_version: DataVersion,
    pub(crate) model_name: ModelName,
    pub(crate) model_ref: String,
    pub(crate) predict_shards: PredictShards,
    pub(crate) glob: String,
    /// With `refresh` the files are chosen again.
    pub(crate) cache: Cache,
    /// The workflow that asks; `None` for a step that is run by hand.
    pub(crate) workflow: Option<String>,
}
