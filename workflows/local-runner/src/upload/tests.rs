//! Uploads to a folder; those to S3 are tested through the program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use runtime::failure::exit_code;

use super::*;

/// A folder to bring, and one that gets it.
struct Lab {
    home: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("from")).unwrap();
        Self { home }
    }

    fn from(&self, key: &str) -> PathBuf {
        let path = self.home.path().join("from").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn parquet(&self, key: &str, rows: i64) {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_from_iter([("id", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(
            fs::File::create(self.from(key)).unwrap(),
            batch.schema(),
            None,
        )
        .unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    async fn upload(&self, change: impl FnOnce(&mut Options)) -> Result<()> {
        let mut options = Options {
            dir: self.home.path().join("from"),
            glob: None,
            overwrite: false,
            dry_run: false,
            retry_budget: Budget::default(),
        };
        change(&mut options);
        let url = self.home.path().join("to").display().to_string();
        super::upload(&url, &Access::of_process(Role::Raw)?, &options).await
    }

    /// Keys at the target, and when they were written.
    fn there(&self) -> Vec<(String, std::time::SystemTime)> {
        fn walk(folder: &Path, below: &str, found: &mut Vec<(String, std::time::SystemTime)>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.unwrap();
                let key = format!("{below}{}", entry.file_name().to_str().unwrap());
                let metadata = entry.metadata().unwrap();
                match metadata.is_dir() {
                    true => walk(&entry.path(), &format!("{key}/"), found),
                    false => found.push((key, metadata.modified().unwrap())),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.home.path().join("to"), "", &mut found);
        found.sort();
        found
    }

    fn keys(&self) -> Vec<String> {
        self.there().into_iter().map(|(key, _)| key).collect()
    }

    fn same(&self, key: &str) -> bool {
        fs::read(self.from(key)).unwrap()
            == fs::read(self.home.path().join("to").join(key)).unwrap()
    }
}

fn refusal(uploaded: Result<()>, code: u8) -> String {
    let error = uploaded.unwrap_err();
    assert_eq!(exit_code(&error), code, "{error:#}");
    format!("{error:#}")
}

#[tokio::test]
async fn the_structure_is_kept_and_what_is_no_raw_file_is_left_out() {
    let lab = Lab::new();
    lab.parquet("train/part 1.parquet", 10);
    lab.parquet("train/2025/día 100% #1 'ß'.parquet", 10);
    fs::write(lab.from("predict/a.csv"), "id\n1\n").unwrap();
    lab.parquet("elsewhere.parquet", 3);
    fs::write(lab.from("train/.a.parquet.swp"), "x").unwrap();
    fs::write(lab.from("train/_temporary/b.parquet"), "x").unwrap();
    fs::write(lab.from("README.md"), "x").unwrap();
    symlink(
        lab.from("elsewhere.parquet"),
        lab.from("labels/linked.parquet"),
    )
    .unwrap();
    lab.upload(|_| ()).await.unwrap();
    let keys = [
        "elsewhere.parquet",
        "labels/linked.parquet",
        "predict/a.csv",
        "train/2025/día 100% #1 'ß'.parquet",
        "train/part 1.parquet",
    ];
    assert_eq!(lab.keys(), keys);
    assert!(keys.iter().all(|key| lab.same(key)));
}

#[tokio::test]
async fn what_is_there_is_not_sent_again() {
    let lab = Lab::new();
    lab.parquet("train/a.parquet", 10);
    lab.upload(|_| ()).await.unwrap();
    let first = lab.there();
    lab.parquet("train/b.parquet", 10);
    lab.upload(|_| ()).await.unwrap();
    let second = lab.there();
    assert_eq!((second.len(), &second[0]), (2, &first[0]));
}

#[tokio::test]
async fn a_file_that_differs_is_refused_by_name_unless_it_is_to_be_replaced() {
    let lab = Lab::new();
    for key in ["train/a.csv", "train/b.csv"] {
        fs::write(lab.from(key), "id\n1\n").unwrap();
    }
    lab.upload(|_| ()).await.unwrap();
    // Of the same size.
    fs::write(lab.from("train/b.csv"), "id\n2\n").unwrap();
    fs::write(lab.from("train/c.csv"), "id\n3\n").unwrap();
    let text = refusal(lab.upload(|_| ()).await, 2);
    assert!(
        text.contains("train/b.csv")
            && !text.contains("train/a.csv")
            && text.contains("--overwrite"),
        "{text}"
    );
    assert_eq!(
        lab.keys(),
        ["train/a.csv", "train/b.csv"],
        "and nothing is sent"
    );
    lab.upload(|options| options.overwrite = true)
        .await
        .unwrap();
    assert!(lab.same("train/b.csv") && lab.same("train/c.csv"));
}

#[tokio::test]
async fn truncated_files_are_refused_by_name_before_anything_is_sent() {
    let lab = Lab::new();
    lab.parquet("train/a.parquet", 100);
    let whole = fs::read(lab.from("train/a.parquet")).unwrap();
    let footer = whole.len()
        - 8
        - u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
    let damaged: [(&str, &[u8]); 4] = [
        ("train/b.parquet", &[]),
        ("train/c.parquet", &whole[..whole.len() - 1]),
        ("train/d.parquet", &whole[..whole.len() / 2]),
        // Its begin is gone.
        ("train/e.parquet", &whole[footer..]),
    ];
    for (key, bytes) in damaged {
        fs::write(lab.from(key), bytes).unwrap();
    }
    let text = refusal(lab.upload(|_| ()).await, 10);
    for (key, bytes) in damaged {
        let reason = if bytes.is_empty() {
            "is empty"
        } else {
            "can't be read as a parquet file"
        };
        assert!(text.contains(&format!("{key} {reason}")), "{key}: {text}");
    }
    assert!(!text.contains("train/a.parquet"), "{text}");
    assert_eq!(lab.keys(), [""; 0]);
    lab.upload(|options| options.glob = Some("train/a*".to_owned()))
        .await
        .unwrap();
    assert_eq!(lab.keys(), ["train/a.parquet"]);
}

#[tokio::test]
async fn csv_files_that_no_step_could_read_are_refused_before_anything_is_sent() {
    let lab = Lab::new();
    lab.parquet("train/g.parquet", 10);
    let parquet = fs::read(lab.from("train/g.parquet")).unwrap();
    let files: [(&str, &[u8], &str); 7] = [
        ("train/a.csv", b"", "is empty"),
        (
            "train/b.csv",
            b"id\n1\n12",
            "the last row has no line break",
        ),
        ("train/c.csv", b"i\0d\0\n\0", "it looks like UTF-16LE"),
        // With its mark, the contract may name this encoding.
        ("train/h.csv", b"\xff\xfei\0d\0", "has no line break"),
        ("train/d.csv", &parquet, "let its name end with .parquet"),
        ("train/e.csv.gz", b"id\n1\n", "is not compressed with gzip"),
        ("train/f.parquet", b"id,y\n1,2\n", "holds text"),
    ];
    for (key, bytes, _) in files {
        fs::write(lab.from(key), bytes).unwrap();
    }
    let text = refusal(lab.upload(|_| ()).await, 10);
    for (key, _, reason) in files {
        assert!(text.contains(key) && text.contains(reason), "{key}: {text}");
    }
    assert_eq!(lab.keys(), [""; 0]);
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let lab = Lab::new();
    lab.parquet("train/a.parquet", 10);
    lab.upload(|options| options.dry_run = true).await.unwrap();
    assert_eq!(lab.keys(), [""; 0]);
}

#[tokio::test]
async fn folders_that_hold_nothing_to_bring_are_refused() {
    let lab = Lab::new();
    assert!(refusal(lab.upload(|_| ()).await, 2).contains("there is no file in"));
    fs::write(lab.from("train/a.csv"), "id\n1\n").unwrap();
    let text = refusal(
        lab.upload(|options| options.glob = Some("predict/*".to_owned()))
            .await,
        2,
    );
    assert!(text.contains("that matches predict/*"), "{text}");
    let text = refusal(
        lab.upload(|options| options.dir = "/no/such/folder".into())
            .await,
        2,
    );
    assert!(text.contains("/no/such/folder"), "{text}");
}

#[tokio::test]
async fn links_to_folders_and_odd_names_are_brought_as_the_steps_read_them() {
    let lab = Lab::new();
    let others = lab.home.path().join("others");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("a.csv"), "id\n1\n").unwrap();
    symlink("../others", lab.from("train")).unwrap();
    fs::write(lab.from("predict/a*.csv"), "id\n2\n").unwrap();
    // Data lies elsewhere: a name that no key has is no harm there.
    fs::write(lab.from("notes/a\n.txt"), "x").unwrap();
    // Links that lead back are left out, and not followed again and again.
    symlink("..", others.join("back")).unwrap();
    symlink(".", lab.from("predict/again")).unwrap();
    symlink("../from", others.join("from")).unwrap();
    lab.upload(|_| ()).await.unwrap();
    assert_eq!(lab.keys(), ["predict/a*.csv", "train/a.csv"]);
}

#[tokio::test]
async fn links_that_lead_astray_and_names_that_no_key_has_are_refused() {
    for (link, to, part) in [
        (
            "train/b.csv",
            "nowhere",
            "a link to a file that does not exist",
        ),
        (
            "train/b.csv",
            "/dev/zero",
            "is a pipe, a socket or a device",
        ),
        ("to", "../to", "is the target of the upload"),
    ] {
        let lab = Lab::new();
        fs::create_dir(lab.home.path().join("to")).unwrap();
        fs::write(lab.from("train/a.csv"), "id\n1\n").unwrap();
        symlink(to, lab.from(link)).unwrap();
        let text = refusal(lab.upload(|_| ()).await, 2);
        assert!(text.contains(part) && text.contains(link), "{text}");
    }
    for name in ["train/a\n.csv", "train/a\\b.csv", "train/a\u{202e}b.csv"] {
        let lab = Lab::new();
        fs::write(lab.from(name), "id\n1\n").unwrap();
        assert!(
            refusal(lab.upload(|_| ()).await, 2).contains("has a control character"),
            "{name:?}"
        );
    }
    let lab = Lab::new();
    fs::write(lab.from("train/a.csv"), "id\n1\n").unwrap();
    fs::create_dir(lab.home.path().join("to")).unwrap();
    let text = refusal(
        lab.upload(|options| options.dir = lab.home.path().to_owned())
            .await,
        2,
    );
    assert!(text.contains("to is the target of the upload"), "{text}");
}
