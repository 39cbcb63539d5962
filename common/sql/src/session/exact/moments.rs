//! Sums, means, variances and correlations of rows that come and go.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion_common::error::Result;
use datafusion_common::{ScalarValue, exec_err, internal_err};
use datafusion_expr::Accumulator;

use super::Kind;
use super::number::{Number, Parts};

/// What is known of rows: their exact sums, whatever the order in which they came, and whatever was
/// there before and was taken away.
#[derive(Debug)]
pub(in crate::session) struct Moments {
    kind: Kind,
    /// Whether it is over whole numbers.
    whole: bool,
    /// Rows without a null, of finite numbers.
    count: i64,
    /// Values that are NaN, infinite, and infinite below 0.
    special: [i64; 3],
    /// The sum of whole numbers; 2^64 rows of them fit.
    total: i128,
    /// Sums of x, x², y, y² and xy, as far as the function needs them.
    sums: Vec<Number>,
}

/// Whether rows come or go.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::session) enum Rows {
    Come,
    Go,
}

/// A value of a row.
enum Value {
    Finite(Parts),
    /// Its place among the special values.
    Special(usize),
}

/// A column that sums are over.
#[derive(Clone, Copy)]
pub(in crate::session) enum Numbers<'a> {
    Whole(&'a Int64Array),
    Float(&'a Float64Array),
}

impl<'a> Numbers<'a> {
    /// # Errors
    /// A column of another type.
    pub(in crate::session) fn of(column: &'a ArrayRef) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Int64 => Self::Whole(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float(column.as_primitive::<Float64Type>()),
            other => return internal_err!("a sum over {other}"),
        })
    }

    fn rows(self) -> usize {
        match self {
            Self::Whole(values) => values.len(),
            Self::Float(values) => values.len(),
        }
    }

    /// The value of a row, unless it is null.
    fn get(self, row: usize) -> Option<Value> {
        match self {
            Self::Whole(values) => {
                let value = values.is_valid(row).then(|| values.value(row));
                value.map(|value| Value::Finite(value.into()))
            }
            Self::Float(values) => {
                let value = values.is_valid(row).then(|| values.value(row))?;
                Some(match value {
                    _ if value.is_finite() => Value::Finite(value.into()),
                    _ if value.is_nan() => Value::Special(0),
                    _ if value > 0.0 => Value::Special(1),
                    _ => Value::Special(2),
                })
            }
        }
    }
}

impl Moments {
    pub(in crate::session) fn new(kind: Kind, whole: bool) -> Self {
        let sums = match kind {
            Kind::Sum | Kind::Mean if whole => 0,
            Kind::Sum | Kind::Mean => 1,
            Kind::Variance { .. } | Kind::Deviation { .. } => 2,
            Kind::Correlation => 5,
        };
        Self {
            kind,
            whole,
            count: 0,
            special: [0; 3],
            total: 0,
            sums: vec![Number::default(); sums],
        }
    }

