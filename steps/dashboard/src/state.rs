//! What all pages share, and how many of them are made at once.

use std::sync::Arc;

use pages::judge::Rules;
use store::Store;
use tokio::sync::Semaphore;
use tracking::Tracking;

use super::access::Access;
use super::source::Source;

/// Pages that are made at the same time; others wait.
const AT_ONCE: usize = 16;

/// What all pages share.
pub(crate) struct State {
    pub(crate) source: Source,
    pub(crate) tracking: Tracking,
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
}

/// How many answers are made at the same time.
pub(crate) struct Limits {
    pub(crate) pages: Arc<Semaphore>,
    pub(crate) probes: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        // A client that asks for readiness again and again makes no work.
        Self {
            pages: Arc::new(Semaphore::new(AT_ONCE)),
            probes: Arc::new(Semaphore::new(1)),
        }
    }
}
