use std::fs::File;

use arrow::array::{
    BooleanArray, DictionaryArray, Float64Array, Int8Array, Int64Array, NullArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;

use super::*;
use runtime::failure::exit_code;

const CONTRACT: &str = r#"{"columns": [
    {"name": "at", "type": "timestamp", "role": "time"},
    {"name": "the \"id\"", "type": "utf8", "role": "id"},
    {"name": "x", "type": "float64", "role": "feature"},
    {"name": "y.z", "type": "int64", "role": "target", "allowed": [0, 1]}
]}"#;

/// Raw files in a folder of their own.
struct Raw {
    folder: tempfile::TempDir,
    store: Store,
}

impl Raw {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path().to_str().unwrap()).unwrap();
        Self { folder, store }
    }

    fn parquet(&self, columns: Vec<(&str, ArrayRef)>) -> Result<Vec<LabelRows>> {
        let columns = columns
            .into_iter()
            .map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let file = File::create(self.folder.path().join("a.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self.read("a.parquet")
    }

    fn read(&self, name: &str) -> Result<Vec<LabelRows>> {
        self.read_by(CONTRACT, name)
    }

    fn read_by(&self, contract: &str, name: &str) -> Result<Vec<LabelRows>> {
        // The store is waited for.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        let dataset = Dataset::parse(contract.as_bytes()).unwrap();
        let reader = LabelReader::new(&dataset, &dataset.key())?;
        let file = Object {
            key: name.to_owned(),
            bytes: 0,
            stamp: String::new(),
        };
        reader
            .read(&self.store, &file, &self.folder.path().into())?
            .collect()
    }
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn at(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()))
}

fn hashes(rows: &LabelRows) -> Vec<u128> {
    key_hashes(&rows.keys).unwrap().collect()
}

#[test]
fn parquet_and_csv_of_the_same_rows_have_the_same_keys_and_labels() {
    let raw = Raw::new();
    let columns = vec![
        (
            "y.z",
            Arc::new(Int8Array::from(vec![Some(1), None, Some(0), None])) as ArrayRef,
        ),
        ("note", text(&["", "", "", ""])),
        (
            "at",
            Arc::new(TimestampNanosecondArray::from(vec![
                0,
                1_500_000_000,
                3_000,
                86_400_000_000_000,
            ])) as ArrayRef,
        ),
        (
            "the \"id\"",
            Arc::new(DictionaryArray::<Int32Type>::from_iter([
                "a", "b,c", "a", "ü",
            ])) as ArrayRef,
        ),
    ];
    let from_parquet = raw.parquet(columns).unwrap().remove(0);
    let csv = "at,\"the \"\"id\"\"\",y.z\n1970-01-01,a,1\n1970-01-01T00:00:01.5,\"b,c\",\n\
               1970-01-01 00:00:00.000003,a,0\n1970-01-02,ü,\n";
    std::fs::write(raw.folder.path().join("a.csv"), csv).unwrap();
    let from_csv = raw.read("a.csv").unwrap().remove(0);

    assert_eq!(from_parquet.labels, [Some(1.0), None, Some(0.0), None]);
    assert_eq!(from_csv.labels, from_parquet.labels);
    assert_eq!(hashes(&from_csv), hashes(&from_parquet));
    let mut distinct = hashes(&from_csv);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn labels_are_taken_by_their_values() {
    let raw = Raw::new();
    let named = |y: ArrayRef| {
        vec![
            ("at", at(&[1, 2, 3])),
            ("the \"id\"", text(&["a", "b", "c"])),
            ("y.z", y),
        ]
    };
    // What pandas writes for labels that are not all known yet, for none that is, and for booleans.
    for (column, labels) in [
        (
            Arc::new(Float64Array::from(vec![f64::NAN, 1.0, 0.0])) as ArrayRef,
            [None, Some(1.0), Some(0.0)],
        ),
        (Arc::new(NullArray::new(3)), [None; 3]),
        (
            Arc::new(BooleanArray::from(vec![true, false, true])),
            [Some(1.0), Some(0.0), Some(1.0)],
        ),
    ] {
        let rows = raw.parquet(named(column)).unwrap();
        assert_eq!(rows[0].labels, labels);
    }
    // The contract is the model's: a change of it would not help here.
    for (column, words) in [
        (
            Arc::new(Float64Array::from(vec![0.5, 1.0, 0.0])) as ArrayRef,
            "column \"y.z\": 1 of 3 rows are not whole, as int64 must be, the first in row 1: 0.5",
        ),
        (
            text(&["0", "1", "1"]),
            "write it as numbers (pandas: pd.to_numeric), or train a model with \"type\": \"utf8\"",
        ),
    ] {
        let error = raw.parquet(named(column)).unwrap_err();
        assert_eq!(exit_code(&error), 10);
        let message = format!("{error:#}");
        assert!(
            message.contains(words) && !message.contains("change the contract"),
            "{message}"
        );
    }
}

#[test]
fn what_breaks_the_contract_is_reported_by_file_and_column() {
    let raw = Raw::new();
    let numbers = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let zoned: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![1, 2]).with_timezone("UTC"));
    let with_null: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let (a, id, y) = (at(&[1, 2]), text(&["a", "b"]), numbers(vec![0, 1]));
    let named = |a: &ArrayRef, id: &ArrayRef, y: &ArrayRef| {
        vec![
            ("at", a.clone()),
            ("the \"id\"", id.clone()),
            ("y.z", y.clone()),
        ]
    };
    for (columns, expected) in [
        (
            named(&a, &id, &y)[..2].to_vec(),
            "column \"y.z\" is missing",
        ),
        (named(&zoned, &id, &y), "column \"at\" is of type"),
        (named(&a, &with_null, &y), "1 of 2 rows hold null"),
        (
            named(&a, &id, &numbers(vec![1, 2])),
            "column \"y.z\": 1 of 2 rows hold a value that is neither 0 nor 1",
        ),
        (
            named(&at(&[1, 1]), &text(&["a", "a"]), &y),
            "1 of 2 rows repeat",
        ),
    ] {
        let error = raw.parquet(columns).unwrap_err();
        assert_eq!(exit_code(&error), 10, "{error:#}");
        let message = format!("{error:#}");
        assert!(
            message.contains(expected) && message.contains("a.parquet"),
            "{message} should say {expected}"
        );
    }
}

