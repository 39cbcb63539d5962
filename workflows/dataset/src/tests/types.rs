use super::*;

#[test]
fn types_follow_the_values_of_all_files_and_not_the_first_writers_choice() {
    let desk = Desk::new();
    let rows = 60;
    let id = |first: i64| Arc::new(Int64Array::from_iter_values(first..first + rows)) as ArrayRef;
    let y = || Arc::new(Int32Array::from_iter_values((0..60).map(|row| row % 2))) as ArrayRef;
    let doubles =
        |of: fn(i64) -> Option<f64>| Arc::new(Float64Array::from_iter((0..60).map(of))) as ArrayRef;
    let texts = |of: fn(i64) -> String| {
        Arc::new(StringArray::from_iter_values((0..60).map(of))) as ArrayRef
    };
    let single = || {
        Arc::new(Float32Array::from_iter_values(
            (0..60).map(|row| row as f32 / 8.0),
        )) as ArrayRef
    };
    desk.parquet(
        "a.parquet",
        &[
            ("id", id(0)),
            (
                "visits",
                Arc::new(Int64Array::from_iter_values((0..60).map(|row| row % 7))),
            ),
            ("gaps", doubles(|row| (row % 9 != 0).then_some(row as f64))),
            ("amount", doubles(|row| Some(row as f64))),
            ("single", single()),
            ("day", texts(|row| format!("2024-01-{:02}", row % 28 + 1))),
            ("mixed", texts(|row| row.to_string())),
            ("y", y()),
        ],
    );
    desk.parquet(
        "b.parquet",
        &[
            ("id", id(60)),
            (
                "visits",
                doubles(|row| (row % 4 != 0).then_some((row % 7) as f64)),
            ),
            ("gaps", doubles(|row| Some(row as f64))),
            ("amount", doubles(|row| Some(row as f64))),
            ("single", single()),
            ("day", texts(|row| format!("2024-02-{:02}", row % 28 + 1))),
            ("mixed", id(0)),
            ("y", y()),
        ],
    );
    let found = desk.infer(&["--time=none"]);
    for (name, expected) in [
        ("visits", "int64"),
        ("gaps", "int64"),
        ("amount", "float64"),
        ("single", "float32"),
        ("day", "date"),
    ] {
        assert_eq!(column(&found, name)["type"], expected, "{name}");
    }
    assert_eq!(column(&found, "mixed"), Value::Null);
    assert!(asked(&found, "mixed").contains("Int64 in 1 file, Utf8 in 1 file"));
    assert!(
        asked(&found, "visits").contains("its type differs: Float64 in 1 file, Int64 in 1 file")
    );
}

#[test]
fn a_parquet_column_of_nulls_goes_with_every_type_of_a_csv_file() {
    let types = [DataType::Null, DataType::Float64, DataType::Utf8];
    let orders = [("a.csv", "b.parquet"), ("b.csv", "a.parquet")];
    for (of, (csv, parquet)) in types.iter().flat_map(|of| orders.map(|order| (of, order))) {
        let desk = Desk::new();
        let more = |row: usize, _| {
            let (day, half) = (row % 28 + 1, row % 30);
            let even = row.is_multiple_of(2);
            format!(
                ",{},{half}.5,2024-01-{day:02},{even},t{}",
                row % 40,
                row % 3
            )
        };
        desk.csv(csv, &customers(",whole,half,day,even,word", more));
        let nulls = || new_null_array(of, 20);
        let spent = Float64Array::from_iter_values((0..20).map(|row| 0.5 * f64::from(row)));
        let churned = (0..20).map(|row| if row % 5 == 0 { "yes" } else { "no" });
        desk.parquet(
            parquet,
            &[
                (
                    "id",
                    Arc::new(Int64Array::from_iter_values(1000..1020)) as ArrayRef,
                ),
                ("spent", Arc::new(spent)),
                ("whole", nulls()),
                ("half", nulls()),
                ("day", nulls()),
                ("even", nulls()),
                ("word", nulls()),
                ("churned", Arc::new(StringArray::from_iter_values(churned))),
            ],
        );
        let found = desk.infer(&["--target=churned", "--id=id", "--time=none"]);
        for (name, expected) in [
            ("whole", "int64"),
            ("half", "float64"),
            ("day", "date"),
            ("even", "bool"),
            ("word", "utf8"),
        ] {
            let column = column(&found, name);
            assert_eq!(column["type"], expected, "{of} in {parquet}: {name}");
            assert_eq!(column["nullable"], true, "{of} in {parquet}: {name}");
        }
        assert_eq!(desk.profile(&["--target=churned"]).unwrap().rows, 220);
        found.project.write(&desk.path("project"), false).unwrap();
        let report = desk.check("").unwrap();
        assert!(report.is_clean(), "{of} in {parquet}: {report:?}");
    }
}

