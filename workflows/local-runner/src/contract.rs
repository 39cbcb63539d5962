//! Keeps `docs/contract.md` true: its tables of flags and outputs are made from the steps' own
//! command lines and from `workflows/steps/`.

use std::path::Path;

use argo::library::{Library, Source};
use clap::Arg;

const BEGIN: &str = "<!-- made from the code from here; `just accept` writes it anew -->\n";
/// Verbs that serve, and so are in no workflow.
const SERVERS: [&str; 1] = ["dashboard-serve"];
const END: &str = "<!-- to here -->\n";

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "renews what a test compares with"
)]
fn the_contract_tells_the_flags_and_outputs_of_every_step() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let made = tables();
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::write(&file, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        written, made,
        "docs/contract.md is stale: run `just accept` and read what changed"
    );
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
        text += &format!(
            "| `--{name}` | {variable} | {default} | {}{choices} |\n",
            help.replace('|', "\\|")
        );
    }
    text
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
