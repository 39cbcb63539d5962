//! Which raw files count in a bucket, where there are no folders and no links.

use testing::S3Server;

use super::lab::Lab;

fn raw(lab: &Lab, puts: &[(&str, &str)]) {
    let puts: Vec<String> = puts
        .iter()
        .map(|(key, from)| format!("({key:?}, {from:?})"))
        .collect();
    lab.python(&format!(
        "for key, source in [{}]:\n\
         \x20   body = b''\n\
         \x20   if source:\n\
         \x20       body = s3.get_object(Bucket=bucket, Key=prefix + 'raw/' + source)['Body'].read()\n\
         \x20   s3.put_object(Bucket=bucket, Key=prefix + 'raw/' + key, Body=body)\n",
        puts.join(", ")
    ));
}

#[test]
fn the_rule_for_raw_files_is_that_of_folders() {
    for server in S3Server::all() {
        let lab = Lab::new(server);
        lab.sample_data(300, 2, 1);
        let source = "predict/part-000.parquet";
        raw(
            &lab,
            &[
                ("train/", ""),
                ("train/empty/", ""),
                ("train/.hidden.parquet", source),
                ("train/_SUCCESS", ""),
                ("train/_delta_log/0.parquet", source),
            ],
        );
        let plan = [
            "data-prep",
            "plan",
            "--split=train",
            "--data-version=1",
            "--parallelism=1",
        ];
        let log = lab.step(&plan).expect(0).stderr;
        assert!(log.contains("planned 2 raw files"), "{log}");
        assert!(
            log.contains("a name begins with . or _: train/.hidden.parquet"),
            "{log}"
        );

        raw(
            &lab,
            &[
                ("train/d.parquet/part-0.parquet", source),
                ("train/E.PARQUET", source),
            ],
        );
        let named = [
            "train/d.parquet is a folder",
            "train/E.PARQUET has an extension in capital",
        ];
        let log = lab.step(&plan).expect(2).stderr;
        for word in named {
            assert!(log.contains(word), "{word:?} is not in {log}");
        }
        // Where a folder on the way may be any, keys are listed all.
        let deep = [&plan[..], &["--train-glob=*/*.parquet"]].concat();
        let log = lab.step(&deep).expect(2).stderr;
        for word in named {
            assert!(log.contains(word), "{word:?} is not in {log}");
        }
        let other = [&plan[..], &["--train-glob=Train/*.parquet"]].concat();
        let log = lab.step(&other).expect(2).stderr;
        assert!(
            log.contains("there is train, and letter case counts"),
            "{log}"
        );
    }
}

#[test]
fn predict_files_under_a_finished_version_are_held_to_what_they_were() {
    let lab = Lab::new(S3Server::minio());
    lab.sample_data(300, 3, 2);
    lab.pipeline(&[]).expect(0);
    let before = lab.lasting();
    // The same bytes have the same ETag.
    raw(
        &lab,
        &[("predict/part-000.parquet", "predict/part-000.parquet")],
    );
    lab.pipeline(&[]).expect(0);
    assert_eq!(lab.lasting(), before);
    raw(
        &lab,
        &[
            ("predict/part-000.parquet", "train/part-000.parquet"),
            ("predict/late.parquet", "train/part-001.parquet"),
        ],
    );
    let ran = lab.pipeline(&[]).expect(1);
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    for word in [
        "predict/part-000.parquet has changed",
        "predict/late.parquet is new",
    ] {
        assert!(shown.contains(word), "{word:?} is not in {shown}");
    }
    assert_eq!(lab.lasting(), before);
}
