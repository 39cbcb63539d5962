//! Proxies that are between a client and a service, and misbehave as a test configures them.

mod http;
mod tcp;
#[cfg(test)]
mod tests;

pub use http::{Call, Fault, HttpProxy, Rule};
pub use tcp::{TcpFault, TcpProxy};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread of its own, and a listener on a free port.
pub(crate) fn listen() -> Result<(Runtime, TcpListener, u16)> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting a proxy")?;
    // Bound without waiting: a proxy may be started within a runtime.
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    bound.set_nonblocking(true)?;
    let port = bound.local_addr()?.port();
    let entered = runtime.enter();
    let listener = TcpListener::from_std(bound)?;
    drop(entered);
    Ok((runtime, listener, port))
}
