use super::*;

/// A contract of customers with the day on which they were seen.
pub(super) fn desk() -> Desk {
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
fn files_that_keep_the_contract_are_reported_by_rows_and_times() {
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
    let [said] = &report.doubles[..] else {
        panic!("{:?}", report.doubles)
    };
    let begin = "10 rows repeat the (id, seen_at) of a row in another file:\n  b.csv and c.csv: 10\n\
                 for example:\n";
    let end = "\ndeliver each row once, or give \"repeated_keys\": \"allow\" in dataset.json, if each \
               of these rows should count";
    let examples = said.strip_prefix(begin).and_then(|of| of.strip_suffix(end));
    let examples: Vec<&str> = examples.expect(said).lines().collect();
    let known: Vec<String> = (1000..1010)
        .map(|id| {
            let day = id % 20 + 1;
            format!("  id {id}, seen_at 2025-01-{day:02}: in b.csv and c.csv")
        })
        .collect();
    assert_eq!(examples.len(), 3);
    assert!(
        examples
            .iter()
            .all(|of| known.iter().any(|known| known == of)),
        "{said}"
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
fn rows_of_the_first_file_need_another_holdout_to_be_repeated() {
    let desk = desk();
    // Customer 1 of a.csv was seen on 2024-01-01.
    for (name, spent) in [("b", "0.5"), ("c", "1.5")] {
        let text = format!("id,spent,seen_at,churned\n1,{spent},2024-01-01,no\n");
        desk.csv(&format!("raw/train/{name}.csv"), &text);
    }
    let report = desk.check("raw").unwrap();
    assert_eq!(
        report.doubles,
        [
            "2 rows repeat the (id, seen_at) of a row in another file:\n  a.csv and b.csv: 1\n  a.csv \
          and c.csv: 1\nfor example:\n  id 1, seen_at 2024-01-01: in a.csv and b.csv and c.csv\n\
          deliver each row once, or give \"repeated_keys\": \"allow\" in dataset.json, if each of \
          these rows should count; even so, where HOLDOUT is first-shard, its default, it holds out a.csv and \
          refuses its rows in other files: HOLDOUT=fraction=0.1 keeps the rows of an id together"
        ]
    );
}

#[test]
fn keys_that_may_repeat_are_counted_within_files_and_across_them() {
    let desk = desk();
    let twice = "1000,2.5,2025-01-01,no,x\n1000,2.5,2025-01-01,no,x\n";
    desk.csv("raw/train/b.csv", &rows(1000, twice)).csv(
        "raw/train/c.csv",
        "id,spent,seen_at,churned\n1000,0.5,2025-01-01,no\n",
    );
    let contract = desk.path("project/dataset.json");
    let text = fs::read_to_string(&contract).unwrap();
    let allow = text.replacen('{', "{\"repeated_keys\": \"allow\",", 1);
    fs::write(&contract, allow).unwrap();
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean() && check::broken(&report).is_none());
    let said = "3 rows repeat the (id, seen_at) of another row, which \"repeated_keys\": \"allow\" in \
                dataset.json permits:\n  within b.csv: 2\n  b.csv and c.csv: 1\nfor example:\n  id \
                1000, seen_at 2025-01-01: in b.csv and c.csv";
    assert_eq!(report.accepted, [said]);
    // Customer 1 of a.csv was seen on 2024-01-01.
    desk.csv("raw/train/b.csv", &rows(1000, "1,0.5,2024-01-01,no,x\n"));
    fs::remove_file(desk.path("raw/train/c.csv")).unwrap();
    let report = desk.check("raw").unwrap();
    let said = "1 row repeats the (id, seen_at) of another row, which \"repeated_keys\": \"allow\" in \
                dataset.json permits:\n  a.csv and b.csv: 1\nfor example:\n  id 1, seen_at \
                2024-01-01: in a.csv and b.csv\neach of these rows counts, but \
                where HOLDOUT is first-shard, its default, it holds out a.csv and refuses its rows in other \
                files: HOLDOUT=fraction=0.1 keeps the rows of an id together";
    assert_eq!(report.accepted, [said]);
}

#[test]
fn keys_repeat_whatever_the_order_of_ids_and_time_in_the_contract() {
    let desk = desk();
    desk.csv("raw/train/b.csv", &rows(1000, ""))
        .csv("raw/train/c.csv", &rows(1000, "1010,1.5,2025-01-11,no,x\n"));
    let contract = desk.path("project/dataset.json");
    let text = fs::read_to_string(&contract).unwrap();
    let mut dataset: Value = serde_json::from_str(&text).unwrap();
    dataset["columns"].as_array_mut().unwrap().reverse();
    fs::write(&contract, dataset.to_string()).unwrap();
    let report = desk.check("raw").unwrap();
    let [said] = &report.doubles[..] else {
        panic!("{:?}", report.doubles)
    };
    let begin = "10 rows repeat the (seen_at, id) of a row in another file:\n  b.csv and c.csv: 10\n\
                 for example:\n  seen_at 2025-01-";
    assert!(said.starts_with(begin), "{said}");
}

#[test]
fn what_a_query_without_windows_fails_on_names_the_file_and_the_row() {
    let desk = desk();
    desk.csv("raw/train/b.csv", &rows(1000, ""));
    let sql = "SELECT *, 100 / (id - 1005) AS q FROM raw";
    fs::write(desk.path("project/features.sql"), sql).unwrap();
    let report = desk.check("raw").unwrap();
    assert_eq!(report.files[0].broken, None);
    let broken = report.files[1].broken.clone().unwrap();
    let place = "preparing b.csv: features.sql fails in the column \"q\" of the row id 1005, seen_at \
                 2025-01-06";
    assert!(broken.starts_with(place), "{broken}");
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
        report.accepted,
        ["c", "d"].map(|name| format!(
            "predict/{name}.csv has the same bytes as train/b.csv: a model scores rows that it \
             was trained on"
        ))
    );
}

#[test]
fn rows_to_score_that_repeat_a_key_across_files_are_named() {
    let desk = desk();
    let header = "id,spent,seen_at\n";
    desk.csv(
        "raw/predict/c.csv",
        &format!("{header}1,0.5,2025-02-01\n2,0.5,2025-02-01\n"),
    );
    desk.csv(
        "raw/predict/d.csv",
        &format!("{header}1,1.5,2025-02-01\n2,0.5,2025-02-02\n"),
    );
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean() && check::broken(&report).is_none());
    let said = "1 row repeats the (id, seen_at) of a row in another file to score:\n  predict/c.csv \
                and predict/d.csv: 1\nfor example:\n  id 1, seen_at 2025-02-01: in predict/c.csv and \
                predict/d.csv\na workflow that scores them in one data version refuses them, because \
                a prediction is published under its key: deliver each row once; in a later data \
                version, the new prediction replaces the old one";
    assert_eq!(report.accepted, [said]);
    let copy = format!("{header}1,0.5,2025-02-01\n");
    desk.csv("raw/predict/c.csv", &copy)
        .csv("raw/predict/d.csv", &copy);
    assert_eq!(
        desk.check("raw").unwrap().accepted,
        [
            "predict/d.csv has the same bytes as predict/c.csv: a workflow that scores both in one \
             data version refuses them"
        ]
    );
}

