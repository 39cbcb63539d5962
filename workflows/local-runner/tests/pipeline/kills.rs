//! Kill -9 at any moment, then retry: the bytes are those of an undisturbed run.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, PIPELINE, assert_unchanged, rows, unit};

/// How often the runner or one of its steps is killed in all.
const KILLS: u64 = 32;
/// The same where features have windows.
const KILLS_OF_WINDOWS: u64 = 24;
/// The same in `just kills`, which takes minutes.
const MANY_KILLS_OF_WINDOWS: u64 = 50;
/// The same where each candidate has a pod.
const KILLS_OF_CANDIDATES: u64 = 16;
/// Kills in one workflow before it is left to finish.
const KILLS_EACH: u64 = 4;

fn bench() -> Bench {
    let bench = Bench::empty();
    for file in 0..6 {
        bench.write(&format!("train/{file}.parquet"), &rows(file, 3000));
    }
    for file in 0..4 {
        bench.write(&format!("predict/{file}.parquet"), &rows(10 + file, 2000));
    }
    bench
}

#[test]
fn killed_at_random_moments_and_retried_the_store_is_as_if_undisturbed() {
    survives(KILLS, || (bench(), Vec::new()));
}

#[test]
fn rows_that_are_brought_together_are_the_same_after_kills_at_random_moments() {
    survives(KILLS_OF_WINDOWS, crate::windows::pipelines());
}

#[test]
#[ignore = "it takes minutes: just kills"]
fn rows_that_are_brought_together_are_the_same_after_fifty_kills() {
    survives(MANY_KILLS_OF_WINDOWS, crate::windows::pipelines());
}

#[test]
fn candidates_of_pods_of_their_own_are_the_same_after_kills_at_random_moments() {
    survives(KILLS_OF_CANDIDATES, || {
        crate::candidates::with_candidates(1)
    });
}

/// Kills the pipeline so often at random moments in homes that `home` makes alike, and compares
/// what is left with what an undisturbed run leaves; `home` gives arguments of the submission too.
fn survives(most: u64, home: impl Fn() -> (Bench, Vec<String>)) {
    let (calm, more) = home();
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let started = Instant::now();
    calm.pipeline(&more).expect(0);
    let whole = started.elapsed();
    let expected = calm.lasting();
    assert!(
        expected.keys().any(|key| key.ends_with("report.json")),
        "{:?}",
        expected.keys()
    );

    // How long a submission and a retry take at most: a kill has to come before their end.
    let mut spans = [whole, whole];
    let (mut kills, mut round) = (0, 0);
    while kills < most {
        round += 1;
        let (bench, more) = home();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        for attempt in 0..KILLS_EACH {
            let span = &mut spans[usize::from(attempt > 0)];
            let delay = span.mul_f64(unit(round, attempt, 7));
            match killed(
                &bench,
                (attempt == 0).then_some(&more),
                delay,
                unit(round, attempt, 8) < 0.5,
            ) {
                Ok(()) => kills += 1,
                Err(ended_after) => {
                    *span = ended_after.unwrap_or(*span);
                    break;
                }
            }
        }
        finish(&bench, &more);
        eprintln!("round {round}, {kills} kills");
        assert_unchanged(&expected, &bench.lasting());
    }
}

/// Starts or retries the pipeline and kills, after `delay`, one of its steps or the runner itself.
/// Fails when it ended before that, and tells after which time it had succeeded; there is none when
/// nothing was left to retry.
fn killed(
    bench: &Bench,
    first: Option<&Vec<&str>>,
    delay: Duration,
    a_step: bool,
) -> Result<(), Option<Duration>> {
    let arguments = match first {
        Some(more) => [&PIPELINE[..], more].concat(),
        None => vec!["retry", "@latest"],
    };
    let mut runner = bench
        .command(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while started.elapsed() < delay {
        if let Some(status) = runner.try_wait().unwrap() {
            return Err(status.success().then(|| started.elapsed()));
        }
        // The moment of the kill is what is tested.
        thread::sleep(Duration::from_millis(1));
    }
    let step = children(runner.id()).first().copied().filter(|_| a_step);
    kill(step.unwrap_or(runner.id()));
    runner.wait().unwrap();
    Ok(())
}

/// Retries until it has succeeded: a step that was killed is retried by the workflow itself, a
/// runner is not.
fn finish(bench: &Bench, more: &[&str]) {
    // Killed before it had written that it exists.
    if bench.alameda(&["get", "@latest", "-o", "json"]).code != Some(0) {
        bench.pipeline(more).expect(0);
    }
    if bench.latest()["status"]["phase"] != "Succeeded" {
        bench.alameda(&["retry", "@latest"]).expect(0);
    }
    assert_eq!(bench.latest()["status"]["phase"], "Succeeded");
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let list =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut all: Vec<u32> = list
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect();
    // Threads of the runner start children too.
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    for task in tasks {
        let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(
            list.split_whitespace()
                .filter_map(|child| child.parse::<u32>().ok()),
        );
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn kill(pid: u32) {
    // It may have ended in this very moment.
    let _ = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}
