//! The repository's own leaves: what they have in common, and the secrets that each gets.
//!
//! Argo has no includes, so that each leaf repeats what all of them need; here that is kept equal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use argo::library::Library;
use argo::raw::{get, list, text};
use argo::steps::STEPS;
use argo::yaml;
use serde_json::{Value, json};

use super::repository;

/// Settings whose presence in a verb's flags says that it reads the secrets beside them.
const READ_WITH: [(&str, [&str; 3]); 5] = [
    (
        "STORE_URL",
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ],
    ),
    (
        "RAW_URL",
        [
            "RAW_AWS_ACCESS_KEY_ID",
            "RAW_AWS_SECRET_ACCESS_KEY",
            "RAW_AWS_SESSION_TOKEN",
        ],
    ),
    (
        "MLFLOW_TRACKING_URI",
        [
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_TRACKING_TOKEN",
        ],
    ),
    ("DATABASE_SCHEMA", ["DATABASE_URL", "PGUSER", "PGPASSWORD"]),
    ("NOTIFY_ON", ["NOTIFY_URL", "", ""]),
];
/// What the table in the platform's README calls them.
const NAMES: [&str; 5] = ["store", "raw", "tracking", "database", "webhook"];

fn platform() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../platform")
}

/// Every leaf by its name, with the name of its step, as it is in the file.
fn leaves() -> BTreeMap<String, (&'static str, Value)> {
    let library = Library::load(&repository("workflows")).unwrap();
    let mut leaves = BTreeMap::new();
    for step in STEPS {
        let entry = &library.templates[&format!("alameda-{step}")];
        for template in list(&entry.raw, "spec.templates") {
            let name = text(template, "name").to_owned();
            assert!(name.starts_with(&format!("{step}-")), "{name}");
            leaves.insert(name, (step, template.clone()));
        }
    }
    leaves
}

#[test]
fn what_every_pod_needs_is_the_same_in_all_leaves() {
    let leaves = leaves();
    let (_, model) = &leaves["data-prep-map"];
    let everywhere = [
        "retryStrategy",
        "automountServiceAccountToken",
        "securityContext",
        "podSpecPatch",
        "volumes",
        "container.imagePullPolicy",
        "container.envFrom",
        "container.volumeMounts",
        "container.securityContext",
    ];
    for (name, (_, leaf)) in &leaves {
        for field in everywhere {
            let mut expected = get(model, field).clone();
            assert!(!expected.is_null(), "{field}");
            // A missing ConfigMap is one of the failures that it reports, and it keeps no data.
            if name == "model-monitoring-notify" {
                match field {
                    "volumes" => {
                        expected[0]["emptyDir"]["sizeLimit"] = json!("1Gi");
                        expected[2]["configMap"]["optional"] = json!(true);
                    }
                    "container.envFrom" => {
                        expected[0]["configMapRef"]["optional"] = json!(true);
                    }
                    _ => {}
                }
            }
            assert_eq!(get(leaf, field), &expected, "{field} of {name}");
        }
        let container = get(leaf, "container.securityContext");
        for probe in list(leaf, "initContainers") {
            assert_eq!(get(probe, "securityContext"), container, "{name}: {probe}");
        }
    }
}

#[test]
fn images_are_those_that_are_stamped_and_name_their_step() {
    let stamped = fs::read_to_string(platform().join("images/images.yaml")).unwrap();
    let stamped = &yaml::load(&stamped).unwrap()[0];
    let of = |step: &str| {
        let (registry, tag) = (text(stamped, "data.registry"), text(stamped, "data.tag"));
        format!("{registry}/{step}:{tag}")
    };
    for (name, (step, leaf)) in leaves() {
        assert_eq!(text(&leaf, "container.image"), of(step), "{name}");
        assert_eq!(get(&leaf, "container.command"), &json!([step]), "{name}");
        for probe in list(&leaf, "initContainers") {
            let step = text(probe, "name");
            assert_eq!(text(probe, "image"), of(step), "{name}");
        }
    }
}

