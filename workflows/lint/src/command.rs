//! Command lines, by the steps' own parsers.

use std::collections::{BTreeMap, BTreeSet};

use argo::raw::{list, text};
use argo::template::{Scope, variables};
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use runtime::step::refusal;
use serde_json::Value;

use super::Linter;
use super::parameters::given;
use super::tags::WORKFLOW;

/// Values for a tag without a default within a longer value, tried in turn until the flag takes
/// one.
const PLAUSIBLE: [&str; 5] = ["a", "1", "models:/a/1", "[]", "2026-11-23"];
/// Required flags whose variables the runner sets for every leaf.
const ADDRESSES: [&str; 2] = ["STORE_URL", "RAW_URL"];

/// The command line of the program of a name.
pub type Commands = fn(&str) -> Option<Command>;

impl<'a> Linter<'a> {
    /// Parses the command line as the step would, with a plausible value for each tag.
    pub(super) fn command_line(
        &mut self,
        command: Command,
        template: &'a Value,
        container: &'a Value,
    ) {
        let Some((flag, what)) = refused(command, self.of.spec, template, container) else {
            return;
        };
        let is_flag = |argument: &Value| {
            argument
                .as_str()
                .is_some_and(|text| text.split('=').next() == Some(&flag))
        };
        let index = list(container, "args").iter().position(is_flag);
        let part = index.map(|i| format!("[{i}]")).unwrap_or_default();
        self.at(&part, |l| l.find("command-line", what));
    }
}

/// Why the step of a leaf refuses a value that a task gives to an input.
pub(super) fn refused_value(
    commands: Commands,
    target: &Value,
    input: &str,
    value: &str,
) -> Option<String> {
    let container = target.get("container")?;
    let program = list(container, "command").first()?.as_str()?;
    let command = commands(program)?;
    let mut given = target.clone();
    let inputs = given.pointer_mut("/inputs/parameters")?.as_array_mut()?;
    let input = inputs
        .iter_mut()
        .find(|other| text(other, "name") == input)?;
    input
        .as_object_mut()?
        .insert("value".to_owned(), value.into());
    let (_, what) = refused(command.clone(), &Value::Null, &given, container)?;
    // Not what is wrong with the leaf itself.
    let without = refused(command, &Value::Null, target, container);
    without.is_none().then_some(what)
}

/// The flag that a step refuses in a leaf's command line, and why.
fn refused(
    command: Command,
    spec: &Value,
    template: &Value,
    container: &Value,
) -> Option<(String, String)> {
    let inputs = Inputs::of(spec, template);
    let words = words(container);
    let is_open = |word: &&Word<'_>| inputs.is_open(word.value());
    let open: BTreeSet<&str> = words.iter().filter(is_open).map(|word| word.flag).collect();
    // Whatever the verb is, its flags are not known here.
    if open.contains("") {
        return None;
    }
    let command = taking_any_value(command, &open);
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    loop {
        // Another rule reports a tag that refers to nothing.
        let line = plausible(command.get_name(), &inputs, &words, &values).ok()?;
        let line = with_addresses(&command, line);
        let error = command.clone().try_get_matches_from(line).err()?;
        let flag = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(flag)) => {
                flag.split([' ', '=']).next().unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        let left = values
            .entry(flag.clone())
            .or_insert_with(|| candidates(&error));
        let value_is_wrong = matches!(
            error.kind(),
            ErrorKind::ValueValidation | ErrorKind::InvalidValue
        );
        // The last one is the one in use.
        if value_is_wrong && left.len() > 1 {
            left.pop();
            continue;
        }
        return Some((flag, refusal(&error)));
    }
}

/// Values to try for what a flag refused, the first one last.
fn candidates(error: &clap::Error) -> Vec<String> {
    let of = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) => {
            let first = valid.first().map_or(PLAUSIBLE[0], String::as_str);
            of(&[first, PLAUSIBLE[0]])
        }
        _ => PLAUSIBLE.map(str::to_owned).into_iter().rev().collect(),
    }
}

/// The command without what it asks of the values of some flags.
fn taking_any_value(command: Command, flags: &BTreeSet<&str>) -> Command {
    let relax = |argument: clap::Arg| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let is_open = long.is_some_and(|long| flags.contains(long.as_str()));
        match is_open && argument.get_action().takes_values() {
            true => argument.value_parser(clap::builder::StringValueParser::new()),
            false => argument,
        }
    };
    command
        .mut_args(relax)
        .mut_subcommands(|verb| verb.mut_args(relax))
}

