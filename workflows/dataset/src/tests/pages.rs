use testing::browser::{Browser, Look, file_url};

use super::*;

fn desk() -> Desk {
    let desk = Desk::new();
    let more = |row: usize, left: bool| {
        let plan = ["small", "medium", "large"][row % 3];
        let spent = if row.is_multiple_of(7) {
            String::new()
        } else {
            format!("{}", row as f64 / 8.0)
        };
        let day = format!("2024-{:02}-{:02}", row / 25 + 1, row % 25 + 1);
        let hinted = if left { row + 150 } else { row };
        format!(",{plan},{spent},{day},{hinted},{:?}", row as f64 / 4.0)
    };
    desk.csv("a.csv", &customers(",plan,bill,seen_at,hinted,bills", more));
    desk
}

#[test]
fn every_row_is_counted_by_value_and_with_the_target() {
    let profile = desk().profile(&["--rows=100"]).unwrap();
    assert_eq!(
        (profile.rows, profile.target.as_deref()),
        (200, Some("churned"))
    );
    // Rows 0, 3, ... are small, and of those the multiples of 15 left.
    assert!(
        profile
            .html
            .contains("small 67 rows, 33.5 % mean of churned = yes 0.209"),
        "{}",
        profile.html
    );
    assert!(profile.html.contains("29 null") || profile.html.contains("14.5 % null"));
    // Least and greatest value are those of all rows, and not of the sample.
    assert!(profile.html.contains("<td>24.88</td>"), "{}", profile.html);
    // A sample of 100 rows may miss values.
    assert!(profile.html.contains("+</td>"));
}

#[test]
fn relations_are_those_of_the_target_and_of_columns_with_each_other() {
    let profile = desk().profile(&[]).unwrap();
    // numpy: corrcoef(hinted, churned) and corrcoef(bill, bills) of these rows.
    assert!(
        profile
            .html
            .contains("<th scope=\"row\">hinted</th><td>0.715</td>"),
        "{}",
        profile.html
    );
    assert!(
        profile
            .html
            .contains("<th scope=\"row\">bill</th><td>bills</td><td>1.000</td>")
    );
    let profile = desk().profile(&["--target=none"]).unwrap();
    assert_eq!(profile.target, None);
    assert!(!profile.html.contains("With the target"));
}

#[test]
fn the_page_fits_wide_and_narrow_screens_and_asks_for_nothing() {
    let desk = desk();
    let page = desk.path("profile.html");
    fs::write(&page, desk.profile(&[]).unwrap().html).unwrap();
    let mut browser = Browser::start().unwrap();
    for (width, dark) in [(360, false), (1600, true)] {
        let look = Look {
            width,
            height: 900,
            dark,
        };
        let seen = browser.visit(&file_url(&page), look).unwrap();
        assert_eq!(seen.console, Vec::<String>::new());
        assert_eq!(seen.requests.len(), 1, "{:?}", seen.requests);
        assert!(seen.width <= width, "{} of {width}", seen.width);
        assert_eq!(browser.violations().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn questions_of_a_page_are_those_about_texts_too() {
    let desk = Desk::new();
    let more = |row: usize, _| format!(",\"1,{:03}\",{}", row % 40, ["s", "NULL"][row % 2]);
    desk.csv("a.csv", &customers(",amount,size", more));
    let html = desk.profile(&[]).unwrap().html;
    for expected in ["in row 1 of a.csv may be", "100 of 200 values are"] {
        assert!(html.contains(expected), "{expected}: {html}");
    }
}
