//! Advice about one file holds for the others that the step reads too.

use arrow::array::Date32Array;

use super::*;

const REFUSES: &str = "in dataset.json, train/train_01.parquet would be refused";
const INEXACT: i64 = (1 << 53) + 1;

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn wholes(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// Numbers with one decimal place, of their tenths.
fn decimals(tenths: &[i128]) -> ArrayRef {
    let decimals = Decimal128Array::from(tenths.to_vec());
    Arc::new(decimals.with_precision_and_scale(30, 1).unwrap())
}

/// What is said of the column `c`.
fn line(text: &str) -> &str {
    let line = text.lines().find(|line| line.contains("column \"c\""));
    line.unwrap_or(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_type_is_advised_that_another_file_refuses() {
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 1]));
    for (column_type, files, write, refused) in [
        (
            "float64",
            [wholes(&[1, INEXACT]), floats(&[0.5, 1.5])],
            "(write the column as text in every file (pandas: astype(str)) with \"type\": \"utf8\" \
             in dataset.json or as floats, which rounds them (pandas: astype(\"float64\")) with \
             \"type\": \"float64\" in dataset.json; ",
            "int64",
        ),
        (
            "date",
            [texts(&["2024-02-29", "soon"]), days],
            "(write a date as 2024-12-31; ",
            "utf8",
        ),
        (
            "float64",
            [texts(&["1", "2.5"]), floats(&[0.5, 1.5])],
            "write it as numbers (pandas: pd.to_numeric); ",
            "utf8",
        ),
    ] {
        let text = failure(
            10,
            with_each(json!({"type": column_type}), files)
                .prepare(&[])
                .await,
        );
        let expected = format!("{write}with \"type\": \"{refused}\" {REFUSES}");
        assert!(line(&text).contains(&expected), "{expected}\n{text}");
    }
    for (column_type, files) in [
        (
            "float64",
            [floats(&[1.0, INEXACT as f64]), floats(&[0.5, 1.5])],
        ),
        ("utf8", [texts(&["1", "2"]), texts(&["0.5", "1.5"])]),
    ] {
        let bench = with_each(json!({"type": column_type}), files);
        bench.prepare(&[]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_need_different_types_are_given_one_for_all() {
    // Alone, the first file would be advised int64, which the second one refuses.
    let files = || [wholes(&[1, 1 << 31]), floats(&[0.5, 1.0])];
    let mut swapped = files();
    swapped.reverse();
    for files in [files(), swapped] {
        let bench = with_each(json!({"type": "int32"}), files.clone());
        let text = failure(10, bench.prepare(&[]).await);
        let accepts = "\"type\": \"float64\" in dataset.json accepts them";
        assert!(line(&text).contains(accepts), "{text}");
        assert!(
            !line(&text).contains("\"int64\" in dataset.json accepts"),
            "{text}"
        );
        let bench = with_each(json!({"type": "float64"}), files);
        bench.prepare(&[]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_files_of_one_column_are_advised_a_type_or_dialect_for_all() {
    const UTF8: &str = "\"type\": \"utf8\" in dataset.json accepts them";
    for (column_type, values, refused) in [
        ("int64", ["2.5", "abc"], "\"type\": \"float64\""),
        ("float64", ["1,5", "1.5"], "\"csv\": {\"decimal\": \",\"}"),
        (
            "date",
            ["31.12.2024", "2024-12-31"],
            "\"format\": \"%d.%m.%Y\"",
        ),
    ] {
        let bench = bench(&[("c", column_type)]);
        for (key, id, value) in [
            ("train/a.csv", 1, values[0]),
            ("train/b.csv", 11, values[1]),
        ] {
            let content = format!("id,y,c\n{id},0,\"{value}\"\n{},1,\n", id + 1);
            fs::write(bench.raw_path(key), content).unwrap();
        }
        let text = failure(10, bench.prepare(&["--train-glob=train/*.csv"]).await);
        assert!(line(&text).contains(UTF8), "{text}");
        // Of two broken files either may be named.
        if text.contains("train/a.csv breaks") {
            let refused =
                format!("; with {refused} in dataset.json, train/b.csv would be refused)");
            assert!(line(&text).contains(&refused), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_no_null_where_another_column_holds_it() {
    let bench = bench(&[]);
    for (nullable, is_advised) in [(true, true), (false, false)] {
        let columns = json!([
            {"name": "id", "type": "int64", "role": "id"},
            {"name": "y", "type": "int64", "role": "target"},
            {"name": "c", "type": "float64", "role": "ignored", "nullable": true},
            {"name": "country", "type": "utf8", "role": "ignored", "nullable": nullable},
        ]);
        bench.configure("dataset.json", &json!({"columns": columns}).to_string());
        for (key, id, value) in [("train/a.csv", 1, "NA"), ("train/b.csv", 11, "")] {
            let content = format!("id,y,c,country\n{id},0,{value},DE\n{},1,2,NA\n", id + 1);
            fs::write(bench.raw_path(key), content).unwrap();
        }
        let text = failure(10, bench.prepare(&["--train-glob=train/*.csv"]).await);
        let advice = "\"NA\" added to \"nulls\" of \"csv\" in dataset.json accepts";
        let found = text.contains(advice);
        assert_eq!(found, is_advised, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_is_advised_with_the_nulls_that_other_files_need() {
    for (column_type, values, other) in [
        ("int64", ["2", "1.5", "NA"], "float64"),
        (
            "date",
            ["2024-02-29", "2024-02-29 10:00:00", "NA"],
            "timestamp",
        ),
    ] {
        let bench = bench(&[("c", column_type)]);
        for (index, value) in values.into_iter().enumerate() {
            let id = 10 * index;
            let content = format!("id,y,c\n{id},0,{value}\n{},1,\n", id + 1);
            fs::write(bench.raw_path(&format!("train/{index}.csv")), content).unwrap();
        }
        let text = failure(10, bench.prepare(&["--train-glob=train/*.csv"]).await);
        // Of two broken files either may be named.
        let nulls = "\"NA\" added to \"nulls\" of \"csv\" in dataset.json accepts them)";
        assert!(line(&text).contains(nulls), "{text}");
        if text.contains("train/1.csv breaks") {
            let both = format!(" (\"type\": \"{other}\" with {nulls}");
            assert!(line(&text).contains(&both), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_missing_as_a_text_is_to_be_left_out() {
    const DROP: &str = "or \"NA\" added to \"nulls\" of \"csv\" with \"unlabelled\": \"drop\" in \
                        dataset.json accepts them";
    for (column_type, is_class) in [("float64", false), ("int64", true)] {
        let bench = bench(&[]);
        let mut contract = json!({"columns": [
            {"name": "id", "type": "int64", "role": "id"},
            {"name": "y", "type": column_type, "role": "target"},
        ]});
        bench.configure("dataset.json", &contract.to_string());
        for (key, id) in [("train/a.csv", 1), ("train/b.csv", 11)] {
            let content = format!("id,y\n{id},0\n{},1\n{},NA\n", id + 1, id + 2);
            fs::write(bench.raw_path(key), content).unwrap();
        }
        let glob = "--train-glob=train/*.csv";
        let text = failure(10, bench.prepare(&[glob]).await);
        assert!(text.contains(DROP), "{text}");
        assert_eq!(text.contains("\"type\": \"utf8\""), is_class, "{text}");
        contract["csv"] = json!({"nulls": ["NA"]});
        contract["unlabelled"] = json!("drop");
        bench.configure("dataset.json", &contract.to_string());
        bench.prepare(&[glob]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn null_as_a_text_in_parquet_is_to_be_written_as_null() {
    let nulls: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.5), None]));
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None]));
    for (column_type, first, advice, followed) in [
        (
            "float64",
            "1.5",
            "write it as numbers, with null in place of \"NA\" (pandas: pd.to_numeric with \
             errors=\"coerce\") with \"nullable\": true in dataset.json, or give it \"type\": \
             \"utf8\" in dataset.json",
            nulls,
        ),
        (
            "date",
            "1970-01-02",
            "(write null as null and not as a text with \"nullable\": true in dataset.json, or \
             \"type\": \"utf8\" in dataset.json accepts them",
            dates,
        ),
    ] {
        let column = |nullable: bool| json!({"type": column_type, "nullable": nullable});
        let of_texts = texts(&[first, "NA"]);
        let [training, scoring] = refusals(column(false), of_texts.clone()).await;
        assert!(line(&training).contains(advice), "{training}");
        let pinned = "for a model trained with \"nullable\": true";
        assert!(line(&scoring).contains(pinned), "{scoring}");
        let bench = with_c(json!({"type": "utf8", "nullable": false}), of_texts);
        bench.prepare(&[]).await.unwrap();
        let bench = with_c(column(true), followed);
        bench.prepare(&[]).await.unwrap();
    }
    // What is no number is not to become null in silence.
    let [training, _] = refusals(json!({"type": "int64"}), texts(&["NA", "1.5"])).await;
    let write = "write it as numbers: \"1.5\" can't be read as int64, or give it";
    assert!(line(&training).contains(write), "{training}");
}

#[tokio::test(flavor = "multi_thread")]
async fn advice_says_where_numbers_are_rounded() {
    const LARGE: i128 = 10_i128.pow(21);
    let decimal256: ArrayRef = {
        use arrow::array::Decimal256Array;
        use arrow::datatypes::i256;
        let tenths = [10, LARGE].map(i256::from_i128).to_vec();
        let decimals = Decimal256Array::from(tenths);
        Arc::new(decimals.with_precision_and_scale(60, 1).unwrap())
    };
    const THEM: &str = "\"float64\" in dataset.json accepts them, which rounds them)";
    const LARGER: &str =
        "\"float64\" in dataset.json accepts them, which rounds numbers beyond 2^53)";
    const NONE: &str = "\"float64\" in dataset.json accepts them)";
    for (column_type, array, expected) in [
        ("int64", decimals(&[10, LARGE]), THEM),
        ("int64", decimal256, THEM),
        ("int64", decimals(&[15, LARGE / 1_000]), LARGER),
        ("int64", decimals(&[10, 15]), NONE),
        ("int64", Arc::new(UInt64Array::from(vec![1, 1 << 63])), NONE),
        (
            "utf8",
            decimals(&[15, LARGE]),
            "\"float64\" in dataset.json, which rounds numbers",
        ),
    ] {
        let [training, _] = refusals(json!({"type": column_type}), array).await;
        assert!(line(&training).contains(expected), "{training}");
    }
}
