//! Which settings are wrong: values that their flags refuse, and names that no flag has.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use super::{CONFIG_DIR, DATABASE_VARIABLES, SECRETS, all, contradiction};
use runtime::failure::shortened;
use runtime::spelling;
use runtime::step::{Findings, Problem};
use store::Environment;

/// As much of a refused value as a message holds.
const SHOWN_CHARACTERS: usize = 60;

/// Names in a model's ConfigMap, one file each where it is mounted.
#[derive(Clone, Debug, Default)]
pub struct ConfigMapKeys(BTreeSet<String>);

impl ConfigMapKeys {
    /// The names in the folder where a ConfigMap is mounted; none where there is no such folder.
    pub fn mounted(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        Self(names.collect())
    }

    /// The names that no step reads and that look like no setting.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        let known = known();
        let is_plain = |name: &str| !name.contains('.');
        self.0.iter().map(String::as_str).filter(move |name| {
            is_plain(name) && !known.contains(*name) && misspelt(name, &known).is_none()
        })
    }
}

impl<S: Into<String>> FromIterator<S> for ConfigMapKeys {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

/// All that is wrong with the settings in the environment, in the order of their groups, and with
/// the names in a ConfigMap. An empty value counts as not given.
pub fn wrong(variable: impl Fn(&str) -> Option<OsString>, keys: &ConfigMapKeys) -> Vec<Problem> {
    let flags = all();
    let mut problems = Vec::new();
    for flag in &flags {
        let name = flag.get_env().and_then(|name| name.to_str());
        let Some((name, value)) = name.and_then(|name| Some((name, variable(name)?))) else {
            continue;
        };
        let text = match value.to_str() {
            None => Some(format!("{name} is not UTF-8")),
            Some(value) => refusal(flag, value).map(|advice| {
                format!(
                    "{name} is `{}`: {advice}",
                    shortened(value, SHOWN_CHARACTERS)
                )
            }),
        };
        let name = name.to_owned();
        problems.extend(text.map(|text| Problem { name, text }));
    }
    if problems.is_empty()
        && let Err(error) = contradiction(&variable)
    {
        problems.push(problem_of(&error));
    }
    let known = known();
    for name in keys.0.iter().filter(|name| !name.contains('.')) {
        let text = misspelt(name, &known);
        let name = name.clone();
        problems.extend(text.map(|text| Problem { name, text }));
    }
    problems
}

/// All that is wrong with the settings of this process.
#[expect(clippy::disallowed_methods, reason = "all settings are looked at here")]
pub(super) fn findings() -> Findings {
    let variable = |name: &str| std::env::var_os(name);
    let (name, default) = CONFIG_DIR;
    let folder = variable(name).filter(|folder| !folder.is_empty());
    let keys = ConfigMapKeys::mounted(Path::new(&folder.unwrap_or_else(|| default.into())));
    Findings {
        problems: wrong(variable, &keys),
        unread: keys.unread().map(str::to_owned).collect(),
    }
}

/// Why a flag does not take a value: what to give instead. An empty value counts as not given.
pub fn refusal(flag: &Arg, value: &str) -> Option<String> {
    if value.is_empty() || !flag.get_action().takes_values() {
        return None;
    }
    // Alone: what else a step needs is of no interest here.
    let alone = Arg::new("VALUE")
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .value_parser(flag.get_value_parser().clone())
        .value_delimiter(flag.get_value_delimiter());
    let error = Command::new("settings")
        .no_binary_name(true)
        .arg(alone)
        .try_get_matches_from(["--", value])
        .err()?;
    if let Some(ContextValue::Strings(choices)) = error.get(ContextKind::ValidValue) {
        return Some(format!("give {}", either(choices)));
    }
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    Some(cause.unwrap_or_else(|| "give another value".to_owned()))
}

/// A refusal that begins with the name of the setting.
pub(crate) fn problem_of(error: &anyhow::Error) -> Problem {
    let text = error.to_string();
    let name = text.split(' ').next().unwrap_or_default().to_owned();
    Problem { name, text }
}

/// Whether a step reads a variable of that name.
pub fn is_known(name: &str) -> bool {
    known().contains(name)
}

/// What to say of a name that no flag has, if a setting was meant.
fn misspelt(name: &str, known: &BTreeSet<String>) -> Option<String> {
    if known.contains(name) {
        return None;
    }
    let meant = nearest(&normal(name), known)?;
    Some(format!("{name} is not a setting: did you mean {meant}?"))
}

/// Every name that a step reads.
fn known() -> BTreeSet<String> {
    let flags = all();
    let of_flags = flags.iter().filter_map(|flag| flag.get_env()?.to_str());
    let others = DATABASE_VARIABLES.into_iter().chain(SECRETS);
    of_flags
        .chain(others)
        .map(str::to_owned)
        .chain(Environment::names())
        .collect()
}

fn nearest(normal: &str, known: &BTreeSet<String>) -> Option<String> {
    // Variables of the libraries beneath, of which these are not all.
    if normal.starts_with("AWS_") || normal.starts_with("PG") {
        return None;
    }
    let known = known.iter().map(String::as_str);
    spelling::nearest(normal, known).map(str::to_owned)
}

/// As variables are written.
fn normal(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// `a, b or c`
fn either(choices: &[String]) -> String {
    match choices {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
