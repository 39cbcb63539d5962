//! The whole pipeline over S3.

use testing::S3Server;

use super::lab::Lab;

/// Digests of all parts that a manifest lists.
pub(crate) fn digests(lab: &Lab, manifest: &str) -> Vec<String> {
    let manifest = lab.json(manifest);
    let parts = manifest["parts"].as_array().unwrap();
    parts
        .iter()
        .map(|part| part["sha256"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_pipeline_gives_the_same_on_every_server_and_a_second_run_changes_nothing() {
    let mut seen = Vec::new();
    for server in S3Server::all() {
        let name = server.name;
        let lab = Lab::new(server);
        lab.sample_data(2_000, 3, 2);
        lab.pipeline(&[]).expect(0);
        let lasting = lab.lasting();
        seen.push((
            digests(&lab, "train/1/_manifest.json"),
            digests(&lab, "holdout/1/_manifest.json"),
        ));
        assert!(
            lasting
                .iter()
                .any(|key| key.starts_with("reports/1/m/v1/report.html ")),
            "{name}: {lasting:#?}"
        );
        lab.pipeline(&[]).expect(0);
        assert_eq!(lab.lasting(), lasting, "{name}");
        assert_eq!(lab.unfinished(), "", "{name}");
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn the_demo_runs_in_s3_and_shows_a_report_that_can_be_opened() {
    let lab = Lab::new(S3Server::minio());
    let size = [
        "--rows-per-file",
        "1000",
        "--train-files",
        "2",
        "--predict-files",
        "1",
    ];
    let ran = lab.alameda(&[&["demo"], &size[..]].concat()).expect(0);
    let raw = lab.python(
        "print([k['Key'] for k in s3.list_objects_v2(Bucket=bucket, Prefix=prefix + 'raw/demo-')['Contents']])",
    );
    assert_eq!(raw.matches(".parquet").count(), 3, "{raw}");
    assert!(
        ran.stdout.contains("report          s3://"),
        "{}",
        ran.stdout
    );
    let copy = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("a copy of it"))
        .unwrap()
        .trim();
    assert!(
        std::fs::read_to_string(copy).unwrap().contains("<html"),
        "{copy}"
    );
    let again = lab.alameda(&[&["demo"], &size[..]].concat()).expect(0);
    assert!(
        again.stderr.contains("0 files written, 3 kept"),
        "{}",
        again.stderr
    );

    let fewer = lab
        .alameda(&[
            "sample-data",
            "--rows-per-file=10",
            "--train-files=1",
            "--predict-files=1",
        ])
        .expect(0);
    assert!(
        fewer.stdout.contains("2 files written, 0 kept"),
        "{}",
        fewer.stdout
    );
    let fewer = lab
        .alameda(&[
            "sample-data",
            "--rows-per-file=10",
            "--train-files=0",
            "--predict-files=1",
        ])
        .expect(0);
    assert!(
        fewer
            .stdout
            .contains("0 files written, 1 kept, 1 of other options removed"),
        "{}",
        fewer.stdout
    );
    lab.python(
        "s3.put_object(Bucket=bucket, Key=prefix + 'raw/train/part-000.parquet', Body=b'precious')",
    );
    let refused = lab
        .alameda(&["sample-data", "--rows-per-file=10", "--train-files=1"])
        .expect(2);
    assert!(
        refused
            .stderr
            .contains("raw/train/part-000.parquet is not a readable Parquet file"),
        "{}",
        refused.stderr
    );
}

/// The Python of docs/object-store.md.
fn documented() -> String {
    let page = include_str!("../../../../docs/object-store.md");
    let blocks: Vec<&str> = page
        .split("```python\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert_eq!(blocks.len(), 1);
    blocks.concat()
}

#[test]
fn pandas_reads_results_as_documented() {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(1_000, 2, 2);
    lab.pipeline(&[]).expect(0);
    let script = documented()
        .replace("customer-classifier", "m")
        .replace("25.05.1", "1");
    let read = lab.python(&script);
    assert_eq!(read.trim(), "2000 rows, all scored: True", "{read}");
}
