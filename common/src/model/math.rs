//! The exponential and the logistic function, written so that the compiler can vectorise them.
//!
//! The platform's `exp` is a call per row, and its last bit differs between C libraries.
//! This one is plain arithmetic: the same bits on every machine, and several rows per instruction.

/// 1.5 * 2^52: adding it leaves the nearest integer in the low bits of the mantissa. The exponent bias is added with it,
/// so that these bits, shifted, are the power of two itself.
const ROUND: f64 = 6_755_399_441_055_744.0 + 1023.0;
/// ln 2 in two parts; the first has 11 zero bits at its end, so that its product with an exponent is exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEFA_3800);
const LN_2_LOW: f64 = f64::from_bits(0x3D2E_F357_93C7_6730);
/// Below this the result would be subnormal; the logistic function is the same to the last bit.
const LOWEST: f64 = -708.0;

/// e^x for x <= 0, within two units in the last place; 3e-308 below -708. NaN gives an unspecified finite number:
/// callers refuse NaN beforehand.
#[inline(always)]
pub(super) fn exp_of_negative(x: f64) -> f64 {
    let x = if x > LOWEST { x } else { LOWEST };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let r = (x - exponent * LN_2_HIGH) - exponent * LN_2_LOW;
    // Taylor's series on |r| <= ln 2 / 2: the first term left out is 4e-18. Grouped (Estrin) to shorten the chain.
    let r2 = r * r;
    let r4 = r2 * r2;
    let low = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0));
    let middle =
        (1.0 / 720.0 + r * (1.0 / 5_040.0)) + r2 * (1.0 / 40_320.0 + r * (1.0 / 362_880.0));
    let high = (1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0))
        + r2 * (1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0));
    let tail = r2 * (low + r4 * (middle + r4 * high));
    (1.0 + (r + tail)) * f64::from_bits(shifted.to_bits() << 52)
}

/// 1 / (1 + e^-x), without overflow and without loss of small probabilities. NaN stays NaN.
#[inline(always)]
pub(super) fn sigmoid(x: f64) -> f64 {
    let e = exp_of_negative(-x.abs());
    let upper = 1.0 / (1.0 + e);
    let p = if x >= 0.0 { upper } else { e * upper };
    if x.is_nan() { x } else { p }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place() {
        for i in 0..700_000 {
            let x = -1e-3 * f64::from(i) * 1.000_123;
            let (ours, theirs) = (exp_of_negative(x), x.exp());
            assert!(
                (ours - theirs).abs() <= 2.0 * f64::EPSILON * theirs,
                "exp({x}): {ours:e} and {theirs:e}"
            );
        }
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert!(exp_of_negative(-1e9) < 1e-307);
        assert!(exp_of_negative(f64::NEG_INFINITY) < 1e-307);
    }

    #[test]
    fn the_logistic_function_is_stable_at_both_ends() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(1e6), 1.0);
        assert_eq!(sigmoid(f64::INFINITY), 1.0);
        assert!(
            sigmoid(-700.0) > 0.0,
            "a small probability is not rounded to zero"
        );
        assert!(sigmoid(-1e6) < 1e-300);
        assert!(sigmoid(f64::NAN).is_nan());
        assert!((sigmoid(-30.0) - 9.357_622_968_839_299e-14).abs() < 1e-28);
    }
}
