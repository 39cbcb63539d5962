//! A proxy that knows bytes only, for protocols such as Postgres's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;

use super::listen;
use services::local;

/// How connections go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcpFault {
    /// They do not.
    #[default]
    None,
    /// They are closed as soon as they are opened.
    Refuse,
    /// They are reset once the client has sent this many bytes.
    ResetAfter(u64),
    /// Every piece of what the client sends waits this long.
    Delay(Duration),
}

/// The proxy; it ends when it is dropped.
pub struct TcpProxy {
    port: u16,
    fault: Arc<Mutex<TcpFault>>,
    runtime: Option<Runtime>,
}

impl TcpProxy {
    /// Starts it in front of a port on 127.0.0.1.
    pub fn start(upstream: u16) -> Result<Self> {
        let (runtime, listener, port) = listen()?;
        let fault: Arc<Mutex<TcpFault>> = Arc::default();
        let current = fault.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fault = *lock(&current);
                if fault == TcpFault::Refuse {
                    continue;
                }
                tokio::spawn(async move {
                    // Either side may be gone; the other one notices.
                    let _ = pass(client, upstream, fault).await;
                });
            }
        });
        Ok(Self {
            port,
            fault,
            runtime: Some(runtime),
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How connections that are opened from now on go wrong.
    pub fn set(&self, fault: TcpFault) {
        *lock(&self.fault) = fault;
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(fault: &Mutex<TcpFault>) -> std::sync::MutexGuard<'_, TcpFault> {
    fault
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn pass(client: TcpStream, upstream: u16, fault: TcpFault) -> std::io::Result<()> {
    // What is cut is reset, not closed in order.
    client.set_zero_linger()?;
    let server = TcpStream::connect(local(upstream)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        ended = copy(from_client, to_server, fault) => ended,
        ended = copy(from_server, to_client, TcpFault::None) => ended,
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    fault: TcpFault,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut passed = 0;
    loop {
        let bytes = from.read(&mut buffer).await?;
        if bytes == 0 {
            return to.shutdown().await;
        }
        match fault {
            TcpFault::Delay(time) => tokio::time::sleep(time).await,
            TcpFault::ResetAfter(limit) if passed + bytes as u64 > limit => {
                to.write_all(&buffer[..(limit - passed) as usize]).await?;
                return Ok(());
            }
            TcpFault::None | TcpFault::Refuse | TcpFault::ResetAfter(_) => {}
        }
        to.write_all(&buffer[..bytes]).await?;
        passed += bytes as u64;
    }
}