#[test]
fn numbers_of_csv_files_are_what_all_their_spellings_are() {
    let desk = Desk::new();
    let more = |row: usize, _| {
        let gap = if row == 9 {
            String::new()
        } else {
            format!("{}.0", row % 4)
        };
        let late = if row == 199 {
            "x".to_owned()
        } else {
            row.to_string()
        };
        format!(
            ",{:05},{}.0,{gap},{},{late},{}",
            row % 90,
            row % 30,
            row.is_multiple_of(2),
            row % 3
        )
    };
    desk.csv("a.csv", &customers(",zip,points,gap,member,late,few", more));
    let found = desk.infer(&[]);
    for (name, expected) in [
        ("zip", "utf8"),
        ("points", "float64"),
        ("gap", "int64"),
        ("member", "bool"),
        ("late", "utf8"),
        ("few", "int64"),
    ] {
        assert_eq!(column(&found, name)["type"], expected, "{name}");
    }
    assert!(asked(&found, "late").contains("its texts are numbers such as \"0\", but \"x\""));
    assert!(asked(&found, "few").contains("only 3 different whole numbers"));
    assert_eq!(found.of, Some(200));
}

#[test]
fn what_is_no_number_to_a_program_is_asked_about_or_stays_a_text() {
    let desk = Desk::new();
    let more = |row: usize, _| {
        let (whole, cents) = (row % 90 + 1, row % 10);
        format!(
            ",{whole}.{cents}%,\"${whole},{cents}00.50\",{}",
            10_u128.pow(20) + row as u128
        )
    };
    desk.csv("a.csv", &customers(",rate,paid,code", more));
    let found = desk.infer(&[]);
    for (name, seen) in [
        ("rate", "with \"%\" behind them"),
        ("paid", "with \"$\" before them"),
    ] {
        let said = asked(&found, name);
        assert!(said.contains(seen), "{name}: {said}");
    }
    // As doubles all of them would be equal.
    assert_eq!(column(&found, "code")["type"], "utf8");
}

#[test]
fn whole_numbers_that_double_precision_rounds_are_named_with_a_row() {
    let desk = Desk::new();
    // Of those beyond 2^53 every second one is a double.
    let more = |row: usize, _| format!(",{},{}", (1 << 53) + row, (1_i64 << 53) + 2 * row as i64);
    desk.csv("a.csv", &customers(",serial,even", more));
    let found = desk.infer(&["--target=churned", "--id=id"]);
    let expected = "it is 9007199254740993 in row 2 of a.csv, which double precision rounds, the \
                    first of 100 such values: different values may be taken for the same\n";
    assert_eq!(column(&found, "serial")["type"], "int64");
    assert_eq!(asked(&found, "serial"), expected);
    let said = asked(&found, "even");
    assert!(!said.contains("double precision"), "{said}");
}

