//! Numbers of CSV files whose marks, or whose neighbours, leave a choice.

use super::*;

/// 120 rows of an id, further columns and a target, separated by semicolons.
fn german(header: &str, more: impl Fn(usize) -> String) -> String {
    let mut text = format!("id;{header};churned\n");
    for row in 0..120 {
        let churned = if row % 3 == 0 { "yes" } else { "no" };
        writeln!(text, "{};{};{churned}", row + 1, more(row)).unwrap();
    }
    text
}

fn infer_text(text: &str) -> Inferred {
    let desk = Desk::new();
    desk.csv("a.csv", text);
    desk.infer(&["--target=churned", "--id=id", "--time=none"])
}

/// What is seen and advised of a column.
fn questions(found: &Inferred, name: &str) -> Vec<(String, String)> {
    let of = found.questions.iter().filter(|of| of.about == name);
    of.map(|of| (of.seen.clone(), of.advice.clone())).collect()
}

/// 917, 1.003, 1.089, ... with a mark between thousands.
fn grouped(row: usize, mark: char) -> String {
    match 917 + 86 * row {
        small @ ..1000 => small.to_string(),
        large => format!("{}{mark}{:03}", large / 1000, large % 1000),
    }
}

#[test]
fn a_point_before_three_digits_parts_thousands_where_others_have_a_decimal_comma() {
    let rows = |row: usize| format!("0,{:02};{}", row % 90 + 1, grouped(row, '.'));
    let found = infer_text(&german("x;amount", rows));
    let csv = json(&found, "dataset.json")["csv"].clone();
    let expected = json!({"separator": ";", "decimal": ",", "thousands": "."});
    assert_eq!(csv, expected);
    assert_eq!(column(&found, "x")["type"], "float64");
    assert_eq!(column(&found, "amount")["type"], "int64");
    assert_eq!(
        questions(&found, "amount"),
        [(
            "\"1.003\" in row 2 of a.csv may be 1.003 or 1003: three digits follow every '.'"
                .to_owned(),
            "it is read as 1003: if it is 1.003, \"type\": \"utf8\" in dataset.json and \
             TRY_CAST(\"amount\" AS DOUBLE) in features.sql read it so"
                .to_owned()
        )]
    );
    assert_eq!(asked(&found, "x"), "");
}

#[test]
fn marks_before_three_digits_are_asked_about_where_nothing_else_says_what_they_are() {
    let found = infer_text(&german("amount", |row| grouped(row, '.')));
    assert_eq!(column(&found, "amount")["type"], "float64");
    assert_eq!(
        questions(&found, "amount"),
        [(
            "\"1.003\" in row 2 of a.csv may be 1.003 or 1003: three digits follow every '.'".to_owned(),
            "it is read as 1.003: if it is 1003, \"csv\": {\"decimal\": \",\", \"thousands\": \".\"} in \
             dataset.json reads it so"
                .to_owned()
        )]
    );
    // The mirrored kind.
    let found = infer_text(&german("amount", |row| grouped(row, ',')));
    assert_eq!(json(&found, "dataset.json")["csv"]["decimal"], ",");
    assert_eq!(column(&found, "amount")["type"], "float64");
    let all = questions(&found, "amount");
    let [(seen, advice)] = &all[..] else {
        panic!("{all:?}");
    };
    assert!(seen.contains("may be 1.003 or 1003"), "{seen}");
    let setting = "\"csv\": {\"decimal\": \".\", \"thousands\": \",\"} in dataset.json";
    assert!(advice.contains(setting), "{advice}");
    let rows = |row: usize| format!("0.{:02};{}", row % 90 + 1, grouped(row, ','));
    let found = infer_text(&german("x;amount", rows));
    assert_eq!(json(&found, "dataset.json")["csv"]["thousands"], ",");
    assert_eq!(column(&found, "amount")["type"], "int64");
    let all = questions(&found, "amount");
    let [(_, advice)] = &all[..] else {
        panic!("{all:?}");
    };
    assert!(
        advice.contains("TRY_CAST(replace(\"amount\", ',', '.') AS DOUBLE)"),
        "{advice}"
    );
}

