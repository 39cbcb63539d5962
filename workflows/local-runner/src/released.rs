//! Command lines of every release, in `released/`: templates that are in use outlive the images
//! that they were written for, so that a later release must still take them.

use std::path::{Path, PathBuf};

use argo::library::{Library, Source};
use argo::template::Scope;
use lint::with_addresses;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("released")
}

/// What a workflow fills in for an input of a leaf, where the input has no default of its own.
const INPUTS: [(&str, &str); 21] = [
    ("candidate", "2"),
    (
        "config-digest",
        "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    ),
    ("data-version", "25.05.1"),
    ("duration", "61.250000"),
    ("failures", "null"),
    ("from", "2026-11-01"),
    ("group", "000-of-004"),
    ("holdout-manifest", "holdout/25.05.1/_manifest.json"),
    ("model-file", "models/model.txt"),
    ("model-name", "customer-classifier"),
    ("model-uri", "models:/customer-classifier/2"),
    ("model-version", "2"),
    (
        "plan",
        "_work/5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef/plan.json",
    ),
    ("planned-champion", "1"),
    (
        "predict-manifest",
        "predict/25.05.1/5f70bf18/_manifest.json",
    ),
    (
        "results-manifest",
        "results/25.05.1/customer-classifier/v2/_manifest.json",
    ),
    (
        "selection",
        "results/25.05.1/customer-classifier/_selection.json",
    ),
    ("split", "train"),
    ("status", "Succeeded"),
    ("to", "2026-11-30"),
    ("train-manifest", "train/25.05.1/_manifest.json"),
];

/// The command line of every leaf, filled in as a workflow would.
fn command_lines() -> String {
    let library = Library::load(&Source::Folder(
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
    ))
    .unwrap();
    let mut text = String::new();
    for template in library.leaves() {
        let Some(container) = &template.container else {
            continue;
        };
        let mut scope = Scope::default();
        scope.set("workflow.name", "alameda-pipeline-x7k2p");
        for input in &template.inputs.parameters {
            let default = input.given().unwrap_or_default();
            let example = INPUTS
                .iter()
                .find(|(name, _)| *name == input.name)
                .map_or(default, |(_, example)| example);
            assert!(
                !example.is_empty(),
                "give an example for the input {} of {}",
                input.name,
                template.name
            );
            scope.set(format!("inputs.parameters.{}", input.name), example);
        }
        let words = container.command.iter().chain(&container.args);
        let words: Vec<String> = words.map(|word| scope.fill(word).unwrap()).collect();
        text += &format!("{}\n", words.join(" "));
    }
    text
}

#[test]
fn the_command_lines_of_this_release_are_written_down() {
    let file = folder().join(concat!(env!("CARGO_PKG_VERSION"), ".txt"));
    let made = command_lines();
    if testing::generated::is_renewed() {
        std::fs::write(&file, &made).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        written,
        made,
        "{} is stale: run `just accept` and read what changed",
        file.display()
    );
}

#[test]
fn command_lines_of_every_release_are_still_accepted() {
    let mut files = 0;
    for file in std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        files += 1;
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let step = programs::find(&words[0])
                .unwrap_or_else(|| panic!("{}: no step {}", file.display(), words[0]));
            let command = (step.command)();
            let words = with_addresses(&command, words);
            if let Err(error) = command.try_get_matches_from(words) {
                panic!("{}: {line}\n{error}", file.display());
            }
        }
    }
    assert!(files > 0);
}
