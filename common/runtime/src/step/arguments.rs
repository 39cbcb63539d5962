//! The shared flags, and how a command line is read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use chrono_tz::Tz;
use clap::error::ErrorKind;
use clap::{Arg, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::findings::Findings;
use super::telemetry::{self, Log};
use crate::failure::{self, Failure};
use crate::retry::Budget;

/// The file whose text Kubernetes shows.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Verbs that do not refuse all settings that are wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exceptions {
    /// They work with the defaults of those that are wrong, and fail after it.
    pub tolerant: &'static [&'static str],
    /// They are part of no workflow, and check their own settings alone.
    pub independent: &'static [&'static str],
}

/// Adds the flags that every step takes.
pub fn with_shared(command: clap::Command) -> clap::Command {
    Shared::augment_args(command)
}

/// Name of the workflow of a step that is run by hand.
const MANUAL: &str = "manual";

/// The command line of a step with verbs `V`.
#[derive(Debug, Parser)]
#[command(version, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Cli<V: Subcommand> {
    #[command(flatten)]
    pub(super) shared: Shared,
    #[command(subcommand)]
    pub(super) verb: V,
}

/// What every step takes.
#[derive(Clone, Debug, Args)]
pub(super) struct Shared {
    /// Root of everything that Alameda writes: a folder, a file:// URL, or s3://BUCKET/PREFIX
    #[arg(
        long,
        env = "STORE_URL",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) store_url: Option<String>,

    /// Name of the workflow that runs this step
    #[arg(long, env = "ALAMEDA_WORKFLOW", default_value = MANUAL, global = true, help_heading = "Shared options")]
    pub(super) workflow: String,

    /// Whether finished work with the same fingerprint is reused, or done again
    #[arg(
        long,
        env = "ALAMEDA_CACHE",
        default_value = "use",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) cache: Cache,

    /// Folder for output parameters, one small file each [default: /work/out, or a new temporary
    /// folder if there is no /work]
    #[arg(
        long,
        env = "ALAMEDA_OUT",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) out: Option<PathBuf>,

    /// Scratch folder for spilled data [default: /work, or the system's temporary folder if there
    /// is no /work]
    #[arg(
        long,
        env = "ALAMEDA_WORK",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) work: Option<PathBuf>,

    /// Memory budget, such as 512MiB [default: 70 % of the container's limit; 1GiB if it has none]
    #[arg(
        long,
        env = "ALAMEDA_MEMORY",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) memory: Option<Bytes>,

    /// Disk budget of the scratch folder, such as 10GiB [default: 95 % of its free space]
    #[arg(
        long,
        env = "ALAMEDA_DISK",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) disk: Option<Bytes>,

    /// Shards processed at the same time [default: the cores that the container may use]
    #[arg(long, env = "ALAMEDA_THREADS", value_parser = threads, global = true, help_heading = "Shared options")]
    pub(super) threads: Option<usize>,

    /// How long a failing call to a service is retried, such as 30s
    #[arg(
        long,
        env = "ALAMEDA_RETRY_BUDGET",
        default_value = "30s",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) retry_budget: Budget,

    /// Time zone in which an instant is truncated to its date
    #[arg(
        long,
        env = "ALAMEDA_TIMEZONE",
        default_value = "Etc/UTC",
        value_parser = timezone,
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) timezone: Tz,

    /// Format of the logs on stderr
    #[arg(
        long,
        env = "ALAMEDA_LOG",
        default_value = "auto",
        global = true,
        help_heading = "Shared options"
    )]
    pub(super) log: Log,

    /// File for Argo's progress lines
    #[arg(long, env = "ARGO_PROGRESS_FILE", hide = true, global = true)]
    pub(super) progress_file: Option<PathBuf>,

    /// File for the reason of a failure, which Kubernetes shows
    #[arg(
        long,
        env = "ALAMEDA_TERMINATION_LOG",
        default_value = TERMINATION_LOG,
        hide = true,
        hide_default_value = true,
        global = true
    )]
    pub(super) termination_log: Option<PathBuf>,
}

impl Shared {
    /// Whether the step is run by hand.
    pub(super) fn is_manual(&self) -> bool {
        self.workflow == MANUAL
    }

    /// Of work outside of a workflow, with the scratch folder `work`.
    pub(super) fn outside(work: &Path) -> Self {
        Self {
            store_url: None,
            workflow: MANUAL.to_owned(),
            cache: Cache::Use,
            out: None,
            work: Some(work.to_owned()),
            memory: None,
            disk: None,
            threads: None,
            retry_budget: Budget::default(),
            timezone: Tz::UTC,
            log: Log::Text,
            progress_file: None,
            termination_log: None,
        }
    }

