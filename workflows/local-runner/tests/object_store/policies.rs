//! The smallest policy of each key pair, as it lies in `workflows/platform/policies`: enough for a
//! pipeline and for Argo, and for no more.

use std::path::{Path, PathBuf};
use std::process::Command;

use testing::Minio;

use super::lab::Ran;

/// The bucket that the policies name.
const BUCKET: &str = "your-bucket";

fn platform() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../platform")
}

/// A program with the variables of the server and of nobody else.
fn command(program: &Path, home: &Path, variables: &[(String, String)]) -> Command {
    let mut command = testing::command(program);
    command.envs(variables.iter().cloned()).current_dir(home);
    command
}

/// The key that the report's leaf keeps its page at.
fn report_key() -> String {
    let leaves = include_str!("../../../steps/model-monitoring.yaml");
    let (_, rest) = leaves.split_once("s3: {key: '").unwrap();
    rest.split_once('\'').unwrap().0.to_owned()
}

#[test]
fn the_policies_are_enough_for_a_pipeline_and_for_argo_and_for_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let minio = Minio::start().unwrap();
    minio.create_bucket(BUCKET).unwrap();
    let python = testing::python().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/object_store/policies.py");
    let ask = |verb: &str, argument: &str| {
        let mut command = command(&python, home.path(), &minio.variables());
        let ran = command.arg(&script).args([verb, argument]).output();
        Ran::from(ran.unwrap()).expect(0)
    };
    ask("users", platform().join("policies").to_str().unwrap());

    let user = |prefix: &str, name: &str| {
        [
            (format!("{prefix}AWS_ACCESS_KEY_ID"), name.to_owned()),
            (
                format!("{prefix}AWS_SECRET_ACCESS_KEY"),
                format!("{name}-secret-6Hq1"),
            ),
        ]
    };
    let mut variables = minio.variables();
    variables.retain(|(name, _)| !name.contains("ACCESS_KEY"));
    let addresses = [("STORE_URL", "alameda"), ("RAW_URL", "raw")];
    variables.extend(addresses.map(|(name, at)| (name.to_owned(), format!("s3://{BUCKET}/{at}"))));
    let alameda = |variables: &[(String, String)], line: &str| {
        let program = Path::new(env!("CARGO_BIN_EXE_alameda"));
        let mut command = command(program, home.path(), variables);
        Ran::from(command.args(line.split(' ')).output().unwrap())
    };
    let root = [
        ("AWS_ACCESS_KEY_ID", Minio::USER),
        ("AWS_SECRET_ACCESS_KEY", Minio::PASSWORD),
    ];
    let root = root.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let size = "sample-data --rows-per-file 300 --train-files 2 --predict-files 1";
    alameda(&[&variables[..], &root[..]].concat(), size).expect(0);

    let pairs = [user("", "store"), user("RAW_", "raw")].concat();
    let of_steps = [&variables[..], &pairs[..]].concat();
    let run = "submit --from workflowtemplate/alameda-pipeline -p data-version=1 -p model-name=m";
    alameda(&of_steps, run).expect(0);
    ask("check", &report_key());

    // The keys of the raw files alone reach no store.
    let wrong = [user("", "raw"), user("RAW_", "raw")].concat();
    let ran = alameda(&[&variables[..], &wrong[..]].concat(), run);
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("AccessDenied") || ran.stdout.contains("AccessDenied"));
}
