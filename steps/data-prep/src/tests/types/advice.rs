//! Advice that is followed word by word ends with a data version.

use arrow::array::Time64MicrosecondArray;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_that_no_type_holds_are_to_be_written_otherwise() {
    const LARGE: u64 = (1 << 63) + 1;
    let array: ArrayRef = Arc::new(UInt64Array::from(vec![1, LARGE]));
    for column_type in ["bool", "int32", "int64", "float32", "float64"] {
        let [training, scoring] = refusals(json!({"type": column_type}), array.clone()).await;
        let ways = format!(
            "the first in row 2: {LARGE} (write the column as text in every file (pandas: \
             astype(str)) with \"type\": \"utf8\" in dataset.json or as floats in every file, which \
             rounds them (pandas: astype(\"float64\")) with \"type\": \"float64\" in dataset.json)"
        );
        assert!(training.contains(&ways), "{column_type}: {training}");
        let trained = "as text (pandas: astype(str)) for a model trained with \"type\": \"utf8\"";
        assert!(scoring.contains(trained), "{column_type}: {scoring}");
    }
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1".to_owned(), LARGE.to_string()]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, LARGE as f64]));
    for (column_type, array) in [("utf8", texts), ("float64", floats)] {
        let bench = with_c(json!({"type": column_type}), array);
        bench.prepare(&[]).await.unwrap();
    }
}

