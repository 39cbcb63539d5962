//! Numbers that programs and people put where there is none. Pure.
//!
//! ```
//! use profile::placeholder::{is_placeholder, may_be_placeholder};
//!
//! assert!([-999.0, 99.0, 9999.9, 2_147_483_647.0].map(is_placeholder).iter().all(|is| *is));
//! assert!(![9.0, -1.0, 99.99, 1000.0].map(is_placeholder).iter().any(|is| *is));
//! assert!([-888.0, -1.0, 255.0].map(may_be_placeholder).iter().all(|is| *is));
//! ```

/// In ranges of the other values of its column, from how far on a number that
/// [`may_be_placeholder`] is taken for one.
pub const NEAR: f64 = 5.0;
/// From here on floats are no longer all of the whole numbers.
const INEXACT: f64 = 9_007_199_254_740_992.0;
/// Numbers of nines from here on may have a fraction; of two digits these are prices.
const FRACTIONS: f64 = 999.0;
/// Numbers for what is missing among those that are not negative, and the end of a byte.
const USUAL: [f64; 3] = [-1.0, -9.0, 255.0];
/// The ends of integers of 16 and 32 bits.
const ENDS: [f64; 6] = [
    -32_768.0,
    32_767.0,
    65_535.0,
    -2_147_483_648.0,
    2_147_483_647.0,
    4_294_967_295.0,
];

/// Whether a number looks like one: two nines or more and nothing else, the end of a type of
/// integers, or larger than any that counts or measures something. Of few digits it may be a value
/// like any other: what lies around it says more.
pub fn is_placeholder(value: f64) -> bool {
    let size = value.abs();
    let is_nines = || {
        let may_be = size.fract() == 0.0 || size >= FRACTIONS;
        size >= 99.0 && may_be && repeated(size) == Some(b'9')
    };
    size >= INEXACT || ENDS.contains(&value) || is_nines()
}

/// Whether a number looks like a placeholder, or is used as one though it is often a value like
/// any other: one digit that repeats, such as -888; or -1, -9 or 255.
pub fn may_be_placeholder(value: f64) -> bool {
    let size = value.abs();
    let repeats = || size >= 11.0 && size.fract() == 0.0 && repeated(size).is_some();
    is_placeholder(value) || USUAL.contains(&value) || repeats()
}

/// The digit of a number all of whose digits are the same.
fn repeated(size: f64) -> Option<u8> {
    let text = size.to_string();
    let mut digits = text.bytes().filter(|digit| *digit != b'.');
    let first = digits.next()?;
    digits.all(|of| of == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_ends_of_types_and_huge_numbers_look_like_placeholders() {
        for value in [
            99.0,
            -99.0,
            999.0,
            -999.0,
            999.9,
            99_999.0,
            2_147_483_647.0,
            -32_768.0,
            -9.2e18,
            1e20,
            f64::INFINITY,
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in [
            0.0,
            -1.0,
            9.0,
            0.99,
            9.99,
            99.9,
            99.99,
            998.0,
            999.5,
            1e6,
            2_147_483_646.0,
            f64::NAN,
        ] {
            assert!(!is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn numbers_of_one_digit_may_be_placeholders_too() {
        for value in [8888.0, -888.0, 11.0, -1.0, -9.0, 255.0, 99.0, -9.2e18] {
            assert!(may_be_placeholder(value), "{value}");
        }
        for value in [0.0, 1.0, 9.0, 8.8, 888.8, 887.0, 1000.0, -2.0, f64::NAN] {
            assert!(!may_be_placeholder(value), "{value}");
        }
    }
}
