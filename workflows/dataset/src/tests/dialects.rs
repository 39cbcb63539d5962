//! Files whose encoding or rows are not those of one table.

use super::*;

/// 60 rows of an id, a town and a target, the towns as these bytes.
fn towns(town: impl Fn(usize) -> &'static [u8]) -> Vec<u8> {
    let mut bytes = b"id,town,churned\n".to_vec();
    for row in 0..60 {
        bytes.extend_from_slice(format!("{},", row + 1).as_bytes());
        bytes.extend_from_slice(town(row));
        bytes.extend_from_slice(if row % 3 == 0 {
            &b",yes\n"[..]
        } else {
            &b",no\n"[..]
        });
    }
    bytes
}

#[test]
fn a_file_of_several_encodings_is_refused_or_asked_about_and_never_garbled_in_silence() {
    let desk = Desk::new();
    let town = |row: usize| match row % 20 {
        7 => &b"K\xf6ln"[..],
        _ => &b"K\xc3\xb6ln"[..],
    };
    fs::write(desk.path("a.csv"), towns(town)).unwrap();
    let error = desk
        .try_infer(&["--target=churned", "--id=id"])
        .unwrap_err();
    assert_eq!(exit_code(&error), 10, "{error:#}");
    let said = format!("{error:#}");
    for expected in [
        "a.csv: it mixes encodings: characters of UTF-8 are in 57 lines, and bytes of another \
         encoding in line 9, 29, 49",
        "export the file again in UTF-8: with \"encoding\": \"windows-1252\" 57 lines would be garbled, \
         \"K\u{f6}ln\" as \"K\u{c3}\u{b6}ln\"",
    ] {
        assert!(said.contains(expected), "{said}");
    }

    // What UTF-8 may be by chance does not hide that most lines are not.
    let town = |row: usize| match row % 20 {
        7 => &b"K\xc3\xb6ln"[..],
        _ => [&b"K\xf6ln"[..], &b"Bonn"[..]][row % 2],
    };
    fs::write(desk.path("a.csv"), towns(town)).unwrap();
    let found = desk.infer(&["--target=churned", "--id=id"]);
    let csv = json(&found, "dataset.json")["csv"].clone();
    assert_eq!(csv["encoding"], "windows-1252");
    let said = asked(&found, "csv");
    assert!(
        said.contains("a.csv: it mixes encodings: characters of UTF-8 are in 3 lines, and"),
        "{said}"
    );

    let town = |row: usize| [&b"K\xf6ln"[..], &b"Bonn"[..]][row % 2];
    fs::write(desk.path("a.csv"), towns(town)).unwrap();
    let found = desk.infer(&["--target=churned", "--id=id"]);
    assert_eq!(asked(&found, "csv"), "");
}

#[test]
fn a_row_with_more_fields_or_another_escape_is_named_and_is_no_table_of_one_column() {
    let broken = |from: &str, to: &str| {
        let desk = Desk::new();
        let rows = customers(",note", |row, _| format!(",\"n{}\"", row % 3));
        desk.csv("a.csv", &rows.replacen(from, to, 1));
        let error = desk
            .try_infer(&["--target=churned", "--id=id"])
            .unwrap_err();
        assert_eq!(exit_code(&error), 10, "{error:#}");
        format!("{error:#}")
    };
    // The sixth row of data.
    let said = broken("\n6,", "\n6,7,");
    let expected = "a.csv, line 7: the row has 5 fields, and the header 4";
    assert!(said.contains(expected), "{said}");
    let said = broken("\"n2\"", "\"24 \\\" inch\"");
    for expected in [
        "a.csv, line 4: the quote that opens",
        "its quotes are doubled: \\\" is not an escape (pandas: doublequote=True, Spark:",
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn comments_before_the_header_are_skipped_with_a_question() {
    let desk = Desk::new();
    let rows = customers("", |_, _| String::new());
    let more = rows.lines().skip(1).map(|line| format!("1000{line}\n"));
    let more = "id,spent,churned\n".to_owned() + &more.collect::<String>();
    desk.csv("a.csv", &format!("# exported, by somebody\n{rows}"))
        .csv("b.csv", &more);
    let found = desk.infer(&["--target=churned"]);
    let csv = json(&found, "dataset.json")["csv"].clone();
    assert_eq!(csv, json!({"comment": "#"}));
    assert_eq!(found.of, Some(400));
    assert_eq!(asked(&found, "csv"), "a.csv: lines begin with '#'\n");
    let mut advice = found.questions.iter().map(|question| &question.advice);
    assert!(advice.any(|advice| advice.ends_with("the lines that are not rows from the file")));
    // A name may begin so.
    let desk = Desk::new();
    desk.csv("a.csv", &format!("#{rows}"));
    let found = desk.infer(&["--target=churned", "--id=#id"]);
    assert_eq!(json(&found, "dataset.json")["csv"], Value::Null);
}
