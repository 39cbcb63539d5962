//! The rules of Argo that the templates rely on, a file for each family.
//!
//! Paths and symbols are those of argoproj/argo-workflows at v4.1.2, where each expectation was
//! read. Where a run on a real Argo 4.1.2 showed it too, `skeleton.rs` holds it.

mod dags;
mod depends;
mod exit;
mod items;
mod leaves;
mod outputs;
mod parameters;
mod retries;
mod when;

use crate::lab::Lab;

/// A DAG of tasks `NAME CODE [depends] [when]`, each of which exits with its code.
fn dag(tasks: &[(&str, u8, &str, &str)]) -> Lab {
    let mut text = "  - name: main\n    dag:\n      failFast: false\n      tasks:\n".to_owned();
    for (name, code, depends, when) in tasks {
        let (depends, when) = (depends.replace('\'', "''"), when.replace('"', "\\\""));
        text += &format!(
            "      - {{name: {name}, template: exits, depends: '{depends}', when: \"{when}\", "
        );
        text += &format!("arguments: {{parameters: [{{name: code, value: '{code}'}}]}}}}\n");
    }
    text += "  - name: exits\n    inputs: {parameters: [{name: code}]}\n";
    text += "    container: {command: [sh, -c], args: ['exit {{inputs.parameters.code}}']}\n";
    Lab::templates("", &text)
}
