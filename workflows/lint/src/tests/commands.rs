//! Command lines whose values only a run knows.

use argo::finding::Finding;

use super::{GOOD, MAP, findings};

/// A file whose last leaf runs `command`; its inputs `plan` and `group` have no default.
fn with_command(command: &str, words: &[String]) -> String {
    let file = GOOD.replace("plan, value: a}", "plan, value: '{{workflow.name}}'}");
    let (before, _) = file.split_once("      command: [data-prep]\n").unwrap();
    let (_, after) = file.split_once("      env: []\n").unwrap();
    let words: String = words
        .iter()
        .map(|word| format!("      - '{word}'\n"))
        .collect();
    format!("{before}      command: [{command}]\n      args:\n{words}      env: []\n{after}")
}

/// Every flag of a verb that takes a value; of those that exclude each other, the first.
fn flags(command: &clap::Command, verb: &clap::Command) -> Vec<String> {
    let all: Vec<_> = command
        .get_arguments()
        .chain(verb.get_arguments())
        .collect();
    let mut taken: Vec<&clap::Arg> = Vec::new();
    for flag in all.into_iter().filter(|flag| flag.get_long().is_some()) {
        let excludes = |a: &clap::Arg, b: &clap::Arg| {
            verb.get_arg_conflicts_with(a)
                .iter()
                .any(|other| other.get_id() == b.get_id())
        };
        let is_excluded = |other: &&clap::Arg| excludes(other, flag) || excludes(flag, other);
        let is_address = flag
            .get_env()
            .is_some_and(|name| name == "STORE_URL" || name == "RAW_URL");
        let takes = flag.get_action().takes_values() && !is_address;
        if takes && !taken.iter().any(is_excluded) {
            taken.push(flag);
        }
    }
    let names = taken.iter().filter_map(|flag| flag.get_long());
    names.map(|name| format!("--{name}")).collect()
}

#[test]
fn every_flag_takes_an_input_without_a_default() {
    let tag = "{{inputs.parameters.plan}}";
    let none: Vec<Finding> = Vec::new();
    for step in programs::all() {
        let command = (step.command)();
        for verb in command.get_subcommands() {
            let flags = flags(&command, verb);
            assert!(flags.len() > 5, "{} {}", step.name, verb.get_name());
            let verb = [verb.get_name().to_owned()];
            let in_one = flags.iter().map(|flag| format!("{flag}={tag}"));
            let in_two = flags.iter().flat_map(|flag| [flag.clone(), tag.to_owned()]);
            for line in [
                verb.iter().cloned().chain(in_one).collect::<Vec<_>>(),
                verb.iter().cloned().chain(in_two).collect::<Vec<_>>(),
            ] {
                let file = with_command(step.name, &line);
                assert_eq!(findings(&file, MAP), none, "{line:?}");
            }
        }
    }
}

#[test]
fn a_flag_and_its_value_in_two_words_are_checked_as_in_one() {
    let line = |more: &[&str]| -> Vec<String> {
        let known = ["map", "--plan", "{{inputs.parameters.plan}}", "--group=a"];
        known
            .iter()
            .chain(more)
            .map(|word| (*word).to_owned())
            .collect()
    };
    for (more, text) in [
        (&["--cache", "sometimes"][..], "invalid value 'sometimes'"),
        (
            &["--memory", "{{inputs.parameters.cache}}"],
            "invalid value 'use'",
        ),
        (&["--memory", "{{retries}}MiB"], ""),
        (
            &["--cacje", "{{inputs.parameters.plan}}"],
            "unexpected argument '--cacje'",
        ),
        (
            &["--threads={{inputs.parameters.plan}} or so"],
            "from 1 to 1024",
        ),
    ] {
        let found = findings(&with_command("data-prep", &line(more)), MAP);
        if text.is_empty() {
            assert!(found.is_empty(), "{found:#?}");
            continue;
        }
        let [finding] = found.as_slice() else {
            panic!("{more:?}: {found:#?}")
        };
        assert_eq!(finding.rule, "command-line");
        assert!(finding.text.contains(text), "{finding}");
        let flag = more[0].split('=').next().unwrap();
        let at = finding.line;
        let file = with_command("data-prep", &line(more));
        assert!(
            file.lines().nth(at - 1).unwrap().contains(flag),
            "{finding}"
        );
    }
}