    /// Has some rows come or go.
    ///
    /// # Errors
    /// Other columns than the function is over.
    pub(in crate::session) fn pass(
        &mut self,
        columns: &[Numbers<'_>],
        range: Range<usize>,
        rows: Rows,
    ) -> Result<()> {
        match (&self.sums[..], columns) {
            ([], [Numbers::Whole(x)]) => {
                let sign = if rows == Rows::Come { 1 } else { -1 };
                for row in range.filter(|&row| x.is_valid(row)) {
                    self.total += sign * i128::from(x.value(row));
                    self.count += sign as i64;
                }
            }
            (_, [x]) => {
                for row in range {
                    if let Some(x) = x.get(row) {
                        self.one(&[x], rows);
                    }
                }
            }
            (_, [x, y]) => {
                for row in range {
                    if let (Some(x), Some(y)) = (x.get(row), y.get(row)) {
                        self.one(&[x, y], rows);
                    }
                }
            }
            _ => return internal_err!("{:?} of {} columns", self.kind, columns.len()),
        }
        if self.count == 0 {
            // The sums are 0, and their digits need no longer be kept.
            self.sums.iter_mut().for_each(Number::clear);
        }
        Ok(())
    }

    /// The same of whole columns.
    fn pass_all(&mut self, columns: &[ArrayRef], rows: Rows) -> Result<()> {
        let columns: Vec<Numbers<'_>> = columns.iter().map(Numbers::of).collect::<Result<_>>()?;
        let count = columns.first().map_or(0, |column| column.rows());
        self.pass(&columns, 0..count, rows)
    }

    pub(in crate::session) fn clear(&mut self) {
        self.count = 0;
        self.special = [0; 3];
        self.total = 0;
        self.sums.iter_mut().for_each(Number::clear);
    }

    fn one(&mut self, values: &[Value], rows: Rows) {
        let sign = if rows == Rows::Come { 1 } else { -1 };
        let special = values.iter().filter_map(|value| match value {
            Value::Finite(_) => None,
            Value::Special(place) => Some(*place),
        });
        if let Some(place) = special.min() {
            self.special[place] += sign;
            return;
        }
        self.count += sign;
        let signed = |parts: Parts| match rows {
            Rows::Come => parts,
            Rows::Go => parts.negated(),
        };
        let mut sums = self.sums.iter_mut();
        for value in values {
            if let (Value::Finite(x), Some(sum)) = (value, sums.next()) {
                sum.add(signed(*x));
                if self.kind.has_squares()
                    && let Some(squares) = sums.next()
                {
                    squares.add_product(signed(*x), *x);
                }
            }
        }
        if let ([Value::Finite(x), Value::Finite(y)], Some(products)) = (values, sums.next()) {
            products.add_product(signed(*x), *y);
        }
    }

    /// What the values that are no finite numbers make of a sum, if there are any.
    fn of_special(&self) -> Option<f64> {
        match self.special {
            [0, 0, 0] => None,
            [0, _, 0] => Some(f64::INFINITY),
            [0, 0, _] => Some(-f64::INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The result, of all functions but a sum of whole numbers.
    pub(in crate::session) fn float(&self) -> Option<f64> {
        let special = self.of_special();
        let rows = self.count + self.special.iter().sum::<i64>();
        let n = u64::try_from(rows).ok().filter(|n| *n > 0)?;
        let lost = match self.kind {
            Kind::Variance { sample } | Kind::Deviation { sample } => u64::from(sample),
            Kind::Correlation => 1,
            Kind::Sum | Kind::Mean => 0,
        };
        if n <= lost {
            return None;
        }
        let below = n - lost;
        if let Some(special) = special {
            return Some(match self.kind {
                Kind::Sum | Kind::Mean => special,
                _ => f64::NAN,
            });
        }
        // n times the sum of products less the product of the sums.
        let central = |products: usize, x: usize, y: usize| -> Option<Number> {
            let [products, x, y] = [products, x, y].map(|at| self.sums.get(at));
            Some(products?.times(n).minus(&x?.product(y?)))
        };
        match self.kind {
            Kind::Sum => self.sums.first().map(Number::round),
            Kind::Mean if self.whole => {
                let mut total = Number::default();
                let size = self.total.unsigned_abs();
                for (whole, exponent) in [(size as u64, 0), ((size >> 64) as u64, 64)] {
                    total.add(Parts {
                        negative: self.total < 0,
                        whole,
                        exponent,
                    });
                }
                Some(total.divided(&[n]))
            }
            Kind::Mean => self.sums.first().map(|sum| sum.divided(&[n])),
            Kind::Variance { .. } => Some(central(1, 0, 0)?.divided(&[n, below])),
            Kind::Deviation { .. } => Some(central(1, 0, 0)?.divided(&[n, below]).sqrt()),
            Kind::Correlation => {
                let (xx, yy, xy) = (central(1, 0, 0)?, central(3, 2, 2)?, central(4, 0, 2)?);
                if xx.sign() == Ordering::Equal || yy.sign() == Ordering::Equal {
                    return None;
                }
                let ((xx, a), (yy, b), (xy, c)) = (xx.scaled(), yy.scaled(), xy.scaled());
                let power = (c - (a + b) / 2).clamp(-1_022, 1_023);
                let power = f64::from_bits(((power + 1_023) as u64) << 52);
                Some((xy / (xx * yy).sqrt() * power).clamp(-1.0, 1.0))
            }
        }
    }

    /// The sum of whole numbers.
    ///
    /// # Errors
    /// One that 64 bits do not hold.
    pub(in crate::session) fn whole(&self) -> Result<Option<i64>> {
        match i64::try_from(self.total) {
            Ok(total) => Ok((self.count > 0).then_some(total)),
            Err(_) => exec_err!(
                "Overflow: a sum of whole numbers is {}, which does not fit into 64 bits; write \
                 sum(CAST(x AS DOUBLE))",
                self.total
            ),
        }
    }

    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for count in self.special.iter().chain([&self.count]) {
            bytes.extend(count.to_le_bytes());
        }
        bytes.extend(self.total.to_le_bytes());
        self.sums.iter().for_each(|sum| sum.encode(&mut bytes));
        bytes
    }

    fn merge(&mut self, mut bytes: &[u8]) -> Option<()> {
        for count in self.special.iter_mut().chain([&mut self.count]) {
            *count += i64::from_le_bytes(*take(&mut bytes)?);
        }
        self.total += i128::from_le_bytes(*take(&mut bytes)?);
        for sum in &mut self.sums {
            sum.merge(&Number::decode(&mut bytes)?);
        }
        bytes.is_empty().then_some(())
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(head)
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.pass_all(values, Rows::Come)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.pass_all(values, Rows::Go)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(match self.kind.is_whole(self.whole) {
            true => ScalarValue::Int64(self.whole()?),
            false => ScalarValue::Float64(self.float()),
        })
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.encoded()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states
            .first()
            .and_then(|states| states.as_binary_opt::<i32>())
        else {
            return internal_err!("the state of a sum is not bytes");
        };
        for state in states.iter().flatten() {
            if self.merge(state).is_none() {
                return internal_err!("the state of a sum is truncated");
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.iter().map(Number::size).sum::<usize>()
    }
}
