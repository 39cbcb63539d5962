//! What is between the runner and a leaf's program: it ties the program's life to the runner's,
//! then becomes it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Name under which this binary is the emissary.
pub(crate) const NAME: &str = "alameda-emissary";
/// Argo's exit code when the program can't be started.
const CANNOT_START: u8 = 64;

/// The command that runs `program`: its own process group, ended when the calling thread or the
/// runner ends.
pub(crate) fn command(program: &[String], termination_log: &Path) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg0(NAME)
        .arg(std::process::id().to_string())
        .arg(termination_log)
        .args(program)
        .process_group(0);
    Ok(command)
}

/// Becomes the program of its arguments.
pub(crate) fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let runner = arguments
        .next()
        .and_then(|pid| pid.to_str()?.parse::<i32>().ok());
    let termination_log = arguments.next().map(PathBuf::from).unwrap_or_default();
    let program = arguments.next().unwrap_or_default();
    let error = match live_as_long_as(runner) {
        Ok(()) => become_program(&program, arguments, BTreeMap::new()),
        Err(error) => error,
    };
    let text = format!("cannot start {}: {error}", program.display());
    eprintln!("error: {text}");
    // The log has it already.
    let _ = std::fs::write(termination_log, text);
    ExitCode::from(CANNOT_START)
}

/// Has the kernel kill this process when the thread that started it ends, also when the runner is
/// killed.
fn live_as_long_as(runner: Option<i32>) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // It may have died before the line above.
    let parent = rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero);
    if parent.map(std::num::NonZero::get) == runner {
        Ok(())
    } else {
        Err(std::io::Error::other("the runner is gone"))
    }
}

/// Becomes the program that the first argument names, if it names one: only returns when that
/// fails. `dashboard` without a verb is the runner's own command.
pub(crate) fn become_step(arguments: impl Iterator<Item = OsString>) -> Option<std::io::Error> {
    let mut arguments = arguments.peekable();
    let program = arguments
        .next()
        .filter(|name| name.to_str().and_then(programs::find).is_some())?;
    if *program == *programs::DASHBOARD.name && arguments.peek().is_none_or(|verb| verb != "serve")
    {
        return None;
    }
    Some(become_program(&program, arguments, BTreeMap::new()))
}

/// Takes further variables along; only returns when it fails.
pub(crate) fn become_program(
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
    variables: BTreeMap<String, String>,
) -> std::io::Error {
    let mut command = match program.to_str().and_then(programs::find) {
        Some(_) => match std::env::current_exe() {
            Ok(executable) => Command::new(executable),
            Err(error) => return error,
        },
        None => Command::new(program),
    };
    command.arg0(program).args(arguments).envs(variables).exec()
}
