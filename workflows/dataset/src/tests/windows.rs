use super::checks::desk;
use super::*;

const OVER: &str = "OVER (PARTITION BY id ORDER BY seen_at RANGE BETWEEN INTERVAL '30 days' \
                    PRECEDING AND CURRENT ROW)";

/// The desk with windows, and a feature that can't be computed from a customer's second row.
fn windowed() -> Desk {
    let desk = desk();
    let path = desk.path("project/dataset.json");
    let mut dataset: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    dataset["lookback"] = json!("30 days");
    fs::write(&path, dataset.to_string()).unwrap();
    let sql = format!("SELECT *, 1 / (count(*) {OVER} - 2) AS bad FROM raw");
    fs::write(desk.path("project/features.sql"), sql).unwrap();
    desk
}

#[test]
fn what_windows_over_several_files_fail_on_names_the_file_and_the_row() {
    let desk = windowed();
    // Customer 1 of a.csv was seen on 2024-01-01. A file is in no order.
    desk.csv(
        "raw/train/b.csv",
        "id,spent,seen_at,churned\n1,1.5,2024-01-09,no\n1,1.5,2024-01-05,no\n",
    );
    let report = desk.check("raw").unwrap();
    assert!(report.files.iter().all(|file| file.broken.is_none()));
    assert_eq!(report.files[1].rows, Some(2));
    let time = report.files[1].time.unwrap();
    assert_eq!(time.first.to_string(), "2024-01-05 00:00:00");
    assert_eq!(
        report.faults,
        [
            "preparing the files to train on: features.sql fails in the column \"bad\" of the row id \
             1, seen_at 2024-01-05 in b.csv: Divide by zero error (divide by nullif(x, 0) for null \
             instead)"
        ]
    );
    let error = check::broken(&report).unwrap();
    assert_eq!(
        (exit_code(&error), error.to_string().as_str()),
        (
            failure::CONTRACT,
            "windows or aggregates can't be computed from the rows"
        )
    );
    // More than a month later it is a first row again.
    desk.csv(
        "raw/train/b.csv",
        "id,spent,seen_at,churned\n1,1.5,2024-03-09,no\n",
    );
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean() && check::broken(&report).is_none());
}

#[test]
fn a_text_that_windows_make_too_long_ends_a_check_as_it_ends_a_run() {
    let desk = windowed();
    desk.csv(
        "raw/train/b.csv",
        "id,spent,seen_at,churned\n1,1.5,2024-01-05,no\n",
    );
    let sql = format!(
        "SELECT *, length(repeat('x', 600000 * CAST(count(*) {OVER} AS BIGINT))) AS bad FROM raw"
    );
    fs::write(desk.path("project/features.sql"), sql).unwrap();
    let error = desk.check("raw").unwrap_err();
    assert_eq!(exit_code(&error), failure::USAGE);
    let text = format!("{error:#}");
    for said in [
        "in the column \"bad\" of the row id 1, seen_at 2024-01-05 in b.csv: ",
        "repeat() would make a text of more than 1000000 bytes",
    ] {
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn rows_to_score_look_back_at_those_to_train_on_in_a_check() {
    let desk = windowed();
    let first = "id,spent,seen_at\n1,0.5,2024-03-20\n";
    desk.csv("raw/predict/c.csv", first);
    let report = desk.check("raw").unwrap();
    assert!(report.is_clean(), "{:?}", report.faults);
    desk.csv("raw/predict/c.csv", &first.replace("03-20", "01-20"));
    let report = desk.check("raw").unwrap();
    assert_eq!(report.files[1].rows, Some(1));
    let [fault] = &report.faults[..] else {
        panic!("{:?}", report.faults)
    };
    let says = "preparing the files to score: features.sql fails in the column \"bad\" of the row id \
                1, seen_at 2024-01-20 in predict/c.csv: Divide by zero";
    assert!(fault.starts_with(says), "{fault}");
}

#[test]
fn what_an_aggregate_can_not_be_computed_from_names_the_file_and_the_row() {
    let desk = desk();
    let sql = "SELECT *, coalesce(everyone.most, 0) AS most FROM raw";
    fs::write(desk.path("project/features.sql"), sql).unwrap();
    let aggregate = |of: &str| {
        let sql = format!("SELECT {of} AS most FROM train");
        fs::write(desk.path("project/aggregate.everyone.sql"), sql).unwrap();
    };
    aggregate("max(1 / (id - 5))");
    let report = desk.check("raw").unwrap();
    let broken = report.files[0].broken.clone().unwrap();
    let place = "aggregate.everyone.sql fails on a.csv, in the column \"everyone.most\" of the row \
                 id 5, seen_at 2024-01-05: Divide by zero";
    assert!(broken.starts_with(place), "{broken}");
    assert!(report.faults.is_empty());
    aggregate("max(length(repeat(CAST(id AS VARCHAR), 400000)))");
    let error = desk.check("raw").unwrap_err();
    assert_eq!(exit_code(&error), failure::USAGE);
    let text = format!("{error:#}");
    assert!(
        text.contains("fails on a.csv, in the column \"everyone.most\" of the row id 100, ")
            && text.contains("repeat() would make a text of more than 1000000 bytes"),
        "{text}"
    );
    aggregate("sum(4611686018427387904)");
    let report = desk.check("raw").unwrap();
    let [fault] = &report.faults[..] else {
        panic!("{:?}", report.faults)
    };
    let says = "aggregate.everyone.sql fails on the rows to train on: Overflow";
    assert!(fault.starts_with(says), "{fault}");
}
