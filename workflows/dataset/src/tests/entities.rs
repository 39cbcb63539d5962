use super::*;

/// 400 visits of 80 patients.
fn visits() -> String {
    let mut text = "rownames,id,year,spent,died\n".to_owned();
    for row in 0..400 {
        let (patient, year) = (row / 5 + 1, row % 5 + 2000);
        let (spent, died) = (row * 37 % 101, patient * 7 % 3 / 2);
        writeln!(text, "{},{patient},{year},{spent}.5,{died}", row + 1).unwrap();
    }
    text
}

fn question<'a>(inferred: &'a Inferred, about: &str) -> Option<&'a crate::Question> {
    let mut questions = inferred.questions.iter();
    questions
        .find(|question| question.about == about && question.seen.contains("what rows are about"))
}

#[test]
fn whether_the_rows_of_an_entity_stay_together_is_asked() {
    let desk = Desk::new();
    desk.csv("a.csv", &visits());
    let found = desk.infer(&["--target=died", "--id=rownames"]);
    let asked = question(&found, "id").unwrap();
    assert_eq!(
        asked.seen,
        "its name is that of what rows are about, and only 80 values are in 400 rows, such as 1 in \
         row 1 of a.csv and row 2 of a.csv: the holdout is by rownames, and parts them, so the \
         metrics are too good where such rows are alike"
    );
    assert_eq!(
        asked.advice,
        "it stays a feature: \"role\": \"ignored\" in dataset.json leaves it out; --id id, with \
         \"repeated_keys\": \"allow\" in dataset.json, holds out all rows of a value or none, where \
         a row to score is then the only one of its id"
    );
    // What is advised settles it, and the numbers of the rows are no feature then.
    let found = desk.infer(&["--target=died", "--id=id"]);
    assert!(question(&found, "id").is_none());
    assert_eq!(column(&found, "rownames")["role"], "ignored");
    let dataset = text(&found, "dataset.json").replacen('{', "{\"repeated_keys\": \"allow\",", 1);
    found.project.write(&desk.path("project"), false).unwrap();
    fs::write(desk.path("project/dataset.json"), dataset).unwrap();
    assert!(desk.check("").unwrap().is_clean());
    // Of several ids each one alone is what may repeat.
    let found = desk.infer(&["--target=died", "--id=id,year"]);
    let asked = question(&found, "id").unwrap();
    assert!(asked.advice.starts_with("--id id, with"), "{asked:?}");
}

#[test]
fn a_name_of_rows_and_one_of_few_groups_are_no_entities() {
    let desk = Desk::new();
    let more = |row: usize, _| format!(",{},{}", row / 20, row / 2);
    desk.csv("a.csv", &customers(",shop_id,heat_index", more));
    let found = desk.infer(&["--target=churned", "--id=id"]);
    for name in ["shop_id", "heat_index"] {
        assert!(question(&found, name).is_none(), "{name}");
    }
}

#[test]
fn where_the_last_rows_are_held_out_the_question_names_the_setting() {
    let desk = Desk::new();
    let day = |row: usize, _| format!(",{},2024-{:02}-{:02}", row % 40, row / 25 + 1, row % 25 + 1);
    desk.csv("a.csv", &customers(",client_id,seen_at", day));
    let found = desk.infer(&["--target=churned", "--id=id", "--time=seen_at"]);
    let asked = question(&found, "client_id").unwrap();
    let parted = "such as 0 in row 1 of a.csv and row 161 of a.csv: those before 2024-07-11 are \
                  trained on, the others held out";
    assert!(asked.seen.contains(parted), "{asked:?}");
    let way = "--id client_id, with \"repeated_keys\": \"allow\" in dataset.json, and HOLDOUT: \
               fraction=0.2 in ml-config.yaml, holds out all rows of a value or none";
    assert!(asked.advice.ends_with(way), "{asked:?}");
    // An order of one day is on one side.
    let day = |row: usize, _| {
        format!(
            ",{},2024-{:02}-{:02}",
            row / 5,
            row / 25 + 1,
            row % 25 / 5 + 1
        )
    };
    desk.csv("a.csv", &customers(",order_id,seen_at", day));
    let found = desk.infer(&["--target=churned", "--id=id", "--time=seen_at"]);
    assert!(question(&found, "order_id").is_none());
}