#[test]
fn label_files_are_read_by_the_columns_that_they_have() {
    let desk = desk();
    let labels = "id,seen_at,note,churned\n1,2025-02-01,x,yes\n2,2025-02-03,y,\n";
    desk.csv("raw/labels/2025-02.csv", labels)
        .csv("raw/labels/old/2025-01.csv", "of another model\n");
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean() && check::broken(&report).is_none());
    assert_eq!(report.files.len(), 1);
    let [file] = &report.labels[..] else {
        panic!("{:?}", report.labels)
    };
    let time = file.time.unwrap();
    assert_eq!(
        format!("{} {:?} {} {}", file.key, file.rows, time.first, time.last),
        "labels/2025-02.csv Some(2) 2025-02-01 00:00:00 2025-02-03 00:00:00"
    );
    for (rows, expected) in [
        (
            "1,2025-02-01,maybe\n",
            "column \"churned\": 1 of 1 rows hold a value that is neither no nor yes, the first in line 2",
        ),
        (
            "1,2025-02-01,yes\n1,2025-02-01,no\n",
            "1 of 2 rows repeat the (id, seen_at) of another row",
        ),
    ] {
        desk.csv(
            "raw/labels/2025-03.csv",
            &format!("id,seen_at,churned\n{rows}"),
        );
        let report = desk.check("raw").unwrap();
        let broken = report.labels[1].broken.clone().unwrap();
        assert!(broken.starts_with("labels/2025-03.csv breaks"), "{broken}");
        assert!(broken.contains(expected), "{broken}");
        let error = check::broken(&report).unwrap();
        assert_eq!(
            (exit_code(&error), error.to_string().as_str()),
            (failure::CONTRACT, "1 of 3 files break the contract")
        );
    }
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

