//! CSV files.

use arrow::util::pretty::pretty_format_batches;

use super::*;

fn every_type() -> Arc<Dataset> {
    let contract = json!({"columns": [
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "at", "type": "timestamptz", "role": "time"},
        {"name": "small", "type": "int32", "role": "feature", "nullable": true, "max": 9},
        {"name": "single", "type": "float32", "role": "feature", "nullable": true},
        {"name": "double", "type": "float64", "role": "feature", "nullable": true},
        {"name": "text", "type": "utf8", "role": "ignored", "nullable": true},
        {"name": "day", "type": "date", "role": "ignored", "nullable": true},
        {"name": "read", "type": "timestamp", "role": "ignored", "nullable": true},
        {"name": "y", "type": "bool", "role": "target"},
    ]});
    Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap())
}

fn csv(content: impl AsRef<[u8]>) -> (tempfile::TempDir, RawFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, content).unwrap();
    let file = file(&path, &every_type(), Labels::Required);
    (folder, file)
}

const HEADER: &str = "y,id,at,small,single,double,text,day,read,more\n";

#[test]
fn values_of_every_type_are_read() {
    let (_folder, file) = csv(format!(
        "{HEADER}true,1,2024-01-01T01:00:00+01:00,-3,0.1,1e-3,\"a \"\"b\"\", c\",2024-02-29,2024-02-29 23:59:59.25,x\r\n\
         False,2,2024-01-01T00:00:00Z,,,,,,,\n"
    ));
    let (batches, _) = read(&file).unwrap();
    insta::assert_snapshot!(pretty_format_batches(&batches).unwrap(), @r#"
    +----+----------------------+-------+--------+--------+----------+------------+-------------------------+-------+
    | id | at                   | small | single | double | text     | day        | read                    | y     |
    +----+----------------------+-------+--------+--------+----------+------------+-------------------------+-------+
    | 1  | 2024-01-01T00:00:00Z | -3    | 0.1    | 0.001  | a "b", c | 2024-02-29 | 2024-02-29T23:59:59.250 | true  |
    | 2  | 2024-01-01T00:00:00Z |       |        |        |          |            |                         | false |
    +----+----------------------+-------+--------+--------+----------+------------+-------------------------+-------+
    "#);
}

#[test]
fn a_byte_order_mark_is_no_harm() {
    let (_folder, file) = csv(format!(
        "\u{feff}{HEADER}true,1,2024-01-01T00:00:00Z,1,1,1,a,,,\n"
    ));
    assert_eq!(read(&file).unwrap().1.rows, 1);
}

#[test]
fn a_header_alone_is_a_file_without_rows() {
    let (_folder, file) = csv(HEADER);
    assert_eq!(read(&file).unwrap().1.rows, 0);
}

#[test]
fn breaches_are_reported_by_line() {
    let mut content = HEADER.to_owned();
    // Rows 1 to 3; the text of row 2 goes over two lines, and a blank line follows.
    content.push_str("true,1,2024-01-01T00:00:00Z,1,1,1,a,,,\n");
    content.push_str("true,2,2024-01-01T00:00:00Z,1,1,1,\"two\nlines\",,,\n\n");
    content.push_str("yes,3,2024-01-01,10,one, 1,c,29.2.2024,2024-02-29T10:00:00.0000001,\n");
    content.push_str(",,,2147483648,1,1,d,,,\n");
    let (_folder, file) = csv(content);
    insta::assert_snapshot!(complaint(&file), @r#"
    train/a.csv breaks the data contract (dataset.json):
      column "id": 1 of 4 rows hold null, which the contract does not allow, the first in line 7
      column "at": 1 of 4 rows hold null, which the contract does not allow, the first in line 7
      column "at": 1 of 4 rows can't be read as timestamptz, the first in line 6: "2024-01-01" (write an instant with its offset, such as 2024-12-31T23:59:59Z)
      column "small": 1 of 4 rows are above the maximum 9, the first in line 6: 10 (a higher "max" in dataset.json accepts them)
      column "small": 1 of 4 rows are beyond the range of int32, the first in line 7: "2147483648" ("type": "int64" in dataset.json accepts them)
      column "single": 1 of 4 rows can't be read as float32, the first in line 6: "one" ("type": "utf8" in dataset.json accepts them; as utf8, a feature is a category: remove "clip" and a numeric "impute" of "single" from models.json, or compute a number from it by try_cast in features.sql)
      column "double": 1 of 4 rows can't be read as float64, the first in line 6: " 1" (write values without spaces around them)
      column "day": 1 of 4 rows can't be read as date, the first in line 6: "29.2.2024" ("format": "%d.%m.%Y" or "type": "utf8" in dataset.json accepts them; features.sql then reads "day" as a text: use try_cast there)
      column "read": 1 of 4 rows can't be held in microseconds, the first in line 6: "2024-02-29T10:00:00.0000001" (round them (pandas: dt.floor("us")))
      column "y": 1 of 4 rows hold null, which the contract does not allow, the first in line 7 ("unlabelled": "drop" leaves such rows out of training)
      column "y": 1 of 4 rows can't be read as bool, the first in line 6: "yes" (write true, false, 1 or 0, or "type": "utf8" with every class in "allowed" in dataset.json accepts them)
    repair or remove the file, or change the contract if the data is right
    "#);
}

#[test]
fn a_repeated_key_is_reported_by_line() {
    let row = "true,7,2024-01-01T00:00:00Z,1,1,1,a,,,\n";
    let (_folder, file) = csv(format!("{HEADER}{row}{row}"));
    assert!(
        complaint(&file)
            .contains("1 of 2 rows repeat the (id, at) of another row, such as line 2 and line 3")
    );
}

#[test]
fn files_that_are_no_such_table_are_reported_as_such() {
    let row = "true,1,2024-01-01T00:00:00Z,1,1,1,a,,,";
    for (content, reason) in [
        (String::new(), "is empty"),
        (HEADER.replace(',', ";"), "separated by commas"),
        (format!("{HEADER}{row},one too many\n"), "line 2"),
        (format!("{HEADER}true,1\n"), "line 2"),
        (
            HEADER.replace("small", "Small"),
            "column \"small\" is missing; the file has \"Small\", and spelling counts",
        ),
        (
            HEADER.replace("more", "id"),
            "column \"id\" is in the header 2 times",
        ),
    ] {
        let (_folder, file) = csv(&content);
        let text = complaint(&file);
        assert!(text.contains(reason), "{content:?}: {text}");
    }
}