#[test]
fn dates_in_several_forms_are_asked_about_with_an_example_of_each() {
    let asked = |a: fn(usize) -> String, b: fn(usize) -> String| {
        let desk = Desk::new();
        for (name, of) in [("a.csv", a), ("b.csv", b)] {
            let text = customers(",seen", |row, _| format!(",{}", of(row)));
            desk.csv(name, &text);
        }
        asked_of_texts(&desk, "seen")
    };
    let iso = |row: usize| format!("2024-{:02}-{:02}", row % 3 + 1, row % 28 + 1);
    let day_first = |row: usize| format!("{:02}/{:02}/2024", row % 15 + 13, row % 3 + 1);
    let month_first = |row: usize| format!("{:02}/{:02}/2024", row % 3 + 1, row % 15 + 13);
    let (seen, advice) = asked(iso, day_first);
    assert_eq!(
        seen,
        "its texts are dates in 2 forms: \"2024-01-01\" in row 1 of a.csv, \"13/01/2024\" in row 1 of \
         b.csv"
    );
    let form = "it stays a text: write dates as 2024-12-31, and its type is date";
    let sql = "date_part('epoch', to_date(\"seen\", '%Y-%m-%d', '%d/%m/%Y')) / 86400";
    assert_eq!(
        advice,
        format!("{form}; or {sql} in features.sql makes days of them")
    );
    // The SQL could only guess at 05/06/2024.
    let (seen, advice) = asked(day_first, month_first);
    assert!(seen.contains("\"01/13/2024\" in row 1 of b.csv"), "{seen}");
    assert_eq!(advice, form);
    let rarely = |row: usize| match row % 20 {
        7 => "soon".to_owned(),
        _ => format!("2024-{:02}-{:02}", row % 3 + 1, row % 28 + 1),
    };
    let (seen, advice) = asked(iso, rarely);
    assert_eq!(
        seen,
        "its texts are dates such as \"2024-01-01\", but \"soon\""
    );
    assert!(
        advice.contains("leave what is not a date empty"),
        "{advice}"
    );
}

#[test]
fn files_without_names_or_rows_are_refused_for_what_they_lack() {
    let desk = Desk::new();
    desk.csv("a.csv", "id,x,churned\n");
    let error = desk.try_infer(&[]).unwrap_err();
    assert_eq!(exit_code(&error), 10);
    assert!(error.to_string().contains("hold no rows"), "{error:#}");

    let desk = Desk::new();
    let rows = customers("", |_, _| String::new());
    desk.csv("a.csv", &rows.replace(',', ", "));
    let refused = desk.refused(&["--target=churned"]);
    assert!(
        refused.contains("there is \" churned\", and spaces count"),
        "{refused}"
    );

    let desk = Desk::new();
    desk.csv("a.csv", &format!("by somebody\n{rows}"));
    let refused = desk.refused(&["--target=churned"]);
    assert!(
        refused.contains("the first line of a.csv names only one column, \"by somebody\""),
        "{refused}"
    );

    let desk = Desk::new();
    desk.csv("a.tsv", &rows);
    let refused = desk.refused(&["--target=churned"]);
    assert!(
        refused.contains("(a.tsv is skipped: its name is not that of a Parquet or CSV file"),
        "{refused}"
    );
}

