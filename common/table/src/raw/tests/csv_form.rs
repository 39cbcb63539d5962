//! The form of CSV files: whatever is no sound table is refused by line, and no row is lost.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use serde::Deserialize;

use super::*;

/// An id, two texts and a target.
fn small() -> Arc<Dataset> {
    let contract = json!({"columns": [
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "a", "type": "utf8", "role": "ignored", "nullable": true},
        {"name": "b", "type": "utf8", "role": "ignored", "nullable": true},
        {"name": "y", "type": "int64", "role": "target"},
    ]});
    Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap())
}

fn written(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, RawFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let file = file(&path, &small(), Labels::Required);
    (folder, file)
}

type Row = (i64, Option<String>, Option<String>, i64);

pub(super) fn rows(name: &str, content: impl AsRef<[u8]>) -> Result<Vec<Row>> {
    let (_folder, file) = written(name, content);
    let mut rows = Vec::new();
    for batch in read(&file)?.0 {
        let text = |column: usize, row: usize| {
            let texts = batch.column(column).as_string::<i32>();
            texts.iter().nth(row).unwrap().map(str::to_owned)
        };
        let number =
            |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
        rows.extend(
            (0..batch.num_rows())
                .map(|row| (number(0, row), text(1, row), text(2, row), number(3, row))),
        );
    }
    Ok(rows)
}

/// What is said of a file with this content.
pub(super) fn refusal(name: &str, content: impl AsRef<[u8]>) -> String {
    let (_folder, file) = written(name, content);
    complaint(&file)
}

