//! Raw files on their way to S3.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testing::{Fault, Rule, S3Server};

use super::lab::{Lab, Ran, until_it_hangs};

/// Raw files in the folder `local`: two small ones, and one of several parts.
fn local(lab: &Lab) {
    let sample = |rows: &str, dir: &str, files: &str| {
        let dir = format!("--dir={dir}");
        let files = format!("--train-files={files}");
        lab.alameda(&[
            "sample-data",
            &dir,
            "--rows-per-file",
            rows,
            &files,
            "--predict-files=0",
        ])
        .expect(0);
    };
    sample("100", "local", "2");
    sample("300000", "large", "1");
    std::fs::rename(
        lab.folder().join("large/train/part-000.parquet"),
        lab.folder().join("local/train/ß large.parquet"),
    )
    .unwrap();
}

/// Names and digests of the raw files, by boto3.
fn there(lab: &Lab) -> Vec<String> {
    let listed = lab.python(
        "import hashlib\n\
         for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix + 'raw/').get('Contents', []):\n\
         \x20   body = s3.get_object(Bucket=bucket, Key=found['Key'])['Body'].read()\n\
         \x20   print(found['Key'].removeprefix(prefix + 'raw/'), hashlib.sha256(body).hexdigest())\n",
    );
    listed.lines().map(str::to_owned).collect()
}

fn here(lab: &Lab) -> Vec<String> {
    let names = [
        "train/part-000.parquet",
        "train/part-001.parquet",
        "train/ß large.parquet",
    ];
    let digest = |path: &Path| store::hash_file(path).unwrap().sha256;
    names
        .iter()
        .map(|name| format!("{name} {}", digest(&lab.folder().join("local").join(name))))
        .collect()
}

/// An upload that hangs in its second part.
fn hanging(lab: &Lab) -> Child {
    let second = |method: &str, path: &str| method == "PUT" && path.contains("partNumber=2");
    lab.proxy
        .set([Rule::always(Fault::Delay(Duration::from_secs(600))).when(second)]);
    lab.proxy.take_calls();
    let mut upload = lab
        .command(&["upload", "local"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until_it_hangs(&mut upload, || {
        !lab.unfinished().is_empty() && there(lab).len() >= 2
    });
    upload
}

#[test]
fn a_killed_upload_goes_on_where_it_was() {
    let lab = Lab::new(S3Server::minio());
    local(&lab);
    let mut killed = hanging(&lab);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(there(&lab), here(&lab)[..2], "nothing half visible");

    lab.proxy.set([]);
    let ran = lab.alameda(&["upload", "local"]).expect(0);
    assert!(
        ran.stdout.contains("sent           1") && ran.stdout.contains("there already  2"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("sent train/ß large.parquet"),
        "{}",
        ran.stderr
    );
    assert_eq!(there(&lab), here(&lab));

    // A third finds all by one listing, whatever the parts.
    lab.proxy.take_calls();
    let ran = lab.alameda(&["upload", "local"]).expect(0);
    assert!(ran.stdout.contains("there already  3"), "{}", ran.stdout);
    let calls = lab.proxy.take_calls();
    assert_eq!(calls.len(), 1, "{calls:#?}");
}

#[test]
fn a_stopped_upload_leaves_nothing_half_done() {
    let lab = Lab::new(S3Server::minio());
    local(&lab);
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let child = hanging(&lab);
        assert!(
            Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let ran: Ran = child.wait_with_output().unwrap().into();
        let ran = ran.expect(code);
        assert!(
            ran.stderr.contains("run the same command to continue"),
            "{}",
            ran.stderr
        );
        assert_eq!(lab.unfinished(), "");
        assert_eq!(there(&lab), here(&lab)[..2]);
    }
}

#[test]
fn what_another_tool_put_in_other_parts_is_known_by_its_content() {
    for server in S3Server::all() {
        let lab = Lab::new(server);
        local(&lab);
        let path = lab
            .folder()
            .join("local/train/ß large.parquet")
            .display()
            .to_string();
        lab.python(&format!(
            "from boto3.s3.transfer import TransferConfig\n\
             s3.upload_file({path:?}, bucket, prefix + 'raw/train/ß large.parquet', \
             Config=TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=6 << 20))\n"
        ));
        let ran = lab.alameda(&["upload", "local"]).expect(0);
        assert!(
            ran.stdout.contains("sent           2") && ran.stdout.contains("there already  1"),
            "{}",
            ran.stdout
        );

        // The same size, and other content.
        let changed = "train/part-000.parquet";
        let mut bytes = std::fs::read(lab.folder().join("local").join(changed)).unwrap();
        bytes[10] ^= 1;
        std::fs::write(lab.folder().join("local").join(changed), bytes).unwrap();
        let ran = lab.alameda(&["upload", "local"]).expect(2);
        assert!(
            ran.stderr
                .contains(&format!("with other content than in local: {changed}")),
            "{}",
            ran.stderr
        );
        let ran = lab.alameda(&["upload", "local", "--overwrite"]).expect(0);
        assert!(ran.stdout.contains("replaced       1"), "{}", ran.stdout);
        assert_eq!(there(&lab), here(&lab));
        assert_eq!(lab.unfinished(), "");
    }
}

#[test]
fn an_upload_that_fails_says_why_and_leaves_nothing() {
    let denied = || {
        Rule::always(Fault::Status(
            403,
            "<Error><Code>AccessDenied</Code></Error>".to_owned(),
        ))
    };
    let part = |method: &str, path: &str| method == "PUT" && path.contains("partNumber=2");
    for (name, value, rules, code, expected) in [
        (
            "AWS_SECRET_ACCESS_KEY",
            "wrong-secret-7Jp4",
            vec![],
            2,
            "correct AWS_SECRET_ACCESS_KEY",
        ),
        (
            "RAW_URL",
            "s3://no-such-bucket/a",
            vec![],
            2,
            "there is no bucket no-such-bucket",
        ),
        (
            "AWS_ENDPOINT_URL",
            "http://127.0.0.1:9",
            vec![],
            75,
            "S3 at 127.0.0.1:9 is not available",
        ),
        (
            "AWS_REGION",
            "us-east-1",
            vec![denied().when(part)],
            2,
            "AccessDenied",
        ),
        (
            "AWS_REGION",
            "us-east-1",
            vec![Rule::always(Fault::Reset).when(part)],
            75,
            "is not available",
        ),
    ] {
        let mut lab = Lab::new(S3Server::minio());
        local(&lab);
        lab.set(name, value);
        if code == 75 {
            // Where one call fails, those before it have to succeed.
            lab.set("ALAMEDA_RETRY_BUDGET", "10s");
        }
        lab.proxy.set(rules);
        let ran = lab.alameda(&["upload", "local"]).expect(code);
        assert!(
            ran.stderr.contains(expected) && !ran.stderr.contains("wrong-secret-7Jp4"),
            "{expected}: {}",
            ran.stderr
        );
        if name == "AWS_REGION" {
            assert_eq!(lab.unfinished(), "");
            let (there, here) = (there(&lab), here(&lab));
            assert!(
                there.iter().all(|file| here[..2].contains(file)),
                "{there:#?}"
            );
        }
    }
}
