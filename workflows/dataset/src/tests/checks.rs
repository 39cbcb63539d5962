use super::*;

/// A contract of customers with the day on which they were seen.
fn desk() -> Desk {
    let desk = Desk::new();
    let day = |row: usize, _| format!(",2024-{:02}-{:02}", row / 25 + 1, row % 25 + 1);
    desk.csv("raw/train/a.csv", &customers(",seen_at", day));
    let line = ["infer", desk.path("raw").to_str().unwrap()].map(str::to_owned);
    let options = Line::parse_from(line).options;
    let found = infer(&options, Files::find(&options.files).unwrap(), &|_| {}).unwrap();
    found.project.write(&desk.path("project"), false).unwrap();
    desk
}

fn rows(first: usize, more: &str) -> String {
    let mut text = "id,spent,seen_at,churned,note\n".to_owned();
    for row in first..first + 10 {
        writeln!(text, "{row},1.5,2025-01-{:02},no,x", row % 20 + 1).unwrap();
    }
    text + more
}

#[test]
fn files_that_keep_the_contract_are_told_by_rows_and_times() {
    let desk = desk();
    desk.csv("raw/train/b.csv", &rows(1000, ""));
    let unlabelled = "id,spent,seen_at\n1,0.5,2025-02-01\n";
    desk.csv("raw/predict/c.csv", unlabelled);
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean() && check::broken(&report).is_none());
    let found = report.files.iter().map(|file| {
        let time = file.time.unwrap();
        let extra = file.extra.join(",");
        format!(
            "{} {} {:?} {} {} {extra}",
            file.key, file.score, file.rows, time.first, time.last
        )
    });
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            "train/a.csv false Some(200) 2024-01-01 00:00:00 2024-08-25 00:00:00 ",
            "train/b.csv false Some(10) 2025-01-01 00:00:00 2025-01-10 00:00:00 note",
            "predict/c.csv true Some(1) 2025-02-01 00:00:00 2025-02-01 00:00:00 ",
        ]
    );
}

#[test]
fn columns_of_aggregates_are_null_in_a_check() {
    let desk = desk();
    let sql = "SELECT *, coalesce(everyone.rows, -1) AS all_rows FROM raw";
    fs::write(desk.path("project/features.sql"), sql).unwrap();
    let everyone = desk.path("project/aggregate.everyone.sql");
    fs::write(&everyone, "SELECT count(*) AS rows FROM train").unwrap();
    let report = desk.check("raw").unwrap();
    assert_eq!(report.files[0].broken, None);
    assert_eq!((report.is_clean(), report.files[0].rows), (true, Some(200)));
    fs::write(&everyone, "SELECT max(churned) AS rows FROM train").unwrap();
    let error = desk.check("raw").unwrap_err();
    assert_eq!(exit_code(&error), failure::USAGE);
    assert!(error.to_string().contains("over the target"), "{error:#}");
}

#[test]
fn what_breaks_the_contract_is_named_with_its_first_row_and_value() {
    let desk = desk();
    desk.csv(
        "raw/train/b.csv",
        &rows(1000, "1010,much,2025-01-01,maybe,x\n1011,,never,no,x\n"),
    );
    let report = desk.check("raw").unwrap();
    let broken = report.files[1].broken.clone().unwrap();
    for expected in [
        "b.csv breaks the data contract",
        "column \"spent\": 1 of 12 rows can't be read as float64, the first in line 12: \"much\"",
        "column \"churned\": 1 of 12 rows hold a value that is neither no nor yes, the first in line 12",
        "column \"seen_at\": 1 of 12 rows can't be read as date, the first in line 13: \"never\"",
    ] {
        assert!(broken.contains(expected), "{broken}");
    }
    assert!(broken.starts_with("b.csv breaks"), "{broken}");
    assert_eq!(report.files[0].broken, None);
    let error = check::broken(&report).unwrap();
    assert_eq!(
        (exit_code(&error), error.to_string().as_str()),
        (failure::CONTRACT, "1 of 2 files break the contract")
    );
}

