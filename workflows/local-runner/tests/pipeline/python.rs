//! Scripts beside these tests: they write raw files, and find by Python's packages what ours must
//! be.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::Ran;

/// What a script prints.
pub(crate) fn python(script: &str, arguments: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipeline");
    let mut command = Command::new(testing::python().unwrap());
    command.arg(folder.join(script)).args(arguments);
    // Threads of BLAS and OpenMP wait in loops, and a script may fork only while it has none.
    command.env("OMP_NUM_THREADS", "1");
    // Nothing beside the tests is written.
    command.current_dir(std::env::temp_dir());
    Ran::from(command.output().unwrap()).expect(0).stdout
}

/// What a script prints as JSON.
pub(crate) fn answer(script: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&python(script, arguments)).unwrap()
}

/// Each line that a script prints as JSON.
pub(crate) fn answers(script: &str, arguments: &[&str]) -> Vec<Value> {
    let printed = python(script, arguments);
    let lines = printed.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}
