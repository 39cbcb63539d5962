//! What the platform's manifests ask of the programs: the dashboard as its Deployment starts it,
//! and settings that some step reads.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::bench::Bench;
use crate::dashboard::{ask, start};

fn platform() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../platform")
}

/// What is between `begin` and `end` in a text, once.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(begin)
        .unwrap_or_else(|| panic!("there is no {begin}"));
    rest.split_once(end).unwrap().0
}

#[test]
fn the_dashboard_runs_as_its_deployment_says() {
    let manifest = fs::read_to_string(platform().join("dashboard/dashboard.yaml")).unwrap();
    let command = between(&manifest, "command: [", "]");
    let arguments = between(&manifest, "args: [", "]");
    let arguments: Vec<String> = std::iter::once(command)
        .chain(arguments.split(','))
        .map(|argument| {
            argument
                .trim()
                .trim_matches('\'')
                .replace("0.0.0.0:8501", "127.0.0.1:0")
        })
        .collect();
    assert!(
        arguments.contains(&"--bind=127.0.0.1:0".to_owned()),
        "{arguments:?}"
    );
    let bench = Bench::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_alameda"));
    command
        .args(&arguments)
        .env_remove("DATABASE_URL")
        .env_remove("MLFLOW_TRACKING_URI");
    command
        .env("STORE_URL", bench.store(""))
        .env("DASHBOARD_USER", "ada")
        .env("DASHBOARD_PASSWORD", "pw\n");
    let (mut child, at, _lines) = start(command);
    for probe in ["livenessProbe", "readinessProbe"] {
        let path = between(between(&manifest, probe, "port"), "path: ", ",");
        assert!(ask(at, path).starts_with("HTTP/1.1 200"), "{probe} {path}");
    }
    assert!(ask(at, "/").starts_with("HTTP/1.1 401"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn every_setting_of_the_platform_is_one_that_some_step_reads() {
    for overlay in ["minikube", "existing-services"] {
        let bench = Bench::new();
        let maps = bench.folder().join("maps");
        fs::create_dir(&maps).unwrap();
        fs::copy(
            platform()
                .join("overlays")
                .join(overlay)
                .join("platform.yaml"),
            maps.join("platform.yaml"),
        )
        .unwrap();
        let given = maps.to_str().unwrap().to_owned();
        bench.alameda(&["lint", "--config-maps", &given]).expect(0);
        let text = fs::read_to_string(maps.join("platform.yaml")).unwrap();
        fs::write(
            maps.join("platform.yaml"),
            text.replace("MLFLOW_TRACKING_URI", "MLFLOW_TRACKNG_URI"),
        )
        .unwrap();
        let ran = bench.alameda(&["lint", "--config-maps", &given]).expect(1);
        assert!(
            ran.shown().contains("MLFLOW_TRACKNG_URI"),
            "{}",
            ran.shown()
        );
    }
}
