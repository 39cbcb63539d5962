//! The manifests, and the schema that lint and runner read them by, against Argo's own types, in
//! which no unknown field is let through.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is wrong with files; the script itself says on stderr what it compared.
fn check(schema: &Path, manifests: &[PathBuf]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/argo_types.py");
    let output = Command::new(testing::python().unwrap())
        .arg("-B")
        .arg(script)
        .arg(schema)
        .args(manifests)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let wrong: Vec<String> =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    assert_eq!(output.status.success(), wrong.is_empty());
    wrong
}

fn schema() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/argo-4.1.json")
}

#[test]
fn argos_types_know_every_field_of_the_manifests_and_of_the_schema() {
    let entries = [folder(), folder().join("steps")].map(|folder| {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    let manifests: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    assert!(manifests.len() >= 11, "{manifests:?}");
    let wrong = check(&schema(), &manifests);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn argos_types_refuse_a_field_that_argo_4_does_not_know_at_any_depth() {
    let home = tempfile::tempdir().unwrap();
    let steps = std::fs::read_to_string(folder().join("steps/publish-predictions.yaml")).unwrap();
    let faults = [
        (
            "podGC",
            "spec:\n",
            "spec:\n  podGC: {strategie: OnPodSuccess}\n",
            "podGC.strategie",
        ),
        (
            "mutex",
            "        mutexes:\n",
            "        mutex: {name: x}\n        mutexes:\n",
            "synchronization.mutex",
        ),
        (
            "security",
            "seccompProfile: {type",
            "seccompProfile: {tpye",
            "seccompProfile.tpye",
        ),
        (
            "env",
            "secretKeyRef: {name",
            "secretKeyRf: {name",
            "valueFrom.secretKeyRf",
        ),
        (
            "type",
            "runAsNonRoot: true",
            "runAsNonRoot: 'maybe'",
            "securityContext.runAsNonRoot",
        ),
    ];
    let mut files = Vec::new();
    for (name, good, bad, _) in faults {
        let file = home.path().join(format!("{name}.yaml"));
        assert!(steps.contains(good), "{good}");
        std::fs::write(&file, steps.replacen(good, bad, 1)).unwrap();
        files.push(file);
    }
    let wrong = check(&schema(), &files);
    for (name, _, _, place) in faults {
        let expected =
            |line: &&String| line.contains(&format!("/{name}.yaml: ")) && line.contains(place);
        assert!(
            wrong
                .iter()
                .any(|line| expected(&line) && line.contains("(hera)")),
            "{name}: {wrong:#?}"
        );
    }
}

#[test]
fn a_field_that_is_missing_in_the_schema_is_found() {
    let home = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(schema()).unwrap();
    let file = home.path().join("schema.json");
    let timeout = r#""pendingTimeout": {"type": "string"}, "#;
    assert!(text.contains(timeout));
    let text = text.replacen(timeout, "", 1);
    let text = text.replacen("\"podSpecPatch\"", "\"podSpecPtch\"", 1);
    std::fs::write(&file, text).unwrap();
    let wrong = check(&file, &[]);
    for part in [
        "Template.pendingTimeout: known to Argo",
        "Template.podSpecPtch: in the schema",
        "Template.podSpecPatch: known",
    ] {
        assert!(
            wrong.iter().any(|line| line.contains(part)),
            "{part}: {wrong:#?}"
        );
    }
}