    /// Over the folder `home`, with two threads.
    pub(super) fn for_test(home: &Path) -> Self {
        Self {
            store_url: Some(home.join("store").display().to_string()),
            workflow: "test".to_owned(),
            cache: Cache::Use,
            out: Some(home.join("out")),
            work: Some(home.join("work")),
            memory: None,
            disk: None,
            threads: Some(2),
            retry_budget: Budget::default(),
            timezone: Tz::UTC,
            log: Log::Text,
            progress_file: None,
            termination_log: None,
        }
    }
}

/// Whether finished work is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cache {
    /// Use finished work of the same fingerprint.
    Use,
    /// Do it again, and swap the manifest.
    Refresh,
}

/// A text that is taken as it is, `{{` included: what a failed workflow says of itself may quote
/// anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verbatim(pub String);

impl FromStr for Verbatim {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// A number of bytes, such as `512MiB`, `2Gi` or `1000000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(u64);

impl Bytes {
    pub(super) fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match text[digits.len()..].trim_end_matches(['B', 'b']) {
            "" => 1,
            "Ki" | "K" | "k" => 1 << 10,
            "Mi" | "M" => 1 << 20,
            "Gi" | "G" => 1 << 30,
            _ => 0,
        };
        let bytes = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|bytes| *bytes > 0);
        bytes
            .map(Self)
            .ok_or_else(|| "give a number of bytes, such as 512MiB".to_owned())
    }
}

/// A time zone by its name.
///
/// # Errors
/// What to give instead.
pub fn timezone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        "give a name of the IANA time zone database, such as Europe/Berlin or Etc/UTC".to_owned()
    })
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err("give a number from 1 to 1024".to_owned()),
    }
}

/// Reads a command line as the contract says: `@FILE` values from files, empty values as not given,
/// and nothing that still holds `{{`. Gives the verb's name too.
pub(super) fn parse<V: Subcommand>(
    command: clap::Command,
    line: impl IntoIterator<Item = OsString>,
) -> Result<(String, Cli<V>)> {
    let mut expanded = Vec::new();
    for argument in line {
        match argument.into_string() {
            Ok(text) => expanded.extend(expand(text)?.map(OsString::from)),
            Err(other) => expanded.push(other),
        }
    }
    let matches = command.try_get_matches_from(expanded)?;
    refuse_unfilled(&matches)?;
    let verb = matches.subcommand_name().unwrap_or_default().to_owned();
    Ok((verb, Cli::from_arg_matches(&matches)?))
}

/// One argument, its `@FILE` read; `None` when it is a flag with an empty value.
fn expand(argument: String) -> Result<Option<String>> {
    let (flag, value) = match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (Some(flag), value),
        _ => (None, argument.as_str()),
    };
    let Some(file) = value.strip_prefix('@') else {
        return Ok((flag.is_none() || !value.is_empty()).then_some(argument));
    };
    let content = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!(
            "the argument {argument:?} asks to read {file}: {error}"
        ))
    })?;
    let content = content.strip_suffix('\n').unwrap_or(&content);
    Ok(match flag {
        Some(_) if content.is_empty() => None,
        Some(flag) => Some(format!("{flag}={content}")),
        None => Some(content.to_owned()),
    })
}

/// Looks at what was given by flag and by variable alike.
fn refuse_unfilled(matches: &clap::ArgMatches) -> Result<()> {
    for id in matches.ids() {
        let Ok(Some(values)) = matches.try_get_raw(id.as_str()) else {
            continue;
        };
        if matches.try_get_one::<Verbatim>(id.as_str()).is_ok() {
            continue;
        }
        if let Some(value) = values
            .into_iter()
            .find_map(|value| value.to_str().filter(|text| text.contains("{{")))
        {
            let flag = id.as_str().replace('_', "-");
            return Err(Failure::usage(format!(
                "--{flag} is {value:?}: the workflow did not fill it in; give the parameter it names"
            )));
        }
    }
    match matches.subcommand() {
        Some((_, matches)) => refuse_unfilled(matches),
        None => Ok(()),
    }
}

/// A command line that was read.
pub(super) struct Read<V: Subcommand> {
    pub(super) verb: String,
    pub(super) cli: Cli<V>,
    /// What is wrong with settings in spite of which the verb works.
    pub(super) wrong: Option<String>,
    /// Names in the ConfigMap that nothing reads.
    pub(super) unread: Vec<String>,
}

