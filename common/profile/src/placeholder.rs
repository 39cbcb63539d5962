//! Numbers that programs and people put where there is none. Pure.
//!
//! ```
//! use profile::placeholder::is_placeholder;
//!
//! assert!([-999.0, 99.0, 9999.9, 2_147_483_647.0].map(is_placeholder).iter().all(|is| *is));
//! assert!(![9.0, -1.0, 99.99, 1000.0].map(is_placeholder).iter().any(|is| *is));
//! ```

/// From here on floats are no longer all of the whole numbers.
const INEXACT: f64 = 9_007_199_254_740_992.0;
/// Numbers of nines from here on may have a fraction; of two digits these are prices.
const FRACTIONS: f64 = 999.0;
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
        let text = size.to_string();
        let mut digits = text.bytes().filter(|digit| *digit != b'.');
        size >= 99.0 && (size.fract() == 0.0 || size >= FRACTIONS) && digits.all(|of| of == b'9')
    };
    size >= INEXACT || ENDS.contains(&value) || is_nines()
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
}
