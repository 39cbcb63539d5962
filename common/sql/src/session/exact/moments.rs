//! Sums, means, variances and correlations of rows that come and go.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{ScalarValue, exec_err, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::Kind;
use super::number::{Number, Parts};

/// What is known of rows: their exact sums, whatever the order in which they came, and whatever was
/// there before and was taken away.
#[derive(Debug)]
pub(super) struct Moments {
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
enum Rows {
    Come,
    Go,
}

/// A value of a row.
enum Value {
    Finite(Parts),
    /// Its place among the special values.
    Special(usize),
}

impl Moments {
    pub(super) fn new(kind: Kind, whole: bool) -> Self {
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

    fn pass(&mut self, columns: &[ArrayRef], rows: Rows) -> Result<()> {
        match (&self.sums[..], columns) {
            ([], [x]) => {
                for value in x.as_primitive::<Int64Type>().iter().flatten() {
                    let sign = if rows == Rows::Come { 1 } else { -1 };
                    self.total += sign * i128::from(value);
                    self.count += sign as i64;
                }
            }
            (_, [x]) => {
                for row in 0..x.len() {
                    if let Some(x) = value(x, row)? {
                        self.one(&[x], rows);
                    }
                }
            }
            (_, [x, y]) => {
                for row in 0..x.len() {
                    if let (Some(x), Some(y)) = (value(x, row)?, value(y, row)?) {
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

    fn float(&self) -> Option<f64> {
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

/// The value of a row, unless it is null.
fn value(column: &ArrayRef, row: usize) -> Result<Option<Value>> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match column.data_type() {
        DataType::Int64 => Value::Finite(column.as_primitive::<Int64Type>().value(row).into()),
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            match value {
                _ if value.is_finite() => Value::Finite(value.into()),
                _ if value.is_nan() => Value::Special(0),
                _ if value > 0.0 => Value::Special(1),
                _ => Value::Special(2),
            }
        }
        other => return internal_err!("a sum over {other}"),
    }))
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.pass(values, Rows::Come)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.pass(values, Rows::Go)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.kind != Kind::Sum || !self.whole {
            return Ok(ScalarValue::Float64(self.float()));
        }
        match i64::try_from(self.total) {
            Ok(total) => Ok(ScalarValue::Int64((self.count > 0).then_some(total))),
            Err(_) => exec_err!(
                "Overflow: a sum of whole numbers is {}, which no 64 bits hold; write sum(CAST(x \
                 AS DOUBLE))",
                self.total
            ),
        }
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
                return internal_err!("the state of a sum is cut off");
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.iter().map(Number::size).sum::<usize>()
    }
}
