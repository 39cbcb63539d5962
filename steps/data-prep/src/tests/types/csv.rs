//! The forms of values in CSV files.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn csv_holds_the_forms_that_pandas_writes() {
    let bench = bench(&[
        ("whole", "int64"),
        ("small", "int32"),
        ("float", "float64"),
        ("single", "float32"),
        ("flag", "bool"),
        ("day", "date"),
        ("read", "timestamp"),
        ("at", "timestamptz"),
    ]);
    let header = "id,y,whole,small,float,single,flag,day,read,at\n";
    // The third row has what pandas writes by default for a gap, and the fourth what it writes with
    // na_rep="NaN".
    let rows = |first: usize| {
        format!(
            "{header}{},0,3.0,-2.0,0.1,0.1,True,2024-02-29,2024-02-29 23:59:59.250001,2024-02-29 23:59:59+01:00\n\
             {},1,1e3,+7,1e-3,2,0,2024-02-29 00:00:00,2024-02-29,2024-02-29T22:59:59Z\n\
             {},0,,,,,,,,\n{},1,NaN,nan,NaN,NaN,NaN,,,\n",
            first,
            first + 1,
            first + 2,
            first + 3
        )
    };
    for (key, first) in [("train/a.csv", 1), ("train/b.csv", 11)] {
        fs::write(bench.raw_path(key), rows(first)).unwrap();
    }
    bench.prepare(&["--train-glob=train/*.csv"]).await.unwrap();
    let bits = |value: f64| json!(format!("{:016x}", value.to_bits()));
    let micros = 1_709_251_199_250_001_i64;
    let expected = json!({
        "whole": {"values": [3, 1000, null, null]},
        "small": {"values": [-2, 7, null, null]},
        "float": {"values": [bits(0.1), bits(1e-3), null, null]},
        "single": {"values": [bits(f64::from(0.1_f32)), bits(2.0), null, null]},
        "flag": {"values": [true, false, null, null]},
        "day": {"values": ["2024-02-29", "2024-02-29", null, null]},
        "read": {"values": [micros, 1_709_164_800_000_000_i64, null, null]},
        "at": {"values": [1_709_247_599_000_000_i64, 1_709_247_599_000_000_i64, null, null]},
    });
    let train = bench.rows(&bench.manifest(TRAIN).await);
    check(&train, expected.as_object().unwrap(), "csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_values_that_do_not_fit_are_named_by_line_with_advice() {
    for (column_type, text, words) in [
        (
            "int64",
            "2.5",
            "are not whole, as int64 must be, the first in line 3: \"2.5\" (\"type\": \"float64\" \
             in dataset.json accepts them)",
        ),
        (
            "int64",
            "9007199254740993.0",
            "hold whole numbers as floats",
        ),
        ("int64", "3.0000000000000000001", "are not whole"),
        (
            "int64",
            "9223372036854775808",
            "are beyond the range of int64, the first in line 3: \"9223372036854775808\" (\"type\": \
             \"float64\" in dataset.json accepts them, which rounds them)",
        ),
        ("int32", "3e9", "are beyond the range of int32"),
        ("float64", "1e400", "are beyond the range of float64"),
        (
            "float64",
            "1,5",
            "can't be read as float64, the first in line 3: \"1,5\" (\"csv\": {\"decimal\": \
             \",\"} or \"type\": \"utf8\" in dataset.json accepts them)",
        ),
        ("float64", " 1", "(write values without spaces around them)"),
        (
            "float64",
            "NA",
            "(write null as an empty field, or \"NA\" added to \"nulls\" of \"csv\" in \
             dataset.json accepts them)",
        ),
        (
            "int64",
            "null",
            "an empty field, or \"null\" added to \"nulls\"",
        ),
        ("bool", "yes", "(write true, false, 1 or 0"),
        (
            "date",
            "31.12.2024",
            "(\"format\": \"%d.%m.%Y\" or \"type\": \"utf8\" in",
        ),
        ("date", "tomorrow", "(write a date as 2024-12-31"),
        ("date", "2024-12-31 10:00:00", "have a time of day"),
        (
            "timestamp",
            "2024-12-31T10:00:00Z",
            "(\"type\": \"timestamptz\" in dataset.json accepts them)",
        ),
        (
            "timestamp",
            "2024-12-31T10:00:00.0000000001",
            "can't be held in microseconds",
        ),
        (
            "timestamptz",
            "2024-12-31 10:00:00",
            "or \"type\": \"timestamp\" in dataset.json accepts them)",
        ),
    ] {
        let bench = bench(&[("c", column_type)]);
        for (key, id) in [("train/a.csv", 1), ("train/b.csv", 11)] {
            let content = format!("id,y,c\n{id},0,\n{},1,\"{text}\"\n", id + 1);
            fs::write(bench.raw_path(key), content).unwrap();
        }
        let found = failure(10, bench.prepare(&["--train-glob=train/*.csv"]).await);
        let line = "column \"c\": 1 of 2 rows ";
        assert!(
            found.contains(line) && found.contains(words),
            "{column_type} {text}: {found}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialect_of_the_contract_holds_for_training_and_for_scoring() {
    let bench = bench(&[("float", "float64"), ("day", "date")]);
    let contract = bench.home.path().join("config/dataset.json");
    let mut contract: Value = serde_json::from_str(&fs::read_to_string(contract).unwrap()).unwrap();
    contract["csv"] = json!({
        "separator": ";", "decimal": ",", "thousands": ".", "encoding": "windows-1252",
        "header": false, "date_format": "%d.%m.%Y", "nulls": ["k.\u{a0}A."],
    });
    bench.configure("dataset.json", &contract.to_string());
    for (key, rows) in [
        (
            "train/a.csv",
            &b"1;0;1.234,5;31.12.2024\n2;1;k.\xa0A.;\n"[..],
        ),
        (
            "train/b.csv",
            b"3;0;0,5;1.1.2025\n4;1;-7;k.\xa0A.\n6;0;;\n7;1;1.000;\n",
        ),
        (
            "predict/p.csv",
            b"5;2.000,25;2.1.2025\n6;1;\n7;;\n8;0,1;1.1.1970\n",
        ),
    ] {
        // Rows to score lack the target.
        fs::write(bench.raw_path(key), rows).unwrap();
    }
    bench.prepare(&["--train-glob=train/*.csv"]).await.unwrap();
    let bits = |value: f64| json!(format!("{:016x}", value.to_bits()));
    let found = bench.rows(&bench.manifest(TRAIN).await);
    let expected = json!({
        "float": {"values": [bits(0.5), bits(-7.0), null, bits(1000.0)]},
        "day": {"values": ["2025-01-01", null, null, null]},
    });
    check(&found, expected.as_object().unwrap(), "train");

    let arguments = bench.select_from("predict/*.csv").await;
    let scored = bench.predict(&arguments).await.unwrap();
    let manifest = bench.manifest(scored.get("manifest").unwrap()).await;
    let expected = json!({
        "float": {"values": [bits(2000.25), bits(1.0), null, bits(0.1)]},
        "day": {"values": ["2025-01-02", null, null, "1970-01-01"]},
    });
    check(
        &bench.rows(&manifest),
        expected.as_object().unwrap(),
        "predict",
    );
}