/// Before hours of work every image of the run has been pulled: by a first pod, or by one before
/// it.
#[test]
fn the_first_pods_of_a_run_are_short_and_show_the_images_of_the_others() {
    let leaves = leaves();
    let shown = |firsts: &[&str]| -> BTreeSet<String> {
        let mut shown = BTreeSet::new();
        for first in firsts {
            let (step, leaf) = &leaves[*first];
            assert!(
                get(leaf, "activeDeadlineSeconds").as_u64() <= Some(300),
                "{first} ends in minutes"
            );
            let probes = list(leaf, "initContainers").iter();
            shown.extend(probes.map(|probe| text(probe, "name").to_owned()));
            shown.insert((*step).to_owned());
        }
        shown
    };
    let all: BTreeSet<String> = STEPS.map(str::to_owned).into();
    assert_eq!(shown(&["data-prep-plan", "batch-inference-resolve"]), all);
    assert!(shown(&["batch-inference-backfill"]).contains("batch-inference"));
    // Together they leave the run ten minutes: the first pod, and the exit handler's.
    let (_, notify) = &leaves["model-monitoring-notify"];
    assert!(get(notify, "activeDeadlineSeconds").as_u64() <= Some(240));
}

/// Secrets that a container gets: variables that a Secret's key of the same name fills.
fn secrets_of(container: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for variable in list(container, "env") {
        let key = get(variable, "valueFrom.secretKeyRef");
        if !key.is_null() {
            assert_eq!(text(variable, "name"), text(key, "key"), "{variable}");
            found.insert(text(variable, "name").to_owned());
        }
    }
    let whole = list(container, "envFrom")
        .iter()
        .any(|from| from.get("secretRef").is_some());
    assert!(!whole, "a Secret is given as a whole");
    found
}

/// Secrets that a verb reads, by its flags.
fn secrets_read(leaf: &str, step: &str) -> BTreeSet<String> {
    let command = programs::command(step).unwrap();
    let verb = leaf.strip_prefix(&format!("{step}-")).unwrap();
    let verb = command.find_subcommand(verb).unwrap();
    let flags = command.get_arguments().chain(verb.get_arguments());
    let settings: BTreeSet<_> = flags
        .filter_map(|flag| flag.get_env()?.to_str().map(str::to_owned))
        .collect();
    let read = READ_WITH
        .iter()
        .filter(|(setting, _)| settings.contains(*setting));
    let secrets = read
        .flat_map(|(_, secrets)| secrets)
        .filter(|secret| !secret.is_empty());
    secrets.map(|secret| (*secret).to_owned()).collect()
}

#[test]
fn a_leaf_gets_the_secrets_that_its_verb_reads_and_no_other() {
    for (name, (step, leaf)) in leaves() {
        let given = secrets_of(get(&leaf, "container"));
        assert_eq!(given, secrets_read(&name, step), "{name}");
        for probe in list(&leaf, "initContainers") {
            assert!(secrets_of(probe).is_empty(), "{name}: {probe}");
        }
    }
}

#[test]
fn the_platforms_readme_tells_which_pod_gets_which_secrets() {
    let readme = fs::read_to_string(platform().join("README.md")).unwrap();
    let (_, table) = readme
        .split_once("| pod | store | raw | tracking |")
        .unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| `"));
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(!cells[2 + NAMES.len()].is_empty(), "{row} gives no reason");
        let given = NAMES.iter().zip(&cells[2..]).zip(READ_WITH);
        let secrets = given
            .filter(|((_, cell), _)| **cell == "yes")
            .flat_map(|(_, (_, keys))| keys);
        let secrets = secrets
            .filter(|secret| !secret.is_empty())
            .map(str::to_owned)
            .collect();
        for leaf in cells[1].split(", ") {
            documented.insert(leaf.trim_matches('`').to_owned(), Clone::clone(&secrets));
        }
    }
    let leaves = leaves().into_iter();
    let given = leaves.map(|(name, (_, leaf))| (name, secrets_of(get(&leaf, "container"))));
    let given: BTreeMap<String, BTreeSet<String>> = given.collect();
    assert_eq!(documented, given);
}

/// Every YAML file below `workflows` and `config-maps`, as readers take it that refuse what is
/// doubled.
#[test]
fn strict_readers_take_every_file() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut open = vec![root.join("workflows"), root.join("config-maps")];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Rust and its tests: their YAML is broken on purpose.
                if !path.ends_with("local-runner") {
                    open.push(path);
                }
                continue;
            }
            let is_yaml = path
                .extension()
                .is_some_and(|end| end == "yaml" || end == "yml");
            if !is_yaml && !path.ends_with("Kustomization") {
                continue;
            }
            let file = fs::read_to_string(&path).unwrap();
            yaml::load(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let merges = yaml::merge_keys(&file);
            assert!(merges.is_empty(), "{}: `<<` in {merges:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} files");
}
