//! The values of columns as numbers and texts: what [`arrow::compute::cast`] gives of the types
//! that prepared and scored columns have. `cast` knows all pairs of types, and a program that calls
//! it is 4 MiB larger.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Float64Array, Int64Array, PrimitiveArray,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use num_traits::ToPrimitive;

/// Numbers as the nearest floats, booleans as 0 and 1; null stays null. `None` of a column of
/// another type.
pub fn floats(column: &dyn Array) -> Option<Float64Array> {
    fn of<T: ArrowPrimitiveType>(
        column: &dyn Array,
        float: impl Fn(T::Native) -> f64,
    ) -> Float64Array {
        column.as_primitive::<T>().unary(float)
    }
    let ten_to = |scale: i8| 10_f64.powi(scale.into());
    Some(match column.data_type() {
        DataType::Boolean => {
            let values = column.as_boolean().iter();
            values
                .map(|value| value.map(|value| f64::from(u8::from(value))))
                .collect()
        }
        DataType::Int8 => of::<Int8Type>(column, f64::from),
        DataType::Int16 => of::<Int16Type>(column, f64::from),
        DataType::Int32 => of::<Int32Type>(column, f64::from),
        DataType::Int64 => of::<Int64Type>(column, |value| value as f64),
        DataType::UInt8 => of::<UInt8Type>(column, f64::from),
        DataType::UInt16 => of::<UInt16Type>(column, f64::from),
        DataType::UInt32 => of::<UInt32Type>(column, f64::from),
        DataType::UInt64 => of::<UInt64Type>(column, |value| value as f64),
        DataType::Float16 => of::<Float16Type>(column, f64::from),
        DataType::Float32 => of::<Float32Type>(column, f64::from),
        DataType::Float64 => column.as_primitive::<Float64Type>().clone(),
        DataType::Decimal32(_, scale) => {
            of::<Decimal32Type>(column, |value| f64::from(value) / ten_to(*scale))
        }
        DataType::Decimal64(_, scale) => {
            of::<Decimal64Type>(column, |value| value as f64 / ten_to(*scale))
        }
        DataType::Decimal128(_, scale) => {
            of::<Decimal128Type>(column, |value| value as f64 / ten_to(*scale))
        }
        DataType::Decimal256(_, scale) => of::<Decimal256Type>(column, |value| {
            value.to_f64().unwrap_or(f64::NAN) / ten_to(*scale)
        }),
        _ => return None,
    })
}

/// What helps against a feature whose values are [`rounded`], for messages.
pub const UNROUNDED: &str = "subtract a constant from it in features.sql, or, where that does no \
                             harm, cast it to double there";

/// The place of the first value that [`floats`] rounds, and how many there are: whole numbers, and
/// the digits of decimals, that are beyond 2^53 and no float. Different ones may be the same float.
pub fn rounded(column: &dyn Array) -> Option<(usize, u64)> {
    fn of<T: ArrowPrimitiveType>(
        column: &dyn Array,
        whole: impl Fn(T::Native) -> Option<i128>,
    ) -> Option<(usize, u64)> {
        let is_no_float = |of: i128| of.unsigned_abs() > 1 << 53 && of as f64 as i128 != of;
        let is_rounded = |value: T::Native| whole(value).is_none_or(is_no_float);
        let values = column.as_primitive::<T>().iter().enumerate();
        let mut rounded = values.filter(|(_, value)| value.is_some_and(is_rounded));
        let (first, _) = rounded.next()?;
        Some((first, 1 + rounded.count() as u64))
    }
    match column.data_type() {
        DataType::Int64 => of::<Int64Type>(column, |value| Some(value.into())),
        DataType::UInt64 => of::<UInt64Type>(column, |value| Some(value.into())),
        DataType::Decimal64(..) => of::<Decimal64Type>(column, |value| Some(value.into())),
        DataType::Decimal128(..) => of::<Decimal128Type>(column, Some),
        DataType::Decimal256(..) => of::<Decimal256Type>(column, |value| value.to_i128()),
        _ => None,
    }
}

