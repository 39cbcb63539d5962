//! What the threads that read raw files share, for `map` and `shuffle`.

mod planned;

use std::sync::{Arc, Mutex};

use catalog::fanout::{Plan, Shard};
use runtime::failure;
use runtime::step::Step;
use sql::prepare::{Preparation, Takers};
use store::Store;
use table::raw::TakeKey;
use table::shuffled::Shape;

use crate::aggregates::StateCollector;
use crate::done::{Done, raw};
use crate::job::Job;
use crate::keys::{KeyCollector, OfFile, locked};

/// What the threads of `map` and `shuffle` share.
pub(crate) struct Task {
    pub(crate) plan: Arc<Plan<Job>>,
    /// Of the plan's inputs; it takes a while where there are many.
    pub(crate) fingerprint: String,
    pub(crate) store: Store,
    pub(crate) raw: Store,
    pub(crate) preparation: Preparation,
    pub(crate) step: Step,
    /// Which columns are brought together, if any.
    pub(crate) shape: Option<Shape>,
    /// Whether prepared rows wait in scratch files until the raw file is read.
    pub(crate) spills: bool,
    /// Where the keys of rows go, if they are looked through.
    pub(crate) keys: Option<KeyCollector>,
    /// Where the states of aggregates go, if there are any to be computed.
    pub(crate) states: Option<StateCollector>,
}

impl Task {
    /// What is known of a file that is left out.
    pub(crate) fn left_out(&self, shard: &Shard, error: &anyhow::Error) -> Done {
        let reason = format!("{error:#}");
        tracing::warn!(key = shard.key, "left out: {reason}");
        Done {
            raw: raw(shard, shard.bytes, String::new(), 0),
            bad: Some(reason),
            gone: failure::is_damaged(error),
            ..Done::default()
        }
    }

    /// Has the keys of rows taken where the check of the raw file has hashed and sorted them
    /// already, because the query leaves them as they are; else gives where to add them.
    pub(crate) fn keys_to_add<'a>(
        &self,
        keys: Option<&'a Arc<Mutex<OfFile>>>,
        takers: &mut Takers,
    ) -> Option<&'a Arc<Mutex<OfFile>>> {
        let keys = keys?;
        if !self.preparation.gives_keys(&self.plan.job.key_columns()) {
            return Some(keys);
        }
        let keys = keys.clone();
        takers.key = Some(Box::new(move |hash| locked(&keys).take(hash)) as TakeKey);
        None
    }
}
