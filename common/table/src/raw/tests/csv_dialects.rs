//! CSV files as their contract says that they are written.

use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use serde::Deserialize;
use serde_json::Value;

use super::*;

/// A contract of every kind of value, in the order of the fixtures, with this dialect.
fn dataset(csv: &Value, format: Option<&str>) -> Arc<Dataset> {
    let mut contract = json!({"csv": csv, "columns": [
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "x", "type": "float64", "role": "feature", "nullable": true},
        {"name": "n", "type": "int64", "role": "feature", "nullable": true},
        {"name": "day", "type": "date", "role": "ignored", "nullable": true},
        {"name": "read", "type": "timestamp", "role": "ignored", "nullable": true},
        {"name": "at", "type": "timestamptz", "role": "ignored", "nullable": true},
        {"name": "text", "type": "utf8", "role": "ignored", "nullable": true},
        {"name": "y", "type": "int64", "role": "target"},
    ]});
    if let Some(format) = format {
        contract["columns"][3]["format"] = format.into();
    }
    Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap())
}

fn written(
    csv: &Value,
    format: Option<&str>,
    content: impl AsRef<[u8]>,
) -> (tempfile::TempDir, RawFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, content).unwrap();
    let file = file(&path, &dataset(csv, format), Labels::Optional);
    (folder, file)
}

type Row = (
    i64,
    Option<String>,
    Option<i64>,
    Option<i32>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
);

fn rows(file: &RawFile) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in read(file).unwrap().0 {
        for row in 0..batch.num_rows() {
            let there = |column: usize| batch.column(column).is_valid(row).then_some(column);
            let column = |column: usize| batch.column(column).clone();
            let whole =
                |at: usize| there(at).map(|at| column(at).as_primitive::<Int64Type>().value(row));
            let moment = |at: usize| {
                let moment = |at| {
                    column(at)
                        .as_primitive::<TimestampMicrosecondType>()
                        .value(row)
                };
                there(at).map(moment)
            };
            let float = |at| {
                column(at)
                    .as_primitive::<Float64Type>()
                    .value(row)
                    .to_bits()
            };
            rows.push((
                whole(0).unwrap(),
                there(1).map(|at| format!("{:016x}", float(at))),
                whole(2),
                there(3).map(|at| column(at).as_primitive::<Date32Type>().value(row)),
                moment(4),
                moment(5),
                there(6).map(|at| column(at).as_string::<i32>().value(row).to_owned()),
                whole(7),
            ));
        }
    }
    rows
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn values_are_those_that_pandas_and_duckdb_read_from_the_same_bytes() {
    #[derive(Deserialize)]
    struct File {
        name: String,
        csv: Value,
        bytes: String,
        rows: Vec<Row>,
    }
    let fixture = include_str!("../../../../testing/fixtures/csv_dialects.json");
    let files: Vec<File> = serde_json::from_str(fixture).unwrap();
    assert_eq!(files.len(), 10);
    for found in files {
        let content = bytes(&found.bytes);
        let (_folder, file) = written(&found.csv, None, &content);
        assert_eq!(rows(&file), found.rows, "{}", found.name);
        check_file(&file.path, &file.key).unwrap();

        // A file that is cut is refused, or ends between two rows.
        let (_folder, cut) = written(&found.csv, None, &content[..content.len() - 6]);
        let text = complaint(&cut);
        let cut_there = ["has no line break", "is never closed"];
        let is_named = cut_there.iter().any(|what| text.contains(what));
        assert!(is_named, "{}: {text}", found.name);
        assert!(check_file(&cut.path, &cut.key).is_err(), "{}", found.name);
    }
}

#[test]
fn a_character_may_lie_anywhere_in_what_is_read_at_once() {
    // 1 + 2 units of UTF-16 a row, and rows of another length than what is read at once.
    let mut text = "id,x,n,day,read,at,text,y\r\n".to_owned();
    for id in 0..30_000 {
        text.push_str(&format!("{id},,,,,,é𝄞{},0\r\n", "x".repeat(id % 7)));
    }
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (_folder, plain) = written(&json!({}), None, &text);
    let marked = [&[0xfe, 0xff], &utf16[..]].concat();
    let (_folder, wide) = written(&json!({"encoding": "utf-16"}), None, marked);
    let found = rows(&wide);
    assert_eq!(found.len(), 30_000);
    assert_eq!(found, rows(&plain));
}

