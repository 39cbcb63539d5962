//! One attempt of a leaf: a child process with a folder of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use argo::config_maps::ConfigMaps;
use argo::spec::{ConfigMapSource, Container, DEADLINE, Parameter, Parameters, Volume};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::emissary;
use crate::workflow::{self, Phase};

/// How long a step may take to stop after SIGTERM; the steps give themselves 10 s.
const GRACE: Duration = Duration::from_secs(12);
/// How often a process is looked at: often when it is young, so that short steps end soon and their
/// memory is seen.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// As much of a failure's text as Kubernetes keeps.
const MESSAGE_BYTES: usize = 4096;

/// What happens while leaves run.
#[derive(Debug)]
pub(crate) enum Event {
    /// A leaf wrote its progress.
    Progress {
        /// Id of the node.
        id: String,
        /// `N/M`
        progress: String,
    },
    /// A leaf ended.
    Ended {
        /// Id of the node.
        id: String,
        /// How.
        outcome: Outcome,
    },
    /// A person answered a gate, or went away.
    Answered {
        /// Id of the node.
        id: String,
        /// Its supplied outputs; `None` when the terminal gave no more.
        outputs: Option<Vec<Parameter>>,
    },
    /// A signal asks the runner to stop.
    Stop {
        /// Number of the signal.
        signal: u8,
    },
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Succeeded, Failed, or Error when it could not run.
    pub phase: Phase,
    /// Why it failed, in Argo's words.
    pub message: String,
    /// 128 + signal when it was killed.
    pub exit_code: Option<i32>,
    /// Largest resident memory as last seen, in bytes.
    pub peak_memory: Option<u64>,
}

/// What the thread of a leaf is asked to do: 0 go on, 1 terminate, 2 kill.
#[derive(Debug, Default)]
pub(crate) struct Control(AtomicU8);

impl Control {
    /// Asks for the end; asking again does not wait for the time of grace.
    pub(crate) fn stop(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Addresses that every leaf gets.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// `STORE_URL`
    pub store_url: String,
    /// `RAW_URL`
    pub raw_url: String,
}

/// A program with its folder and variables.
#[derive(Debug)]
pub(crate) struct Leaf {
    id: String,
    folder: PathBuf,
    program: Vec<String>,
    env: BTreeMap<String, String>,
    deadline: Option<Duration>,
}

/// Folders of a node; each but `inputs` is one of the container's.
const FOLDERS: [&str; 5] = ["inputs", "outputs", "work", "tmp", "config"];

/// The kernel takes no longer argument than 128 KiB; Argo puts those into files too.
const LONGEST_ARGUMENT: usize = 100_000;

/// The argument, or `@FILE` in place of a value that is too long.
fn offloaded(argument: &str, file: &Path) -> std::io::Result<String> {
    if argument.len() <= LONGEST_ARGUMENT {
        return Ok(argument.to_owned());
    }
    let (flag, value) = match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (format!("{flag}="), value),
        _ => (String::new(), argument),
    };
    fs::write(file, value)?;
    Ok(format!("{flag}@{}", file.display()))
}

impl Leaf {
    /// Makes the folder of an attempt, with everything that its program finds there.
    ///
    /// # Errors
    ///
    /// Says what is missing, such as a ConfigMap; trying again would not help.
    pub(crate) fn prepare(
        id: &str,
        folder: PathBuf,
        container: &Container,
        volumes: &[Volume],
        inputs: &Parameters,
        maps: &ConfigMaps,
        addresses: &Addresses,
    ) -> Result<Self, String> {
        let writing =
            |error: std::io::Error| format!("cannot write to {}: {error}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(writing)?;
        }
        for name in FOLDERS {
            fs::create_dir_all(folder.join(name)).map_err(writing)?;
        }
        for input in &inputs.parameters {
            let value = input.value.as_deref().unwrap_or_default();
            fs::write(folder.join("inputs").join(&input.name), value).map_err(writing)?;
        }
        for (key, text) in mounted(container, volumes, maps)? {
            fs::write(folder.join("config").join(key), text).map_err(writing)?;
        }
        fs::write(folder.join("termination-log"), "").map_err(writing)?;
        fs::write(folder.join("phase"), "Running\n").map_err(writing)?;

        let mut program = container.command.clone();
        for (index, argument) in container.args.iter().enumerate() {
            program.push(
                offloaded(argument, &folder.join(format!("argument-{index}"))).map_err(writing)?,
            );
        }
        if program.is_empty() {
            return Err(
                "the container has no command: Argo can read it from the image, this runner can't"
                    .to_owned(),
            );
        }
        let mut env = variables(container, maps)?;
        env.insert("STORE_URL".to_owned(), addresses.store_url.clone());
        env.insert("RAW_URL".to_owned(), addresses.raw_url.clone());
        env.insert("ALAMEDA_LOG".to_owned(), "text".to_owned());
        for (name, file) in [
            ("ALAMEDA_OUT", "outputs"),
            ("ALAMEDA_WORK", "work"),
            ("ALAMEDA_CONFIG", "config"),
            ("TMPDIR", "tmp"),
            ("ARGO_PROGRESS_FILE", "progress"),
            ("ALAMEDA_TERMINATION_LOG", "termination-log"),
        ] {
            env.insert(name.to_owned(), folder.join(file).display().to_string());
        }
        Ok(Self {
            id: id.to_owned(),
            folder,
            program,
            env,
            deadline: None,
        })
    }

