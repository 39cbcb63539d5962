use super::*;

/// 1000 loans with a rate by grade, and columns that say it in other ways.
fn loans() -> String {
    let mut text = "id,grade,bend,log,region,branch,amount,rate\n".to_owned();
    for row in 0..1000_usize {
        let grade = row * 389 % 30;
        let rate = 5.0 + grade as f64 * 0.8 + (row * 37 % 11) as f64 / 100.0;
        // On both sides of 0.
        let bend = (rate - 5.0) * if row % 2 == 0 { 1.0 } else { -1.0 };
        let log = libm::log(rate * rate * rate);
        let amount = row * 7919 % 1009;
        writeln!(
            text,
            "{},g{grade},{bend:?},{log:?},r{},b{},{amount}.5,{rate:?}",
            row + 1,
            row * 613 % 7,
            row % 170
        )
        .unwrap();
    }
    text
}

#[test]
fn what_says_a_number_by_a_category_a_bend_or_another_scale_is_asked() {
    let desk = Desk::new();
    desk.csv("a.csv", &loans());
    let found = desk.infer(&["--target=rate", "--id=id"]);
    for name in ["grade", "bend", "log"] {
        let said = asked(&found, name);
        let begin = "alone it predicts the target: its values explain ";
        assert!(said.contains(begin), "{name}: {said}");
    }
    for name in ["region", "branch", "amount"] {
        let said = asked(&found, name);
        assert!(!said.contains("alone"), "{name}: {said}");
    }
}

#[test]
fn a_class_of_a_few_rows_hides_no_leak() {
    let desk = Desk::new();
    let more = |row: usize, left: bool| match (row, left) {
        (198, _) => ",c".to_owned(),
        (_, true) => ",b".to_owned(),
        (_, false) => ",a".to_owned(),
    };
    let text = customers(",reason", more);
    let rare = text.replace(",c,no", ",c,maybe");
    assert_ne!(text, rare);
    desk.csv("a.csv", &rare);
    let found = desk.infer(&["--target=churned", "--id=id"]);
    let said = asked(&found, "reason");
    assert!(said.contains("alone it predicts the target"), "{said}");
}

#[test]
fn a_monotone_relation_is_found_in_few_rows() {
    let desk = Desk::new();
    let mut text = "id,log,other,price\n".to_owned();
    for row in 0..60 {
        let price = (row * 37 % 61 + 1) as f64;
        let (log, other) = (libm::log(price * price), row * 29 % 59);
        writeln!(
            text,
            "{},{log:?},{other}.5,{}",
            row + 1,
            price * price * 1.5
        )
        .unwrap();
    }
    desk.csv("a.csv", &text);
    let found = desk.infer(&["--target=price", "--id=id"]);
    let said = asked(&found, "log");
    assert!(
        said.contains("explain 100.00 % of the variance of the target's ranks"),
        "{said}"
    );
    assert!(!asked(&found, "other").contains("alone"));
}
