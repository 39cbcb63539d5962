//! A person between a trained model and its promotion.

use std::process::{Command, Stdio};

use crate::bench::{Bench, Ran};

const TRAINING: [&str; 9] = [
    "submit",
    "--from",
    "workflowtemplate/alameda-training",
    "-p",
    "data-version=1",
    "-p",
    "model-name=m",
    "-p",
    "approval=required",
];

fn champion(bench: &Bench) -> bool {
    bench.store("tracking/models/m/aliases/champion").exists()
}

#[test]
fn an_approved_model_is_promoted_and_a_rejected_one_is_not() {
    let bench = Bench::new();
    bench
        .alameda(
            &[
                &TRAINING[..],
                &["--output-parameter", "approval.decision=reject"],
            ]
            .concat(),
        )
        .expect(0);
    assert_eq!(
        ["approval", "promoted", "model-version"].map(|name| bench.result(name)),
        ["reject", "false", "1"]
    );
    assert!(!champion(&bench));

    bench
        .alameda(&[
            "resubmit",
            "@latest",
            "--output-parameter",
            "approval.decision=approve",
        ])
        .expect(0);
    assert_eq!(
        ["approval", "promoted", "model-version"].map(|name| bench.result(name)),
        ["approve", "true", "1"]
    );
    assert!(champion(&bench));
}

#[test]
fn a_training_that_asks_nobody_shows_no_decision() {
    let bench = Bench::new();
    bench.train();
    assert_eq!(
        ["approval", "promoted"].map(|name| bench.result(name)),
        ["none", "true"]
    );
}

#[test]
fn without_a_terminal_the_gate_fails_at_once_and_a_retry_with_the_answer_goes_on() {
    let bench = Bench::new();
    let shown = bench.alameda(&TRAINING).expect(1).shown();
    assert!(
        shown.contains("give --output-parameter approval.decision=approve|reject"),
        "{shown}"
    );
    assert!(!champion(&bench));
    let trained = bench.pods("model-training-train")[0]["finishedAt"].clone();

    bench
        .alameda(&[
            "retry",
            "@latest",
            "--output-parameter",
            "approval.decision=approve",
        ])
        .expect(0);
    assert_eq!(bench.pods("model-training-train")[0]["finishedAt"], trained);
    assert_eq!(bench.result("promoted"), "true");
}

#[test]
fn a_terminal_is_asked_until_it_gives_an_answer_that_the_gate_takes() {
    let bench = Bench::new();
    let command = bench.command(&TRAINING);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    // `script` runs it on a terminal of its own, whose input is this pipe.
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &line.join(" "), "/dev/null"])
        .current_dir(bench.folder());
    for name in [
        "STORE_URL",
        "RAW_URL",
        "DATABASE_URL",
        "MLFLOW_TRACKING_URI",
        "RUST_LOG",
    ] {
        terminal.env_remove(name);
    }
    let mut child = terminal
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"perhaps\napprove\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(0);
    drop(input);
    assert_eq!(
        ran.stdout.matches("decision (approve, reject):").count(),
        2,
        "{}",
        ran.stdout
    );
    assert_eq!(
        ["approval", "promoted"].map(|name| bench.result(name)),
        ["approve", "true"]
    );
}

#[test]
fn an_answer_that_fits_no_gate_starts_nothing() {
    let bench = Bench::new();
    for (answer, words) in [
        (
            "approval.decision=perhaps",
            &["perhaps", "approve, reject"][..],
        ),
        (
            "approval.decison=approve",
            &["decison", "it asks for: decision"],
        ),
        (
            "aproval.decision=approve",
            &["aproval", "those that do: approval"],
        ),
        ("approve", &["STEP.NAME=VALUE"]),
    ] {
        let ran = bench
            .alameda(&[&TRAINING[..], &["--output-parameter", answer]].concat())
            .expect(2);
        words
            .iter()
            .for_each(|word| assert!(ran.stderr.contains(word), "{answer}: {}", ran.stderr));
    }
    let ran = bench.alameda(&[
        "submit",
        "--from",
        "workflowtemplate/alameda-inference",
        "-p",
        "data-version=1",
        "--output-parameter",
        "approval.decision=approve",
    ]);
    assert!(ran.expect(2).stderr.contains("those that do: none"));
    assert!(!bench.store("").exists());
}
