//! The verb `train` for one candidate, in a pod of its own: a marker keeps what it measures, and
//! `train` without a candidate takes it from there.

use anyhow::Result;
use catalog::fanout;
use runtime::failure::Failure;
use runtime::step::{Outputs, Step};
use store::Store;

use crate::Training;
use crate::job::Job;
use crate::select::{self, Measured};
use crate::train;

/// Measures a candidate on the validation rows, or finds that it is done; counted from 1.
///
/// # Errors
/// A number that no candidate has: exit 2; as [`select::select`].
pub(crate) async fn candidate(
    step: &Step,
    store: &Store,
    flags: &Training,
    number: usize,
) -> Result<Outputs> {
    let job = Job::read(store, flags).await?;
    let candidates = job.choice.candidates.len();
    if candidates == 1 || !(1..=candidates).contains(&number) {
        let has = match candidates {
            1 => "1 candidate, which is not compared with others: leave the flag out".to_owned(),
            several => format!("{several} candidates: give 1 to {several}"),
        };
        return Err(Failure::usage(format!(
            "--candidate is {number}, and the model has {has}"
        )));
    }
    let (at, key) = (number - 1, job.marker(number));
    let done: Option<Measured> = fanout::finished(step, store, &key).await?;
    let reused = done.is_some();
    let measured = match done {
        Some(measured) => measured,
        None => {
            let splits = select::splits(step, store, &job).await?;
            let passes = job.choice.candidates[at].family.passes() * splits.len() as u64;
            let progress = step.progress(passes * job.data.train.rows, "rows").clone();
            let (of, _) = select::tried(step, store, &job, at, &splits, &progress).await?;
            fanout::finish(step, store, &key, of).await?
        }
    };
    select::show(&job, at, &measured);
    Ok(train::nothing_yet(reused))
}
