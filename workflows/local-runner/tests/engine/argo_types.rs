//! The manifests against Argo's own types, in which no unknown field is let through.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Argo's own JSON schema, where a copy lies beside the repository.
fn schema() -> Option<PathBuf> {
    let beside = std::fs::read_dir(folder().join("../../shared/argo")).ok()?;
    let mut files = beside.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|end| end == "json"))
}

/// What is wrong with files; the script itself tells on stderr which types there were.
#[expect(
    clippy::disallowed_methods,
    reason = "renews what a test compares with"
)]
fn check(fields: &Path, manifests: &[PathBuf]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/argo_types.py");
    let mut command = Command::new(testing::python().unwrap());
    if std::env::var_os("ARGO_JSON_SCHEMA").is_none() {
        command.envs(schema().map(|schema| ("ARGO_JSON_SCHEMA", schema)));
    }
    let output = command
        .arg(script)
        .arg(fields)
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

fn fields() -> PathBuf {
    folder().join("argo/src/argo-4.1.txt")
}

#[test]
fn argos_types_know_every_field_of_the_manifests_and_of_the_list_that_lint_has() {
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
    let wrong = check(&fields(), &manifests);
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
    let wrong = check(&fields(), &files);
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
fn a_field_that_is_missing_in_the_list_of_lint_is_told() {
    let home = tempfile::tempdir().unwrap();
    let list = std::fs::read_to_string(fields()).unwrap();
    let file = home.path().join("fields.txt");
    std::fs::write(
        &file,
        list.replacen(" pendingTimeout", "", 1)
            .replacen(" podSpecPatch", " podSpecPtch", 1),
    )
    .unwrap();
    let wrong = check(&file, &[]);
    for part in [
        "Template.pendingTimeout: known to Argo",
        "Template.podSpecPtch: in the list",
        "Template.podSpecPatch: known",
    ] {
        assert!(
            wrong.iter().any(|line| line.contains(part)),
            "{part}: {wrong:#?}"
        );
    }
}
