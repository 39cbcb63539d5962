//! SQL that is refused before anything is read.

use super::*;

fn refusal(sql: &str) -> String {
    let error = plan(sql)
        .err()
        .unwrap_or_else(|| panic!("{sql} was accepted"));
    assert_eq!(exit_code(&error), 2, "{sql}: {error:#}");
    format!("{error:#}")
}

#[test]
fn only_a_select_is_taken() {
    for (sql, reason) in [
        ("CREATE TABLE t AS SELECT * FROM raw", "CREATE is refused"),
        (
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE is refused",
        ),
        (
            "COPY (SELECT * FROM raw) TO '/tmp/x.csv'",
            "COPY is refused",
        ),
        ("INSERT INTO raw SELECT * FROM raw", "INSERT is refused"),
        ("DELETE FROM raw", "DELETE is refused"),
        ("DROP TABLE raw", "DROP is refused"),
        ("SET datafusion.execution.batch_size = 1", "SET is refused"),
        ("EXPLAIN SELECT * FROM raw", "EXPLAIN is refused"),
        ("SHOW TABLES", "SHOW is refused"),
        (
            "SELECT * FROM raw; SELECT * FROM raw",
            "it holds 2 statements",
        ),
        ("SELECT * INTO t FROM raw", "INTO is refused"),
        ("SELECT * FROM raw FOR UPDATE", "FOR is refused"),
        ("", "it is empty"),
        ("-- nothing\n", "it is empty"),
    ] {
        let text = refusal(sql);
        assert!(text.contains(reason), "{sql}: {text}");
    }
}

#[test]
fn what_looks_beyond_a_row_is_refused_by_name() {
    for (sql, reason) in [
        (
            "SELECT avg(feature1) AS a FROM raw",
            "aggregate function avg is refused",
        ),
        (
            "SELECT *, feature1 - (SELECT avg(feature1) FROM raw) AS d FROM raw",
            "subquery",
        ),
        (
            "SELECT customerId, COUNT(*) AS n FROM raw GROUP BY customerId",
            "aggregate function count is refused",
        ),
        (
            "SELECT customerId, target, date FROM raw GROUP BY customerId, target, date",
            "GROUP BY is refused",
        ),
        (
            "SELECT *, row_number() OVER (ORDER BY feature1) AS n FROM raw",
            "row_number() is refused: its result depends on where the available rows begin",
        ),
        (
            "SELECT *, lag(feature1) OVER (PARTITION BY customerId ORDER BY date) AS l FROM raw",
            "lag() is refused: its result depends on where the available rows begin",
        ),
        (
            "SELECT * FROM raw QUALIFY row_number() OVER (ORDER BY date) = 1",
            "row_number() is refused",
        ),
        ("SELECT * FROM raw ORDER BY feature1", "ORDER BY is refused"),
        ("SELECT * FROM raw LIMIT 10", "LIMIT is refused"),
        ("SELECT * FROM raw OFFSET 1", "LIMIT is refused"),
        ("SELECT DISTINCT * FROM raw", "DISTINCT is refused"),
        (
            "SELECT DISTINCT ON (customerId) * FROM raw",
            "DISTINCT is refused",
        ),
        (
            "SELECT a.* FROM raw a JOIN raw b ON a.customerId = b.customerId",
            "a join is refused",
        ),
        ("SELECT a.* FROM raw a, raw b", "a join is refused"),
        (
            "SELECT * FROM raw UNION ALL SELECT * FROM raw",
            "UNION is refused",
        ),
        ("SELECT * FROM raw EXCEPT SELECT * FROM raw", "is refused"),
        (
            "SELECT * FROM raw WHERE EXISTS (SELECT 1 FROM raw)",
            "subquery",
        ),
        (
            "SELECT * FROM raw WHERE feature1 IN (SELECT feature2 FROM raw)",
            "subquery",
        ),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
            "is refused",
        ),
        (
            "WITH RECURSIVE raw AS (SELECT * FROM raw) SELECT * FROM raw",
            "RECURSIVE is refused",
        ),
        (
            "SELECT * FROM raw TABLESAMPLE (10)",
            "TABLESAMPLE is refused",
        ),
        (
            "SELECT * FROM (SELECT * FROM raw TABLESAMPLE (10)) t",
            "TABLESAMPLE is refused",
        ),
        (
            "SELECT *, random() AS r FROM raw",
            "function random() is refused",
        ),
        (
            "SELECT *, character_length(uuid()) AS u FROM raw",
            "function uuid() is refused",
        ),
        (
            "SELECT *, date < now() AS p FROM raw",
            "function now() is refused",
        ),
        (
            "SELECT *, date < current_date AS p FROM raw",
            "function current_date() is refused",
        ),
        (
            "SELECT *, date < CURRENT_TIMESTAMP AS p FROM raw",
            "function now() is refused",
        ),
        (
            "SELECT * FROM raw WHERE random() < 0.5",
            "function random() is refused",
        ),
        ("SELECT * FROM generate_series(1, 3)", "there is only raw"),
        (
            "SELECT 1 AS one",
            "a SELECT that does not read raw is refused",
        ),
        ("VALUES (1)", "VALUES is refused"),
        ("SELECT *, $1 AS p FROM raw", "$1"),
    ] {
        let text = refusal(sql);
        assert!(text.contains(reason), "{sql}: {text}");
    }
}

