use arrow::array::{
    DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::failure::exit_code;

const CONTRACT: &str = r#"{"columns": [
    {"name": "at", "type": "timestamp", "role": "time"},
    {"name": "the \"id\"", "type": "utf8", "role": "id"},
    {"name": "x", "type": "float64", "role": "feature"},
    {"name": "y.z", "type": "int64", "role": "target", "allowed": [0, 1]}
]}"#;

fn contract() -> Dataset {
    Dataset::parse(CONTRACT.as_bytes()).unwrap()
}

fn keys(dataset: &Dataset) -> Vec<ColumnContract> {
    dataset.columns.iter().filter(|column| column.name == "at" || column.name.contains("id")).cloned().collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn parquet(&self, columns: Vec<(&str, ArrayRef)>) -> Result<Vec<LabelRows>> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
        let batch = batch.unwrap();
        let file = self.0.path().join("a.parquet");
        let mut writer = ArrowWriter::try_new(File::create(&file).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self.read("a.parquet")
    }

    fn read(&self, name: &str) -> Result<Vec<LabelRows>> {
        let dataset = contract();
        let keys = keys(&dataset);
        read(&self.0.path().join(name), name, &keys, &dataset)?.collect()
    }
}

fn text(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn at(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()))
}

#[test]
fn parquet_and_csv_of_the_same_rows_have_the_same_keys_and_labels() {
    let folder = Folder::new();
    let columns = vec![
        ("y.z", Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), Some(0.0), None])) as ArrayRef),
        ("note", text(&["", "", "", ""])),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![0, 1_500_000_000, 3_000, 86_400_000_000_000])) as ArrayRef),
        ("the \"id\"", Arc::new(DictionaryArray::<Int32Type>::from_iter(["a", "b,c", "a", "ü"])) as ArrayRef),
    ];
    let from_parquet = folder.parquet(columns).unwrap().remove(0);
    let csv = "at,\"the \"\"id\"\"\",y.z\n1970-01-01,a,1\n1970-01-01T00:00:01.5,\"b,c\",\n1970-01-01 00:00:00.000003,a,0\n1970-01-02,ü,\n";
    std::fs::write(folder.0.path().join("a.csv"), csv).unwrap();
    let from_csv = folder.read("a.csv").unwrap().remove(0);

    assert_eq!(from_parquet.labels, [Some(1), None, Some(0), None]);
    assert_eq!(from_csv.labels, from_parquet.labels);
    let types: Vec<_> = from_csv.keys.iter().map(|column| column.data_type().clone()).collect();
    let mut hasher = KeyHasher::new(types).unwrap();
    let hashes = hasher.hash(&from_csv.keys).unwrap();
    assert_eq!(hashes, hasher.hash(&from_parquet.keys).unwrap());
    let mut distinct = hashes.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn what_does_not_fit_the_contract_is_named_with_its_row() {
    let folder = Folder::new();
    let good = || (at(&[1, 2]), text(&["a", "b"]), Arc::new(Int64Array::from(vec![0, 1])) as ArrayRef);
    let zoned: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1, 2]).with_timezone("UTC"));
    let with_null: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let (a, i, y) = good();
    for (columns, expected) in [
        (vec![("at", a.clone()), ("the \"id\"", i.clone())], "has no column \"y.z\""),
        (vec![("at", zoned), ("the \"id\"", i.clone()), ("y.z", y.clone())], "\"at\" is an instant"),
        (
            vec![("at", a.clone()), ("the \"id\"", with_null), ("y.z", y.clone())],
            "null in 1 rows, the first of them row 1",
        ),
        (
            vec![
                ("at", a.clone()),
                ("the \"id\"", i.clone()),
                ("y.z", Arc::new(Float64Array::from(vec![1.0, 0.5])) as _),
            ],
            "holds 0.5 in row 1",
        ),
        (
            vec![("at", a.clone()), ("the \"id\"", i.clone()), ("y.z", Arc::new(Int32Array::from(vec![1, 2])) as _)],
            "holds 2, which is neither 0 nor 1",
        ),
        (vec![("at", text(&["x", "y"])), ("the \"id\"", i), ("y.z", y)], "\"at\" is of type Utf8"),
    ] {
        let error = folder.parquet(columns).unwrap_err();
        assert_eq!(exit_code(&error), 10, "{error:#}");
        assert!(format!("{error:#}").contains(expected), "{error:#} should say {expected}");
    }
}

#[test]
fn a_file_that_is_no_parquet_breaks_the_contract_by_name() {
    let folder = Folder::new();
    std::fs::write(folder.0.path().join("b.parquet"), b"PAR1 not really").unwrap();
    let error = folder.read("b.parquet").unwrap_err();
    assert_eq!(exit_code(&error), 10, "{error:#}");
    assert!(error.to_string().contains("b.parquet is damaged"), "{error:#}");
}

#[tokio::test]
async fn an_absent_folder_has_no_labels_and_other_files_are_refused() {
    let folder = Folder::new();
    let raw = Store::create(folder.0.path().to_str().unwrap()).unwrap();
    assert_eq!(find(&raw, "labels/*.parquet").await.unwrap(), []);
    raw.put("labels/2.parquet", vec![]).await.unwrap();
    raw.put("labels/1.parquet", vec![]).await.unwrap();
    let names: Vec<String> = find(&raw, "labels/*").await.unwrap().into_iter().map(|file| file.key).collect();
    assert_eq!(names, ["labels/1.parquet", "labels/2.parquet"]);
    raw.put("labels/notes.txt", vec![]).await.unwrap();
    assert_eq!(exit_code(&find(&raw, "labels/*").await.unwrap_err()), 2);
}