/// Reads a command line, given what is wrong with the settings in the environment.
///
/// # Errors
/// All settings that are wrong, together with what is wrong with the line; help that was asked for.
#[expect(clippy::disallowed_methods, reason = "what flags are read with")]
pub(super) fn read<V: Subcommand>(
    command: clap::Command,
    line: &[OsString],
    mut findings: Findings,
    exceptions: Exceptions,
) -> Result<Read<V>> {
    let is_left_out = |name: &str| {
        std::env::var_os(name).is_some_and(|value| value.is_empty())
            || findings.problems.iter().any(|problem| problem.name == name)
    };
    let lenient = without_variables(command.clone(), &is_left_out);
    let parsed = parse::<V>(lenient, line.iter().cloned());
    let is_help = |error: &anyhow::Error| {
        let error = error.downcast_ref::<clap::Error>();
        error.is_some_and(|error| error.exit_code() == 0)
    };
    let (verb, cli) = match parsed {
        Err(error) if findings.problems.is_empty() || is_help(&error) => return Err(error),
        Err(error) => {
            let text = findings.message().unwrap_or_default();
            return Err(Failure::usage(format!("{text}; and {}", text_of(&error))));
        }
        Ok(parsed) => parsed,
    };
    let is = |verbs: &[&str]| verbs.contains(&verb.as_str());
    if is(exceptions.independent) {
        let own = variables_of(&command, &verb);
        findings
            .problems
            .retain(|problem| own.contains(&problem.name));
    }
    match findings.message() {
        Some(text) if !is(exceptions.tolerant) => Err(Failure::usage(text)),
        wrong => Ok(Read {
            verb,
            cli,
            wrong,
            unread: findings.unread,
        }),
    }
}

/// The command without the variables of some names: their flags have their defaults.
fn without_variables(command: clap::Command, left_out: &impl Fn(&str) -> bool) -> clap::Command {
    let clear = |flag: Arg| {
        let name = flag.get_env().and_then(|name| name.to_str());
        match name.is_some_and(left_out) {
            true => flag.env(None::<&'static str>),
            false => flag,
        }
    };
    command
        .mut_args(clear)
        .mut_subcommands(|verb| verb.mut_args(clear))
}

fn variables_of(command: &clap::Command, verb: &str) -> Vec<String> {
    let verb = command.find_subcommand(verb);
    let flags = command
        .get_arguments()
        .chain(verb.into_iter().flat_map(clap::Command::get_arguments));
    flags
        .filter_map(|flag| Some(flag.get_env()?.to_str()?.to_owned()))
        .collect()
}

/// What is wrong with a command line, without its usage, in one line.
pub fn refusal(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "the verb is missing: --help shows them".to_owned();
    }
    let text = error.to_string();
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

fn text_of(error: &anyhow::Error) -> String {
    match error.downcast_ref::<clap::Error>() {
        Some(error) => refusal(error),
        None => format!("{error:#}"),
    }
}

/// Prints help, or says what is wrong with the command line where failures are looked for; gives
/// the exit code.
pub(super) fn report(error: &anyhow::Error, line: &[OsString]) -> u8 {
    let of_clap = error.downcast_ref::<clap::Error>();
    if let Some(help) = of_clap.filter(|error| error.exit_code() == 0) {
        // There is nobody left to read it when the terminal is gone.
        let _ = help.print();
        return 0;
    }
    // The flags themselves could not be read.
    let log = given(line, "--log", "ALAMEDA_LOG");
    let log = log.and_then(|log| Log::from_str(log.to_str()?, true).ok());
    let log = log.unwrap_or(Log::Auto);
    let file = given(line, "--termination-log", "ALAMEDA_TERMINATION_LOG");
    let file = PathBuf::from(file.unwrap_or_else(|| TERMINATION_LOG.into()));
    let text = text_of(error);
    match of_clap {
        // With colours and the usage.
        Some(error) if telemetry::is_text(log) => {
            let _ = error.print();
        }
        _ => {
            telemetry::init(log);
            telemetry::print_failure(&text, failure::USAGE, telemetry::is_text(log));
        }
    }
    telemetry::write_message(&text, Some(&file));
    failure::USAGE
}

/// A flag's value as given on the line, else by its variable.
#[expect(clippy::disallowed_methods, reason = "what flags are read with")]
fn given(line: &[OsString], flag: &str, variable: &str) -> Option<OsString> {
    let mut words = line.iter().filter_map(|word| word.to_str());
    let mut found = None;
    while let Some(word) = words.next() {
        match word.strip_prefix(flag) {
            Some("") => found = words.next().map(OsString::from),
            Some(value) if value.starts_with('=') => found = Some(value[1..].into()),
            _ => {}
        }
    }
    let found = found.or_else(|| std::env::var_os(variable));
    found.filter(|value| !value.is_empty())
}
