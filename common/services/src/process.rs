//! A server process that ends with the process that started it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Time for a server to get ready; a machine that compiles beside it is slow.
const READY: Duration = Duration::from_secs(300);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// Runs a program in a session of its own and ends all of it, with the signal `$1`, once stdin
/// closes. It closes when the starting process ends, however it ends.
const KEEPER: &str = r#"
    signal=$1; shift
    exec 3<&0
    setsid "$@" 3<&- </dev/null & server=$!
    ( read -r _ <&3; kill -s "$signal" -- "-$server" 2>/dev/null; sleep 5; kill -s KILL -- "-$server" 2>/dev/null ) >/dev/null 2>&1 &
    keeper=$!
    wait "$server"; code=$?
    kill "$keeper" 2>/dev/null
    exit "$code"
"#;

/// A running server, ended when it is dropped, and also when the process that started it is killed.
pub struct Server {
    name: &'static str,
    keeper: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, to be ended by `signal`; what it prints goes to a file in `folder`.
    pub fn start(
        name: &'static str,
        command: &Command,
        signal: &str,
        folder: &Path,
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let printed = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "keeper", signal])
            .arg(command.get_program())
            .args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(variable, value),
                None => keeper.env_remove(variable),
            };
        }
        keeper
            .stdin(Stdio::piped())
            .stdout(printed.try_clone()?)
            .stderr(printed);
        let keeper = keeper.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { name, keeper, log })
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// A server that ended, or was not ready in time: with what it printed.
    pub fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        while !ready() {
            if let Some(status) = self.keeper.try_wait()? {
                bail!(
                    "{} ended ({status}) before it was ready:\n{}",
                    self.name,
                    self.printed()
                );
            }
            if started.elapsed() > READY {
                bail!(
                    "{} was not ready after {READY:?}:\n{}",
                    self.name,
                    self.printed()
                );
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Ends it, and waits until it has ended.
    pub fn stop(&mut self) {
        // Closing its stdin is the signal; a keeper that has ended needs none.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Status of a plain `GET`, without waiting for more; `None` while nobody answers.
pub fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..12]).ok()?.parse().ok()
}

/// `127.0.0.1` and a port.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a process is there, and no zombie.
    fn runs(id: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.starts_with("State:") && !line.contains("zombie"))
    }

    #[test]
    fn a_server_ends_with_all_its_processes() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let mut server = Server::start("sleeper", &command, "TERM", folder.path()).unwrap();
        let log = folder.path().join("sleeper.log");
        server
            .wait_until(|| std::fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n')))
            .unwrap();
        let child = server.printed().trim().to_owned();
        assert!(runs(&child));
        server.stop();
        let gone = Instant::now();
        while runs(&child) {
            assert!(gone.elapsed() < READY, "process {child} is still there");
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn a_server_that_ends_early_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such option; exit 3"]);
        let mut server = Server::start("broken", &command, "TERM", folder.path()).unwrap();
        let error = server.wait_until(|| false).unwrap_err().to_string();
        assert!(
            error.contains("broken ended") && error.contains("no such option"),
            "{error}"
        );
    }
}
