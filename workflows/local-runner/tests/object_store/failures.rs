//! What a step leaves behind when S3 fails it, or somebody stops it.

use std::process::Command;
use std::time::Duration;

use testing::{Fault, Minio, Rule, S3Server};

use super::lab::{Lab, PATIENT, Ran, until_it_hangs};

/// Rows of a raw file whose prepared part is sent in several pieces.
const LARGE: usize = 150_000;

fn sends_a_part(method: &str, path: &str) -> bool {
    method == "PUT" && path.contains("partNumber=")
}

#[test]
fn a_step_that_is_stopped_in_an_upload_leaves_nothing() {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(LARGE, 2, 0);
    let (plan, group) = lab.plan();
    lab.proxy
        .set([Rule::always(Fault::Delay(Duration::from_secs(600))).when(sends_a_part)]);
    lab.proxy.take_calls();
    let mut step = lab.start(&[
        "data-prep",
        "map",
        "--workflow=nightly-7",
        &format!("--plan={plan}"),
        &format!("--group={group}"),
    ]);
    until_it_hangs(&mut step, || !lab.unfinished().is_empty());
    let killed = Command::new("kill")
        .args(["-TERM", &step.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let ran: Ran = step.wait_with_output().unwrap().into();
    let ran = ran.expect(143);
    assert!(ran.stderr.contains("stopped by SIGTERM"), "{}", ran.stderr);
    let shown = std::fs::read_to_string(lab.folder().join("termination-log")).unwrap();
    assert!(shown.contains("`argo resubmit nightly-7`"), "{shown}");
    assert_eq!(lab.unfinished(), "");
    assert_eq!(
        lab.lasting()
            .iter()
            .filter(|key| key.contains("/part-"))
            .count(),
        0
    );
}

#[test]
fn a_step_that_fails_in_an_upload_leaves_nothing() {
    for server in S3Server::all() {
        let mut lab = Lab::new(server);
        lab.sample_data(LARGE, 2, 0);
        let (plan, group) = lab.plan();
        let map = [
            "data-prep",
            "map",
            &format!("--plan={plan}"),
            &format!("--group={group}"),
        ];
        let denied = "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>".to_owned();
        for (fault, code, budget) in [
            (Fault::Status(403, denied), 2, PATIENT),
            // All calls before the one that fails have to succeed within it.
            (Fault::Reset, 75, "10s"),
        ] {
            lab.set("ALAMEDA_RETRY_BUDGET", budget);
            lab.proxy.set([Rule::always(fault).when(sends_a_part)]);
            let ran = lab.step(&map).expect(code);
            assert!(
                ran.stderr.contains("writing s3://alameda/"),
                "{}",
                ran.stderr
            );
            assert_eq!(lab.unfinished(), "");
            assert_eq!(
                lab.lasting()
                    .iter()
                    .filter(|key| key.contains("/part-"))
                    .count(),
                0
            );
        }
        // And nothing of it is in the way of the next try.
        lab.proxy.set([]);
        lab.set("ALAMEDA_RETRY_BUDGET", PATIENT);
        lab.step(&map).expect(0);
        assert_eq!(lab.unfinished(), "");
    }
}

#[test]
fn a_scratch_folder_that_is_full_is_reported() {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(20_000, 2, 0);
    let (plan, group) = lab.plan();
    let step = lab.step_command(&[
        "data-prep",
        "map",
        &format!("--plan={plan}"),
        &format!("--group={group}"),
    ]);
    let mut limited = lab.command(&[]);
    for (name, value) in step.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let line: Vec<_> = std::iter::once(step.get_program())
        .chain(step.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let mut shell = Command::new("bash");
    shell
        .args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f 200; exec {}", line.join(" ")),
        ])
        .current_dir(lab.folder());
    shell.envs(
        step.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let ran: Ran = shell.output().unwrap().into();
    let ran = ran.expect(2);
    assert!(
        ran.stderr.contains("copying train/part-00")
            && ran.stderr.contains("to the scratch folder"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("free space there"), "{}", ran.stderr);
    assert_eq!(
        lab.lasting()
            .iter()
            .filter(|key| key.contains("/part-"))
            .count(),
        0
    );
}

#[test]
fn a_raw_file_that_changed_since_it_was_planned_is_refused() {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(1_000, 2, 0);
    let (plan, group) = lab.plan();
    let map = [
        "data-prep",
        "map",
        &format!("--plan={plan}"),
        &format!("--group={group}"),
    ];
    lab.python(
        "one, two = (prefix + f'raw/train/part-00{n}.parquet' for n in (0, 1))\n\
         s3.copy_object(Bucket=bucket, Key=one, CopySource={'Bucket': bucket, 'Key': two})\n",
    );
    let ran = lab.step(&map).expect(2);
    assert!(
        ran.stderr
            .contains("train/part-000.parquet in s3://alameda/")
            && ran.stderr.contains("has changed since it was planned"),
        "{}",
        ran.stderr
    );
    lab.python("s3.delete_object(Bucket=bucket, Key=prefix + 'raw/train/part-000.parquet')");
    let ran = lab.step(&map).expect(2);
    assert!(
        ran.stderr.contains("is gone from s3://alameda/"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_pipeline_over_a_faulty_line_succeeds() {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(2_000, 3, 2);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let now_and_then =
        move |_: &str, _: &str| calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 4 == 3;
    lab.proxy
        .set([Rule::always(Fault::LoseAnswer).when(now_and_then)]);
    let ran = lab.pipeline(&[]).expect(0);
    assert!(
        lab.proxy
            .take_calls()
            .iter()
            .any(|call| call.status.is_none()),
        "answers got lost"
    );
    assert!(ran.stdout.contains("Succeeded"), "{}", ran.stdout);
    lab.proxy.set([]);
    let lasting = lab.lasting();
    lab.pipeline(&[]).expect(0);
    assert_eq!(lab.lasting(), lasting);
}

#[test]
fn a_step_names_what_is_wrong_with_the_store_and_tells_no_secret() {
    for (name, value, code, part) in [
        (
            "AWS_SECRET_ACCESS_KEY",
            "wrong-secret-7Jp4",
            2,
            "correct AWS_SECRET_ACCESS_KEY",
        ),
        (
            "STORE_URL",
            "s3://no-such-bucket/a",
            2,
            "there is no bucket no-such-bucket; create it, or correct STORE_URL",
        ),
        (
            "RAW_URL",
            "s3://no-such-bucket/a",
            2,
            "there is no bucket no-such-bucket; create it, or correct RAW_URL",
        ),
        (
            "STORE_URL",
            "s3://me:wrong-secret-7Jp4@alameda/a",
            2,
            "before an @",
        ),
        (
            "AWS_ENDPOINT_URL",
            "http://127.0.0.1:9",
            75,
            "S3 at 127.0.0.1:9 is not available",
        ),
    ] {
        let mut lab = Lab::new(S3Server::minio());
        lab.sample_data(100, 2, 0);
        lab.set(name, value);
        if code == 75 {
            lab.set("ALAMEDA_RETRY_BUDGET", "1s");
        }
        lab.set("RUST_LOG", "trace");
        let ran = lab
            .step(&["data-prep", "plan", "--split=train", "--data-version=1"])
            .expect(code);
        assert!(
            ran.stderr.contains(part),
            "{part}: {}",
            ran.stderr.lines().last().unwrap_or_default()
        );
        for secret in [Minio::PASSWORD, "wrong-secret-7Jp4"] {
            assert!(
                !ran.stderr.contains(secret) && !ran.stdout.contains(secret),
                "{name}={value} is reported"
            );
        }
        // What Kubernetes shows.
        let log = std::fs::read_to_string(lab.folder().join("termination-log")).unwrap();
        assert!(
            log.contains(part) && !log.contains("wrong-secret-7Jp4"),
            "{log}"
        );
    }
}