/// Integers as they are, dates as days (`Date64` as milliseconds) and times in their unit, both
/// since 1970; null, and an integer beyond 64 bits with a sign, is null. `None` of a column of
/// another type.
pub fn integers(column: &dyn Array) -> Option<Int64Array> {
    fn of<T>(column: &dyn Array) -> Int64Array
    where
        T: ArrowPrimitiveType,
        T::Native: Into<i64>,
    {
        column.as_primitive::<T>().unary(Into::into)
    }
    Some(match column.data_type() {
        DataType::Int8 => of::<Int8Type>(column),
        DataType::Int16 => of::<Int16Type>(column),
        DataType::Int32 => of::<Int32Type>(column),
        DataType::Int64 => column.as_primitive::<Int64Type>().clone(),
        DataType::UInt8 => of::<UInt8Type>(column),
        DataType::UInt16 => of::<UInt16Type>(column),
        DataType::UInt32 => of::<UInt32Type>(column),
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>();
            values.unary_opt(|value| i64::try_from(value).ok())
        }
        DataType::Date32 => of::<Date32Type>(column),
        DataType::Date64 => of::<Date64Type>(column),
        DataType::Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(column),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(column),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(column),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of::<TimestampNanosecondType>(column),
        _ => return None,
    })
}

/// Dates and times as microseconds since 1970, cut towards it; null, and what 64 bits do not hold,
/// is null. `None` of a column of another type.
pub fn microseconds(column: &dyn Array) -> Option<TimestampMicrosecondArray> {
    let (times, per_unit) = match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            return Some(column.as_primitive::<TimestampMicrosecondType>().clone());
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let times = column.as_primitive::<TimestampNanosecondType>();
            return Some(times.unary(|time| time / 1_000));
        }
        DataType::Date32 => (integers(column)?, 86_400_000_000),
        DataType::Timestamp(TimeUnit::Second, _) => (integers(column)?, 1_000_000),
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (integers(column)?, 1_000)
        }
        _ => return None,
    };
    Some(times.unary_opt(|time| time.checked_mul(per_unit)))
}

/// Texts as they are, however they are kept in memory, and everything else as it is shown; null
/// stays null.
///
/// # Errors
/// A type that is not shown.
pub fn texts(column: &dyn Array) -> Result<StringArray> {
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().clone(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().collect(),
        DataType::Utf8View => column.as_string_view().iter().collect(),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = texts(dictionary.values())?;
            let places = match values.is_empty() {
                true => vec![0; column.len()],
                false => dictionary.normalized_keys(),
            };
            let value = |place: usize| values.is_valid(place).then(|| values.value(place));
            let rows = places.into_iter().enumerate();
            rows.map(|(row, place)| column.is_valid(row).then(|| value(place)).flatten())
                .collect()
        }
        _ => {
            let shown = ArrayFormatter::try_new(column, &FormatOptions::default())?;
            let mut texts = StringBuilder::new();
            for row in 0..column.len() {
                match column.is_valid(row) {
                    true => {
                        shown.value(row).write(&mut texts)?;
                        // Ends the row's text.
                        texts.append_value("");
                    }
                    false => texts.append_null(),
                }
            }
            texts.finish()
        }
    })
}