#[test]
fn numbers_have_marks_where_the_dialect_puts_them_alone() {
    let table = [
        (',', None, "1,5", Some("1.5")),
        (',', None, "-1,5e3", Some("-1.5e3")),
        (',', None, "1.5", None),
        (',', None, "1,5,5", None),
        (',', None, "15", Some("15")),
        (',', Some('.'), "1.234.567,25", Some("1234567.25")),
        (',', Some('.'), "-1.234", Some("-1234")),
        (',', Some('.'), "1234,5", Some("1234.5")),
        // Written with a point as decimal mark: as a number with groups it would be ten times it.
        (',', Some('.'), "1.5", None),
        (',', Some('.'), "1234.567", None),
        (',', Some('.'), ".123", None),
        (',', Some('.'), "1.234.", None),
        (',', Some('.'), "1,234.567", None),
        ('.', Some(','), "12,345.5", Some("12345.5")),
        ('.', Some(','), "12,34,567", None),
        ('.', Some('\u{a0}'), "12\u{a0}345", Some("12345")),
        ('.', Some('\''), "+1'234", Some("+1234")),
        ('.', None, "1,5", Some("1,5")),
        (',', None, "inf", Some("inf")),
    ];
    for (decimal, thousands, text, plain) in table {
        let spelling = Spelling { decimal, thousands };
        assert_eq!(spelling.plain(text).as_deref(), plain, "{text}");
    }
}

#[test]
fn a_value_of_another_dialect_names_the_line_that_takes_it() {
    let row = |x: &str, n: &str, day: &str, read: &str, at: &str| {
        format!("id;x;n;day;read;at;text;y\n7;1;1;;;;;1\n8;{x};{n};{day};{read};{at};a;0\n")
    };
    let semicolons = json!({"separator": ";"});
    for (content, expected) in [
        (
            row("1,5", "1", "", "", ""),
            r#"line 3: "1,5" ("csv": {"decimal": ","} or "type": "utf8" in dataset.json accepts them; as utf8, "#,
        ),
        (
            row("1.234,5", "1", "", "", ""),
            r#""1.234,5" ("csv": {"decimal": ",", "thousands": "."} or "type": "utf8" in dataset.json accepts them; as utf8, "#,
        ),
        (
            row("1", "12'345", "", "", ""),
            r#""12'345" ("csv": {"thousands": "'"} or "type": "utf8" in dataset.json accepts them; as utf8, "#,
        ),
        (
            row("1", "12\u{a0}345", "", "", ""),
            r#""12\u{a0}345" ("csv": {"thousands": "\u00a0"} or "type": "utf8" in dataset.json accepts them; as utf8, "#,
        ),
        (
            row("1,234", "1", "", "", ""),
            r#"("csv": {"decimal": ","} or "csv": {"thousands": ","} or "type": "utf8" in dataset.json accepts them; as utf8, "#,
        ),
        (
            row("NA", "1", "", "", ""),
            r#"(write null as an empty field, or "NA" added to "nulls" of "csv" in dataset.json accepts them)"#,
        ),
        (
            row("1", "1", "31.12.2024", "", ""),
            r#""31.12.2024" ("format": "%d.%m.%Y" or "type": "utf8" in dataset.json accepts them; features.sql then reads "day" as a text: use try_cast there)"#,
        ),
        (
            row("1", "1", "", "5/6/2024 1:02 pm", ""),
            r#"("format": "%d/%m/%Y %I:%M %p" or "format": "%m/%d/%Y %I:%M %p" or "type": "utf8" in dataset.json accepts them; features.sql then reads "read" as a text: use try_cast there)"#,
        ),
        (
            row("1", "1", "", "", "20241231T235959+0100"),
            r#"("format": "%Y%m%dT%H%M%S%z" or "type": "utf8" in dataset.json accepts them; features.sql then reads "at" as a text: use try_cast there)"#,
        ),
    ] {
        let (_folder, file) = written(&semicolons, None, &content);
        let text = complaint(&file);
        assert!(text.contains(expected), "{content}: {text}");
    }
    let (_folder, mut pinned) = written(&semicolons, None, row("1,5", "1", "", "", ""));
    pinned.pinned = true;
    let text = complaint(&pinned);
    let advice = r#"(a model trained with "csv": {"decimal": ","} or "type": "utf8" accepts them; as utf8, "#;
    assert!(text.contains(advice), "{text}");
}