#[test]
fn a_dialect_that_other_files_refuse_is_not_advised() {
    let desk = desk();
    desk.csv(
        "raw/train/b.csv",
        "id,spent,seen_at,churned\n1000,\"1,5\",2025-01-01,no\n",
    );
    let report = desk.check("raw").unwrap();
    let broken = report.files[1].broken.clone().unwrap();
    let refused = "; with \"csv\": {\"decimal\": \",\"} in dataset.json, a.csv would be refused)";
    assert!(broken.contains(refused), "{broken}");
}

#[test]
fn a_type_is_advised_with_what_models_json_needs() {
    let desk = desk();
    desk.csv(
        "raw/train/b.csv",
        &rows(1000, "1010,much,2025-01-11,no,x\n"),
    );
    let clipped = r#"{"candidates": "auto",
        "preprocessing": {"columns": {"spent": {"clip": [0, 10]}}}}"#;
    let models = desk.path("project/models.json");
    fs::write(&models, clipped).unwrap();
    let report = desk.check("raw").unwrap();
    let broken = report.files[1].broken.clone().unwrap();
    let advice = "(\"type\": \"utf8\" in dataset.json accepts them; as utf8, a feature is a category: \
                  remove \"clip\" and a numeric \"impute\" of \"spent\" from models.json, or compute";
    assert!(broken.contains(advice), "{broken}");
    let contract = desk.path("project/dataset.json");
    let text = fs::read_to_string(&contract).unwrap();
    fs::write(&contract, text.replace("float64", "utf8")).unwrap();
    let error = desk.check("raw").unwrap_err();
    assert_eq!(exit_code(&error), failure::USAGE);
    assert!(
        format!("{error:#}").contains("leave `clip` out"),
        "{error:#}"
    );
    fs::write(&models, clipped.replace(r#""clip": [0, 10]"#, "")).unwrap();
    assert!(desk.check("raw").unwrap().is_clean());
}

#[test]
fn rows_and_files_that_are_there_twice_are_found_across_files() {
    let desk = desk();
    desk.csv("raw/train/b.csv", &rows(1000, ""))
        .csv("raw/train/c.csv", &rows(1000, "1010,1.5,2025-01-11,no,x\n"));
    let report = desk.check("raw").unwrap();
    assert_eq!(report.doubles.len(), 1);
    assert!(
        report.doubles[0].starts_with("10 rows repeat the (id, seen_at) of a row in another file"),
        "{:?}",
        report.doubles
    );
    assert_eq!(
        exit_code(&check::broken(&report).unwrap()),
        failure::CONTRACT
    );
    desk.csv("raw/train/c.csv", &rows(1000, ""));
    let report = desk.check("raw").unwrap();
    assert_eq!(report.doubles, ["c.csv has the same bytes as b.csv"]);
    assert_eq!(
        check::broken(&report).unwrap().to_string(),
        "training rows occur twice"
    );
}

#[test]
fn files_to_score_may_be_copies_and_are_named() {
    let desk = desk();
    for copy in ["train/b.csv", "predict/c.csv", "predict/d.csv"] {
        desk.csv(&format!("raw/{copy}"), &rows(1000, ""));
    }
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean() && check::broken(&report).is_none());
    assert_eq!(
        report.copies,
        ["c", "d"].map(|name| format!(
            "predict/{name}.csv has the same bytes as train/b.csv: a model scores rows that it \
             was trained on"
        ))
    );
}

#[test]
fn a_wrong_configuration_is_no_fault_of_the_files() {
    let desk = desk();
    fs::write(desk.path("project/features.sql"), "SELECT id FROM raw").unwrap();
    assert_eq!(exit_code(&desk.check("raw").unwrap_err()), failure::USAGE);
    fs::remove_file(desk.path("project/dataset.json")).unwrap();
    let error = desk.check("raw").unwrap_err();
    assert_eq!(exit_code(&error), failure::USAGE);
    assert!(
        format!("{error:#}").contains("--dataset names the folder that has it"),
        "{error:#}"
    );
}
