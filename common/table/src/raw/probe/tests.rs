use std::fmt::Write;
use std::fs;

use super::*;
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

    let probe = Probe::open(&path, "a.parquet").unwrap();
    let work = Work::from(folder.path());
    let sample = probe.sample(100, &work).unwrap();
    let found = whole(&sample.columns[0]);
    assert_eq!(
        (sample.rows, sample.of, found.len()),
        (100, Some(10_000), 100)
    );
    assert_eq!((found[0], found[7], found[99]), (0, 625, 9380));
    assert_eq!(found, whole(&sample.columns[1]));
    assert_eq!(
        whole(&probe.sample(10_000, &work).unwrap().columns[0]).len(),
        10_000
    );
}

#[test]
fn a_sample_of_csv_is_every_so_many_rows_from_the_first_to_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let mut text = "row\n".to_owned();
    (0..1000).for_each(|row| writeln!(text, "{row}").unwrap());
    fs::write(&path, text).unwrap();
    let probe = Probe::open(&path, "a.csv").unwrap();
    let sample = probe.sample(100, &Work::from(folder.path())).unwrap();
    let texts = sample.columns[0].as_ref().unwrap();
    let fit = probe.columns()[0]
        .fit(texts, ColumnType::Int64)
        .unwrap()
        .unwrap();
    let expected: Vec<i64> = (0..63).map(|row| row * 16).collect();
    assert_eq!(whole(&Some(fit.values)), expected);
    assert_eq!((sample.rows, sample.of, fit.misfits), (63, Some(1000), 0));
}

#[test]
fn a_name_that_stands_twice_breaks_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "a,b,a\n1,2,3\n").unwrap();
    let error = Probe::open(&path, "a.csv").unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert!(format!("{error:#}").contains("column \"a\" is in the file twice"));
}