    /// Ends the attempt after so long.
    pub(crate) fn with_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Id of the node.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Runs it on a thread of its own, which says how it ended.
    #[expect(clippy::disallowed_methods, reason = "what is handed on to a step")]
    pub(crate) fn start(mut self, threads: usize, control: Arc<Control>, events: Sender<Event>) {
        if std::env::var_os("ALAMEDA_THREADS").is_none() {
            self.env
                .entry("ALAMEDA_THREADS".to_owned())
                .or_insert(threads.to_string());
        }
        // The thread lives as long as the process: the kernel ends a process with the thread that
        // started it.
        thread::spawn(move || {
            let outcome = match self.spawn() {
                Ok(child) => self.watch(child, &control, &events),
                Err(error) => Outcome {
                    phase: Phase::Error,
                    message: format!("cannot start {}: {error}", self.program[0]),
                    exit_code: None,
                    peak_memory: None,
                },
            };
            // What it spilled is of no use to anybody now, as with the volumes of a pod.
            for scratch in ["work", "tmp"] {
                let _ = fs::remove_dir_all(self.folder.join(scratch));
            }
            // Nobody listens when the runner is on its way out.
            let _ = events.send(Event::Ended {
                id: self.id,
                outcome,
            });
        });
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let log = File::create(self.folder.join("log"))?;
        emissary::command(&self.program, &self.folder.join("termination-log"))?
            // As in the images: glibc's many arenas would keep what the threads of a step have
            // freed.
            .env("MALLOC_ARENA_MAX", "2")
            .envs(&self.env)
            .current_dir(self.folder.join("work"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    fn watch(&self, mut child: Child, control: &Control, events: &Sender<Event>) -> Outcome {
        let pid = Pid::from_child(&child);
        let started = Instant::now();
        let (mut peak_memory, mut progress, mut stopping, mut overdue) =
            (None, String::new(), None, false);
        // Looked at without reaping: until then no other process can get the number that is killed
        // below.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while let Ok(None) = waitid(WaitId::Pid(pid), options) {
            peak_memory = peak_memory.max(resident_peak(pid));
            if let Ok(text) = fs::read_to_string(self.folder.join("progress"))
                && workflow::progress(&text).is_some()
                && text.trim() != progress
            {
                progress = text.trim().to_owned();
                let _ = events.send(Event::Progress {
                    id: self.id.clone(),
                    progress: progress.clone(),
                });
            }
            overdue |= self
                .deadline
                .is_some_and(|deadline| started.elapsed() > deadline);
            let level = control.0.load(Ordering::Relaxed);
            if level > 0 || overdue {
                let since = *stopping.get_or_insert_with(|| {
                    signal_group(pid, Signal::TERM);
                    Instant::now()
                });
                if level > 1 || since.elapsed() > GRACE {
                    signal_group(pid, Signal::KILL);
                }
            }
            thread::sleep((started.elapsed() / 20).clamp(POLL.0, POLL.1));
        }
        // A container ends with its first process, and so does everything that this one left
        // behind.
        signal_group(pid, Signal::KILL);
        let exit_code = child.wait().ok().map(|status| {
            status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal))
                .unwrap_or(1)
        });
        let (phase, message) = match exit_code {
            Some(0) => (Phase::Succeeded, String::new()),
            Some(_) if overdue => (Phase::Failed, DEADLINE.to_owned()),
            Some(code) => (Phase::Failed, failure(code, &self.folder)),
            None => (Phase::Error, "the process was lost".to_owned()),
        };
        Outcome {
            phase,
            message,
            exit_code,
            peak_memory,
        }
    }
}

