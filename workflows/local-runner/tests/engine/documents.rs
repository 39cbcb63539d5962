//! Documents name tests; these are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Tests that a document links to, as ``[`name`](file.rs)``: name and file.
fn named(text: &str) -> Vec<(&str, &str)> {
    let links = text
        .split("[`")
        .skip(1)
        .filter_map(|rest| rest.split_once("`]("));
    links
        .filter_map(|(name, rest)| Some((name, rest.split_once(')')?.0)))
        .filter(|(_, file)| file.ends_with(".rs"))
        .collect()
}

/// Leaves in the first column of the table under a heading.
fn leaves<'a>(text: &'a str, heading: &str) -> BTreeSet<&'a str> {
    let section = text
        .split(heading)
        .nth(1)
        .unwrap_or_else(|| panic!("no {heading}"));
    let rows = section
        .split("\n## ")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| `"));
    let first = rows.filter_map(|row| row.split(" | ").next());
    first
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

/// Names of all leaves in `workflows/steps/`.
fn leaf_names() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../steps");
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let names = |text: String| -> Vec<String> {
        let names = text
            .lines()
            .filter_map(|line| line.strip_prefix("    - name: "));
        names.map(str::to_owned).collect()
    };
    texts.flat_map(names).collect()
}

#[test]
fn the_rerun_matrix_has_a_row_for_every_leaf_and_its_tests_exist() {
    let text = fs::read_to_string(docs().join("rerun-matrix.md")).unwrap();
    let all = leaf_names();
    let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    for heading in ["## What it does to each leaf", "## The tests"] {
        assert_eq!(leaves(&text, heading), all, "{heading}");
    }
    let tests = named(&text);
    assert!(tests.len() > all.len(), "{tests:?}");
    for (name, file) in tests {
        let source =
            fs::read_to_string(docs().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            source.contains(&format!("fn {name}(")),
            "{file} has no test {name}"
        );
    }
}