#[test]
fn the_dialect_of_csv_files_is_written_into_the_contract() {
    let desk = Desk::new();
    let mut text = "id;am;betrag;tage;gefallen\n".to_owned();
    for row in 0..120 {
        let days = if row % 10 == 4 {
            "NA".to_owned()
        } else {
            (row % 40).to_string()
        };
        let (day, month) = (row % 28 + 1, row % 9 + 1);
        let liked = if row % 3 == 0 { "ja" } else { "nein" };
        writeln!(
            text,
            "{row};{day:02}.{month:02}.2025;{},5;{days};{liked}",
            row % 80
        )
        .unwrap();
    }
    desk.csv("a.csv", &text);
    let found = desk.infer(&["--target=gefallen"]);
    let dataset = json(&found, "dataset.json");
    assert_eq!(
        dataset["csv"],
        json!({"separator": ";", "decimal": ",", "nulls": ["NA"]})
    );
    assert_eq!(column(&found, "betrag")["type"], "float64");
    assert_eq!(column(&found, "tage")["type"], "int64");
    assert_eq!(
        column(&found, "am"),
        json!({"name": "am", "type": "date", "role": "time", "format": "%d.%m.%Y"})
    );
    assert_eq!(asked(&found, "am"), "");

    let desk = Desk::new();
    let comma = customers("", |_, _| String::new());
    desk.csv("a.csv", &comma)
        .csv("b.csv", &comma.replace(',', ";"));
    assert!(
        desk.refused(&[])
            .contains("a.csv and b.csv are written in different dialects")
    );
    // Where a day may be a month, nobody but a person knows.
    let desk = Desk::new();
    let day = |row: usize, _| format!(",{:02}/{:02}/2025", row % 12 + 1, row % 11 + 1);
    desk.csv("a.csv", &customers(",seen", day));
    let found = desk.infer(&["--time=none"]);
    assert!(
        asked(&found, "seen").contains("its dates may be spelt \"%"),
        "{}",
        asked(&found, "seen")
    );
}

#[test]
fn whole_numbers_that_no_type_holds_are_named_with_what_helps() {
    let desk = Desk::new();
    let rows = 60;
    let large = (0..rows).map(|row| (1_u64 << 63) + (1 << 53) * (row % 2) + row);
    desk.parquet(
        "a.parquet",
        &[
            (
                "id",
                Arc::new(Int64Array::from_iter_values(0..rows as i64)) as ArrayRef,
            ),
            ("hash", Arc::new(UInt64Array::from_iter_values(large))),
            (
                "x",
                Arc::new(Float64Array::from_iter_values(
                    (0..60).map(|row| 0.5 * f64::from(row)),
                )),
            ),
            (
                "y",
                Arc::new(Int32Array::from_iter_values((0..60).map(|row| row % 2))),
            ),
        ],
    );
    let found = desk.infer(&["--time=none"]);
    assert_eq!(column(&found, "hash"), Value::Null);
    let said = asked(&found, "hash");
    assert!(said.contains("too large for int64"), "{said}");
    assert!(said.contains("write it as text"), "{said}");
    for flag in ["--target", "--time", "--id"] {
        let refused = desk.refused(&[&format!("{flag}=hash")]);
        let why = format!("{flag} hash: no type accepts its values in all files: it is UInt64");
        assert!(refused.starts_with(&why), "{refused}");
        assert!(refused.contains("write it as text"), "{refused}");
    }
    let error = desk.profile(&["--target=hash"]).unwrap_err();
    let why = "--target hash: no type accepts its values";
    assert!(error.to_string().starts_with(why), "{error:#}");
}

#[test]
fn without_a_feature_the_columns_that_are_none_are_named_with_why() {
    let rows = |first: i32| first..first + 60;
    let id = |first: i32| Arc::new(Int32Array::from_iter_values(rows(first))) as ArrayRef;
    let y = || Arc::new(Int32Array::from_iter_values(rows(0).map(|row| row % 2))) as ArrayRef;
    let same = || Arc::new(Int32Array::from_iter_values(rows(0).map(|_| 1))) as ArrayRef;
    let texts = StringArray::from_iter_values(rows(0).map(|row| format!("t{}", row % 3)));
    let texts = Arc::new(texts) as ArrayRef;
    let desk = Desk::new();
    let first = [("id", id(0)), ("v", y()), ("same", same()), ("y", y())];
    let second = [("id", id(60)), ("v", texts), ("same", same()), ("y", y())];
    desk.parquet("a.parquet", &first)
        .parquet("b.parquet", &second);
    let refused = desk.refused(&["--target=y", "--id=id"]);
    for expected in [
        "no column is left as a feature",
        "column \"v\": no type accepts its values in all files: it is Int32 in 1 file, Utf8",
        "column \"same\" is left out: constant (every value is 1)",
        "nothing was written: correct one of them in the files",
    ] {
        assert!(refused.contains(expected), "{refused}");
    }

    let desk = Desk::new();
    desk.parquet("a.parquet", &[("id", id(0)), ("y", y())]);
    let refused = desk.refused(&["--target=y", "--id=id"]);
    assert!(
        refused.contains("every column is the target, an id or the time"),
        "{refused}"
    );
}