#[test]
fn decimal_points_are_not_doubted_where_other_numbers_have_them() {
    for rows in [
        (|row: usize| format!("{}.5;{}", row % 40, grouped(row, '.'))) as fn(usize) -> String,
        // A group is never 0.
        |row: usize| format!("{row};{}.125", row % 3),
    ] {
        let found = infer_text(&german("x;amount", rows));
        assert_eq!(column(&found, "amount")["type"], "float64");
        let csv = json!({"separator": ";"});
        assert_eq!(json(&found, "dataset.json")["csv"], csv);
        let said = asked(&found, "amount");
        assert!(!said.contains("may be"), "{said}");
    }
}

#[test]
fn numbers_with_both_marks_are_read_as_such() {
    for (decimal, thousands) in [(',', '.'), ('.', ',')] {
        let rows = |row: usize| format!("{}{decimal}{:02}", grouped(row % 40, thousands), row % 40);
        let found = infer_text(&german("amount", rows));
        assert_eq!(column(&found, "amount")["type"], "float64");
        let csv = json(&found, "dataset.json")["csv"].clone();
        assert_eq!(csv["thousands"], thousands.to_string());
        let expected = (decimal == ',').then_some(",");
        assert_eq!(csv["decimal"].as_str(), expected);
        // Where other columns have the other marks, it stays a text.
        let rows = |row: usize| format!("{}{thousands}5;{}", row % 7, rows(row));
        let found = infer_text(&german("x;amount", rows));
        assert_eq!(column(&found, "amount")["type"], "utf8");
        let all = questions(&found, "amount");
        let [(seen, advice)] = &all[..] else {
            panic!("{all:?}");
        };
        let expected = format!("numbers with {thousands:?} between thousands, such as");
        assert!(seen.contains(&expected), "{seen}");
        let sql = match thousands {
            '.' => "TRY_CAST(replace(replace(\"amount\", '.', ''), ',', '.') AS DOUBLE)",
            _ => "TRY_CAST(replace(\"amount\", ',', '') AS DOUBLE)",
        };
        assert!(advice.contains(sql), "{advice}");
    }
}

#[test]
fn numbers_of_both_kinds_of_marks_and_addresses_are_not_advised_to_be_numbers() {
    let rows = |row: usize| {
        let row = row % 40;
        let marks = [[",", "."], [".", ","]][row % 2];
        format!("{}{}3{:02}{}60", row % 9 + 1, marks[0], row, marks[1])
    };
    let found = infer_text(&german("amount", rows));
    let all = questions(&found, "amount");
    let [(seen, advice)] = &all[..] else {
        panic!("{all:?}");
    };
    let expected = "its texts are numbers with both marks between thousands: \"1,300.60\" in row 1 of \
                    a.csv, \"2.301,60\" in row 2 of a.csv";
    assert_eq!(seen, expected);
    assert!(!advice.contains("TRY_CAST"), "{advice}");
    let rows = |row: usize| format!("192.168.1{:02}.2{:02}", row % 40, row % 20);
    let found = infer_text(&german("address", rows));
    let all = questions(&found, "address");
    assert!(
        all.iter().all(|(seen, _)| !seen.contains("thousands")),
        "{all:?}"
    );
}