#[test]
fn a_csv_file_of_labels_is_read_whole_or_refused() {
    let raw = Raw::new();
    let header = "at,\"the \"\"id\"\"\",y.z,note\n";
    let rows = |note: &str| format!("{header}1970-01-01,a,1,{note}\n1970-01-01,b,0,\n");
    let read = |name: &str, content: &[u8]| {
        std::fs::write(raw.folder.path().join(name), content).unwrap();
        raw.read(name)
    };
    let plain = read("a.csv", rows("x").as_bytes()).unwrap();
    assert_eq!(plain[0].labels, [Some(1.0), Some(0.0)]);
    let compressed = zstd::encode_all(rows("x").as_bytes(), 3).unwrap();
    assert_eq!(
        hashes(&read("a.csv.zst", &compressed).unwrap()[0]),
        hashes(&plain[0])
    );
    for (content, reason) in [
        (
            rows("\"24 inch"),
            "a.csv, line 2: the quote that opens column \"note\"",
        ),
        (
            rows("24\" inch"),
            "1 of 2 rows hold a quote in a field that is not quoted",
        ),
        (rows("x,y"), "a.csv, line 2: the row has 5 fields"),
        (
            rows("x").trim_end().to_owned(),
            "a.csv, line 3: the last row has no line break",
        ),
    ] {
        let error = read("a.csv", content.as_bytes()).unwrap_err();
        assert_eq!(exit_code(&error), 10, "{error:#}");
        assert!(format!("{error:#}").contains(reason), "{error:#}");
    }
}

#[tokio::test]
async fn an_absent_folder_has_no_labels_and_other_files_are_refused() {
    let raw = Raw::new().store;
    assert_eq!(find(&raw, "labels/*.parquet").await.unwrap(), []);
    raw.put("labels/2.parquet", vec![]).await.unwrap();
    raw.put("labels/1.csv", vec![]).await.unwrap();
    let names: Vec<String> = find(&raw, "labels/*")
        .await
        .unwrap()
        .into_iter()
        .map(|file| file.key)
        .collect();
    assert_eq!(names, ["labels/1.csv", "labels/2.parquet"]);
    raw.put("labels/notes.txt", vec![]).await.unwrap();
    assert_eq!(exit_code(&find(&raw, "labels/*").await.unwrap_err()), 2);
}

#[test]
fn label_files_have_the_dialect_and_the_order_of_the_contract() {
    let dialect = r#"{"csv": {"separator": ";", "header": false, "timestamp_format": "%d.%m.%Y"},"#;
    let contract = CONTRACT.replacen('{', dialect, 1);
    let raw = Raw::new();
    std::fs::write(
        raw.folder.path().join("a.csv"),
        "31.12.2024;b;1\n1.1.2025;c;\n",
    )
    .unwrap();
    let found = raw.read_by(&contract, "a.csv").unwrap();
    assert_eq!(found[0].labels, [Some(1.0), None]);
    // The ids, and then the time: the order of keys.
    let [ids, times] = &found[0].keys[..] else {
        panic!("two keys");
    };
    assert_eq!(**ids, StringArray::from(vec!["b", "c"]));
    let days = [20_088, 20_089].map(|day: i64| day * 86_400_000_000);
    assert_eq!(**times, TimestampMicrosecondArray::from(days.to_vec()));

    std::fs::write(raw.folder.path().join("a.csv"), "31.12.2024;b;0.5;1\n").unwrap();
    let error = raw.read_by(&contract, "a.csv").unwrap_err();
    assert_eq!(exit_code(&error), 10);
    let reason = "line 1 has 4 fields, but a file without a header must have the columns of the \
                  contract in their order: at, the \"id\", y.z";
    assert!(error.to_string().contains(reason), "{error}");
}
