//! Files that are not what they say.

use super::*;

fn bytes(fixture: &str) -> Vec<u8> {
    std::fs::read(Path::new(FIXTURES).join(fixture)).unwrap()
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, RawFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let file = file(&path, &contract(), Labels::Required);
    (folder, file)
}

/// The bytes of `feature2` from its tenth value on, eight values long, set to 0. Row i holds (i +
/// 1) / 7.
fn zeroed(fixture: &str) -> Vec<u8> {
    let mut bytes = bytes(fixture);
    let values: Vec<u8> = (10..18)
        .flat_map(|i| (f64::from(i) / 7.0).to_le_bytes())
        .collect();
    let places: Vec<usize> = (0..bytes.len() - 64)
        .filter(|&at| bytes[at..at + 64] == values)
        .collect();
    assert_eq!(places.len(), 1, "the values stand once in the file");
    bytes[places[0]..places[0] + 64].fill(0);
    bytes
}

#[test]
fn a_truncated_file_is_reported_as_such() {
    let whole = bytes("plain.parquet");
    for length in [1, 4, 100, whole.len() / 2, whole.len() - 1] {
        let (_folder, file) = written("a.parquet", &whole[..length]);
        assert!(
            complaint(&file).contains("can't be read as a parquet file"),
            "{length} bytes"
        );
    }
}

#[test]
fn a_file_of_another_kind_is_reported_as_such() {
    let (_folder, file) = written("a.parquet", b"date,customerId,feature1,feature2,target\n");
    assert!(complaint(&file).contains("is not a Parquet file"));
}

#[test]
fn zeros_in_a_page_break_its_checksum() {
    let (_folder, file) = written("a.parquet", &zeroed("checksums.parquet"));
    assert!(complaint(&file).contains("CRC checksum mismatch"));
}

#[test]
fn zeros_in_a_page_without_a_checksum_break_the_bounds() {
    let (_folder, file) = written("a.parquet", &zeroed("plain.parquet"));
    let text = complaint(&file);
    let line = "column \"feature2\": 8 of 100 rows are below the minimum 1e-6, the first in row \
                10: 0.0";
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_flipped_byte_gives_an_error_or_rows_and_never_a_panic() {
    for fixture in [
        "checksums.parquet",
        "plain.parquet",
        "polars.parquet",
        "pyarrow.parquet",
    ] {
        let whole = bytes(fixture);
        for at in (0..whole.len()).step_by(23) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            let (_folder, file) = written("a.parquet", &bytes);
            if let Err(error) = read(&file) {
                assert_eq!(exit_code(&error), 10, "{fixture} at {at}: {error:#}");
            }
        }
    }
}

#[test]
fn a_time_beyond_the_calendar_is_a_breach() {
    let dates = vec![0, i64::MIN, -62_135_596_800_000_000, i64::MAX];
    let sample = Sample::of(4).with("date", Arc::new(TimestampMicrosecondArray::from(dates)));
    let text = complaint(&sample.write(Labels::Optional));
    let line = "column \"date\": 2 of 4 rows are beyond the range of timestamp, the first in row 2: \
                -9223372036854775808 microseconds from 1970-01-01";
    assert!(text.contains(line), "{text}");
}

/// As polars writes them, with `Int128` in the Arrow schema beside the file's own.
#[test]
fn integers_of_128_bits_are_named_with_what_to_write() {
    let path = Path::new(FIXTURES).join("polars_int128.parquet");
    let contract = json!({"columns": [
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "y", "type": "int64", "role": "target"},
    ]});
    let contract = Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap());
    let text = complaint(&file(&path, &contract, Labels::Required));
    assert!(
        text.contains("column \"x\" holds 128-bit integers"),
        "{text}"
    );
    assert!(text.contains("pl.col(\"x\").cast(pl.Int64)"), "{text}");
    assert!(!text.contains("damaged"), "{text}");
}
