use super::*;

#[test]
fn one_negative_number_among_large_ones_is_asked_about() {
    let desk = Desk::new();
    let more = |row: usize, _| {
        let (income, change, code) = match row % 10 {
            3 => (-999, -999, -888),
            4 => (row as i64 * 500, row as i64 * -10, -999),
            _ => (row as i64 * 500, row as i64 * 10, row as i64 * 500),
        };
        format!(",{income},{change},{code}")
    };
    desk.csv("a.csv", &customers(",income,change,code", more));
    let found = desk.infer(&["--target=churned", "--id=id"]);
    let said = asked(&found, "income");
    assert!(
        said.contains("20 of 200 values are -999, the only negative number"),
        "{said}"
    );
    // Among other negative numbers it may be one like any other.
    let said = asked(&found, "change");
    assert!(!said.contains("-999"), "{said}");
    let said = asked(&found, "code");
    assert!(
        said.contains("20 of 200 values are -999, and every other negative number looks like"),
        "{said}"
    );
}

#[test]
fn a_code_of_minus_one_is_not_said_to_be_a_placeholder() {
    let desk = Desk::new();
    let more = |row: usize, _| {
        let (votes, visits) = match row % 10 {
            3 => (-1, -1),
            _ => (row as i64 % 3, row as i64 % 40),
        };
        format!(",{votes},{visits}")
    };
    desk.csv("a.csv", &customers(",votes,visits", more));
    let found = desk.infer(&["--target=churned", "--id=id"]);
    let said = asked(&found, "votes");
    let expected = "20 of 200 values are -1, a missing value, or a code as the others, which follow \
                    it without a gap";
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains("the only negative number"), "{said}");
    let said = asked(&found, "visits");
    let expected = "20 of 200 values are -1, the only negative number";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_time_that_stands_for_none_is_asked_about_and_decides_no_holdout() {
    let day = |row: usize| format!("2024-{:02}-{:02}", row / 25 + 1, row % 25 + 1);
    let questions = |found: &Inferred, about: &str| {
        let mut questions = found.questions.iter();
        let question =
            questions.find(|of| of.about == about && of.seen.contains("all others from"));
        question.map(|of| (of.seen.clone(), of.advice.clone()))
    };
    let desk = Desk::new();
    let more = |row: usize, _| match row % 20 {
        3 => format!(",9999-12-31,1900-01-01,{}", day(row)),
        _ => format!(",{0},{0},{0}", day(row)),
    };
    desk.csv("a.csv", &customers(",seen_at,closed,sent", more));
    let found = desk.infer(&["--target=churned", "--id=id", "--time=seen_at"]);
    let (seen, advice) = questions(&found, "seen_at").unwrap();
    assert_eq!(
        seen,
        "10 of 200 values are 9999-12-31, the first in row 4 of a.csv, all others from 2024-01-01 to \
         2024-08-25, so they are held out as the last ones"
    );
    let filter = r#""train_filter": "date_part('year', \"seen_at\") < 9999""#;
    assert!(advice.contains(filter), "{advice}");
    // A fifth of the other 190 rows.
    assert_eq!(found.holdout.0.to_string(), "after=2024-07-11");
    let (seen, advice) = questions(&found, "closed").unwrap();
    assert!(
        seen.starts_with("10 of 200 values are 1900-01-01"),
        "{seen}"
    );
    let sql = "CASE WHEN date_part('year', \"closed\") > 1900 THEN \"closed\" END";
    assert!(advice.contains(sql), "{advice}");
    assert!(questions(&found, "sent").is_none());

    let dataset = text(&found, "dataset.json").replacen('{', &format!("{{{filter},"), 1);
    found.project.write(&desk.path("project"), false).unwrap();
    fs::write(desk.path("project/dataset.json"), dataset).unwrap();
    assert!(desk.check("").unwrap().is_clean());
}
