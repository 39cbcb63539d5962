use std::fmt::Write;
use std::fs;

use super::*;
use crate::dataset::Encoding;
use arrow::array::Int64Array;
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use runtime::failure::exit_code;

fn whole(column: &Option<ArrayRef>) -> Vec<i64> {
    let array = column.as_ref().unwrap();
    array.as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn a_sample_of_parquet_is_spread_over_all_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let batch = RecordBatch::try_from_iter([("row", rows.clone()), ("again", rows)]).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(700))
        .build();
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let probe = Probe::open(&path, "a.parquet", &Csv::default()).unwrap();
    let work = Work::from(folder.path());
    let sample = probe.sample(100, &work).unwrap();
    let found = whole(&sample.columns[0]);
    assert_eq!(
        (sample.rows, sample.of, found.len()),
        (100, Some(10_000), 100)
    );
    assert_eq!((found[0], found[7], found[99]), (0, 625, 9380));
    assert_eq!(found, whole(&sample.columns[1]));
    let numbers: Vec<i64> = sample.numbers.iter().map(|row| *row as i64).collect();
    assert_eq!(found, numbers);
    assert_eq!(
        whole(&probe.sample(10_000, &work).unwrap().columns[0]).len(),
        10_000
    );
}

#[test]
fn a_sample_of_csv_is_of_rows_at_random_whatever_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let mut text = "row\n".to_owned();
    (0..40_000).for_each(|row| writeln!(text, "{row}").unwrap());
    fs::write(&path, text).unwrap();
    let probe = Probe::open(&path, "a.csv", &Csv::default()).unwrap();
    let sample = probe.sample(4_000, &Work::from(folder.path())).unwrap();
    let texts = sample.columns[0].as_ref().unwrap();
    let fit = probe.columns()[0]
        .fit(texts, ColumnType::Int64, &Csv::default(), None)
        .unwrap()
        .unwrap();
    assert_eq!((sample.of, fit.misfits), (Some(40_000), 0));
    let rows = whole(&Some(fit.values));
    assert_eq!(rows.len() as u64, sample.rows);
    let numbers: Vec<i64> = sample.numbers.iter().map(|row| *row as i64).collect();
    assert_eq!(rows, numbers);
    // Half of what is more than 4,000: of a sixteenth of the rows, by four standard deviations.
    assert!(rows.len().abs_diff(2_500) < 200, "{}", rows.len());
    assert!(rows.is_sorted() && rows[0] < 400 && rows[rows.len() - 1] > 39_600);
    for period in [2, 3, 4, 6, 7, 16] {
        let share =
            rows.iter().filter(|row| **row % period == 0).count() as f64 / rows.len() as f64;
        let expected = 1.0 / period as f64;
        assert!((share - expected).abs() < 0.04, "{period}: {share}");
    }
}

#[test]
fn a_name_that_stands_twice_breaks_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "a,b,a\n1,2,3\n").unwrap();
    let error = Probe::open(&path, "a.csv", &Csv::default()).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert!(format!("{error:#}").contains("column \"a\" is in the file twice"));
}

#[test]
fn the_dialect_is_that_of_the_widest_table() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, separator, encoding) in [
        (
            "a.csv",
            &b"a;b;c\n1,5;2;x, y\n2,5;3;z\n"[..],
            ';',
            Encoding::Utf8,
        ),
        ("b.csv", b"a\tb\n1\t2\n", '\t', Encoding::Utf8),
        ("c.csv", b"a,b\n\"x;y\",2\n", ',', Encoding::Utf8),
        ("d.csv", b"a;b\nM\xfcller;2\n", ';', Encoding::Windows1252),
        ("e.csv", b"\xff\xfea\0;\0b\0\n\0", ';', Encoding::Utf16),
        ("f.csv", b"a\n1\n", ',', Encoding::Utf8),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let found = sniff(&path, name).unwrap().unwrap();
        assert_eq!(
            (found.separator, found.encoding),
            (separator, encoding),
            "{name}"
        );
    }
}

#[test]
fn uuids_of_a_parquet_file_are_texts() {
    use ::parquet::data_type::{FixedLenByteArray, FixedLenByteArrayType};
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    const SCHEMA: &str = "message m { required fixed_len_byte_array(16) id (UUID); }";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(WriterProperties::default());
    let sink = File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(sink, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // From RFC 9562.
    let id = 0xf81d_4fae_7dec_11d0_a765_00a0_c91e_6bf6_u128;
    let ids = [FixedLenByteArray::from(id.to_be_bytes().to_vec())];
    let column_of = column.typed::<FixedLenByteArrayType>();
    column_of.write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let probe = Probe::open(&path, "a.parquet", &Csv::default()).unwrap();
    let found = &probe.columns()[0];
    assert_eq!(found.data_type, Some(DataType::Utf8));
    let sample = probe.sample(100, &Work::from(folder.path())).unwrap();
    let values = sample.columns[0].as_ref().unwrap();
    let fit = found.fit(values, ColumnType::Utf8, &Csv::default(), None);
    let fit = fit.unwrap().unwrap();
    assert_eq!(fit.misfits, 0);
    let texts = fit.values.as_string::<i32>();
    assert_eq!(texts.value(0), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}
