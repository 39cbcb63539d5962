//! Which columns the table has, which it refuses, and who reads it.

use std::sync::Arc;

use arrow::array::{
    BooleanArray, Date32Array, Float32Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt8Array,
};

use super::fixture::{Home, Make, Results};

fn publish(home: &Home, results: &Results, more: &[&str]) {
    home.write(results);
    home.publish(results, more).expect(0);
}

#[test]
fn columns_of_every_type_and_name_hold_the_same_values() {
    let home = Home::new();
    let every: [(&str, Make); 10] = [
        ("i32", |n| {
            Arc::new(Int32Array::from_iter(
                (0..n as i32).map(|i| (i % 5 != 0).then_some(i - 50)),
            ))
        }),
        ("u8", |n| {
            Arc::new(UInt8Array::from_iter_values((0..n).map(|i| i as u8)))
        }),
        ("f32", |n| {
            Arc::new(Float32Array::from_iter_values(
                (0..n).map(|i| if i == 3 { f32::NAN } else { i as f32 / 3.0 }),
            ))
        }),
        ("bool", |n| {
            Arc::new(BooleanArray::from_iter(
                (0..n).map(|i| (i % 4 != 0).then_some(i % 2 == 0)),
            ))
        }),
        ("day", |n| {
            Arc::new(Date32Array::from_iter_values(
                (0..n as i32).map(|i| i * 400 - 100_000),
            ))
        }),
        ("at", |n| {
            Arc::new(
                TimestampMicrosecondArray::from_iter_values((0..n as i64).map(|i| i * 1_000_003))
                    .with_timezone("Europe/Berlin"),
            )
        }),
        ("nanos", |n| {
            Arc::new(TimestampNanosecondArray::from_iter_values(
                (0..n as i64).map(|i| i * 1_000_000_007_000),
            ))
        }),
        ("Großer \"Name\"; --", |n| {
            Arc::new(StringArray::from_iter_values(
                (0..n).map(|i| format!("täxt\t\\N {i}\n")),
            ))
        }),
        ("select", |n| {
            Arc::new(StringArray::from_iter(
                (0..n).map(|i| (i % 3 != 0).then(String::new)),
            ))
        }),
        ("i64", |n| {
            Arc::new(Int64Array::from_iter_values(
                (0..n as i64).map(|i| i64::MAX - i),
            ))
        }),
    ];
    let results = Results::new("1", 1, 0, 0..300).with(&every);
    publish(&home, &results, &[]);
    home.assert_table_is(&[&results]);
    let types = home.psql(
        "SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) FROM information_schema.columns \
         WHERE table_name = 'predictions' AND column_name IN ('customerId', 'date', 'i32', 'u8', 'f32', 'bool', 'day', 'at', 'i64', 'scored_at')",
    );
    assert_eq!(
        types,
        "customerId text, date timestamp without time zone, i32 integer, u8 integer, f32 real, bool boolean, day date, \
         at timestamp with time zone, i64 bigint, scored_at timestamp with time zone"
    );
    // The merge gives the same.
    home.publish(&results, &["--cache=refresh"]).expect(0);
    home.assert_table_is(&[&results]);
}

#[test]
fn a_trigger_of_somebody_else_that_refuses_rows_is_no_bug() {
    let home = Home::new();
    let x: Make = |n| Arc::new(Int32Array::from_iter_values(0..n as i32));
    let results =
        |version: u64| Results::new("1", version, 10 * version as i64, 0..60).with(&[("x", x)]);
    publish(&home, &results(1), &[]);
    home.psql(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no more rows'; END $$; \
         CREATE TRIGGER no BEFORE INSERT OR UPDATE ON predictions FOR EACH ROW EXECUTE FUNCTION no()",
    );
    home.write(&results(2));
    let ran = home.publish(&results(2), &[]).expect(2);
    for said in ["no more rows", "check what was added to the table"] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    home.psql("DROP TRIGGER no ON predictions");
    publish(&home, &results(2), &[]);
}

