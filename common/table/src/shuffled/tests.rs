use std::collections::BTreeSet;
use std::fs;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use tempfile::TempDir;

use super::*;
use runtime::failure::exit_code;
use runtime::threads::blocking;
use runtime::work::Work;
use store::Store;

fn raw() -> SchemaRef {
    let field = |name, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("unread", DataType::Utf8),
        field("x", DataType::Float64),
        field("id", DataType::Utf8),
        field("time", DataType::Int64),
    ]))
}

fn shape() -> Shape {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    let reads = [false, true, true, true];
    Shape::new(&raw(), &reads, &names(&["id"]), &names(&["time", "id"])).unwrap()
}

/// Rows of a file: 19 entities, times that go down, and a value that is not a number.
fn rows(file: usize, count: usize) -> RecordBatch {
    let places = || 0..count;
    let values = places().map(|row| match row % 10 {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(-0.0),
        _ => Some((file * 1_000 + row) as f64),
    });
    let columns: Vec<ArrayRef> = vec![
        new_null_array(&DataType::Utf8, count),
        Arc::new(values.collect::<Float64Array>()),
        Arc::new(StringArray::from_iter_values(
            places().map(|row| format!("e{}", row % 19)),
        )),
        Arc::new(Int64Array::from_iter_values(
            places().map(|row| -((row / 38) as i64)),
        )),
    ];
    RecordBatch::try_new(raw(), columns).unwrap()
}

struct Bench {
    home: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::create(home.path().join("store").to_str().unwrap()).unwrap();
        Self { home, store }
    }

    async fn write(&self, file: usize, rows: &RecordBatch, memory: usize) -> Option<Shuffled> {
        let work = Work::from(self.home.path());
        let mut writer = ShuffleWriter::new(&shape(), BUCKETS, &work, memory);
        for from in (0..rows.num_rows()).step_by(100) {
            let slice = rows.slice(from, 100.min(rows.num_rows() - from));
            writer.write("a.csv", &slice).unwrap();
        }
        let (store, key) = (self.store.clone(), format!("shuffled/{file}.bin"));
        let written = blocking(move || writer.finish(&store, key, file, None, || Ok(())));
        written.await.unwrap()
    }

    async fn read(
        &self,
        objects: &[Shuffled],
        bucket: usize,
        memory: usize,
    ) -> Result<RecordBatch> {
        let mut indexed = Vec::new();
        for object in objects {
            let entries = index(&self.store, object, bucket..bucket + 1).await?;
            indexed.push((object.clone(), entries[0].clone()));
        }
        let (store, work) = (self.store.clone(), Work::from(self.home.path()));
        blocking(move || {
            let objects: Vec<_> = indexed
                .iter()
                .map(|(object, entry)| (object, entry))
                .collect();
            let mut sorter = RowSorter::new(&shape().sorted_schema(), &work, memory)?;
            read(&store, &shape(), &objects, &work, |rows| sorter.push(rows))?;
            let batches = sorter.finish()?.collect::<Result<Vec<_>>>()?;
            Ok(concat_batches(&shape().sorted_schema(), &batches)?)
        })
        .await
    }
}

