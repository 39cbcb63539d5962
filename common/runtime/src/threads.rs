//! Between threads that wait for others and threads that compute.

use std::future::Future;

use anyhow::Result;
use tokio::runtime::Handle;

use crate::failure::Failure;

/// Runs work that computes, or waits for files, on a thread of its own.
pub async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R> + Send + 'static,
) -> Result<R> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Failure::Stopped.into()),
        },
    }
}

/// Waits for a future on a blocking thread.
pub fn wait<R>(future: impl Future<Output = R>) -> R {
    Handle::current().block_on(future)
}
