//! The checks of `workflows/platform` and `images`: scripts, which the services' Python runs.

// What tests are made of is no test to Clippy.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use testing::{Postgres, PostgresOptions, free_port, place, python};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Runs one file of unit tests of a folder, which has to find at least one.
fn check(folder: &str, file: &str, variables: &[(&str, String)]) {
    let output = Command::new(python().unwrap())
        .args([
            "-B",
            "-m",
            "unittest",
            "discover",
            "--failfast",
            "--start-directory",
        ])
        .arg(repository().join(folder))
        .args(["--pattern", file])
        .env("KUSTOMIZE", program("bin/kustomize"))
        .env("HADOLINT", program("venv/bin/hadolint"))
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && printed.contains("\nRan ") && !printed.contains("\nRan 0 "),
        "{file}: {printed}"
    );
}

fn program(path: &str) -> PathBuf {
    let program = place().join(path);
    assert!(
        program.is_file(),
        "{} is missing: run `just install-services`",
        program.display()
    );
    program
}

/// The program `alameda`, which the workspace's tests build before any of them runs.
fn alameda() -> String {
    let test = std::env::current_exe().unwrap();
    let alameda = test.ancestors().nth(2).unwrap().join("alameda");
    assert!(
        alameda.is_file(),
        "{} is missing: run `cargo build --release`",
        alameda.display()
    );
    alameda.display().to_string()
}

#[test]
fn rendered_manifests_keep_the_rules() {
    check(
        "workflows/platform/checks",
        "test_rendered.py",
        &[("ALAMEDA", alameda())],
    );
}

#[test]
fn the_platform_s_command_lines_and_sql_run() {
    let postgres = Postgres::start(PostgresOptions::default()).unwrap();
    // The image's superuser has another name, and `alameda` is to become an ordinary role.
    let password = "superuser-secret-9Xp";
    postgres
        .psql(
            "postgres",
            &format!("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{password}'"),
        )
        .unwrap();
    let url = format!(
        "postgres://postgres:{password}@127.0.0.1:{}/postgres",
        postgres.port()
    );
    let renamed = Command::new("psql")
        .args([
            "-X",
            "-q",
            "-d",
            &url,
            "-c",
            "ALTER ROLE alameda RENAME TO bootstrap",
        ])
        .status()
        .unwrap();
    assert!(renamed.success());
    check(
        "workflows/platform/checks",
        "test_running.py",
        &[
            ("VERSITYGW", program("bin/versitygw").display().to_string()),
            ("MLFLOW", program("venv/bin/mlflow").display().to_string()),
            ("STORE_PORT", free_port().unwrap().to_string()),
            ("MLFLOW_PORT", free_port().unwrap().to_string()),
            ("POSTGRES_PORT", postgres.port().to_string()),
            ("POSTGRES_PASSWORD", password.to_owned()),
        ],
    );
}

/// The image is built from `alameda`, because every step is in it.
#[test]
#[cfg(target_os = "linux")]
fn images_are_small_and_run_as_anybody() {
    check("images/checks", "test_image.py", &[("PROGRAM", alameda())]);
}