#[test]
fn the_table_is_widened_and_never_narrowed() {
    let home = Home::new();
    let narrow: Make = |n| Arc::new(Int32Array::from_iter_values(0..n as i32));
    let wide: Make = |n| Arc::new(Int64Array::from_iter_values((0..n as i64).map(|i| i << 33)));
    let text: Make = |n| Arc::new(StringArray::from_iter_values((0..n).map(|i| i.to_string())));
    let results = |version: u64, make: Make| {
        Results::new("1", version, 10 * version as i64, 0..60).with(&[("x", make)])
    };
    let (first, second, third) = (results(1, narrow), results(2, wide), results(3, narrow));
    publish(&home, &first, &[]);
    // What a view is made of can't be widened.
    home.psql("CREATE VIEW narrow AS SELECT x FROM predictions");
    home.write(&second);
    let ran = home.publish(&second, &[]).expect(2);
    assert!(
        ran.stderr.contains("view narrow depends on column \"x\""),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("; drop what depends on it, such as a view"),
        "{}",
        ran.stderr
    );
    home.psql("DROP VIEW narrow");
    publish(&home, &second, &[]);
    // A wider column takes narrow values.
    publish(&home, &third, &[]);
    home.assert_table_is(&[&first, &second, &third]);

    let refused = results(4, text);
    home.write(&refused);
    // Refused before any row is read.
    std::fs::remove_file(home.store().join("results/1/churn/v4/part-000000.parquet")).unwrap();
    let ran = home.publish(&refused, &[]).expect(2);
    assert!(
        ran.stderr
            .contains("column \"x\" is bigint in the table \"public\".\"predictions\" and text"),
        "{}",
        ran.stderr
    );
    home.assert_table_is(&[&first, &second, &third]);
}

#[test]
fn columns_that_others_have_added_are_left_alone() {
    let home = Home::new();
    let (first, second) = (
        Results::new("1", 1, 0, 0..60),
        Results::new("1", 2, 10, 0..60),
    );
    publish(&home, &first, &[]);
    home.psql("ALTER TABLE predictions ADD COLUMN note text; UPDATE predictions SET note = 'seen'");
    publish(&home, &second, &[]);
    home.assert_table_is(&[&first, &second]);
    assert_eq!(
        home.psql("SELECT count(*) FROM predictions WHERE note = 'seen'"),
        "60"
    );
}

