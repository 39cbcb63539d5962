//! The runner and the steps in one program, with a task and a family of estimators of its own: what
//! a program of another repository would do.

#![allow(clippy::expect_used)]

#[path = "../../../common/learn/tests/new_task/count.rs"]
mod count;

use std::process::ExitCode;

use learn::fitted_model::Reader;

fn main() -> ExitCode {
    let standard = Reader::standard();
    let known = Reader {
        tasks: standard.tasks.with(&count::Count),
        families: standard.families.with(&count::Split),
    };
    known.install().expect("nothing was read yet");
    alameda::main()
}