/// A word of a command line.
struct Word<'a> {
    text: &'a str,
    /// The flag that it gives, or whose value it is; empty for a verb.
    flag: &'a str,
}

impl<'a> Word<'a> {
    /// The value that it gives; empty for a flag whose value is the next word.
    fn value(&self) -> &'a str {
        let after_flag = self.text.strip_prefix(self.flag);
        match after_flag.filter(|_| !self.flag.is_empty()) {
            Some(value) => value.strip_prefix('=').unwrap_or_default(),
            None => self.text,
        }
    }
}

/// The words after the program's name.
fn words(container: &Value) -> Vec<Word<'_>> {
    let (mut words, mut before) = (Vec::new(), "");
    let all = list(container, "command").iter().skip(1);
    let all = all.chain(list(container, "args"));
    for text in all.filter_map(Value::as_str) {
        let is_flag = text.starts_with("--");
        let flag = match text.split_once('=') {
            _ if !is_flag => before,
            Some((flag, _)) => flag,
            None => text,
        };
        before = if is_flag && flag == text { text } else { "" };
        words.push(Word { text, flag });
    }
    words
}

/// What the tags of a command line can name.
struct Inputs {
    /// By its name, the value if it is known before the run.
    values: BTreeMap<String, Option<String>>,
}

impl Inputs {
    fn of(spec: &Value, template: &Value) -> Self {
        let of_run = WORKFLOW
            .into_iter()
            .chain(["retries", "pod.name", "node.name"]);
        let mut values: BTreeMap<_, _> = of_run.map(|name| (name.to_owned(), None)).collect();
        for (of, parameters) in [
            ("inputs", list(template, "inputs.parameters")),
            ("workflow", list(spec, "arguments.parameters")),
        ] {
            for parameter in parameters {
                let default = given(parameter);
                let default = default.filter(|value| !value.is_empty() && !value.contains("{{"));
                let name = format!("{of}.parameters.{}", text(parameter, "name"));
                values.insert(name, default);
            }
        }
        Self { values }
    }

    /// Whether a value is nothing but a tag that the run alone can fill: it may be anything.
    fn is_open(&self, value: &str) -> bool {
        let tag = value
            .strip_prefix("{{")
            .and_then(|tag| tag.strip_suffix("}}"));
        let is_one = tag.is_some_and(|tag| !tag.contains("{{"));
        let is_unknown = |name: &String| self.values.get(name).is_some_and(Option::is_none);
        is_one && variables(value).is_ok_and(|names| names.iter().any(is_unknown))
    }

    /// All of them, with `value` for what is not known.
    fn scope(&self, value: &str) -> Scope {
        let mut scope = Scope::default();
        for (name, known) in &self.values {
            scope.set(name, known.as_deref().unwrap_or(value));
        }
        scope
    }
}

/// The command line with tags filled in: by the input's default, else by a value that was chosen
/// for the flag.
fn plausible(
    program: &str,
    inputs: &Inputs,
    words: &[Word<'_>],
    values: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, String> {
    let mut line = vec![program.to_owned()];
    for word in words {
        let value = values.get(word.flag).and_then(|left| left.last());
        let value = value.map_or(PLAUSIBLE[0], String::as_str);
        let filled = match inputs.is_open(word.value()) {
            true => word.text.replace(word.value(), PLAUSIBLE[0]),
            false => inputs.scope(value).fill(word.text)?,
        };
        // An empty value counts as not given.
        if !(filled.starts_with("--") && filled.ends_with('=')) {
            line.push(filled);
        }
    }
    Ok(line)
}

/// Adds the flags that come by variables of the platform.
pub fn with_addresses(command: &Command, mut line: Vec<String>) -> Vec<String> {
    let verb = line.get(1).and_then(|verb| command.find_subcommand(verb));
    for argument in verb.into_iter().flat_map(Command::get_arguments) {
        let by_variable = argument
            .get_env()
            .and_then(|env| env.to_str())
            .is_some_and(|env| ADDRESSES.contains(&env));
        if let Some(long) = argument.get_long().filter(|_| by_variable) {
            line.push(format!("--{long}=/data"));
        }
    }
    line
}