#[test]
fn names_that_scoring_adds_are_left_out_by_infer_and_refused_by_a_check() {
    let desk = Desk::new();
    let more = |row: usize, _| format!(",0.{},m{},{}", row % 9, row % 3, row % 7);
    let rows = customers(",probability,model_name,probability_of_rain", more);
    desk.csv("raw/train/a.csv", &rows);
    let line = ["infer", desk.path("raw").to_str().unwrap()].map(str::to_owned);
    let options = Line::parse_from(line).options;
    let found = infer(&options, Files::find(&options.files).unwrap(), &|_| {}).unwrap();
    for name in ["probability", "model_name"] {
        assert_eq!(column(&found, name)["role"], "ignored", "{name}");
        let mut questions = found.questions.iter().filter(|of| of.about == name);
        let advice = format!("SELECT *, \"{name}\" AS \"{name}_given\" FROM raw in features.sql");
        assert!(questions.any(|of| of.advice.contains(&advice)), "{name}");
    }
    assert_eq!(column(&found, "probability_of_rain")["role"], "feature");
    found.project.write(&desk.path("project"), false).unwrap();
    assert!(desk.check("raw").unwrap().is_clean());
    // What is advised works.
    let features = desk.path("project/features.sql");
    let sql = "SELECT *, \"model_name\" AS \"model_name_given\" FROM raw\n";
    fs::write(features, sql).unwrap();
    assert!(desk.check("raw").unwrap().is_clean());

    let contract = desk.path("project/dataset.json");
    let text = fs::read_to_string(&contract).unwrap();
    let text = text.replace(
        r#""name": "model_name", "type": "utf8", "role": "ignored""#,
        r#""name": "model_name", "type": "utf8", "role": "feature""#,
    );
    fs::write(&contract, text).unwrap();
    let error = desk.check("raw").unwrap_err();
    assert_eq!(exit_code(&error), failure::USAGE);
    let expected = "column \"model_name\" of the data has the name of a column that scoring adds: give it \
                    another name in features.sql";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_reading_would_wait_for_is_refused_wherever_it_is_named() {
    let desk = Desk::new();
    desk.csv("raw/a.csv", "id,x,y\n1,0.5,0\n2,1.5,1\n");
    std::os::unix::fs::symlink("/dev/zero", desk.path("raw/b.csv")).unwrap();
    for files in ["raw", "raw/*.csv", "raw/b.csv"] {
        let error = Files::find(&[desk.path(files)]).unwrap_err();
        assert_eq!(exit_code(&error), 2);
        let text = format!("{error:#}");
        assert!(
            text.contains("b.csv is a pipe, a socket or a device"),
            "{text}"
        );
    }
}

#[test]
fn a_class_whose_rows_all_weigh_nothing_is_named() {
    let desk = Desk::new();
    let contract = r#"{"columns": [
        {"name": "id", "type": "int64", "role": "id"},
        {"name": "x", "type": "float64", "role": "feature"},
        {"name": "w", "type": "float64", "role": "weight"},
        {"name": "y", "type": "utf8", "role": "target", "allowed": ["no", "yes"]}]}"#;
    fs::create_dir_all(desk.path("project")).unwrap();
    fs::write(desk.path("project/dataset.json"), contract).unwrap();
    fs::write(desk.path("project/features.sql"), "SELECT * FROM raw").unwrap();
    let rows = |first: usize, weight: fn(usize) -> usize| {
        let mut text = "id,x,w,y\n".to_owned();
        for row in first..first + 30 {
            let label = ["no", "yes"][usize::from(row % 3 == 0)];
            writeln!(text, "{row},1.5,{},{label}", weight(row)).unwrap();
        }
        text
    };
    desk.csv("raw/train/a.csv", &rows(0, |row| row % 3));
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean());
    assert_eq!(
        report.accepted,
        [
            "weight \"w\" is 0 in all 10 rows of \"y\" \"yes\", so that none of them counts: a training \
             on these files alone is refused"
        ]
    );
    desk.csv("raw/train/b.csv", &rows(30, |row| (row == 30).into()));
    assert_eq!(desk.check("raw").unwrap().accepted, [""; 0]);
}
