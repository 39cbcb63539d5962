//! Sums of numbers without rounding, from which numbers can be taken away again.
//!
//! A float is a whole number times a power of two. So a sum of floats is one too, and is kept as
//! digits of 32 bits, each in 64 bits: many are added before a carry has to move on (R. Neal, Fast
//! exact summation using small and large superaccumulators, 2015).

use std::cmp::Ordering;

/// Bits of a digit.
const BITS: i32 = 32;
const DIGIT: i64 = 1 << BITS;
/// Additions after which carries move on: each adds less than a digit, of what 63 bits hold.
const MOST: u32 = 1 << 29;

/// A whole number times a power of two: the exact sum of all that was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Number {
    /// The first digit counts 2^(32 * low).
    low: i32,
    digits: Vec<i64>,
    added: u32,
}

/// A finite float or a whole number, taken apart: `whole * 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parts {
    pub(super) negative: bool,
    pub(super) whole: u64,
    pub(super) exponent: i32,
}

impl From<f64> for Parts {
    /// Of a finite number.
    fn from(value: f64) -> Self {
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let exponent = (bits >> 52 & 0x7ff) as i32;
        let (whole, exponent) = match exponent {
            0 => (fraction, 1),
            _ => (fraction | 1 << 52, exponent),
        };
        Self {
            negative: value.is_sign_negative(),
            whole,
            exponent: exponent - 1_075,
        }
    }
}

impl From<i64> for Parts {
    fn from(value: i64) -> Self {
        Self {
            negative: value < 0,
            whole: value.unsigned_abs(),
            exponent: 0,
        }
    }
}

impl Parts {
    /// With the other sign.
    pub(super) fn negated(self) -> Self {
        Self {
            negative: !self.negative,
            ..self
        }
    }
}

impl Number {
    pub(super) fn add(&mut self, parts: Parts) {
        if parts.whole == 0 {
            return;
        }
        let place = parts.exponent.div_euclid(BITS);
        let shifted = u128::from(parts.whole) << parts.exponent.rem_euclid(BITS);
        let at = self.room(place);
        let sign = if parts.negative { -1 } else { 1 };
        for (digit, from) in self.digits[at..at + 3].iter_mut().zip([0, 32, 64]) {
            *digit += sign * ((shifted >> from) as u32 as i64);
        }
        self.count();
    }

