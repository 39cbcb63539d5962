use std::sync::Arc;

use arrow::array::{
    Array, Date64Array, Decimal128Array, DictionaryArray, Int16Array, LargeStringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;

use super::*;
use runtime::failure::exit_code;

fn cells(array: impl Array + 'static, column_type: ColumnType) -> Result<Cells> {
    new(&(Arc::new(array) as ArrayRef), column_type)
}

fn new(array: &ArrayRef, column_type: ColumnType) -> Result<Cells> {
    let of = Source {
        column: "c",
        row: &|row| format!("id {row}"),
        advice: "correct it",
    };
    Cells::new(&of, array, column_type)
}

fn cell(array: impl Array + 'static, column_type: ColumnType) -> Vec<u8> {
    let mut out = Vec::new();
    cells(array, column_type).unwrap().put(0, &mut out);
    out
}

#[test]
fn cells_are_as_postgres_sends_them() {
    let cents = Decimal128Array::from(vec![150]);
    let cents = cents.with_precision_and_scale(12, 2).unwrap();
    assert_eq!(column_type(cents.data_type()), Some(ColumnType::Float64));
    // Taken from COPY (SELECT ...) TO STDOUT (FORMAT binary) of a server.
    for (found, expected) in [
        (
            cell(Int32Array::from(vec![-2]), ColumnType::Int32),
            &b"\0\0\0\x04\xff\xff\xff\xfe"[..],
        ),
        (
            cell(Int32Array::from(vec![-2]), ColumnType::Int64),
            b"\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe",
        ),
        (
            cell(Float32Array::from(vec![1.5]), ColumnType::Float32),
            b"\0\0\0\x04\x3f\xc0\0\0",
        ),
        (
            cell(Float64Array::from(vec![1.5]), ColumnType::Float64),
            b"\0\0\0\x08\x3f\xf8\0\0\0\0\0\0",
        ),
        (
            cell(cents, ColumnType::Float64),
            b"\0\0\0\x08\x3f\xf8\0\0\0\0\0\0",
        ),
        (
            cell(StringArray::from(vec!["hé"]), ColumnType::Utf8),
            b"\0\0\0\x03h\xc3\xa9",
        ),
        (
            cell(BooleanArray::from(vec![true]), ColumnType::Bool),
            b"\0\0\0\x01\x01",
        ),
        // 2000-01-02, and a microsecond before 2000-01-01.
        (
            cell(Date32Array::from(vec![10_958]), ColumnType::Date),
            b"\0\0\0\x04\0\0\0\x01",
        ),
        (
            cell(
                TimestampMicrosecondArray::from(vec![946_684_799_999_999]),
                ColumnType::Timestamp,
            ),
            b"\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        (
            cell(
                TimestampNanosecondArray::from(vec![946_684_800_000_001_999]),
                ColumnType::Timestamp,
            ),
            b"\0\0\0\x08\0\0\0\0\0\0\0\x01",
        ),
        (
            cell(Int32Array::from(vec![None]), ColumnType::Int32),
            b"\xff\xff\xff\xff",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn what_postgres_cannot_hold_is_refused_by_column() {
    for (refused, expected) in [
        (
            cells(StringArray::from(vec!["ok", "a\0b"]), ColumnType::Utf8),
            "a text with a zero byte in the row id 1",
        ),
        (
            cells(UInt64Array::from(vec![u64::MAX]), ColumnType::Int64),
            "18446744073709551615 (no int64) in the row id 0",
        ),
        (
            cells(Date32Array::from(vec![i32::MAX]), ColumnType::Date),
            "day 2147483647 from 1970-01-01 in the row id 0",
        ),
        (
            cells(
                TimestampMicrosecondArray::from(vec![
                    Some(0),
                    None,
                    Some(-219_951_936_000_000_000),
                ]),
                ColumnType::Timestamp,
            ),
            "the time -5000-01-01 00:00:00 in the row id 2",
        ),
        (
            cells(
                TimestampMicrosecondArray::from(vec![MICROS.start() - 1, i64::MIN]),
                ColumnType::TimestampTz,
            ),
            "the time -4713-11-23 23:59:59.999999 in the row id 0",
        ),
    ] {
        let error = refused.map(drop).unwrap_err();
        assert_eq!(exit_code(&error), 10);
        assert_eq!(
            error.to_string(),
            format!("column \"c\" holds {expected}, which Postgres can't store: correct it")
        );
    }
}

#[test]
fn the_last_moments_that_postgres_holds_pass() {
    let days = Date32Array::from(vec![*DAYS.start(), *DAYS.end()]);
    let micros = TimestampMicrosecondArray::from(vec![*MICROS.start(), *MICROS.end()]);
    assert!(cells(days, ColumnType::Date).is_ok() && cells(micros, ColumnType::Timestamp).is_ok());
}

#[test]
fn prefixes_have_the_order_of_the_values() {
    let texts = cells(
        StringArray::from(vec!["", "a", "ab", "b", "bbbbbbbbc"]),
        ColumnType::Utf8,
    )
    .unwrap();
    let numbers = cells(
        Int64Array::from(vec![i64::MIN, -1, 0, 1, i64::MAX]),
        ColumnType::Int64,
    )
    .unwrap();
    for cells in [texts, numbers] {
        let prefixes: Vec<u64> = (0..5).map(|row| cells.prefix(row)).collect();
        assert!(prefixes.is_sorted(), "{prefixes:?}");
    }
}

#[test]
fn a_key_is_shown_as_a_person_writes_it() {
    let key = [
        text("k"),
        bigint(-3),
        instant(946_684_800_500_000),
        cell(Date32Array::from(vec![10_957]), ColumnType::Date),
        cell(Int32Array::from(vec![-1]), ColumnType::Int32),
    ];
    let types = [
        ColumnType::Utf8,
        ColumnType::Int64,
        ColumnType::Timestamp,
        ColumnType::Date,
        ColumnType::Int32,
    ];
    assert_eq!(
        shown(&key.concat(), &types),
        "(k, -3, 2000-01-01 00:00:00.500, 2000-01-01, -1)"
    );
    assert_eq!(length_of(&key.concat(), 2).unwrap(), 5 + 12);
    assert!(length_of(&[0, 0, 0, 9, 1], 1).is_err());
}

#[test]
fn columns_are_cells_of_their_types() {
    let keyed: DictionaryArray<Int32Type> = [Some("b"), None, Some("b")].into_iter().collect();
    let keys = Int32Array::from(vec![Some(1), None, Some(0)]);
    let numbers: ArrayRef = Arc::new(Int16Array::from(vec![7, -7]));
    let numbers = DictionaryArray::new(keys, numbers);
    let decimals = Decimal128Array::from(vec![Some(125), None]);
    let decimals = decimals.with_precision_and_scale(9, 2).unwrap();
    let shown = |array: ArrayRef| -> Vec<Option<String>> {
        let of = column_type(array.data_type()).unwrap();
        let cells = new(&array, of).unwrap();
        let texts = values::texts(cells.array()).unwrap();
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    };
    let expected = |texts: &[&str]| -> Vec<Option<String>> {
        let text = |text: &&str| (*text != "null").then(|| (*text).to_owned());
        texts.iter().map(text).collect()
    };
    assert_eq!(shown(Arc::new(keyed)), expected(&["b", "null", "b"]));
    assert_eq!(shown(Arc::new(numbers)), expected(&["-7", "null", "7"]));
    assert_eq!(shown(Arc::new(decimals)), expected(&["1.25", "null"]));
    let large = LargeStringArray::from(vec![Some("c"), None]);
    assert_eq!(shown(Arc::new(large)), expected(&["c", "null"]));
    let dates = Date64Array::from(vec![Some(86_400_000 * 366), None]);
    assert_eq!(shown(Arc::new(dates)), expected(&["1971-01-02", "null"]));
    // The last day of Postgres, which as microseconds is beyond 64 bits.
    let dates = Date32Array::from(vec![*DAYS.end()]);
    assert_eq!(cells(dates, ColumnType::Date).unwrap().null_count(), 0);
}

#[test]
fn a_value_beyond_its_type_is_refused_by_name() {
    let values = UInt64Array::from(vec![None, Some(7), Some(u64::MAX)]);
    let error = cells(values, ColumnType::Int64);
    let error = error.err().unwrap().to_string();
    let expected =
        "column \"c\" holds 18446744073709551615 (no int64) in the row id 2, which Postgres can't";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_row_is_named_by_its_key() {
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(99), "b\0".to_owned()]));
    let times: ArrayRef = Arc::new(Date32Array::from(vec![0, 1]));
    let keys = || [("id", &ids), ("at", &times)].into_iter();
    let shown = format!("id {}..., at 1970-01-01", "a".repeat(60));
    assert_eq!(named(keys(), 0), shown);
    assert_eq!(named(keys(), 1), "id b\\0, at 1970-01-02");
}