#[test]
fn negative_numbers_in_parentheses_are_asked_about_and_stay_negative() {
    let seen = |text: &str| {
        format!(
            "its texts are numbers, and those in parentheses are negative as it seems, such as \
             {text:?} in row 3 of a.csv"
        )
    };
    for (decimal, thousands) in [('.', ','), (',', '.')] {
        let found = infer_text(&german("amount", |row| {
            let (whole, part) = (row % 9 + 1, row % 9 * 7);
            let amount = format!("{whole}{thousands}{part:03}{decimal}76");
            match row % 4 {
                2 => format!("({amount})"),
                _ => amount,
            }
        }));
        let all = questions(&found, "amount");
        let [(said, advice)] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!(*said, seen(&format!("(3{thousands}014{decimal}76)")));
        let number =
            format!("regexp_replace(replace(\"amount\", '(', '-'), '[^0-9{decimal}+-]', '', 'g')");
        let sql = match decimal {
            '.' => format!("TRY_CAST({number} AS DOUBLE)"),
            _ => format!("TRY_CAST(replace({number}, ',', '.') AS DOUBLE)"),
        };
        assert!(advice.contains(&sql), "{advice}");
    }
    // A few of them are no footer.
    let found = infer_text(&german("amount", |row| match row % 40 {
        2 => "(20.5)".to_owned(),
        _ => format!("{}.5", row % 9),
    }));
    let all = questions(&found, "amount");
    let said: Vec<&str> = all.iter().map(|(said, _)| said.as_str()).collect();
    assert_eq!(said, [seen("(20.5)")]);
}

#[test]
fn numbers_grouped_as_in_india_are_asked_about() {
    let large = |row: usize| {
        let row = row % 9;
        format!("{},{:02},{:03}.50", row + 1, row * 11, row * 7)
    };
    let rare = |row: usize| match row % 20 {
        7 => "1,23,456.78".to_owned(),
        _ => format!("{}.5", row % 9),
    };
    let seen = "its texts are numbers with ',' between groups of digits, as in India, such as ";
    for (text, example) in [
        (german("amount", large), "\"1,00,000.50\" in row 1 of a.csv"),
        (german("amount", rare), "\"1,23,456.78\" in row 8 of a.csv"),
    ] {
        let found = infer_text(&text);
        assert_eq!(column(&found, "amount")["type"], "utf8");
        let all = questions(&found, "amount");
        let [(said, advice)] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!(*said, format!("{seen}{example}"));
        let sql = "TRY_CAST(replace(\"amount\", ',', '') AS DOUBLE)";
        assert!(advice.contains(sql), "{advice}");
    }
}

#[test]
fn texts_that_mean_missing_are_asked_about_where_they_are_categories() {
    let rows = |row: usize| {
        let gap = ["NA", "7"][usize::from(!row.is_multiple_of(9))];
        let plan = match row % 10 {
            1 => "?",
            2 | 3 => "NULL",
            _ => ["s", "m"][row % 2],
        };
        format!("{gap};{plan};{}", ["s", "m"][row % 2])
    };
    let found = infer_text(&german("days;plan;size", rows));
    assert_eq!(json(&found, "dataset.json")["csv"]["nulls"], json!(["NA"]));
    assert_eq!(
        questions(&found, "plan"),
        [(
            "36 of 120 values are \"NULL\" and 1 more such texts".to_owned(),
            "each such text is a category: if it stands for a missing value, \"csv\": {\"nulls\": [\"NA\", \
             \"NULL\", \"?\"]} in dataset.json, or NULLIF(NULLIF(\"plan\", 'NULL'), '?') in \
             features.sql makes it null"
                .to_owned()
        )]
    );
    assert_eq!(asked(&found, "size"), "");
}

#[test]
fn a_footer_in_a_column_of_numbers_is_named_with_its_row() {
    let text = german("x", |row| format!("{}.5", row % 40)) + "Total;120.5;\n";
    let found = infer_text(&text);
    assert_eq!(column(&found, "id")["type"], "utf8");
    let footer = (
        "its texts are numbers such as \"1\", but \"Total\" in row 121 of a.csv".to_owned(),
        "it stays a text: if that row is not data (a footer, for example), remove it from the file, \
         and run this again"
            .to_owned(),
    );
    assert_eq!(questions(&found, "id"), [footer]);
    // A column that may be a feature is asked about alike.
    let text = german("x", |row| (row % 40).to_string()) + "121;total;no\n";
    let (seen, advice) = questions(&infer_text(&text), "x").remove(0);
    assert!(seen.contains("but \"total\" in row 121 of a.csv"), "{seen}");
    assert!(advice.contains("remove it from the file"), "{advice}");
}