#[test]
fn other_tables_and_files_can_not_be_read() {
    for sql in [
        "SELECT * FROM other",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM read_csv('/etc/passwd')",
    ] {
        refusal(sql);
    }
}

#[test]
fn the_result_has_to_keep_what_names_and_labels_a_row() {
    for (sql, reason) in [
        (
            "SELECT customerId, target, feature1 FROM raw",
            "column \"date\" with the role time is not in the result",
        ),
        (
            "SELECT date, target, feature1 FROM raw",
            "column \"customerId\" with the role id is not in the result",
        ),
        (
            "SELECT date, customerId, feature1 FROM raw",
            "column \"target\" with the role target is not in the result",
        ),
        (
            "SELECT date, customerId, target FROM raw",
            "the result has no feature",
        ),
        (
            "SELECT date, customerId, feature1, CAST(target AS DOUBLE) AS target FROM raw",
            "column \"target\" with the role target comes out as Float64",
        ),
        (
            "SELECT date, customerId || '0' AS customerId, feature1, target FROM raw",
            "column \"customerId\" with the role id is computed by the query",
        ),
        (
            "WITH a AS (SELECT *, 1 - target AS other FROM raw) \
             SELECT date, customerId, feature1, other AS target FROM a",
            "column \"target\" with the role target is computed by the query",
        ),
        (
            "SELECT *, upper(country) AS big FROM raw",
            "feature \"big\" is of type Utf8",
        ),
        (
            "SELECT *, date AS again FROM raw",
            "feature \"again\" is of type Timestamp",
        ),
        ("SELECT *, feature1 AS feature2 FROM raw", "feature2"),
        (
            "SELECT *, target * 2 AS leak FROM raw",
            "feature \"leak\" is computed from the target \"target\"",
        ),
        (
            "WITH a AS (SELECT *, target AS t FROM raw) SELECT * EXCEPT (t), CASE WHEN t = 1 THEN 5 END AS leak FROM a",
            "feature \"leak\" is computed from the target",
        ),
    ] {
        let text = refusal(sql);
        assert!(text.contains(reason), "{sql}: {text}");
    }
}

#[test]
fn all_columns_that_are_not_in_order_are_named_at_once() {
    let sql =
        "SELECT date,\n upper(country) AS big,\n date AS again,\n target * 2 AS leak\nFROM raw";
    insta::assert_snapshot!(refusal(sql), @r#"
    features.sql: 5 columns are wrong:
      line 2, column 20: feature "big" is of type Utf8: without models.json a feature is a number or a boolean; add a models.json beside dataset.json, such as {"candidates": "auto"}, whose models encode texts, and list it in the files of kustomization.yaml; or encode it in features.sql, such as CASE WHEN ... THEN 1 ELSE 0 END, or leave it out
      line 3, column 10: feature "again" is of type Timestamp(µs): a feature is a number, a text or a boolean; take it apart in features.sql, such as date_part('month', "again") or date_part('epoch', "again") / 86400, or leave it out
      line 4, column 16: feature "leak" is computed from the target "target", which it should predict
      column "customerId" with the role id is not in the result: select it
      column "target" with the role target is not in the result: select it
    "#);
}

#[test]
fn errors_show_the_line() {
    let sql = |last: &str| format!("SELECT\n  *,\n  {last}\nFROM raw\n");
    let mut shown = String::new();
    for last in [
        "featur1 * 2 AS a",
        "feature1 * AS a",
        "nosuch(feature1) AS a",
        "sum(feature1) AS a",
        "now() > date AS a",
        "feature1 + ) AS a",
    ] {
        shown.push_str(&refusal(&sql(last)));
        shown.push_str("\n\n");
    }
    insta::assert_snapshot!(shown, @r#"
    features.sql, line 3, column 3: there is no column "featur1"; there are "date", "customerId", "feature1", "feature2", "country", "target"
       |
     3 |   featur1 * 2 AS a
       |   ^

    features.sql, line 3, column 14: there is no column "AS"; there are "date", "customerId", "feature1", "feature2", "country", "target"
       |
     3 |   feature1 * AS a
       |              ^

    features.sql, line 3, column 3: there is no function nosuch(): available are functions of numbers, texts, regular expressions, dates, times and encodings, and coalesce() and the like; none of arrays, maps, JSON or digests
       |
     3 |   nosuch(feature1) AS a
       |   ^

    features.sql, line 3, column 3: aggregate function sum is refused: a feature is computed from its own row, so that it does not depend on how rows are distributed over files
       |
     3 |   sum(feature1) AS a
       |   ^

    features.sql, line 3, column 3: function now() is refused: its result depends on the clock or on chance
       |
     3 |   now() > date AS a
       |   ^

    features.sql, line 3, column 14: Expected: an expression, found: )
       |
     3 |   feature1 + ) AS a
       |              ^
    "#);
}

