//! Signals that stop a run.

use std::sync::mpsc::Sender;

use anyhow::Result;

use crate::leaf::Event;

/// Turns SIGINT and SIGTERM into events.
pub(super) fn listen(events: Sender<Event>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let signal =
                    tokio::select! { _ = interrupt.recv() => 2, _ = terminate.recv() => 15 };
                if events.send(Event::Stop { signal }).is_err() {
                    return;
                }
            }
        });
    });
    Ok(())
}
