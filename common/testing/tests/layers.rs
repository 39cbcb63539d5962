//! Which crate may depend on which: the table of `common/README.md`, from the ground up; and how
//! large a Rust file may be.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// From the ground up. A crate depends on crates of the lines above its own alone.
const LAYERS: [&[&str]; 11] = [
    &["learn", "runtime", "services"],
    &["profile", "store"],
    &["catalog", "testing"],
    &["table"],
    &["settings"],
    &["database", "pages", "sql", "tracking"],
    &["testing-home"],
    &[
        "batch-inference",
        "dashboard",
        "data-prep",
        "model-monitoring",
        "model-promotion",
        "model-training",
        "publish-predictions",
    ],
    &["argo", "programs"],
    &["dataset", "lint"],
    &["alameda"],
];

/// The crate of DataFusion, and who may depend on it.
const SQL: (&str, [&str; 3]) = ("sql", ["data-prep", "dataset", "lint"]);

/// Crates that nothing else may depend on but to test.
const TESTS: [&str; 2] = ["testing", "testing-home"];

/// Lines of a Rust file at most, and characters of a comment's line: rustfmt sees to the code.
const LINES: usize = 500;
const WIDTH: usize = 100;

/// Crates of the workspace, each with those of them that it depends on. What tests alone need is
/// left out: a test may start a server of `testing`, and a fixture may come from above.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let all = shipped();
    let ours: BTreeSet<String> = all.keys().cloned().collect();
    let of_ours = all.into_iter();
    let of_ours = of_ours.map(|(name, needs)| (name, needs.intersection(&ours).cloned().collect()));
    of_ours.collect()
}

/// Crates of the workspace, each with all that it depends on, crates of others too.
fn shipped() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(cargo.status.success(), "{cargo:?}");
    let metadata: Value = serde_json::from_slice(&cargo.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |of: &Value| of["name"].as_str().expect("a name").to_owned();
    let needs = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies");
        let shipped = all.iter().filter(|of| of["kind"].is_null());
        shipped.map(name).collect()
    };
    packages
        .iter()
        .map(|package| (name(package), needs(package)))
        .collect()
}

fn layer(name: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&name))
        .unwrap_or_else(|| panic!("{name} is in no layer: say here on what it may build"))
}

#[test]
fn no_crate_depends_on_one_beside_or_above_it() {
    let dependencies = dependencies();
    assert_eq!(
        dependencies.len(),
        LAYERS.iter().map(|layer| layer.len()).sum::<usize>()
    );
    for (name, needs) in &dependencies {
        for below in needs {
            assert!(layer(below) < layer(name), "{name} depends on {below}");
        }
    }
}

#[test]
fn no_program_carries_what_tests_are_made_of() {
    for (name, needs) in dependencies() {
        for of_tests in TESTS {
            let is_shipped = needs.contains(of_tests) && !TESTS.contains(&name.as_str());
            assert!(!is_shipped, "{name} depends on {of_tests}");
        }
    }
}

#[test]
fn only_training_carries_what_grows_trees() {
    let grow = shipped().into_iter();
    let grow = grow.filter(|(_, needs)| needs.contains("hessboost"));
    let grow: Vec<String> = grow.map(|(name, _)| name).collect();
    assert_eq!(grow, ["model-training"]);
}

#[test]
fn only_those_that_prepare_rows_carry_datafusion() {
    let (sql, allowed) = SQL;
    for (name, needs) in dependencies() {
        assert!(
            !needs.contains(sql) || allowed.contains(&name.as_str()),
            "{name} depends on {sql}"
        );
    }
}

/// Rust files in a folder and below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|of| of == "rs");
    let below = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(is_rust).chain(below).collect()
}

#[test]
fn no_rust_file_is_too_long_and_no_comment_too_wide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["common", "steps", "workflows"].iter();
    let files: Vec<PathBuf> = folders
        .flat_map(|folder| sources(&root.join(folder)))
        .collect();
    assert!(files.len() > 500, "{} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let (name, lines) = (file.display(), text.lines().count());
        assert!(lines <= LINES, "{name} has {lines} lines: part it");
        let comments = text.lines().enumerate();
        let mut comments = comments.filter(|(_, line)| line.trim_start().starts_with("//"));
        let wide = comments.find(|(_, line)| line.chars().count() > WIDTH);
        let wide = wide.map(|(at, line)| (at + 1, line));
        assert_eq!(wide, None, "{name}: break the line at {WIDTH} characters");
    }
}
