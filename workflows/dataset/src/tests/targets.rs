use super::*;

/// 1000 rows with a target.
fn rows(target: impl Fn(usize) -> String) -> String {
    let mut text = "id,x,y\n".to_owned();
    for row in 0..1000 {
        writeln!(text, "{},{}.5,{}", row + 1, row * 37 % 101, target(row)).unwrap();
    }
    text
}

fn questions(inferred: &Inferred) -> Vec<(&str, &str)> {
    let of_target = inferred.questions.iter().filter(|of| of.about == "y");
    let said = of_target.map(|of| (of.seen.as_str(), of.advice.as_str()));
    said.collect()
}

/// What is left once the contract leaves out what the question advises.
fn is_clean_without(desk: &Desk, found: &Inferred, advice: &str, class: &str) -> bool {
    let (_, filter) = advice.split_once("and add ").unwrap();
    let (filter, _) = filter.split_once(" there").unwrap();
    let dataset = text(found, "dataset.json").replacen('{', &format!("{{{filter},"), 1);
    let mended = dataset.replacen(&format!(", {class}]"), "]", 1);
    assert_ne!(mended, dataset);
    found.project.write(&desk.path("project"), true).unwrap();
    fs::write(desk.path("project/dataset.json"), mended).unwrap();
    desk.check("").unwrap().is_clean()
}

#[test]
fn counts_that_are_taken_for_classes_are_asked_about() {
    let desk = Desk::new();
    let count = |row: usize| match row {
        777 => "13".to_owned(),
        _ => (row * 37 % 101 % 6).to_string(),
    };
    desk.csv("a.csv", &rows(count));
    let found = desk.infer(&["--target=y", "--id=id"]);
    let [(counts, number), (rare, leave)] = questions(&found)[..] else {
        panic!("{:?}", found.questions)
    };
    assert_eq!(
        counts,
        "its 7 whole numbers from 0 to 13 are taken for classes"
    );
    assert!(number.contains("--regression predicts them as a number"));
    assert_eq!(rare, "of 1000 rows class 13 has 1, row 778 of a.csv");
    let filter = r#""train_filter": "\"y\" NOT IN (13)""#;
    assert!(leave.contains(filter), "{leave}");
    let correct = "if they are mistakes, correct them in the files";
    assert!(leave.contains(correct), "{leave}");
    assert!(is_clean_without(&desk, &found, leave, "13"));

    let found = desk.infer(&["--target=y", "--id=id", "--regression"]);
    assert!(questions(&found).is_empty());
    assert_eq!(json(&found, "dataset.json")["task"], "regression");
    assert_eq!(column(&found, "y")["allowed"], Value::Null);
    let models = json(&found, "models.json");
    assert_eq!(models["candidates"][0]["family"], "linear-regression");
}

#[test]
fn a_target_of_texts_is_no_number_to_predict() {
    let desk = Desk::new();
    desk.csv("a.csv", &customers("", |_, _| String::new()));
    let refused = desk.refused(&["--target=churned", "--regression"]);
    assert!(
        refused.contains("is of type utf8, and --regression predicts a number"),
        "{refused}"
    );
}

#[test]
fn one_wrong_value_among_two_classes_is_asked_about() {
    let desk = Desk::new();
    let flag = |row: usize| match row {
        41 => "2".to_owned(),
        _ => (row * 37 % 101 % 2).to_string(),
    };
    desk.csv("a.csv", &rows(flag));
    let found = desk.infer(&["--target=y", "--id=id"]);
    let said = questions(&found);
    let rare = said.iter().find(|(seen, _)| seen.contains("class 2 has 1"));
    let (seen, advice) = rare.unwrap();
    assert_eq!(*seen, "of 1000 rows class 2 has 1, row 42 of a.csv");
    assert!(advice.contains("of the two others the last"), "{advice}");
    assert!(is_clean_without(&desk, &found, advice, "2"));
}

#[test]
fn classes_that_are_the_same_to_a_person_are_asked_about() {
    let desk = Desk::new();
    let text = customers("", |_, _| String::new());
    let text = text
        .replacen(",yes\n", ",YES\n", 1)
        .replacen(",no\n", ",no \n", 1);
    desk.csv("a.csv", &text);
    let found = desk.infer(&["--target=churned", "--id=id"]);
    let said = asked(&found, "churned");
    let expected = "classes differ only by letter case or by spaces around them: of the rows \"no\" \
                    has 159, the first row 3 of a.csv, \"no \" has 1, row 2 of a.csv; \"yes\" has \
                    39, the first row 6 of a.csv, \"YES\" has 1, row 1 of a.csv\n";
    assert!(said.starts_with(expected), "{said}");
}