#[test]
fn rows_are_those_that_pythons_csv_module_finds_in_sound_files_alone() {
    #[derive(Deserialize)]
    struct File {
        text: String,
        rows: Option<Vec<Row>>,
    }
    let fixture = include_str!("../../../../testing/fixtures/csv_files.json");
    let files: Vec<File> = serde_json::from_str(fixture).unwrap();
    assert!(files.len() > 500);
    for File {
        text,
        rows: expected,
    } in files
    {
        match (rows("a.csv", &text), expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, expected, "{text:?}"),
            (Err(error), None) => assert_eq!(exit_code(&error), 10, "{text:?}: {error:#}"),
            (found, expected) => panic!("{text:?}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_or_has_its_rows_before_the_cut() {
    let lines = [
        "id,a,b,y",
        "1,\"two\nlines, \"\"quoted\"\"\",ü,0",
        "2,,\"\",1",
        "12,語,\"last\",1",
    ];
    for end in ["\n", "\r\n", "\r"] {
        let lines = lines.map(|line| line.replace('\n', end));
        let mut content = String::new();
        // A file may end after a row, and, as far as anybody can see, within a line break of two
        // bytes.
        let mut ends = std::collections::BTreeMap::new();
        for (rows, line) in lines.iter().enumerate() {
            content.push_str(line);
            for byte in end.chars() {
                content.push(byte);
                ends.insert(content.len(), rows);
            }
        }
        let whole = rows("a.csv", &content).unwrap();
        assert_eq!(whole.len(), 3);
        for cut in 0..content.len() {
            let found = rows("a.csv", &content.as_bytes()[..cut]);
            match ends.get(&cut) {
                Some(&count) => assert_eq!(found.unwrap(), whole[..count], "{cut} of {content:?}"),
                None => assert_eq!(exit_code(&found.unwrap_err()), 10, "{cut} of {content:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_table_is_reported_by_the_line_where_it_begins() {
    let row = |id: usize| format!("{id},a,b,1\n");
    // Lines 2 to 8: a row of three lines, a blank line, and three other line ends.
    let before = "id,a,b,y\n1,\"x\ny\r\nz\",b,1\n\n2,a,b,1\r\n3,a,b,1\r4,a,b,1\n";
    for (broken, line, reason) in [
        (
            "5,\"24 inch,b,1\n",
            9,
            "the quote that opens column \"a\" is never closed: \"24 inch,b,1",
        ),
        (
            "5,a,b,\"1\n",
            9,
            "the quote that opens column \"y\" is never closed",
        ),
        (
            "5,\"24 inch,b,1\n6,a,b,1\n7,a,b,1\n8,19\",b,1\n",
            9,
            "the quoted text of column \"a\" holds 3 other rows",
        ),
        (
            "5,\"a\n\nb,\"24 inch,1\n",
            9,
            "column \"a\" is closed in line 11, and \"24 inch,1\" follows",
        ),
        (
            "5,\"a\"b,b,1\n",
            9,
            "is closed in line 9, and \"b,b,1\" follows",
        ),
        (
            "5,\"a\" ,b,1\n",
            9,
            "is closed in line 9, and \" ,b,1\" follows",
        ),
        ("5,a,1\n", 9, "the row has 3 fields, and the header 4"),
        (
            "5,\"a\nb\",c,d,e\n",
            9,
            "the row has 5 fields, and the header 4",
        ),
        ("   \n", 9, "the row has 1 fields, and the header 4"),
        ("5,a,b\0,1\n", 9, "holds a NUL byte"),
    ] {
        let after: String = (10..400).map(row).collect();
        let text = refusal("a.csv", format!("{before}{broken}{after}"));
        assert!(
            text.contains(&format!("line {line}: ")),
            "{broken:?}: {text}"
        );
        assert!(text.contains(reason), "{broken:?}: {text}");
    }
    for (last, reason) in [
        ("5,a,b,1", "the last row has no line break at its end"),
        ("5,a", "the last row has no line break at its end"),
        ("5,a,b,\"1\"", "the last row has no line break at its end"),
        (
            "5,a,\"b\nc",
            "the quote that opens column \"b\" is never closed",
        ),
        ("5,a,b,1\0\0\0", "holds a NUL byte"),
    ] {
        let text = refusal("a.csv", format!("{before}{last}"));
        assert!(
            text.contains("line 9: ") && text.contains(reason),
            "{last:?}: {text}"
        );
    }
}

#[test]
fn a_file_is_refused_with_advice() {
    let quotes = "a field that holds quotes is put in quotes, and its quotes are doubled";
    let unquoted =
        "if no field of the file is quoted, \"csv\": {\"quote\": null} in dataset.json accepts it";
    let latin = "\"csv\": {\"encoding\": \"windows-1252\"} in dataset.json accepts it, or convert \
                 it: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv > NEW.csv; for another encoding, such \
                 as SHIFT_JIS or WINDOWS-1251, put its name there";
    let table: [(&[u8], &str, &str); 13] = [
        (
            b"id,a,b,y\n1,\"24 inch,b,1\n",
            ", line 2: the quote that opens column \"a\" is never closed: \"24 inch,b,1",
            &format!("{quotes}; if the file was cut, deliver it again; {unquoted}"),
        ),
        (
            b"id,a,b,y\n1,\"a,b,1\n2,a,\"b\",1\n",
            ", line 2: the quote that opens column \"a\" is closed in line 3, and \"b\\\",1\" follows",
            &format!("{quotes}; {unquoted}"),
        ),
        (
            b"id,a,b,y\n1,a,b,1\n1,a,b,1",
            ", line 3: the last row has no line break at its end: the file may be cut there",
            "deliver it again; if it is whole, end its last line with a line break: \
             echo >> FILE.csv",
        ),
        (
            b"id,a,b,y\n1,5,3,b,1\n",
            ", line 2: the row has 5 fields, and the header 4",
            "a field that holds commas or line breaks is put in quotes; if the file was cut, \
             deliver it again",
        ),
        (
            b"\n\r\n",
            " holds only blank lines: a CSV file begins with a header, the names of its columns",
            "deliver it again, or remove it",
        ),
        (
            b"id,a,b,y\n1,\"x\ncaf\xe9\",b,1\n",
            ", line 3: is not UTF-8: it holds byte 0xE9, as Windows-1252 and other \
             encodings do",
            latin,
        ),
        (
            b"\xff\xfei\0d\0,\0a\0\n\0",
            " is not UTF-8: it looks like UTF-16",
            "\"csv\": {\"encoding\": \"utf-16\"} in dataset.json accepts it, or convert it: iconv \
             -f UTF-16 -t UTF-8 OLD.csv > NEW.csv",
        ),
        (
            b"\xff\xfe\0\0i\0\0\0d\0\0\0\n\0\0\0",
            " is not UTF-8: it looks like UTF-32",
            "convert it: iconv -f UTF-32 -t UTF-8 OLD.csv > NEW.csv",
        ),
        (
            b"\0\0\0i\0\0\0d\0\0\0\n",
            " is not UTF-8: it looks like UTF-32BE",
            "convert it: iconv -f UTF-32BE -t UTF-8 OLD.csv > NEW.csv",
        ),
        (
            b"\0i\0d\0,\0a\0\n",
            " is not UTF-8: it looks like UTF-16BE",
            "convert it: iconv -f UTF-16BE -t UTF-8 OLD.csv > NEW.csv",
        ),
        (
            b"id,\"a,b,y\n1,a,b,1\n",
            ", line 1: the quote that opens field 2 is never closed: \"a,b,y",
            &format!("{quotes}; if the file was cut, deliver it again; {unquoted}"),
        ),
        (
            b"id,a\"b,y\n",
            ", line 1: a quote is inside field 2, which is not quoted: a\"b",
            &format!("{quotes}; {unquoted}"),
        ),
        (
            b" id,A,b,y,b\n1,a,b,1,b\n",
            " breaks the data contract (dataset.json):\n\
             \x20 column \"id\" is missing; the file has \" id\", and spelling counts\n\
             \x20 column \"a\" is missing; the file has \"A\", and spelling counts\n\
             \x20 column \"b\" is in the header 2 times: keep one of them",
            "repair or remove the file, or change the contract if the data is right",
        ),
    ];
    for (content, what, advice) in table {
        assert_eq!(
            refusal("a.csv", content),
            format!("train/a.csv{what}\n{advice}")
        );
    }
}

#[test]
fn quotes_in_fields_that_are_not_quoted_are_refused_with_all_else_that_is_wrong() {
    let content = "id,a,b,y,size\n1,a,b,1,5\" by 7\"\n2,24\" b,b,0,x\n3,a,b,9,9\n3,a,b,1,9\"\n";
    let text = refusal("a.csv", content);
    for line in [
        "3 of 4 rows hold a quote in a field that is not quoted, the first in line 2: column \
         \"size\", 5\" by 7\"; put such a field in quotes, and double the quotes in it; if no field \
         of the file is quoted, \"csv\": {\"quote\": null} in dataset.json accepts it",
        "column \"y\": 1 of 4 rows hold a value that is neither 0 nor 1, the first in line 4: 9",
        "1 of 4 rows repeat the (id) of another row, such as line 4 and line 5: id 3",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    for (content, line) in [
        ("\u{feff}id,a,b,y\n1,a,b,7\n", 2),
        ("\r\n\nid,a,b,y\n1,a,b,7\n", 4),
        ("id,a,b,y\r1,a,b,0\r\r2,a,b,7\r", 4),
        ("id,a,b,y\r\n1,a,b,0\r\n\r\n2,a,b,7\r\n", 4),
        ("id,a,b,y\n1,\"a\r\n\n\r\",b,0\n2,a,b,7\n", 6),
        ("id,\"a\",b,y,\"z\n\n\"\n1,\"a\",b,7,\"\n\"\n", 4),
    ] {
        let text = refusal("a.csv", content);
        assert!(
            text.contains(&format!("neither 0 nor 1, the first in line {line}: 7")),
            "{text}"
        );
    }
}

#[test]
fn a_header_alone_and_blank_lines_before_it_are_no_harm() {
    assert_eq!(rows("a.csv", "\n\r\nid,a,b,y\n").unwrap(), []);
    assert_eq!(
        rows("a.csv", "\u{feff}\n\"id\",\"a\",b,y,,\n\n1,,\"\",0,,\n\n").unwrap(),
        [(1, None, None, 0)]
    );
    assert!(refusal("a.csv", "id,a,b,y").contains("line 1: the last row has no line break"));
}

#[test]
fn no_other_file_of_any_size_is_read_to_its_end_for_a_quote() {
    let mut content = "id,a,b,y\n1,\"24 inch,b,1\n".to_owned();
    for id in 2..1_500_000 {
        content.push_str(&format!("{id},aaaa,b,1\n"));
    }
    let text = refusal("a.csv", content);
    let reason = "line 2: the row is longer than 16 MiB: the quote that opens column \"a\" in line 2 is not closed";
    assert!(text.contains(reason), "{text}");
}

#[test]
fn batches_end_by_bytes_as_well_as_by_rows() {
    let sizes = |rows: usize, wide: &str, narrow: &str| -> Vec<usize> {
        let mut content = "id,y,a,unknown\n".to_owned();
        for id in 0..rows {
            content.push_str(&format!("{id},1,{narrow},{wide}\n"));
        }
        let content = content.replace("y,a,", "y,b,a,").replace(",1,", ",1,,");
        let (_folder, file) = written("a.csv", content);
        read(&file)
            .unwrap()
            .0
            .iter()
            .map(RecordBatch::num_rows)
            .collect()
    };
    let wide = "x".repeat(300_000);
    // What the contract does not name does not count.
    assert_eq!(sizes(200, &wide, "x"), [200]);
    // 32 MiB and the row that goes beyond.
    assert_eq!(sizes(200, "x", &wide), [112, 88]);
    assert_eq!(sizes(20_000, "x", "x"), [8192, 8192, 3616]);
}

#[test]
fn a_row_of_16_mib_is_read_and_a_longer_one_is_refused() {
    let content = |bytes: usize| {
        let fixed = "1,,b,1\n".len();
        format!("id,a,b,y\n1,{},b,1\n2,a,b,0\n", "x".repeat(bytes - fixed))
    };
    let found = rows("a.csv", content(16 << 20)).unwrap();
    assert_eq!(
        (found.len(), found[0].1.as_ref().unwrap().len()),
        (2, (16 << 20) - 7)
    );
    let text = refusal("a.csv", content((16 << 20) + 1));
    assert!(
        text.contains("line 2: the row is longer than 16 MiB\n"),
        "{text}"
    );
}

#[test]
fn ten_thousand_columns_are_read() {
    let names: Vec<String> = (0..10_000).map(|column| format!("c{column}")).collect();
    let mut content = format!("{},id,a,b,y\n", names.join(","));
    for id in 0..20 {
        content.push_str(&format!("{}{id},a{id},b,1\n", "0.125,".repeat(10_000)));
    }
    let found = rows("a.csv", content).unwrap();
    assert_eq!(found.len(), 20);
    assert_eq!(
        found[19],
        (19, Some("a19".to_owned()), Some("b".to_owned()), 1)
    );
}

#[test]
fn a_header_between_rows_and_marks_between_thousands_are_reported_as_such() {
    for (rows, what) in [
        (
            "1,a,b,1\nid,a,b,y\n2,a,b,0\n",
            "column \"id\": 1 of 3 rows can't be read as int64, the first in line 3: \"id\" (this \
             is the header again: when you join files, keep only the first header)",
        ),
        (
            "1,a,b,1\n\"1,234,567\",a,b,1\n",
            "column \"id\": 1 of 2 rows can't be read as int64, the first in line 3: \
             \"1,234,567\" (\"csv\": {\"thousands\": \",\"} or \"type\": \"utf8\" in dataset.json \
             accepts them)",
        ),
    ] {
        let text = refusal("a.csv", format!("id,a,b,y\n{rows}"));
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn lines_of_utf_8_beside_others_are_counted_and_no_encoding_is_advised_for_both() {
    let mut bytes = b"id,a,b,y\n1,K\xc3\xb6ln,b,1\n2,K\xf6ln,b,1\n3,\xe2\x82\xac,b,1\n".to_vec();
    for row in 4..8 {
        bytes.extend_from_slice(format!("{row},caf").as_bytes());
        bytes.extend_from_slice(b"\xe9,b,1\n");
    }
    let text = refusal("a.csv", bytes);
    assert!(
        text.contains(
            "line 3: is not UTF-8: it holds byte 0xF6; it mixes encodings: characters of UTF-8 are in \
             2 lines, and bytes of another encoding in line 3, 5, 6 and 2 more\n"
        ),
        "{text}"
    );
    let advice = "write those lines in UTF-8, or export the file again in UTF-8: with \"encoding\": \
                  \"windows-1252\" 2 lines would be garbled, \"K\u{f6}ln\" as \"K\u{c3}\u{b6}ln\"";
    assert!(
        text.contains(advice) && !text.contains("accepts it"),
        "{text}"
    );
}
