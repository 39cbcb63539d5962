//! Keeps `docs/contract.md` true: its tables of flags and outputs are made from the steps' own
//! command lines and from `workflows/steps/`; and the table of settings in `config-maps/README.md`.

use argo::config_maps::built_in;
use argo::library::{Library, Source};
use clap::Arg;
use testing::generated::keep;

/// Verbs that serve, and so are in no workflow.
const SERVERS: [&str; 1] = ["dashboard-serve"];

#[test]
fn the_contract_has_the_flags_and_outputs_of_every_step() {
    keep("docs/contract.md", &tables()).unwrap();
}

#[test]
fn the_readme_of_the_configuration_has_every_setting() {
    keep("config-maps/README.md", &settings()).unwrap();
}

/// The settings that `ml-config.yaml` holds, those in comments too, in its order and below its
/// headings: defaults and meanings are those of the flags that read them.
fn settings() -> String {
    let file = built_in("ml-config.yaml").unwrap();
    let (_, data) = file.split_once("\ndata:\n").unwrap();
    let mut text = "\n| setting | default | meaning | read by |\n|---|---|---|---|\n".to_owned();
    for line in data.lines() {
        let line = line.trim_start().trim_start_matches("# ");
        let Some((name, _)) = line.split_once(':') else {
            continue;
        };
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        if !name.chars().all(is_name) {
            continue;
        }
        text += &setting(name);
    }
    text
}

/// One line of the table of settings.
fn setting(name: &str) -> String {
    let (mut row, mut readers) = (None, Vec::new());
    for step in programs::all() {
        let command = (step.command)();
        let mut verbs = Vec::new();
        for verb in command.get_subcommands().filter(|of| !of.is_hide_set()) {
            let flags = verb.get_arguments();
            let named = |flag: &&Arg| flag.get_env().is_some_and(|env| env == name);
            let Some(flag) = flags.filter(|flag| !flag.is_global_set()).find(named) else {
                continue;
            };
            row = row.or_else(|| Some(cells(flag)));
            verbs.push(format!("`{}`", verb.get_name()));
        }
        if !verbs.is_empty() {
            readers.push(format!("{} {}", step.name, verbs.join(", ")));
        }
    }
    let shared = (programs::STEPS[0].command)();
    let named = |flag: &&Arg| flag.get_env().is_some_and(|env| env == name);
    if let Some(flag) = shared.get_arguments().find(named) {
        row = Some(cells(flag));
        readers.push("every step".to_owned());
    }
    let [default, meaning] = row.unwrap_or_else(|| panic!("no step reads {name}"));
    format!(
        "| `{name}` | {default} | {meaning} | {} |\n",
        readers.join("; ")
    )
}

fn tables() -> String {
    let shared = (programs::STEPS[0].command)();
    let shared: Vec<&Arg> = shared
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .collect();
    let mut text = format!("\n### Shared by every step\n\n{}", table(&shared));
    for step in programs::all() {
        text += &format!("\n### {}\n", step.name);
        let command = (step.command)();
        for verb in command.get_subcommands().filter(|of| !of.is_hide_set()) {
            let about = verb
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            text += &format!("\n`{} {}`: {about}.\n", step.name, verb.get_name());
            let flags: Vec<&Arg> = verb
                .get_arguments()
                .filter(|arg| !arg.is_global_set())
                .collect();
            if !flags.is_empty() {
                text += &format!("\n{}", table(&flags));
            }
            text += &format!(
                "\n{}\n",
                outputs(&format!("{}-{}", step.name, verb.get_name()))
            );
        }
    }
    text
}

fn table(flags: &[&Arg]) -> String {
    let mut text = "| flag | variable | default | meaning |\n|---|---|---|---|\n".to_owned();
    for flag in flags
        .iter()
        .filter(|flag| !flag.is_hide_set() && !matches!(flag.get_id().as_str(), "help" | "version"))
    {
        let name = flag.get_long().unwrap_or_default();
        let variable = flag
            .get_env()
            .map(|env| format!("`{}`", env.display()))
            .unwrap_or_default();
        let [default, meaning] = cells(flag);
        text += &format!("| `--{name}` | {variable} | {default} | {meaning} |\n");
    }
    text
}

/// The default of a flag, and its meaning with the values that it may have.
fn cells(flag: &Arg) -> [String; 2] {
    let default = match flag.get_default_values() {
        [value] if flag.get_action().takes_values() && !value.is_empty() => {
            format!("`{}`", value.display())
        }
        _ if flag.is_required_set() => "required".to_owned(),
        _ => String::new(),
    };
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<String> = match flag.get_action().takes_values() {
        true => flag
            .get_possible_values()
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect(),
        false => Vec::new(),
    };
    let choices = if choices.is_empty() {
        String::new()
    } else {
        format!(": {}", choices.join(", "))
    };
    [default, format!("{}{choices}", help.replace('|', "\\|"))]
}

/// The outputs that a leaf declares.
fn outputs(template: &str) -> String {
    let library = Library::load(&Source::Embedded).unwrap();
    let leaf = library.leaves().find(|leaf| leaf.name == template);
    let Some(leaf) = leaf else {
        assert!(
            SERVERS.contains(&template),
            "workflows/steps/ has no leaf {template}"
        );
        return "No workflow runs it, and it has no outputs.".to_owned();
    };
    let mut names: Vec<String> = leaf
        .outputs
        .parameters
        .iter()
        .map(|output| format!("`{}`", output.name))
        .collect();
    names.extend(
        leaf.outputs
            .artifacts
            .iter()
            .map(|artifact| format!("artifact `{}`", artifact.name)),
    );
    if names.is_empty() {
        "No outputs.".to_owned()
    } else {
        format!("Outputs: {}.", names.join(", "))
    }
}