#[test]
fn what_is_not_available_is_said_in_words() {
    for (bad, says) in [
        (
            "length(md5(country))",
            "there is no function md5(): available are functions of numbers, texts, ",
        ),
        ("length(sha256(country))", "there is no function sha256(): "),
        (
            "array_length(string_to_array(country, ','))",
            "there is no function ",
        ),
        (
            "length([country, customerId])",
            "an array [...] is not available: ",
        ),
        ("length(country[1])", "an element x[...] is not available: "),
        ("length(MAP {'a': country})", "a map is not available: "),
        (
            "date_part('hour', date AT TIME ZONE country)",
            "such as AT TIME ZONE of what is not a text in quotes, is not available",
        ),
    ] {
        let text = refusal(&format!("SELECT *, {bad} AS bad FROM raw"));
        assert!(
            text.contains(says) && !text.contains("Ident {") && !text.contains("Column {"),
            "{bad}: {text}"
        );
    }
}

#[test]
fn types_that_a_function_does_not_take_are_said_in_words() {
    for (bad, says) in [
        (
            "round(feature1, 1.5)",
            "round(Float64, Float64) does not take",
        ),
        (
            "date_part('year', from_unixtime(feature1))",
            "from_unixtime(Float64) does not take",
        ),
    ] {
        let text = refusal(&format!("SELECT *, {bad} AS bad FROM raw"));
        let advice = " arguments of these types: cast them, such as CAST(x AS BIGINT)";
        assert!(
            text.contains(&format!("{says}{advice}")) && !text.contains("OneOf"),
            "{bad}: {text}"
        );
    }
    for good in [
        "round(feature1, CAST(1.5 AS BIGINT))",
        "date_part('year', from_unixtime(CAST(feature1 AS BIGINT)))",
    ] {
        plan(&format!("SELECT *, {good} AS good FROM raw")).unwrap();
    }
}

#[test]
fn a_filter_is_a_condition_on_one_row() {
    for (filter, reason) in [
        ("feature1", "it is of type Float64, and must be a condition"),
        ("nosuch > 1", "there is no column \"nosuch\""),
        (
            "feature1 > avg(feature1)",
            "aggregate function avg is refused",
        ),
        ("random() < 0.5", "function random() is refused"),
        ("feature1 > (SELECT 1)", "subquery"),
        ("feature1 > 1; DROP TABLE raw", "filter of dataset.json"),
        ("feature1 > 1 ORDER BY feature1", "filter of dataset.json"),
        ("feature1 > 1 yes", "found: yes"),
        ("feature1 > 1 AS yes", "a condition has no alias"),
        ("", "filter of dataset.json"),
    ] {
        let error = features_of(sample(Some(filter)), "SELECT * FROM raw")
            .err()
            .expect(filter);
        assert_eq!(exit_code(&error), 2, "{filter}: {error:#}");
        assert!(format!("{error:#}").contains(reason), "{filter}: {error:#}");
    }
}

#[test]
fn a_query_that_may_leave_rows_out_is_not_for_training() {
    for (sql, is_refused) in [
        ("SELECT * FROM raw", false),
        ("SELECT * FROM raw WHERE feature1 > 0", true),
        (
            "SELECT * FROM (SELECT * FROM raw WHERE feature1 > 0) AS r",
            true,
        ),
    ] {
        let kept = plan(sql).unwrap().must_keep_rows();
        assert_eq!(kept.is_err(), is_refused, "{sql}");
        let Err(error) = kept else { continue };
        assert_eq!(exit_code(&error), 2);
        let text = error.to_string();
        assert!(
            text.contains("features.sql, line 1, column ")
                && text.contains("a condition (WHERE) is refused")
                && text.contains("`train_filter` of dataset.json"),
            "{text}"
        );
    }
}