/// The types that the line on column `c` says accept its values.
fn advised(text: &str) -> Vec<&str> {
    let line = text.lines().find(|line| line.contains("column \"c\""));
    let parts = line.unwrap_or(text).split("\"type\": \"").skip(1);
    let advised = parts.filter_map(|part| part.split_once("\" in dataset.json"));
    let advised = advised.filter(|(_, rest)| rest.starts_with(" accepts"));
    advised.map(|(name, _)| name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_type_is_advised_that_refuses_other_rows() {
    const INEXACT: u64 = (1 << 53) + 1;
    let unsigned = |values: [u64; 2]| -> ArrayRef { Arc::new(UInt64Array::from(values.to_vec())) };
    let wholes = |values: [i64; 2]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
    let texts = |values: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let decimals: ArrayRef = {
        let decimals = Decimal128Array::from(vec![10_i128.pow(20), i128::from(INEXACT)]);
        Arc::new(decimals.with_precision_and_scale(30, 0).unwrap())
    };
    // The first value is beyond int64, and a float; the second is none.
    let both = unsigned([1 << 63, INEXACT]);
    let mixed = || texts(["2024-02-29T10:00:00Z", "2024-02-29T10:00:00"]);
    let days = || texts(["2024-02-29", "31.12.2024"]);
    let table = [
        ("int64", both.clone(), None),
        ("int32", both.clone(), None),
        ("bool", both.clone(), None),
        ("float64", both.clone(), None),
        ("float32", both.clone(), None),
        ("float64", unsigned([3, INEXACT]), Some("int64")),
        ("int32", unsigned([1 << 31, 1 << 63]), Some("float64")),
        (
            "float32",
            wholes([(1 << 24) + 1, INEXACT as i64]),
            Some("int64"),
        ),
        ("int64", decimals, Some("float64")),
        ("timestamp", mixed(), Some("utf8")),
        ("timestamptz", mixed(), Some("utf8")),
        ("date", days(), Some("utf8")),
    ];
    for (column_type, array, taker) in table {
        let [training, _] = refusals(json!({"type": column_type}), array.clone()).await;
        assert_eq!(advised(&training), Vec::from_iter(taker), "{training}");
        match taker {
            None => assert!(training.contains("(write the column as text"), "{training}"),
            Some(taker) => {
                let bench = with_c(json!({"type": taker}), array);
                bench.prepare(&[]).await.unwrap();
            }
        }
    }
    // Texts are no type of such a column, and neither is every integer.
    let [training, _] = refusals(json!({"type": "utf8"}), both).await;
    let line = "utf8 in the contract: write it as text (pandas: astype(str))\n";
    assert!(training.contains(line), "{training}");
    let [training, _] = refusals(json!({"type": "timestamp"}), unsigned([1, 1 << 63])).await;
    let line = "(pandas: pd.to_datetime with format=\"%Y%m%d\" or unit=\"s\")\n";
    assert!(training.contains(line), "{training}");
    let [training, _] = refusals(json!({"type": "utf8"}), unsigned([1, 2])).await;
    assert!(
        training.contains("or give it \"type\": \"int64\""),
        "{training}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_column_that_nobody_needs_is_to_be_removed() {
    const ANY: &str = "write it as one of the contract's types, such as text (pandas: astype(str))";
    let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![1, 2]));
    for (role, more) in [("id", ""), ("ignored", ", or remove it from dataset.json")] {
        let column = json!({"type": "utf8", "role": role, "nullable": role != "id"});
        let [training, _] = refusals(column, times.clone()).await;
        let line = format!("utf8 in the contract: {ANY}{more}\n");
        assert!(training.contains(&line), "{training}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_advice_loses_no_setting_and_no_row() {
    const DECIMAL: &str = "{\"decimal\": \",\"}";
    for (csv, column_type, values, expected, other) in [
        // A list that is replaced would make the first text wrong again.
        (
            "{\"nulls\": [\"-\"]}",
            "float64",
            ["-", "NA"],
            "\"NA\" added to \"nulls\" of \"csv\" in dataset.json accepts them",
            "utf8",
        ),
        (
            DECIMAL,
            "float64",
            ["1,5", "1.234"],
            "\"decimal\": \",\", \"thousands\": \".\"",
            "-",
        ),
        // A point and a comma as decimal marks of one column.
        (
            "{}",
            "float64",
            ["1.5", "1,5"],
            "(\"type\": \"utf8\" in",
            "decimal",
        ),
        (
            "{}",
            "date",
            ["2024-02-29", "31.12.2024"],
            "write a date as 2024-12-31, or",
            "format",
        ),
        // The decimal mark is set already.
        (
            DECIMAL,
            "float64",
            ["1,5", "0.5"],
            "(\"type\": \"utf8\" in",
            "decimal",
        ),
        // A day beyond the 12th says which of two forms it is.
        (
            "{}",
            "timestamp",
            ["03/04/2024 1:05 PM", "03/13/2024 1:05 PM"],
            "(\"format\": \"%m/%d/%Y %I:%M %p\" or \"type\": \"utf8\" in",
            "%d/%m",
        ),
        (
            "{}",
            "date",
            ["31.12.2024", "soon"],
            "(\"format\": \"%d.%m.%Y\" in dataset.json accepts some of them, or \"type\": \"utf8\" \
             in dataset.json accepts them",
            "-",
        ),
        (
            "{}",
            "date",
            ["NA", "31.12.2024"],
            "(\"format\": \"%d.%m.%Y\" with \"NA\" added to \"nulls\" of \"csv\" or \"type\": \
             \"utf8\" in dataset.json accepts them",
            "some of them",
        ),
    ] {
        let bench = bench(&[]);
        let columns = json!([
            {"name": "id", "type": "int64", "role": "id"},
            {"name": "y", "type": "int64", "role": "target"},
            {"name": "c", "type": column_type, "role": "ignored", "nullable": true},
        ]);
        let csv: Value = serde_json::from_str(csv).unwrap();
        let contract = json!({"columns": columns, "csv": csv}).to_string();
        bench.configure("dataset.json", &contract);
        for (key, id) in [("train/a.csv", 1), ("train/b.csv", 11)] {
            let [first, second] = values;
            let content = format!("id,y,c\n{id},0,\"{first}\"\n{},1,\"{second}\"\n", id + 1);
            fs::write(bench.raw_path(key), content).unwrap();
        }
        let text = failure(10, bench.prepare(&["--train-glob=train/*.csv"]).await);
        let line = text
            .lines()
            .find(|line| line.contains("column \"c\""))
            .unwrap();
        assert!(line.contains(expected), "{line}");
        let advice = line.rsplit_once(" (").unwrap().1;
        assert!(other == "-" || !advice.contains(other), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn null_texts_and_another_spelling_are_one_advice() {
    for (column_type, spelt, line, csv, format) in [
        (
            "float64",
            "1,5",
            "\"csv\": {\"decimal\": \",\"}",
            json!({"decimal": ","}),
            Value::Null,
        ),
        (
            "date",
            "31.12.2024",
            "\"format\": \"%d.%m.%Y\"",
            json!({}),
            json!("%d.%m.%Y"),
        ),
    ] {
        for values in [[spelt, "n/a"], ["n/a", spelt]] {
            let bench = bench(&[]);
            let mut contract = json!({"columns": [
                {"name": "id", "type": "int64", "role": "id"},
                {"name": "y", "type": "int64", "role": "target"},
                {"name": "c", "type": column_type, "role": "ignored"},
            ]});
            bench.configure("dataset.json", &contract.to_string());
            for (key, id) in [("train/a.csv", 1), ("train/b.csv", 11)] {
                let [first, second] = values;
                let content = format!("id,y,c\n{id},0,\"{first}\"\n{},1,\"{second}\"\n", id + 1);
                fs::write(bench.raw_path(key), content).unwrap();
            }
            let glob = "--train-glob=train/*.csv";
            let text = failure(10, bench.prepare(&[glob]).await);
            let advice = format!(
                "({line} with \"n/a\" added to \"nulls\" of \"csv\" and \"nullable\": true or \
                 \"type\": \"utf8\" in dataset.json accepts them"
            );
            assert!(text.contains(&advice), "{text}");
            contract["columns"][2]["nullable"] = json!(true);
            contract["columns"][2]["format"] = format.clone();
            contract["csv"] = csv.clone();
            contract["csv"]["nulls"] = json!(["n/a"]);
            bench.configure("dataset.json", &contract.to_string());
            bench.prepare(&[glob]).await.unwrap();
        }
    }
}

/// What becomes of files whose target has these values.
async fn of_target(contract: Value, values: &[i64]) -> Result<Outputs> {
    let bench = bench(&[]);
    let mut target = json!({"name": "y", "role": "target"});
    let more = contract.as_object().unwrap().clone();
    target.as_object_mut().unwrap().extend(more);
    let id = json!({"name": "id", "type": "int64", "role": "id"});
    let dataset = json!({"columns": [id, target]}).to_string();
    bench.configure("dataset.json", &dataset);
    for (index, first) in [1, 1_001].into_iter().enumerate() {
        let ids = first..first + values.len() as i64;
        let columns = [
            Int64Array::from_iter_values(ids),
            Int64Array::from(values.to_vec()),
        ];
        let columns = ["id", "y"].into_iter().zip(columns);
        let columns = columns.map(|(name, array)| (name, Arc::new(array) as ArrayRef, true));
        let rows = RecordBatch::try_from_iter_with_nullable(columns);
        bench.write(&train_key(index), &rows.unwrap());
    }
    bench.prepare(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_other_values_is_to_name_its_classes() {
    const CLASSES: &str = "name every class in \"allowed\" of dataset.json, the positive one of \
                           two last";
    const LISTED: &str =
        "\"type\": \"int64\" with every class in \"allowed\" in dataset.json accepts them";
    for (contract, values, advice, allowed) in [
        (json!({"type": "bool"}), &[1, 2][..], LISTED, json!([1, 2])),
        (json!({"type": "int64"}), &[1, 2], CLASSES, json!([1, 2])),
        (
            json!({"type": "int64"}),
            &[0, 1, 2, 3, 4],
            CLASSES,
            json!([0, 1, 2, 3, 4]),
        ),
        (
            json!({"type": "int64", "allowed": [0, 1, 2]}),
            &[0, 1, 2, 3],
            CLASSES,
            json!([0, 1, 2, 3]),
        ),
    ] {
        let text = failure(10, of_target(contract.clone(), values).await);
        assert!(text.contains(advice), "{contract}: {text}");
        let is_number = "or say \"task\": \"regression\" there if it is a number to predict";
        let may_be_number = advice == CLASSES && contract.get("allowed").is_none();
        assert_eq!(text.contains(is_number), may_be_number, "{text}");
        let ways_out = "or leave such rows out by \"train_filter\" there, or say \"task\": \
                        \"regression\" there instead of \"allowed\" if";
        let has_classes = contract.get("allowed").is_some();
        assert_eq!(text.contains(ways_out), has_classes, "{text}");
        let listed = json!({"type": "int64", "allowed": allowed});
        of_target(listed, values).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_has_no_form_is_advised_without_it() {
    let days: ArrayRef = Arc::new(StringArray::from(vec!["31.12.2024", "soon"]));
    let column = json!({"type": "date", "format": "%d.%m.%Y"});
    let [training, scoring] = refusals(column, days.clone()).await;
    let line = "\"type\": \"utf8\" without \"format\" in dataset.json accepts them";
    assert!(training.contains(line), "{training}");
    let line = "a model trained with \"type\": \"utf8\" without \"format\" accepts them";
    assert!(scoring.contains(line), "{scoring}");
    with_c(json!({"type": "utf8"}), days)
        .prepare(&[])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dialect_is_advised_that_refuses_another_column() {
    for (other, is_advised) in [("2,5", true), ("7", true), ("2.5", false)] {
        let bench = bench(&[("c", "float64"), ("d", "float64")]);
        for (key, id) in [("train/a.csv", 1), ("train/b.csv", 11)] {
            let content = format!("id,y,c,d\n{id},0,\"1,5\",\"{other}\"\n");
            fs::write(bench.raw_path(key), content).unwrap();
        }
        let text = failure(10, bench.prepare(&["--train-glob=train/*.csv"]).await);
        let line = text.lines().find(|line| line.contains("column \"c\""));
        let found = line.unwrap().contains("\"decimal\": \",\"");
        assert_eq!(found, is_advised, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_shows_a_value_where_many_rows_are_broken() {
    const ROWS: i64 = 8_192;
    const NAMES: [&str; 11] = [
        "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "last",
    ];
    let bench = bench(&NAMES.map(|name| (name, "int64")));
    let halves = vec![0.5; ROWS as usize];
    let mut others = halves.clone();
    others[ROWS as usize - 1] = f64::INFINITY;
    let array = |name: &str| -> ArrayRef {
        Arc::new(Float64Array::from(match name {
            "last" => others.clone(),
            _ => halves.clone(),
        }))
    };
    for (index, first) in [0, ROWS].into_iter().enumerate() {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + ROWS));
        let labels: ArrayRef = Arc::new(Int64Array::from_iter_values((0..ROWS).map(|i| i % 2)));
        let mut columns = vec![("id", ids, true), ("y", labels, true)];
        columns.extend(NAMES.map(|name| (name, array(name), true)));
        let rows = RecordBatch::try_from_iter_with_nullable(columns);
        bench.write(&train_key(index), &rows.unwrap());
    }
    let text = failure(10, bench.prepare(&[]).await);
    for name in NAMES {
        let line = format!("column {name:?}: ");
        let line = text.lines().find(|of| of.contains(&line)).unwrap();
        assert!(line.contains("the first in row 1: 0.5 ("), "{text}");
    }
    assert!(text.contains("the first in row 8192: inf ("), "{text}");
}