#[test]
fn rows_that_others_have_written_are_merged_with() {
    let home = Home::new();
    let results = Results::new("1", 1, 0, 0..60);
    publish(&home, &results, &[]);
    home.psql(
        "DELETE FROM prediction_publications; \
         UPDATE predictions SET probability = -1, scored_at = scored_at - interval '1 day'",
    );
    let ran = home.publish(&results, &[]).expect(0);
    assert!(ran.stdout.contains(r#""reused":false"#), "{}", ran.stdout);
    home.assert_table_is(&[&results]);
}

#[test]
fn a_table_that_was_dropped_or_emptied_is_filled_again() {
    let home = Home::new();
    let all = [
        Results::new("1", 1, 0, 0..60),
        Results::new("2", 1, 10, 40..90),
    ];
    for lost in ["SELECT 1", "DROP TABLE predictions", "TRUNCATE predictions"] {
        home.psql(lost);
        all.iter().for_each(|results| publish(&home, results, &[]));
        home.assert_table_is(&all.each_ref());
    }
}

#[test]
fn schema_and_table_are_named_by_flags_and_variables() {
    let mut home = Home::new();
    let results = Results::new("1", 1, 0, 0..60);
    home.psql("CREATE SCHEMA \"Sales 1\"");
    publish(
        &home,
        &results,
        &[
            "--database-schema=Sales 1",
            "--predictions-table=Churn \"A\"",
        ],
    );
    home.set("DATABASE_SCHEMA", "Sales 1");
    home.set("PREDICTIONS_TABLE", "other");
    publish(&home, &results, &[]);
    let count = "SELECT (SELECT count(*) FROM \"Sales 1\".\"Churn \"\"A\"\"\"), (SELECT count(*) FROM \"Sales 1\".other), \
                 (SELECT count(*) FROM \"Sales 1\".prediction_publications)";
    assert_eq!(home.psql(count), "60|60|2");
    for (flag, warning) in [
        ("--predictions-table=", "default"),
        (
            &format!("--predictions-table={}", "x".repeat(64)),
            "63 bytes",
        ),
    ] {
        let ran = home.publish(&results, &[flag]);
        assert!(
            warning == "default" || ran.stderr.contains(warning),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn rows_without_a_time_have_their_id_for_a_key() {
    let home = Home::new();
    let mut results = Results::new("1", 1, 0, 0..60).without("date");
    results.roles.retain(|(name, _)| *name != "date");
    publish(&home, &results, &[]);
    let mut newer = Results::new("1", 2, 10, 20..80).without("date");
    newer.roles.retain(|(name, _)| *name != "date");
    // Which of them are old can't be told, and nothing is published before that is said.
    home.write(&newer);
    let ran = home.publish(&newer, &["--retention-days=30"]).expect(2);
    assert!(
        ran.stderr
            .contains("no time column: leave out --retention-days"),
        "{}",
        ran.stderr
    );
    assert_eq!(home.psql("SELECT max(model_version) FROM predictions"), "1");
    publish(&home, &newer, &[]);
    let counts = "SELECT count(*), count(*) FILTER (WHERE model_version = 2), \
                  (SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute \
                   WHERE attrelid = 'predictions_pkey'::regclass) FROM predictions";
    assert_eq!(home.psql(counts), "80|60|customerId, model_name");
    // Another key is another table.
    let dated = Results::new("2", 1, 20, 0..10);
    home.write(&dated);
    let ran = home.publish(&dated, &[]).expect(2);
    assert!(
        ran.stderr
            .contains("no unique key (\"customerId\", \"date\", \"model_name\")"),
        "{}",
        ran.stderr
    );
}

#[test]
fn models_do_not_meet_in_the_table() {
    let home = Home::new();
    let one = Results::new("1", 1, 0, 0..60);
    let mut other = Results::new("1", 1, 5, 0..60);
    other.model_name = "upsell".to_owned();
    publish(&home, &one, &[]);
    publish(&home, &other, &[]);
    home.assert_table_is(&[&one, &other]);
}

#[test]
fn a_key_that_stands_twice_is_refused_by_name() {
    let home = Home::new();
    let before = Results::new("0", 1, 0, 100..160);
    publish(&home, &before, &[]);
    let mut results = Results::new("1", 1, 1, 0..60);
    results.parts[1] = results.parts[0].clone();
    home.write(&results);
    let ran = home.publish(&results, &[]).expect(10);
    assert!(
        ran.stderr
            .contains("two rows have the same (\"customerId\", \"date\"), ("),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("part-000000.parquet and one in results/1/churn/v1/part-000001.parquet"),
        "{}",
        ran.stderr
    );
    home.assert_table_is(&[&before]);
}

#[test]
fn what_postgres_cannot_hold_is_refused_by_column_and_part() {
    let home = Home::new();
    let zero: Make = |n| Arc::new(StringArray::from_iter_values((0..n).map(|_| "a\0b")));
    let results = Results::new("1", 1, 1, 0..60).with(&[("x", zero)]);
    home.write(&results);
    let ran = home.publish(&results, &[]).expect(10);
    assert!(
        ran.stderr.contains("part-000000.parquet")
            && ran
                .stderr
                .contains("column \"x\" holds a text with a zero byte"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_database_is_no_flag_and_without_one_nothing_is_published() {
    let mut home = Home::new();
    let results = Results::new("1", 1, 0, 0..60);
    home.write(&results);
    let ran = home
        .publish(&results, &["--database-url=postgres://x"])
        .expect(2);
    assert!(
        ran.stderr.contains("unexpected argument '--database-url'"),
        "{}",
        ran.stderr
    );
    home.set("DATABASE_URL", "");
    let ran = home.publish(&results, &[]).expect(0);
    assert!(
        ran.stderr.contains(
            "no database is configured (DATABASE_URL, or PGHOST): 60 predictions stay in"
        ),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_variables_of_libpq_name_the_database_too() {
    let mut home = Home::new();
    let results = Results::new("1", 1, 0, 0..60);
    let url = server_parts(&home);
    home.set("DATABASE_URL", "");
    for (name, value) in url {
        home.set(name, &value);
    }
    publish(&home, &results, &[]);
    assert_eq!(home.psql("SELECT count(*) FROM predictions"), "60");
}

fn server_parts(home: &Home) -> [(&'static str, String); 5] {
    [
        ("PGHOST", "127.0.0.1".to_owned()),
        ("PGPORT", testing::postgres().port().to_string()),
        ("PGUSER", testing::Postgres::USER.to_owned()),
        ("PGPASSWORD", testing::Postgres::PASSWORD.to_owned()),
        ("PGDATABASE", home.database.clone()),
    ]
}

/// The blocks of one language in docs/predictions-table.md.
fn documented(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../../../../docs/predictions-table.md");
    let begin = format!("```{language}\n");
    page.split(begin.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

#[test]
fn the_documented_statements_run_and_a_reader_can_only_read() {
    let mut home = Home::new();
    publish(&home, &Results::new("25.05.1", 1, 0, 0..300), &[]);
    // Roles belong to the server.
    let reader = format!("reader_{}", home.database);
    let statements = documented("sql");
    assert_eq!(statements.len(), 2, "the role, and what is asked");
    let statements: Vec<String> = statements
        .iter()
        .map(|sql| {
            sql.replace("customer-classifier", "churn")
                .replace("dashboard_reader", &reader)
        })
        .collect();
    home.psql(&statements[0].replace("DATABASE alameda", &format!("DATABASE {}", home.database)));
    let url = testing::postgres().url(&home.database);
    let as_reader = url.replace(
        &format!(
            "{}:{}",
            testing::Postgres::USER,
            testing::Postgres::PASSWORD
        ),
        &format!("{reader}:change-me"),
    );
    home.set("DATABASE_URL", &as_reader);
    let asked = home.python(&format!(
        "import os, psycopg\nwith psycopg.connect(os.environ['DATABASE_URL'], autocommit=True) as db:\n    for sql in {:?}:\n        \
         print(len(db.execute(sql).fetchall()))\n    for sql in ('DELETE FROM predictions', 'UPDATE predictions SET probability = 1', \
         'CREATE TABLE mine (x int)', 'DROP TABLE predictions'):\n        try:\n            db.execute(sql)\n            \
         print('allowed', sql)\n        except psycopg.errors.InsufficientPrivilege:\n            pass\n",
        statements[1].split(';').map(str::trim).filter(|sql| !sql.is_empty()).collect::<Vec<_>>()
    ));
    assert!(!asked.contains("allowed"), "{asked}");
    assert!(
        asked
            .lines()
            .all(|rows| rows.parse::<u32>().is_ok_and(|rows| rows > 0)),
        "{asked}"
    );
    let python = documented("python")
        .concat()
        .replace("customer-classifier", "churn");
    assert!(home.python(&python).contains("300 predictions"), "{python}");
    home.psql(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
}

#[test]
fn table_and_columns_say_what_they_are() {
    let home = Home::new();
    publish(&home, &Results::new("1", 1, 0, 0..10), &[]);
    for table in ["predictions", "prediction_publications"] {
        let silent = format!(
            "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 \
             AND coalesce(col_description(attrelid, attnum), '') = ''"
        );
        assert_eq!(home.psql(&silent), "", "{table}");
        assert_ne!(
            home.psql(&format!("SELECT obj_description('{table}'::regclass)")),
            "",
            "{table}"
        );
    }
}