const BUCKETS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_entity_come_together_in_order_whatever_fits_in_memory() {
    let bench = Bench::new();
    let files = [rows(0, 700), rows(1, 0), rows(2, 333)];
    let mut expected: Vec<(String, i64, u32, u64, Option<u64>)> = Vec::new();
    for (file, rows) in files.iter().enumerate() {
        let ids = rows.column(2).as_string::<i32>();
        let times = rows.column(3).as_primitive::<Int64Type>();
        let values = rows.column(1).as_primitive::<Float64Type>();
        for row in 0..rows.num_rows() {
            let bits = values.is_valid(row).then(|| values.value(row).to_bits());
            let (id, time) = (ids.value(row).to_owned(), times.value(row));
            expected.push((id, time, file as u32, row as u64, bits));
        }
    }
    expected.sort();
    let mut bytes = BTreeSet::new();
    for memory in [1, 10_000, 1 << 30] {
        let mut objects: Vec<Shuffled> = Vec::new();
        for (file, rows) in files.iter().enumerate() {
            objects.extend(bench.write(file, rows, memory).await);
        }
        assert_eq!(objects.len(), 2, "a file without rows has no object");
        let digests = objects.iter().map(|object| object.part.sha256.clone());
        bytes.insert(digests.collect::<Vec<String>>());
        let (mut found, mut entities) = (Vec::new(), BTreeSet::new());
        for bucket in 0..BUCKETS {
            let sorted = bench.read(&objects, bucket, memory).await.unwrap();
            let (raw, files) = shape().raw_rows(&sorted).unwrap();
            assert_eq!(raw.schema(), super::tests::raw());
            assert_eq!(raw.column(0).null_count(), raw.num_rows());
            let ids = raw.column(2).as_string::<i32>();
            let of_bucket: BTreeSet<&str> = ids.iter().flatten().collect();
            for entity in of_bucket {
                assert!(
                    entities.insert(entity.to_owned()),
                    "{entity} is in two buckets"
                );
            }
            let values = raw.column(1).as_primitive::<Float64Type>();
            let times = raw.column(3).as_primitive::<Int64Type>();
            let of_bucket: Vec<_> = (0..raw.num_rows())
                .map(|row| {
                    let bits = values.is_valid(row).then(|| values.value(row).to_bits());
                    (
                        ids.value(row).to_owned(),
                        times.value(row),
                        files[row],
                        bits,
                    )
                })
                .collect();
            let keys = of_bucket.iter().map(|(id, time, file, _)| (id, time, file));
            assert!(keys.is_sorted());
            found.extend(of_bucket);
        }
        found.sort_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
        let expected = expected.iter().cloned();
        let expected: Vec<_> = expected
            .map(|(id, time, file, _, bits)| (id, time, file, bits))
            .collect();
        assert_eq!(found, expected, "{memory}");
    }
    assert_eq!(bytes.len(), 1, "the bytes are the same with any memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_of_an_object_are_read_again_for_their_keys() {
    let bench = Bench::new();
    let object = bench.write(3, &rows(3, 500), 1 << 20).await.unwrap();
    let store = bench.store.clone();
    let count = blocking(move || {
        let mut count = 0;
        read_all(&store, &object, &mut |rows: &RecordBatch| {
            count += rows.num_rows();
            assert_eq!(rows.schema(), shape().schema());
            Ok(())
        })?;
        Ok(count)
    });
    assert_eq!(count.await.unwrap(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_gives_no_rows() {
    let bench = Bench::new();
    let object = bench.write(0, &rows(0, 700), 1 << 20).await.unwrap();
    let path = bench.store.local_path(&object.part.key).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (8..object.index as usize).step_by(211) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let mut failures = Vec::new();
        for bucket in 0..BUCKETS {
            let read = bench
                .read(std::slice::from_ref(&object), bucket, 1 << 20)
                .await;
            failures.extend(read.err());
        }
        assert_eq!(failures.len(), 1, "byte {at}");
        refused += 1;
    }
    assert!(refused > 5);
    // Cut within the index.
    fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    let last = bench.read(&[object], BUCKETS - 1, 1 << 20).await;
    let error = last.unwrap_err();
    assert_eq!(exit_code(&error), 2, "{error:#}");
}

#[test]
fn a_row_without_an_entity_breaks_the_contract() {
    let rows = rows(0, 4);
    let ids: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), None]));
    let mut columns = rows.columns().to_vec();
    columns[2] = ids;
    let rows = RecordBatch::try_new(raw(), columns).unwrap();
    let work = Work::from(std::env::temp_dir().as_path());
    let mut writer = ShuffleWriter::new(&shape(), BUCKETS, &work, 1 << 20);
    let error = writer.write("train/a.csv", &rows).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    let text = format!("{error:#}");
    assert!(
        text.contains("train/a.csv: \"id\" is null in the row of time 0"),
        "{text}"
    );
}

#[test]
fn the_number_of_buckets_depends_on_bytes_alone() {
    let table = [
        (0, 1),
        (1, 1),
        (16 << 20, 1),
        ((16 << 20) + 1, 2),
        (1 << 40, 512),
    ];
    for (bytes, expected) in table {
        assert_eq!(buckets(bytes), expected, "{bytes}");
    }
}
