//! Wide rows and long texts: which columns are decoded, and that it does not matter how.

use std::fs::File;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow::array::AsArray;
use arrow::datatypes::{Field, Schema};

use super::*;
use crate::parts::{BATCH_BYTES, BATCH_ROWS};
use runtime::work::Disk;

/// An id, a target and more columns.
fn contract_of(more: &[serde_json::Value]) -> Arc<Dataset> {
    let mut columns = vec![
        json!({"name": "id", "type": "int64", "role": "id"}),
        json!({"name": "y", "type": "int64", "role": "target"}),
    ];
    columns.extend(more.iter().cloned());
    let contract = json!({"columns": columns});
    Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap())
}

struct Written {
    _folder: tempfile::TempDir,
    file: RawFile,
}

/// A file of an id, a target and more columns, in pages of so many bytes.
fn written(dataset: &Arc<Dataset>, more: Vec<(&str, ArrayRef)>, page: usize) -> Written {
    let rows = more[0].1.len();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let target: ArrayRef = Arc::new(Int64Array::from_iter_values(
        (0..rows as i64).map(|i| i % 2),
    ));
    let all: Vec<(&str, ArrayRef)> = [("id", ids), ("y", target)]
        .into_iter()
        .chain(more)
        .collect();
    let field =
        |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(all.iter().map(field).collect::<Vec<_>>()));
    let columns = all.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.parquet");
    let properties = WriterProperties::builder()
        .set_data_page_size_limit(page)
        .set_dictionary_page_size_limit(page)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Written {
        file: file(&path, dataset, Labels::Required),
        _folder: folder,
    }
}

fn batches(file: &RawFile, work: &Work) -> Result<Vec<RecordBatch>> {
    file.checked(work, |_| Ok(None))?.collect()
}

#[test]
fn a_long_text_that_many_rows_share_ends_batches_by_its_bytes() {
    let dataset = contract_of(&[json!({"name": "t", "type": "utf8", "role": "ignored"})]);
    let long = "x".repeat(300_000);
    let texts: DictionaryArray<Int32Type> = vec![long.as_str(); 10_000].into_iter().collect();
    let texts: ArrayRef = Arc::new(texts);
    let written = written(&dataset, vec![("t", texts)], 1 << 20);
    let folder = tempfile::tempdir().unwrap();
    let work = Work::from(folder.path());
    let (mut rows, each) = (0, BATCH_BYTES / long.len());
    // 3 GB in all: a batch is looked at and let go.
    for batch in written.file.checked(&work, |_| Ok(None)).unwrap() {
        let batch = batch.unwrap();
        assert!(batch.num_rows() == each || rows + batch.num_rows() == 10_000);
        assert_eq!(batch.column(2).as_string::<i32>().value(0), long);
        rows += batch.num_rows();
    }
    assert_eq!(rows, 10_000);
}

#[test]
fn columns_come_together_from_scratch_files_as_they_do_at_once() {
    let names: Vec<String> = (0..40).map(|i| format!("x{i}")).collect();
    let mut more: Vec<serde_json::Value> = names
        .iter()
        .map(|name| json!({"name": name, "type": "float64", "role": "feature", "nullable": true}))
        .collect();
    more.push(json!({"name": "t", "type": "utf8", "role": "ignored", "nullable": true}));
    let dataset = contract_of(&more);
    let rows = 20_000;
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let value = |row: usize| (!row.is_multiple_of(7)).then(|| (row * (place + 3)) as f64);
        columns.push((
            name,
            Arc::new(Float64Array::from_iter((0..rows).map(value))),
        ));
    }
    let text = |row: usize| (!row.is_multiple_of(5)).then(|| format!("{row}").repeat(row % 300));
    columns.push(("t", Arc::new(StringArray::from_iter((0..rows).map(text)))));
    let written = written(&dataset, columns, 64 << 10);
    let folder = tempfile::tempdir().unwrap();
    let whole = batches(&written.file, &folder.path().into()).unwrap();
    assert!(whole.iter().all(|batch| batch.num_rows() <= BATCH_ROWS));
    // Pages of all columns are some 5 MiB.
    for memory in [8 << 20, 4 << 20, 1 << 20] {
        let disk = Disk::new(1 << 30);
        let work = Work::new(folder.path(), disk.clone(), memory);
        assert_eq!(batches(&written.file, &work).unwrap(), whole, "{memory}");
        assert_eq!(disk.used(), 0);
    }

    let little = Work::new(folder.path(), Disk::new(1 << 20), 1 << 20);
    let error = batches(&written.file, &little).unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let text = format!("{error:#}");
    assert!(
        text.contains("ALAMEDA_DISK") && text.contains("putting wide rows together"),
        "{text}"
    );

    let none = Work::new(folder.path(), Disk::default(), 1 << 10);
    let error = batches(&written.file, &none).unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    let text = error.to_string();
    assert!(
        text.contains("the pages of column") && text.contains("row_group_size"),
        "{text}"
    );
}

#[test]
fn columns_that_nobody_reads_are_not_decoded() {
    let column = |nullable| {
        contract_of(&[
            json!({"name": "t", "type": "utf8", "role": "ignored", "nullable": nullable}),
        ])
    };
    let texts: Vec<Option<String>> = (0..2000).map(|row| Some(format!("{row}"))).collect();
    let texts: ArrayRef = Arc::new(StringArray::from(texts));
    let made = written(&column(false), vec![("t", texts)], 1 << 20);
    let unread = |file: &RawFile| RawFile {
        reads: Reads {
            columns: Some([true, true, false].into()),
            batch_rows: None,
        },
        ..file.clone()
    };
    let folder = tempfile::tempdir().unwrap();
    let work = Work::from(folder.path());
    let read = batches(&made.file, &work).unwrap();
    assert_eq!(read[0].column(2).null_count(), 0);
    let skipped = batches(&unread(&made.file), &work).unwrap();
    assert_eq!(skipped[0].column(2).null_count(), 2000);
    assert_eq!(skipped[0].column(0), read[0].column(0));

    // A null where none may be is found all the same, and values that are not allowed.
    let gaps: ArrayRef = Arc::new(StringArray::from_iter(
        (0..9).map(|i| (i > 0).then_some("a")),
    ));
    let made = written(&column(false), vec![("t", gaps.clone())], 1 << 20);
    assert_eq!(
        exit_code(&batches(&unread(&made.file), &work).unwrap_err()),
        10
    );
    let allowed = json!({
        "name": "t", "type": "utf8", "role": "ignored", "nullable": true, "allowed": ["b"]
    });
    let made = written(&contract_of(&[allowed]), vec![("t", gaps.clone())], 1 << 20);
    assert_eq!(
        exit_code(&batches(&unread(&made.file), &work).unwrap_err()),
        10
    );
    let made = written(&column(true), vec![("t", gaps)], 1 << 20);
    batches(&unread(&made.file), &work).unwrap();
}
