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