/// A column of a type of numbers: what a number of that type does not hold is null. `None` for a
/// type that no target has.
pub(crate) fn of_floats(values: &[Option<f64>], data_type: &DataType) -> Option<ArrayRef> {
    fn of<T: ArrowPrimitiveType>(
        values: &[Option<f64>],
        number: impl Fn(f64) -> Option<T::Native>,
    ) -> ArrayRef {
        let values = values.iter().map(|value| value.and_then(&number));
        Arc::new(values.collect::<PrimitiveArray<T>>())
    }
    // A float is cut towards 0.
    let whole = |value: f64| {
        let within = value > -9_223_372_036_854_775_809.0 && value < 9_223_372_036_854_775_808.0;
        within.then_some(value as i64)
    };
    Some(match data_type {
        DataType::Float64 => of::<Float64Type>(values, Some),
        DataType::Float32 => of::<Float32Type>(values, |value| Some(value as f32)),
        DataType::Int64 => of::<Int64Type>(values, whole),
        DataType::Int32 => of::<Int32Type>(values, |value| whole(value)?.try_into().ok()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray, Int32Array,
        UInt64Array,
    };
    use arrow::compute::cast;
    use arrow::datatypes::i256;

    use super::*;

    fn arrays() -> Vec<ArrayRef> {
        let whole = vec![Some(-3_i32), None, Some(0), Some(100), Some(i32::MAX)];
        let whole: ArrayRef = Arc::new(Int32Array::from(whole));
        let small: ArrayRef = Arc::new(Int32Array::from(vec![Some(0), None, Some(7), Some(127)]));
        let times = vec![Some(-1_500), None, Some(0), Some(1_732_871_113)];
        let times: ArrayRef = Arc::new(Int64Array::from(times));
        let floats = [0.5, -0.0, 1e300, -2.25, f64::NAN, f64::INFINITY];
        let floats: ArrayRef = Arc::new(Float64Array::from_iter_values(floats));
        let decimals = vec![Some(-12_345), None, Some(10_i128.pow(30) + 7)];
        let decimals = Decimal128Array::from(decimals);
        let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(38, 3).unwrap());
        let wide = vec![Some(i256::MAX), None, Some(i256::from_i128(-7))];
        let wide = PrimitiveArray::<Decimal256Type>::from(wide);
        let texts = vec![Some("b"), None, Some(""), Some("ä b"), Some("b")];
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        let keyed: DictionaryArray<Int32Type> = [Some("x"), None, Some("y"), Some("x")]
            .into_iter()
            .collect();
        let empty: DictionaryArray<Int32Type> = std::iter::repeat_n(None::<&str>, 2).collect();
        let as_type = |of: &ArrayRef, data_type: DataType| cast(of, &data_type).unwrap();
        let utc = || Some("+00:00".into());
        vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            as_type(&small, DataType::Int8),
            as_type(&small, DataType::UInt8),
            as_type(&small, DataType::Int16),
            as_type(&small, DataType::UInt16),
            as_type(&small, DataType::UInt32),
            whole.clone(),
            times.clone(),
            Arc::new(UInt64Array::from(vec![Some(7), None, Some(u64::MAX)])),
            as_type(&floats, DataType::Float16),
            as_type(&floats, DataType::Float32),
            floats,
            as_type(&small, DataType::Decimal32(9, 2)),
            as_type(&whole, DataType::Decimal64(18, 1)),
            decimals,
            Arc::new(wide.with_precision_and_scale(76, 10).unwrap()),
            Arc::new(Date32Array::from(vec![Some(19_000), None, Some(-1)])),
            Arc::new(Date64Array::from(vec![Some(86_400_000), None])),
            as_type(&times, DataType::Timestamp(TimeUnit::Second, None)),
            as_type(&times, DataType::Timestamp(TimeUnit::Millisecond, utc())),
            as_type(&times, DataType::Timestamp(TimeUnit::Microsecond, utc())),
            as_type(&times, DataType::Timestamp(TimeUnit::Nanosecond, None)),
            as_type(&texts, DataType::LargeUtf8),
            as_type(&texts, DataType::Utf8View),
            texts,
            Arc::new(keyed),
            Arc::new(empty),
        ]
    }

    /// Every value that is not null to the last bit, and nulls.
    fn shown(values: &dyn Array) -> Vec<Option<String>> {
        let values = cast(values, &DataType::LargeUtf8).unwrap();
        let values = values.as_string::<i64>().iter();
        values.map(|value| value.map(str::to_owned)).collect()
    }

    #[test]
    fn values_are_those_of_the_general_cast() {
        let (mut as_floats, mut as_integers, mut as_times) = (0, 0, 0);
        for array in arrays() {
            let of = array.data_type();
            let expected = |data_type: &DataType| cast(&array, data_type).unwrap();
            if let Some(found) = floats(&array) {
                let expected = expected(&DataType::Float64);
                let bits = |of: &Float64Array| -> Vec<Option<u64>> {
                    of.iter().map(|value| value.map(f64::to_bits)).collect()
                };
                assert_eq!(bits(&found), bits(expected.as_primitive()), "{of}");
                as_floats += 1;
            }
            if let Some(found) = integers(&array) {
                let expected = match of {
                    DataType::Date32 => {
                        cast(&expected(&DataType::Int32), &DataType::Int64).unwrap()
                    }
                    _ => expected(&DataType::Int64),
                };
                assert_eq!(&found, expected.as_primitive::<Int64Type>(), "{of}");
                as_integers += 1;
            }
            if let Some(found) = microseconds(&array) {
                let expected = expected(&DataType::Timestamp(TimeUnit::Microsecond, None));
                let expected = expected.as_primitive::<TimestampMicrosecondType>();
                assert_eq!(found.values(), expected.values(), "{of}");
                assert_eq!(found.nulls(), expected.nulls(), "{of}");
                as_times += 1;
            }
            assert_eq!(
                shown(&texts(&array).unwrap()),
                shown(&expected(&DataType::Utf8)),
                "{of}"
            );
        }
        assert_eq!((as_floats, as_integers, as_times), (16, 14, 6));
    }

    #[test]
    fn values_that_no_float_equals_are_found() {
        // 2^53 + 1 lies halfway between two floats; 2^53 + 2 is one.
        let whole = [1_i64 << 53, (1 << 53) + 1, (1 << 53) + 2, -(1 << 53) - 1];
        let whole: Vec<Option<i64>> = [None].into_iter().chain(whole.map(Some)).collect();
        let digits = [7_i128, 10_i128.pow(20), 10_i128.pow(20) + 1, 3 - (1 << 53)];
        let decimals = Decimal128Array::from_iter_values(digits);
        let wide = [1, 10_i128.pow(37) + 1].map(i256::from_i128);
        let wide = wide.into_iter().chain([i256::MAX]);
        let cases: [(ArrayRef, Option<(usize, u64)>); 7] = [
            (Arc::new(Int64Array::from(whole)), Some((2, 2))),
            (
                Arc::new(UInt64Array::from(vec![1 << 63, u64::MAX])),
                Some((1, 1)),
            ),
            (
                Arc::new(decimals.with_precision_and_scale(38, 4).unwrap()),
                Some((2, 1)),
            ),
            (
                Arc::new(PrimitiveArray::<Decimal256Type>::from_iter_values(wide)),
                Some((1, 2)),
            ),
            (Arc::new(Int64Array::from(vec![i64::MIN, -1])), None),
            (Arc::new(Float64Array::from(vec![0.1, 1e300])), None),
            (Arc::new(StringArray::from(vec!["9007199254740993"])), None),
        ];
        for (array, expected) in cases {
            assert_eq!(rounded(&array), expected, "{array:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_the_general_cast_writes_them() {
        let values = [-0.0, 2.75, -2.75, 1e10, 9.3e18, -9.3e18, f64::NAN];
        let values: Vec<Option<f64>> = values.into_iter().map(Some).chain([None]).collect();
        let all: ArrayRef = Arc::new(Float64Array::from(values.clone()));
        let types = [
            DataType::Float64,
            DataType::Float32,
            DataType::Int64,
            DataType::Int32,
        ];
        for of in types {
            let found = of_floats(&values, &of).unwrap();
            assert_eq!(shown(&found), shown(&cast(&all, &of).unwrap()), "{of}");
        }
        assert!(of_floats(&values, &DataType::Utf8).is_none());
    }
}