#[test]
fn values_and_names_stay_in_one_line_and_whole_numbers_are_exact() {
    let desk = Desk::new();
    let long = "n".repeat(300);
    let more = |row: usize, _| {
        let stamp = match row % 20 {
            3 => i64::MIN,
            _ => (row % 40) as i64,
        };
        format!(",{stamp},\"a\nb\t{}\",{}", row % 3, row % 4)
    };
    desk.csv("a.csv", &customers(&format!(",stamp,note,{long}"), more));
    let found = desk.infer(&["--strict", "--target=churned", "--id=id"]);
    let cells = || found.columns.iter().flatten();
    assert!(cells().all(|cell| !cell.contains(char::is_control) && cell.len() < 100));
    assert!(cells().any(|cell| cell.contains("a\\nb\\t0")));
    assert!(cells().any(|cell| *cell == format!("{}...", "n".repeat(60))));
    let exact = "10 of 200 values are -9223372036854775808, the only negative number";
    assert!(
        asked(&found, "stamp").contains(exact),
        "{}",
        asked(&found, "stamp")
    );
    assert_eq!(column(&found, "stamp")["min"], i64::MIN);
    assert_eq!(column(&found, "stamp")["max"], 39);
}

#[test]
fn rows_that_two_stray_quotes_have_swallowed_are_asked_about_and_prose_is_not() {
    let files = |note: fn(u32) -> String| {
        let desk = Desk::new();
        let rows = (0..600).map(|id| format!("{id},{}.5,{},{}\n", id % 9, id % 2, note(id)));
        let rows = rows.collect::<String>();
        desk.csv("a.csv", &format!("id,x,y,note\n{rows}"));
        desk.infer(&["--target=y", "--id=id", "--time=none"])
    };
    let stray = files(|id| match id {
        50 => "\"24 inch".to_owned(),
        52 => "24\"".to_owned(),
        _ => format!("text {}", id % 7),
    });
    assert_eq!(stray.rows, 598);
    let asked_about = asked(&stray, "note");
    let expected = "the text in row 51 of a.csv holds other rows";
    assert!(asked_about.contains(expected), "{asked_about}");
    let prose = files(|id| match id {
        50 => "\"Hello,\nmilk, eggs, bread, jam\ntea, salt, oil, rice\nBye\"".to_owned(),
        _ => format!("text {}", id % 7),
    });
    assert_eq!(prose.rows, 600);
    assert!(!asked(&prose, "note").contains("holds other rows"));
}

#[test]
fn an_index_that_pandas_keeps_as_a_range_is_named_with_what_mends_it() {
    let desk = Desk::new();
    let x = Float64Array::from_iter((0..60).map(|row| Some(f64::from(row % 7) / 2.0)));
    let y = Int32Array::from_iter_values((0..60).map(|row| row % 2));
    let columns = [
        ("x", Arc::new(x) as ArrayRef),
        ("y", Arc::new(y) as ArrayRef),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let pandas = r#"{"index_columns": [{"kind": "range", "name": "customer", "start": 0}]}"#;
    let metadata = [("pandas".to_owned(), pandas.to_owned())];
    let schema = batch.schema().as_ref().clone();
    let schema = schema.with_metadata(metadata.into());
    let batch = batch.with_schema(Arc::new(schema)).unwrap();
    let file = File::create(desk.path("a.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    for arguments in [&["--target=y"][..], &["--target=y", "--id=customer"]] {
        let refused = desk.refused(arguments);
        assert!(
            refused.contains("call reset_index() before to_parquet"),
            "{refused}"
        );
    }
}