#[test]
fn a_file_of_another_dialect_names_the_line_that_reads_it() {
    let header = "id,x,n,day,read,at,text,y\n";
    let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe], &utf16[..]].concat();
    let body = |text: &[u8]| [header.as_bytes(), b"1,,,,,,", text, b",0\n"].concat();
    let (tabs, hand) = (header.replace(',', "\t"), "# by hand\n1,,,,,,a,0");
    let table: [(Value, Vec<u8>, &str); 13] = [
        (
            json!({}),
            tabs.into(),
            r#""csv": {"separator": "\t"} in dataset.json accepts it"#,
        ),
        (
            json!({"separator": ";"}),
            header.into(),
            "separated by semicolons",
        ),
        (
            json!({}),
            marked.clone(),
            r#""csv": {"encoding": "utf-16"} in dataset.json accepts it"#,
        ),
        (
            json!({}),
            body(b"\xfc"),
            r#"line 2: is not UTF-8: it holds byte 0xFC"#,
        ),
        (
            json!({}),
            body(b"\xfc"),
            r#""csv": {"encoding": "windows-1252"} in dataset.json accepts it"#,
        ),
        (
            json!({"encoding": "windows-1252"}),
            body(b"\x81"),
            "line 2: holds byte 0x81",
        ),
        (
            json!({"encoding": "latin-1"}),
            marked,
            "line 1: begins with the byte order mark of UTF-16",
        ),
        (
            json!({"encoding": "utf-16"}),
            header.into(),
            "line 1: does not begin with the byte order mark",
        ),
        (
            json!({}),
            "1,,,,,,a,0\n".into(),
            r#"if its first row is data, "csv": {"header": false}"#,
        ),
        (
            json!({"header": false}),
            header.into(),
            r#"("csv": {"header": true} in dataset.json accepts it)"#,
        ),
        (
            json!({"header": false}),
            "1,2\n".into(),
            "line 1 has 2 fields, but a file without a header",
        ),
        (
            json!({"header": false}),
            "\n\n".into(),
            "a CSV file holds rows",
        ),
        (
            json!({"header": false, "comment": "#"}),
            hand.into(),
            "line 2: the last row has no line break",
        ),
    ];
    for (csv, content, expected) in table {
        let (_folder, file) = written(&csv, None, content);
        let text = complaint(&file);
        assert!(text.contains(expected), "{csv}: {text}");
    }
    let half = [&[0xff, 0xfe], &utf16[..], b"1"].concat();
    let (_folder, file) = written(&json!({"encoding": "utf-16"}), None, half);
    let text = complaint(&file);
    assert!(
        text.contains("line 2: ends within a character of UTF-16"),
        "{text}"
    );
}

#[test]
fn what_is_no_table_is_named_by_line_in_any_dialect() {
    let header = "id\tx\tn\tday\tread\tat\ttext\ty\n";
    for (csv, broken, expected) in [
        (
            json!({"separator": "\t", "quote": "'"}),
            "2\t\t\t\t\t\t'a\t0\n",
            "line 4: the quote that opens column \"text\" is never closed: 'a",
        ),
        (
            json!({"separator": "\t", "quote": null}),
            "2\t\t\t\t\t\t\"a\nb\"\t0\n",
            "line 4: the row has 7 fields, and the header 8",
        ),
        (
            json!({"separator": "\t", "comment": "#"}),
            "# \"a quote\n2\t\t\t\t\t\ta\n",
            "line 5: the row has 7 fields, and the header 8",
        ),
        (
            json!({"separator": "\t", "quote": null}),
            "2\t\t\t\t\t\t\0a\0b\t0\n",
            "line 4: holds a NUL byte",
        ),
    ] {
        let content = format!("{header}\n1\t\t\t\t\t\ta\t0\n{broken}");
        let (_folder, file) = written(&csv, None, &content);
        let text = complaint(&file);
        assert!(text.contains(expected), "{csv}: {text}");
    }
    // A quote that is none.
    let quotes = format!("{header}1\t\t\t\t\t\t24\" inch\t0\n");
    let (_folder, file) = written(&json!({"separator": "\t", "quote": null}), None, quotes);
    assert_eq!(rows(&file)[0].6.as_deref(), Some("24\" inch"));
}

#[test]
fn rows_to_score_may_lack_the_target_without_a_header() {
    let (_folder, mut file) = written(&json!({"header": false}), None, "1,0.5,,,,,a\n2,,,,,,\n");
    let found = rows(&file);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].6.as_deref(), found[0].7), (Some("a"), None));
    file.labels = Labels::Required;
    assert!(complaint(&file).contains("line 1 has 7 fields"));
}

#[test]
fn a_form_of_one_column_comes_before_that_of_all() {
    let csv = json!({"date_format": "%d.%m.%Y"});
    let content = "id,x,n,day,read,at,text,y\n1,,,2024/2/29,,,,0\n";
    let (_folder, file) = written(&csv, Some("%Y/%m/%d"), content);
    assert_eq!(rows(&file)[0].3, Some(19_782));
    let (_folder, file) = written(&csv, None, content);
    assert!(complaint(&file).contains("2024/2/29"));
}

#[test]
fn texts_of_parquet_are_read_by_the_form_of_their_column() {
    let mut contract = serde_json::to_value(&*contract()).unwrap();
    contract["columns"][0]["format"] = "%d.%m.%Y %H:%M".into();
    contract["csv"] = json!({"decimal": ","});
    contract["csv"]["timestamp_format"] = "%d/%m/%Y".into();
    let dates = vec!["31.12.2024 23:59"; 3];
    let sample = Sample::of(3).with("date", Arc::new(StringArray::from(dates)));
    let mut file = sample.write(Labels::Required);
    file.dataset = Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap());
    let (batches, _) = read(&file).unwrap();
    let dates = batches[0]
        .column(0)
        .as_primitive::<TimestampMicrosecondType>();
    assert_eq!(dates.value(2), 1_735_689_540_000_000);
}
