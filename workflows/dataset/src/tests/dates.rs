//! Columns of texts that spell dates in more than one form.

use super::*;

/// The question on 200 dates, the text of each by its row.
fn asked_of(date: impl Fn(usize) -> String) -> (String, String) {
    let desk = Desk::new();
    let text = customers(",seen", |row, _| format!(",\"{}\"", date(row)));
    desk.csv("a.csv", &text);
    asked_of_texts(&desk, "seen")
}

#[test]
fn every_form_of_dates_is_named_with_an_example() {
    let (seen, advice) = asked_of(|row| {
        let (month, day) = (row % 2 + 1, row % 28 + 1);
        match row % 4 {
            0 => format!("2024-{month:02}-{day:02}"),
            1 => format!("{day:02}.{month:02}.2024"),
            2 => format!("{day:02}.{month:02}.24"),
            _ => format!("{} {day}, 2024", ["Jan", "Feb"][row % 2]),
        }
    });
    assert_eq!(
        seen,
        "its texts are dates in 4 forms: \"2024-01-01\" in row 1 of a.csv, \"02.02.2024\" in row 2 of \
         a.csv, \"03.01.24\" in row 3 of a.csv, \"Feb 4, 2024\" in row 4 of a.csv"
    );
    // A year of two digits comes first: 24 would be read as the year 24.
    let sql = "to_date(\"seen\", '%d.%m.%y', '%Y-%m-%d', '%d.%m.%Y', '%b %d, %Y')";
    assert!(advice.contains(sql), "{advice}");
}

#[test]
fn sql_that_would_fail_at_a_text_that_is_no_date_is_not_advised() {
    let (seen, advice) = asked_of(|row| match row % 20 {
        7 => "soon".to_owned(),
        even if even % 2 == 0 => format!("2024-01-{:02}", row % 28 + 1),
        _ => format!("{:02}.01.2024", row % 28 + 1),
    });
    assert!(seen.ends_with(", but \"soon\""), "{seen}");
    assert_eq!(
        advice,
        "it stays a text: write dates as 2024-12-31, and its type is date"
    );
}
