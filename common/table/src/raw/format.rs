//! Which files are raw files: their names say what they hold.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

use runtime::failure::Failure;

/// What a raw file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A parquet file.
    Parquet,
    /// A CSV file, compressed or not.
    Csv(Compression),
}

/// How a CSV file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// The endings that names of raw files have, for messages.
pub const ENDINGS: &str = ".parquet, .csv, .csv.gz or .csv.zst";

/// What the file of a name holds; `None` for a name that no raw file has.
pub fn format_of(key: &str) -> Option<Format> {
    const FORMATS: [(&str, Format); 4] = [
        (".parquet", Format::Parquet),
        (".csv", Format::Csv(Compression::None)),
        (".csv.gz", Format::Csv(Compression::Gzip)),
        (".csv.zst", Format::Csv(Compression::Zstd)),
    ];
    let found = FORMATS.iter().find(|(ending, _)| key.ends_with(ending));
    found.map(|(_, format)| *format)
}

/// # Errors
/// A name that no raw file has: exit 2.
pub(super) fn require(key: &str) -> Result<Format> {
    format_of(key)
        .ok_or_else(|| Failure::usage(format!("{key}: the name of a raw file ends with {ENDINGS}")))
}

/// What files begin with, what they are then, and how their names end.
const KINDS: [(&[u8], &str, Option<&str>); 6] = [
    (b"PAR1\x15", "a parquet file", Some(".parquet")),
    (b"\x1f\x8b", "compressed with gzip", Some(".csv.gz")),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd",
        Some(".csv.zst"),
    ),
    (
        b"PK\x03\x04",
        "a zip archive, as Excel's workbooks are",
        None,
    ),
    (b"BZh91AY&SY", "compressed with bzip2", None),
    (b"\xfd7zXZ\0", "compressed with xz", None),
];
/// Bytes that show what a file is.
const HEAD: u64 = 64;

/// Checks that a file begins as its name says.
///
/// # Errors
/// A file of another kind: exit 10, with what it is and how its name has to end.
pub(super) fn check_kind(path: &Path, key: &str, format: Format) -> Result<()> {
    let place = || format!("reading {}", path.display());
    let mut head = Vec::new();
    let file = File::open(path).with_context(place)?;
    file.take(HEAD).read_to_end(&mut head).with_context(place)?;
    let kind = KINDS.iter().find(|(magic, ..)| head.starts_with(magic));
    let (is, advice) = match (format, kind) {
        (_, _) if head.is_empty() => (
            "is empty".to_owned(),
            "deliver it again, or remove it".to_owned(),
        ),
        (format, Some((_, is, Some(ending)))) if format_of(ending) != Some(format) => (
            format!("is {is}, which its name does not say"),
            format!("let its name end with {ending}"),
        ),
        (_, Some((_, is, None))) => (
            format!("is {is}"),
            format!("unpack it: raw files are {ENDINGS}"),
        ),
        (Format::Csv(Compression::Gzip), None) => not_compressed("gzip"),
        (Format::Csv(Compression::Zstd), None) if !is_skippable(&head) => not_compressed("zstd"),
        (Format::Parquet, None) if is_text(&head) => (
            "holds text, and is not a Parquet file".to_owned(),
            "let its name end with .csv if it is a CSV file".to_owned(),
        ),
        _ => return Ok(()),
    };
    Err(Failure::contract(format!("{key} {is}\n{advice}")))
}

fn not_compressed(with: &str) -> (String, String) {
    (
        format!("is not compressed with {with}, as its name says"),
        "let its name end with .csv if it is a plain CSV file; otherwise deliver it again"
            .to_owned(),
    )
}

/// A frame without content, with which a zstd file may begin.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

fn is_text(head: &[u8]) -> bool {
    let printable = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n');
    head.len() >= 8 && head.iter().all(printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides_letter_case_included() {
        for (key, format) in [
            ("train/a.parquet", Some(Format::Parquet)),
            ("train/a.csv", Some(Format::Csv(Compression::None))),
            ("train/a.csv.gz", Some(Format::Csv(Compression::Gzip))),
            ("train/a.csv.zst", Some(Format::Csv(Compression::Zstd))),
            ("train/a.gz", None),
            ("train/a.parquet.gz", None),
            ("train/a.CSV", None),
            ("train/acsv", None),
            ("train.csv/a", None),
        ] {
            assert_eq!(format_of(key), format, "{key}");
        }
        let endings = ENDINGS.replace(" or ", ", ");
        assert!(
            endings
                .split(", ")
                .all(|ending| format_of(&format!("a{ending}")).is_some())
        );
    }
}
