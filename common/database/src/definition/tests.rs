use super::*;
use runtime::failure::exit_code;

fn column(name: &str, column_type: ColumnType) -> TableColumn {
    TableColumn {
        name: name.to_owned(),
        column_type,
        comment: "It's \\ so.",
        nullable: true,
    }
}

fn wanted(columns: &[(&str, ColumnType)]) -> Definition {
    let columns = columns
        .iter()
        .map(|&(name, column_type)| column(name, column_type));
    Definition {
        columns: [column("id", ColumnType::Utf8)]
            .into_iter()
            .chain(columns)
            .collect(),
        key: vec!["id".to_owned()],
        time: None,
    }
}

fn existing(columns: &[(&str, &str)]) -> Existing {
    let columns = [("id", "text")].iter().chain(columns);
    Existing {
        columns: columns
            .map(|&(name, sql)| (name.to_owned(), sql.to_owned()))
            .collect(),
        keys: vec![vec!["a".to_owned(), "b".to_owned()], vec!["id".to_owned()]],
        partitioned: false,
    }
}

fn table() -> Table {
    Table {
        schema: "s".to_owned(),
        name: "t".to_owned(),
        partition_by: PartitionBy::None,
    }
}

#[test]
fn a_table_is_made_widened_and_left_alone() {
    let definition = wanted(&[("x", ColumnType::Int64), ("y", ColumnType::Float32)]);
    let planned = |existing: Option<&Existing>| changes(&table(), existing, &definition).unwrap();
    assert_eq!(planned(None), [Change::Create]);
    assert_eq!(
        planned(Some(&existing(&[
            ("x", "bigint"),
            ("y", "real"),
            ("mine", "json")
        ]))),
        []
    );
    // A column that holds more is as good.
    assert_eq!(
        planned(Some(&existing(&[
            ("x", "bigint"),
            ("y", "double precision")
        ]))),
        []
    );
    assert_eq!(
        planned(Some(&existing(&[("x", "integer")]))),
        [
            Change::Widen(column("x", ColumnType::Int64)),
            Change::Add(column("y", ColumnType::Float32))
        ]
    );
}

#[test]
fn a_column_never_narrows_or_changes_its_kind() {
    for (of_table, of_rows) in [
        ("integer", ColumnType::Float64),
        ("double precision", ColumnType::Int32),
        ("text", ColumnType::Int32),
        ("date", ColumnType::Timestamp),
        ("timestamp without time zone", ColumnType::TimestampTz),
        ("character varying(10)", ColumnType::Utf8),
    ] {
        let refused = changes(
            &table(),
            Some(&existing(&[("x", of_table)])),
            &wanted(&[("x", of_rows)]),
        )
        .unwrap_err();
        assert_eq!(exit_code(&refused), 2);
        assert!(
            refused.to_string().contains("column \"x\" is "),
            "{refused}"
        );
        assert!(refused.to_string().contains(of_table), "{refused}");
    }
}

#[test]
fn a_table_of_another_key_is_refused() {
    let mut definition = wanted(&[]);
    definition.key = vec!["id".to_owned(), "date".to_owned()];
    let refused = changes(&table(), Some(&existing(&[])), &definition).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("no unique key (\"id\", \"date\")"),
        "{refused}"
    );
}