/// A failure in the words of Argo, with the text that the step left for it.
fn failure(code: i32, folder: &Path) -> String {
    let text = fs::read(folder.join("termination-log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[..text.len().min(MESSAGE_BYTES)])
        .trim()
        .to_owned();
    let message = format!("main: Error (exit code {code})");
    if text.is_empty() {
        message
    } else {
        format!("{message}: {text}")
    }
}

fn signal_group(pid: Pid, signal: Signal) {
    // It fails only when the group is gone, which is what was wanted.
    let _ = kill_process_group(pid, signal);
}

/// Largest resident memory of a process so far, in bytes.
fn resident_peak(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    // It is 0 while the emissary becomes the program.
    line.trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()
        .filter(|kib| *kib > 0)
        .map(|kib| kib * 1024)
}

/// The files of the ConfigMap that is mounted at `/config`.
fn mounted<'a>(
    container: &Container,
    volumes: &[Volume],
    maps: &'a ConfigMaps,
) -> Result<Vec<(&'a String, &'a String)>, String> {
    let mut files = Vec::new();
    for mount in &container.volume_mounts {
        let volume = volumes.iter().find(|volume| volume.name == mount.name);
        match (
            volume.and_then(|volume| volume.config_map.as_ref()),
            mount.mount_path.as_str(),
        ) {
            (None, "/work" | "/tmp") if volume.is_some_and(|volume| volume.empty_dir.is_some()) => {
            }
            (Some(source), "/config") => files.extend(keys(maps, source)?.into_iter().flatten()),
            (_, path) => {
                return Err(format!(
                    "the volume `{}` at {path} is not supported: an emptyDir at /work or /tmp, or a configMap at /config",
                    mount.name
                ));
            }
        }
    }
    Ok(files)
}

fn keys<'a>(
    maps: &'a ConfigMaps,
    source: &ConfigMapSource,
) -> Result<Option<&'a BTreeMap<String, String>>, String> {
    match maps.get(&source.name) {
        None if !source.optional => Err(format!(
            "configmap \"{}\" not found: {}",
            source.name,
            maps.known()
        )),
        found => Ok(found),
    }
}

/// Variables by `envFrom` and `env`; the last one of a name wins, and `env` over `envFrom`.
#[expect(clippy::disallowed_methods, reason = "what is handed on to a step")]
fn variables(container: &Container, maps: &ConfigMaps) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    let identifier = |key: &&String| {
        !key.starts_with(|c: char| c.is_ascii_digit())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    for source in container
        .env_from
        .iter()
        .filter_map(|source| source.config_map_ref.as_ref())
    {
        for (key, value) in keys(maps, source)?
            .into_iter()
            .flatten()
            .filter(|(key, _)| identifier(key))
        {
            variables.insert(key.clone(), value.clone());
        }
    }
    for env in &container.env {
        let from = env.value_from.as_ref();
        if let Some(source) = from.and_then(|from| from.config_map_key_ref.as_ref()) {
            let key = source.key.as_deref().unwrap_or_default();
            match keys(maps, source)?.and_then(|keys| keys.get(key)) {
                Some(value) => drop(variables.insert(env.name.clone(), value.clone())),
                None if source.optional => {}
                None => return Err(format!("configmap \"{}\" has no key `{key}`", source.name)),
            }
        } else if let Some(source) = from.and_then(|from| from.secret_key_ref.as_ref()) {
            if std::env::var_os(&env.name).is_none() && !source.optional {
                return Err(format!(
                    "the secret \"{}\" is not here: set the variable {} instead",
                    source.name, env.name
                ));
            }
        } else {
            variables.insert(env.name.clone(), env.value.clone().unwrap_or_default());
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_the_kernel_would_refuse_goes_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("argument-0");
        let long = "x=".repeat(LONGEST_ARGUMENT);
        assert_eq!(offloaded("--name=short", &file).unwrap(), "--name=short");
        let given = offloaded(&format!("--failures={long}"), &file).unwrap();
        assert_eq!(given, format!("--failures=@{}", file.display()));
        assert_eq!(fs::read_to_string(&file).unwrap(), long);
    }
}
