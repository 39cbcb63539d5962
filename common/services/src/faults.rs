//! Proxies that stand between a client and a service, and misbehave as they are told.

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
fn listen() -> Result<(Runtime, TcpListener, u16)> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().context("starting a proxy")?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let port = listener.local_addr()?.port();
    Ok((runtime, listener, port))
}