    pub(super) fn add_product(&mut self, left: Parts, right: Parts) {
        let product = u128::from(left.whole) * u128::from(right.whole);
        let negative = left.negative != right.negative;
        let exponent = left.exponent + right.exponent;
        for (whole, exponent) in [
            (product as u64, exponent),
            ((product >> 64) as u64, exponent + 64),
        ] {
            self.add(Parts {
                negative,
                whole,
                exponent,
            });
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (place, &digit) in (other.low..).zip(&other.digits) {
            self.add(Parts {
                negative: digit < 0,
                whole: digit.unsigned_abs(),
                exponent: BITS * place,
            });
        }
    }

    pub(super) fn clear(&mut self) {
        self.digits.clear();
        self.added = 0;
    }

    /// The sum times a whole number.
    pub(super) fn times(&self, factor: u64) -> Self {
        self.product(&Self {
            low: 0,
            digits: vec![(factor as u32).into(), (factor >> BITS) as i64],
            added: 0,
        })
    }

    /// The product of two sums.
    pub(super) fn product(&self, other: &Self) -> Self {
        let (left, right) = (self.carried(), other.carried());
        let mut product = Self::default();
        for (i, &a) in (left.low..).zip(&left.digits) {
            for (j, &b) in (right.low..).zip(&right.digits) {
                product.add(Parts {
                    negative: (a < 0) != (b < 0),
                    whole: a.unsigned_abs() * b.unsigned_abs(),
                    exponent: BITS * (i + j),
                });
            }
        }
        product
    }

    /// The sum less another one.
    pub(super) fn minus(mut self, other: &Self) -> Self {
        for (place, &digit) in (other.low..).zip(&other.digits) {
            self.add(Parts {
                negative: digit >= 0,
                whole: digit.unsigned_abs(),
                exponent: BITS * place,
            });
        }
        self
    }

    /// Whether the sum is less than, equal to or greater than 0.
    pub(super) fn sign(&self) -> Ordering {
        let carried = self.carried();
        carried
            .digits
            .last()
            .map_or(Ordering::Equal, |top| top.cmp(&0))
    }

    /// The float next to the sum, of two the even one.
    pub(super) fn round(&self) -> f64 {
        if let Some(rounded) = self.small().and_then(|sum| plain(sum, BITS * self.low)) {
            return rounded;
        }
        let (negative, low, digits) = self.magnitude();
        nearest(negative, low, &digits, false)
    }

    /// The float next to the sum divided by some whole numbers above 0.
    pub(super) fn divided(&self, by: &[u64]) -> f64 {
        if let Some(rounded) = self.small_quotient(by) {
            return rounded;
        }
        // More digits than the divisors have, so that enough of the quotient is left to round.
        let more = 2 * by.len() + 3;
        let (negative, low, digits) = self.magnitude();
        let mut quotient = vec![0; more];
        quotient.extend(digits);
        let mut rest = false;
        for &by in by {
            let mut left = 0_u64;
            for digit in quotient.iter_mut().rev() {
                (*digit, left) = divide(left, *digit, by);
            }
            rest |= left > 0;
        }
        nearest(negative, low - more as i32, &quotient, rest)
    }

    /// A float near the sum, to its last digit, and the power of two that it has to be multiplied
    /// with: the sum itself may be out of the range of floats.
    pub(super) fn scaled(&self) -> (f64, i32) {
        let (negative, low, digits) = self.magnitude();
        let top = low + digits.len() as i32;
        (nearest(negative, low - top, &digits, false), BITS * top)
    }

    /// The sum in units of 2^(32 * low), if it fits; it does for numbers of much the same size.
    fn small(&self) -> Option<i128> {
        let mut sum = 0_i128;
        for &digit in self.digits.iter().rev() {
            if sum.unsigned_abs() >> 94 != 0 {
                return None;
            }
            sum = (sum << BITS) + i128::from(digit);
        }
        Some(sum)
    }

    fn small_quotient(&self, by: &[u64]) -> Option<f64> {
        let by = by.iter().try_fold(1_u64, |all, by| all.checked_mul(*by))?;
        let sum = self.small()?;
        let size = sum.unsigned_abs();
        if size == 0 {
            return Some(0.0);
        }
        // The quotient then has 63 bits or more, so that the last one may stand for the rest.
        let shift = size.leading_zeros().saturating_sub(1);
        let (size, by) = (size << shift, u128::from(by));
        let quotient = ((size / by) | u128::from(size % by != 0)) as i128;
        plain(sum.signum() * quotient, BITS * self.low - shift as i32)
    }

    /// Its digits as bytes, the same for equal sums.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let carried = self.carried();
        bytes.extend((carried.digits.len() as u32).to_le_bytes());
        bytes.extend(carried.low.to_le_bytes());
        for digit in carried.digits {
            bytes.extend(digit.to_le_bytes());
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, and moves `bytes` on.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let count = u32::from_le_bytes(*take(bytes)?);
        let low = i32::from_le_bytes(*take(bytes)?);
        let digits = (0..count).map(|_| Some(i64::from_le_bytes(*take(bytes)?)));
        let digits: Option<Vec<i64>> = digits.collect();
        Some(Self {
            low,
            digits: digits?,
            added: 1,
        })
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.digits.capacity() * size_of::<i64>()
    }

    /// Where the digit of a place is, with room for two above it.
    fn room(&mut self, place: i32) -> usize {
        if self.digits.is_empty() {
            self.low = place;
        }
        if place < self.low {
            let more = (self.low - place) as usize;
            self.digits.splice(0..0, std::iter::repeat_n(0, more));
            self.low = place;
        }
        let at = (place - self.low) as usize;
        if self.digits.len() < at + 3 {
            self.digits.resize(at + 3, 0);
        }
        at
    }

    fn count(&mut self) {
        self.added += 1;
        if self.added >= MOST {
            *self = self.carried();
            self.added = 1;
        }
    }

    /// The same sum, whose digits are from 0 to below 2^32, but for the last, which is not 0 and
    /// has the sign of the sum: there is one such form.
    fn carried(&self) -> Self {
        let mut digits = self.digits.clone();
        let mut carry = 0;
        for digit in &mut digits {
            let value = *digit + carry;
            *digit = value.rem_euclid(DIGIT);
            carry = value.div_euclid(DIGIT);
        }
        // What is above may itself be more than one digit.
        while carry != 0 && carry != -1 {
            digits.push(carry.rem_euclid(DIGIT));
            carry = carry.div_euclid(DIGIT);
        }
        if carry == -1 {
            // It takes one from the digit above: as a negative last digit, if that is not 0 then.
            match digits.last_mut() {
                Some(last) if *last != 0 => *last -= DIGIT,
                // 0 - 2^32 is -1 of the place above.
                Some(_) => digits.push(-1),
                None => {}
            }
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        // A last digit of -1 above another one is that one less 2^32.
        while let [.., below, -1] = digits[..]
            && below != 0
        {
            digits.truncate(digits.len() - 2);
            digits.push(below - DIGIT);
        }
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        Self {
            low: self.low + zeros as i32,
            digits,
            added: 1,
        }
    }

    /// Its sign, and the digits without it.
    fn magnitude(&self) -> (bool, i32, Vec<u32>) {
        let mut carried = self.carried();
        let negative = carried.digits.last().is_some_and(|top| *top < 0);
        if negative {
            carried.digits.iter_mut().for_each(|digit| *digit = -*digit);
            carried = carried.carried();
        }
        let digits = carried.digits.iter().map(|&digit| digit as u32);
        (negative, carried.low, digits.collect())
    }
}

/// The float next to `whole * 2^exponent`, where that is neither very small nor very great.
fn plain(whole: i128, exponent: i32) -> Option<f64> {
    if whole == 0 {
        return Some(0.0);
    }
    let power = u64::try_from(exponent + 1_023).ok()?;
    // Converted it is rounded once, to the even one of two; a power of two changes no digit.
    let float = || whole as f64 * f64::from_bits(power << 52);
    (-800..800).contains(&exponent).then(float)
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(head)
}

/// Quotient and rest of the digit below `left`.
fn divide(left: u64, digit: u32, by: u64) -> (u32, u64) {
    match u32::try_from(by) {
        Ok(_) => {
            let value = left << BITS | u64::from(digit);
            ((value / by) as u32, value % by)
        }
        Err(_) => {
            let (value, by) = (u128::from(left) << BITS | u128::from(digit), u128::from(by));
            ((value / by) as u32, (value % by) as u64)
        }
    }
}

/// The float next to a number of digits, of two the even one; `more` says that it is a little
/// greater than its digits.
fn nearest(negative: bool, low: i32, digits: &[u32], more: bool) -> f64 {
    let zeros = digits.iter().rev().take_while(|digit| **digit == 0).count();
    let digits = &digits[..digits.len() - zeros];
    let sign = u64::from(negative) << 63;
    let Some(top) = digits.last() else {
        return f64::from_bits(sign & if more { u64::MAX } else { 0 });
    };
    // The place of the first bit, and of the last one that a float there has.
    let first = BITS * (low + digits.len() as i32) - 1 - top.leading_zeros() as i32;
    let last = (first - 52).max(-1_074);
    let bit = |place: i32| {
        let at = usize::try_from(place.div_euclid(BITS) - low).ok();
        let digit = at.and_then(|at| digits.get(at)).copied().unwrap_or(0);
        digit >> place.rem_euclid(BITS) & 1 == 1
    };
    // The bits from `last` on, from the digits that hold them.
    let (place, shift) = (last.div_euclid(BITS) - low, last.rem_euclid(BITS));
    let mut whole = 0_u128;
    for (from, place) in (place..place + 3).enumerate() {
        let digit = usize::try_from(place).ok().and_then(|at| digits.get(at));
        whole |= u128::from(digit.copied().unwrap_or(0)) << (BITS as usize * from);
    }
    let mut whole = (whole >> shift) as u64;
    if bit(last - 1) {
        let end = (last - 1).div_euclid(BITS) - low;
        let below = (0..end.max(0) as usize).any(|at| digits.get(at).is_some_and(|d| *d != 0));
        let part = usize::try_from(end).ok().and_then(|at| digits.get(at));
        let mask = (1_u64 << (last - 1).rem_euclid(BITS)) - 1;
        let beside = part.is_some_and(|digit| u64::from(*digit) & mask != 0);
        if more || below || beside || whole & 1 == 1 {
            whole += 1;
        }
    }
    // Of a number whose last bit counts 2^-1074, the bits are the float.
    if last == -1_074 {
        return f64::from_bits(sign | whole);
    }
    let (whole, last) = match whole >> 53 {
        0 => (whole, last),
        _ => (whole >> 1, last + 1),
    };
    let exponent = last + 1_075;
    if exponent >= 0x7ff {
        return f64::from_bits(sign | 0x7ff << 52);
    }
    f64::from_bits(sign | (exponent as u64) << 52 | whole & ((1 << 52) - 1))
}

#[cfg(test)]
mod tests;
