//! Settings in ConfigMaps, by the steps' own flags.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command};
use common::postgres::Settings;
use common::store::Environment;

use super::parameters::secret;
use crate::config_maps::ConfigMaps;
use crate::schema::Finding;
use crate::steps::STEPS;

/// A setting that no step knows is a misspelt one, a secret has no place in a ConfigMap, and a value that the step
/// would refuse is refused now.
pub(super) fn check(maps: &ConfigMaps, findings: &mut Vec<Finding>) {
    let flags = flags();
    let database = Settings::VARIABLES.into_iter().map(str::to_owned);
    let settings: Vec<String> = Environment::names().chain(database).collect();
    for (name, keys) in maps.all().filter(|(name, _)| name.starts_with("alameda-")) {
        let is_setting = |key: &str| {
            key.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        for (key, value) in keys.iter().filter(|(key, _)| is_setting(key)) {
            let refused = flags
                .get(key)
                .and_then(|flags| flags.iter().find_map(|flag| refusal(flag, value)));
            let (rule, text) = match (secret(key, value), refused) {
                (Some(why), _) => ("secret", why.to_owned()),
                (None, _) if !flags.contains_key(key) && !settings.contains(key) => {
                    ("setting", "no step reads this variable".to_owned())
                }
                (None, Some(text)) => ("setting-value", text),
                _ => continue,
            };
            let (file, line) = maps.place(name, key);
            findings.push(Finding {
                line,
                ..Finding::new(rule, file, format!("{name}.data.{key}"), text)
            });
        }
    }
}

/// Every flag that a variable sets.
fn flags() -> BTreeMap<String, Vec<Arg>> {
    let mut flags: BTreeMap<String, Vec<Arg>> = BTreeMap::new();
    for step in &STEPS {
        let command = (step.command)();
        for command in std::iter::once(&command).chain(command.get_subcommands()) {
            for flag in command.get_arguments() {
                if let Some(name) = flag.get_env().and_then(|name| name.to_str()) {
                    flags.entry(name.to_owned()).or_default().push(flag.clone());
                }
            }
        }
    }
    flags
}

/// Why a flag does not take a value. An empty one counts as not given.
fn refusal(flag: &Arg, value: &str) -> Option<String> {
    let long = flag
        .get_long()
        .filter(|_| !value.is_empty() && flag.get_action().takes_values())?;
    // Alone: what else the step needs is of no interest here.
    let alone = Arg::new("VALUE")
        .action(ArgAction::Append)
        .allow_hyphen_values(true);
    let alone = alone
        .value_parser(flag.get_value_parser().clone())
        .value_delimiter(flag.get_value_delimiter());
    let error = Command::new("step")
        .no_binary_name(true)
        .arg(alone)
        .try_get_matches_from([value])
        .err()?;
    let message = error
        .to_string()
        .replace("[VALUE]...", "[VALUE]")
        .replace("[VALUE]", &format!("--{long}"));
    let lines: Vec<_> = message
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .map(str::trim)
        .collect();
    Some(lines.join(" ").trim_start_matches("error: ").to_owned())
}
