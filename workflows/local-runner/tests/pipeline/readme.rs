//! What `workflows/README.md` says is so.

use std::fs;

use crate::bench::Bench;

const README: &str = include_str!("../../../README.md");

#[test]
fn the_example_of_a_workflow_of_your_own_is_clean() {
    let example = README
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let bench = Bench::empty();
    let file = bench.folder().join("own.yaml");
    fs::write(&file, example).unwrap();
    bench.alameda(&["lint", file.to_str().unwrap()]).expect(0);
    fs::write(&file, example.replace("memory-mib", "memory")).unwrap();
    let found = bench
        .alameda(&["lint", file.to_str().unwrap()])
        .expect(1)
        .stdout;
    assert!(found.contains("has no input `memory`"), "{found}");
}

#[test]
fn every_template_and_gauge_is_named() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut named = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("  name: "))
            .unwrap();
        let gauges = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- name: alameda_"));
        for word in gauges
            .map(|gauge| format!("`alameda_{gauge}`"))
            .chain([format!("`{name}`")])
        {
            assert!(
                README.contains(&word),
                "{word} of {} is not in README.md",
                path.display()
            );
            named += 1;
        }
    }
    assert_eq!(named, 7 + 6);
}
