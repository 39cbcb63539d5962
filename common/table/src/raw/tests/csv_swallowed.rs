//! Quotes that are parts of texts, of which two close each other: no row is lost within them, and a
//! text of several lines is no row.

use super::csv_form::{refusal, rows};
use super::*;

/// Row `id` of [`HEADER`].
fn row(id: usize) -> Vec<String> {
    let texts = [format!("{id}"), format!("a{id}"), String::new()];
    let others = [format!("{}", id % 2), format!("m {id}")];
    texts.into_iter().chain(others).collect()
}

const HEADER: &str = "id,a,b,y,more";

fn content(rows: &[Vec<String>], end: &str) -> String {
    let mut lines = vec![HEADER.to_owned()];
    lines.extend(rows.iter().map(|row| row.join(",")));
    lines.push(String::new());
    lines.join(end)
}

#[test]
fn rows_between_two_stray_quotes_are_never_lost() {
    for (column, name) in [(1, "a"), (2, "b"), (4, "more")] {
        for lost in [1, 2, 3, 40] {
            for end in ["\n", "\r\n", "\r"] {
                let mut table: Vec<Vec<String>> = (1..60).map(row).collect();
                table[10][column] = "\"24 inch".to_owned();
                table[10 + lost][column] = "24\"".to_owned();
                let others = match lost {
                    1 => "another row".to_owned(),
                    lost => format!("{lost} other rows"),
                };
                let expected =
                    format!("line 12: the quoted text of column {name:?} holds {others}: two");
                let text = refusal("a.csv", content(&table, end));
                assert!(text.contains(&expected), "{text}");
                assert!(text.contains("\"csv\": {\"quote\": null}"), "{text}");
            }
        }
    }
    // A value that breaks the contract hides no other row.
    let broken = "id,a,b,y\n1,\"24 inch,b,x\n2,a,b,x\n3,a,b,0\n4,24\",b,1\n";
    assert!(refusal("a.csv", broken).contains("column \"a\" holds 3 other rows"));
    // Of the first column a row begins with the text.
    let first = "more,id,a,b,y\n\"24 inch,1,a,b,1\n24\",2,a,b,1\n";
    assert!(refusal("a.csv", first).contains("column \"more\" holds another row"));
    let blank = "id,a,b,y\n1,\"24 inch,b,1\n\n2,24\",b,0\n";
    assert!(refusal("a.csv", blank).contains("column \"a\" holds another row"));
}

#[test]
fn texts_of_several_lines_are_read_however_many_commas_they_have() {
    let prose = "Hello,\nmilk, eggs, bread, jam, 1\ntea, salt, oil, rice, 2\nBye";
    for text in [
        prose,
        "Hello\nmilk,eggs,bread,jam,1\n12,salt",
        "J. Smith\n12, Baker Street",
        "J. Smith\n12,Baker Street",
        "J. Smith,London,UK,x\n12,Baker Street",
        "\n\n",
        ",,,\n,,,,\n,",
    ] {
        for column in [1, 2, 4] {
            let mut table: Vec<Vec<String>> = (1..6).map(row).collect();
            table[2][column] = format!("\"{text}\"");
            let found = rows("a.csv", content(&table, "\n")).unwrap();
            assert_eq!(found.len(), 5, "{text:?}");
            let texts = [None, Some(&found[2].1), Some(&found[2].2), None, None];
            if let Some(found) = texts[column] {
                assert_eq!(found.as_deref(), Some(text));
            }
        }
    }
}

#[test]
fn lines_without_an_id_are_no_rows() {
    let with = |id: &str| {
        let mut table: Vec<Vec<String>> = (1..6).map(row).collect();
        table[2][1] = format!("\"x,b,1,m\n{id},a,b,1,m\n{id},a\"");
        content(&table, "\n")
    };
    assert_eq!(rows("a.csv", with("")).unwrap().len(), 5);
    assert!(refusal("a.csv", with("7")).contains("column \"a\" holds 2 other rows"));
}

#[test]
fn the_classes_of_a_target_show_rows_where_all_columns_are_texts() {
    let contract = json!({"columns": [
        {"name": "id", "type": "utf8", "role": "id"},
        {"name": "a", "type": "utf8", "role": "feature"},
        {"name": "y", "type": "utf8", "role": "target", "allowed": ["no", "yes"], "positive": "yes"},
    ]});
    let dataset = Arc::new(Dataset::parse(contract.to_string().as_bytes()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let written = |content: &str| {
        let path = folder.path().join("a.csv");
        std::fs::write(&path, format!("id,a,y\n{content}")).unwrap();
        file(&path, &dataset, Labels::Required)
    };
    let lost = written("p,\"24 inch,no\nq,24\",yes\n");
    assert!(complaint(&lost).contains("column \"a\" holds another row"));
    let prose = written("p,\"Dear all,hello\nmilk,eggs\",yes\nq,a,no\n");
    assert_eq!(read(&prose).unwrap().1.rows, 2);
}
