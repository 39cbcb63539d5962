//! CSV files that are compressed, and files that are not what their names say.

use std::io::Write;

use flate2::Compression as Level;
use flate2::write::GzEncoder;

use super::csv_form::{refusal, rows};
use super::*;

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::default());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &str) -> Vec<u8> {
    // As the program `zstd` does; without a checksum a flipped byte may be another text.
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A file of so many rows after the header.
fn table(rows: usize) -> (String, String) {
    let header = "\u{feff}id,a,b,y\n".to_owned();
    let rows = (0..rows).map(|id| format!("{id},\"a\n{}\",b,{}\n", id * 7919, id % 2));
    (header, rows.collect())
}

#[test]
fn compressed_files_hold_the_same_rows() {
    let (header, body) = table(20_000);
    let plain = rows("a.csv", format!("{header}{body}")).unwrap();
    assert_eq!(plain.len(), 20_000);
    let (early, late) = body.split_at(body.len() / 3);
    for (name, compress) in [
        ("a.csv.gz", gzip as fn(&str) -> Vec<u8>),
        ("a.csv.zst", zstd),
    ] {
        let one = compress(&format!("{header}{body}"));
        let several = [
            compress(&header),
            compress(early),
            compress(""),
            compress(late),
        ]
        .concat();
        assert_eq!(rows(name, one).unwrap(), plain, "{name}");
        assert_eq!(
            rows(name, several).unwrap(),
            plain,
            "{name} of several members"
        );
    }
}

#[test]
fn the_command_that_a_refusal_names_ends_the_last_line_of_a_compressed_file() {
    let content = "id,a,b,y\n1,a,b,1";
    for (name, command, compress) in [
        (
            "a.csv.gz",
            "echo | gzip >> FILE.csv.gz",
            gzip as fn(&str) -> Vec<u8>,
        ),
        ("a.csv.zst", "echo | zstd >> FILE.csv.zst", zstd),
    ] {
        let text = refusal(name, compress(content));
        assert!(text.contains("the last row has no line break"), "{text}");
        assert!(text.contains(command), "{text}");
        let ended = [compress(content), compress("\n")].concat();
        assert_eq!(rows(name, ended).unwrap().len(), 1, "{name}");
    }
}

#[test]
fn compressed_files_that_are_cut_or_damaged_are_refused_by_name() {
    let (header, body) = table(40);
    let content = format!("{header}{body}");
    let plain = rows("a.csv", &content).unwrap();
    for (name, whole) in [("a.csv.gz", gzip(&content)), ("a.csv.zst", zstd(&content))] {
        for cut in 0..whole.len() {
            let text = refusal(name, &whole[..cut]);
            assert!(text.contains(name), "{cut}: {text}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            match rows(name, &damaged) {
                Ok(found) => assert_eq!(found, plain, "{name} at {at}"),
                Err(error) => assert_eq!(exit_code(&error), 10, "{name} at {at}: {error:#}"),
            }
        }
        let text = refusal(name, [&whole[..], b"more"].concat());
        assert!(text.contains("can't be read as a"), "{text}");
    }
    // Lines count in what was compressed.
    let text = refusal("a.csv.gz", gzip("id,a,b,y\n1,a,b,1\n2,\"a,b,1\n"));
    assert!(
        text.contains("line 3: the quote that opens column \"a\" is never closed"),
        "{text}"
    );
    let text = refusal("a.csv.zst", zstd("id,a,b,y\n1,a,b,1\n2,a,b,7\n"));
    assert!(text.contains("the first in line 3: 7"), "{text}");
}

#[test]
fn a_window_that_takes_much_memory_is_refused() {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"id,a,b,y\n1,a,b,1\n").unwrap();
    let text = refusal("a.csv.zst", encoder.finish().unwrap());
    assert!(text.contains("a window of more than 32 MiB"), "{text}");
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_refused_with_the_right_name() {
    let plain = "id,a,b,y\n1,a,b,1\n";
    let parquet = std::fs::read(Path::new(FIXTURES).join("plain.parquet")).unwrap();
    for (name, content, is, advice) in [
        (
            "a.csv",
            gzip(plain),
            "compressed with gzip",
            "let its name end with .csv.gz",
        ),
        (
            "a.csv",
            zstd(plain),
            "compressed with zstd",
            "let its name end with .csv.zst",
        ),
        (
            "a.csv",
            parquet.clone(),
            "a parquet file",
            "let its name end with .parquet",
        ),
        (
            "a.csv.gz",
            zstd(plain),
            "compressed with zstd",
            "let its name end with .csv.zst",
        ),
        (
            "a.csv.gz",
            parquet,
            "a parquet file",
            "let its name end with .parquet",
        ),
        (
            "a.csv.gz",
            plain.into(),
            "not compressed with gzip",
            "let its name end with .csv if",
        ),
        (
            "a.csv.zst",
            plain.into(),
            "not compressed with zstd",
            "let its name end with .csv if",
        ),
        (
            "a.csv.zst",
            gzip(plain),
            "compressed with gzip",
            "let its name end with .csv.gz",
        ),
        (
            "a.parquet",
            plain.into(),
            "holds text",
            "let its name end with .csv if",
        ),
        (
            "a.parquet",
            gzip(plain),
            "compressed with gzip",
            "let its name end with .csv.gz",
        ),
        (
            "a.csv",
            b"PK\x03\x04 workbook".to_vec(),
            "a zip archive",
            "unpack it",
        ),
        ("a.csv.gz", vec![], "is empty", "deliver it again"),
        ("a.csv.gz", gzip(""), "is empty", "deliver it again"),
        ("a.parquet", vec![], "is empty", "deliver it again"),
    ] {
        let text = refusal(name, content);
        assert!(text.contains(is) && text.contains(advice), "{name}: {text}");
    }
}
