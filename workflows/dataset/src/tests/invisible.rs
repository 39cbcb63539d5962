//! Characters that a person does not see.

use crate::column::{in_line, in_quotes};

use super::*;

#[test]
fn what_is_not_seen_is_escaped_in_questions_and_tables() {
    let desk = Desk::new();
    let more = |row: usize, _| {
        let (thousands, rest) = (row % 9 + 1, row % 9 * 7);
        format!(",x\u{200b},{thousands}\u{a0}{rest:03}")
    };
    let text = customers(",unit\u{a0}name,amount", more);
    desk.csv("a.csv", &text.replace(",yes\n", ",yes\u{a0}x\n"));
    let found = desk.infer(&["--target=churned", "--id=id"]);
    let is_seen = |text: &str| !text.contains(['\u{a0}', '\u{200b}']);
    assert!(found.columns.iter().flatten().all(|cell| is_seen(cell)));
    assert!(found.questions.iter().all(|of| is_seen(&of.seen)));
    assert_eq!(
        asked(&found, "unit\u{a0}name"),
        "every value is x\\u{200b}\n"
    );
    assert!(found.goal.contains("yes\\u{a0}x"), "{}", found.goal);
    let mut questions = found.questions.iter().filter(|of| of.about == "amount");
    let question = questions.next().unwrap();
    let seen =
        "its texts are numbers with '\\u{a0}' between thousands, such as \"1\\u{a0}000\" in row 1";
    assert!(question.seen.starts_with(seen), "{}", question.seen);
    let setting = r#""csv": {"thousands": "\u00a0"} in dataset.json"#;
    assert!(question.advice.contains(setting), "{}", question.advice);
}

#[test]
fn json_reads_an_escaped_text_as_it_was() {
    let text = "a\u{a0}\"b\u{feff}\n\u{7f} 'c' ü";
    let quoted = in_quotes(text);
    assert_eq!(quoted, r#""a\u00a0\"b\ufeff\n\u007f 'c' ü""#);
    assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
    assert_eq!(in_line(text), "a\\u{a0}\"b\\u{feff}\\n\\u{7f} 'c' ü");
}
