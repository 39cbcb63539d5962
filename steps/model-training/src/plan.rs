//! The verb `plan`: which candidates are measured in pods of their own, before `train` chooses one
//! of them. It writes nothing.

use anyhow::Result;
use catalog::manifest::{self, ModelManifest};
use runtime::step::{Outputs, Step};
use store::Store;

use crate::Plan;
use crate::job::Job;

/// Lists the numbers of the candidates; none where `train` measures them itself, or has nothing
/// left to measure.
///
/// # Errors
/// What would fail `train` before it fits.
pub(crate) async fn plan(step: &Step, store: &Store, flags: &Plan) -> Result<Outputs> {
    let job = Job::read(store, &flags.training).await?;
    let (candidates, rows) = (job.choice.candidates.len(), job.data.train.rows);
    let listed: Vec<String> = match candidates > 1 && rows > flags.fan_out.fan_out_rows {
        true => (1..=candidates).map(|number| number.to_string()).collect(),
        false => Vec::new(),
    };
    let key = job.manifest_key();
    let done = manifest::reusable::<ModelManifest>(store, &key, &job.inputs, step.cache());
    let listed = match listed.is_empty() || done.await?.is_some() {
        true => Vec::new(),
        false => listed,
    };
    tracing::info!(
        rows,
        "{} of {candidates} candidates are measured in pods of their own (FAN_OUT_ROWS is {})",
        listed.len(),
        flags.fan_out.fan_out_rows
    );
    Ok(Outputs::new().set("candidates", serde_json::to_string(&listed)?))
}
