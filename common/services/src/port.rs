//! Ports that programs on this machine don't take from each other.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::place::place;

/// Below the range that systems take the ports of outgoing connections from.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Files whose locks say that a port is this process's; closed, and so unlocked, when it ends.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port on 127.0.0.1 that is free, and that this function gives to nobody else while this
/// process runs.
///
/// A server needs seconds from its start to its listening. Without the lock, two programs that
/// start servers at once may get one port, and one of them talks to the server of the other.
pub fn free_port() -> Result<u16> {
    let (port, lock) = take(&place().join("ports"))?;
    let mut taken = TAKEN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    taken.push(lock);
    Ok(port)
}

/// The first port that is free and whose file in `folder` nobody has locked.
fn take(folder: &Path) -> Result<(u16, File)> {
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    // Programs that start together look at different ports first.
    let first = u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start))?;
    for port in PORTS.skip(first.into()).chain(PORTS.take(first.into())) {
        let path = folder.join(port.to_string());
        let lock = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) if TcpListener::bind(("127.0.0.1", port)).is_ok() => return Ok((port, lock)),
            Ok(()) | Err(std::fs::TryLockError::WouldBlock) => {}
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
    }
    bail!("no port of {}..{} is free", PORTS.start, PORTS.end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_port_is_given_once_also_while_nobody_listens() {
        let ports: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..8).map(|_| free_port().unwrap()).collect::<Vec<_>>()))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(ports.len(), 64);
        assert_eq!(BTreeSet::from_iter(&ports).len(), 64, "{ports:?}");
    }

    #[test]
    fn a_port_that_somebody_listens_on_or_locked_is_passed_over() {
        let folder = place().join("ports");
        let (listened, lock) = take(&folder).unwrap();
        let _listener = TcpListener::bind(("127.0.0.1", listened)).unwrap();
        drop(lock);
        let (locked, _lock) = take(&folder).unwrap();
        assert_ne!(listened, locked);
        let (third, _third) = take(&folder).unwrap();
        assert!(third != listened && third != locked);
    }
}
