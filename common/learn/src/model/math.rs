//! The exponential and the logistic function, written so that the compiler can vectorise them.
//!
//! The platform's `exp` is a call per row, and its last bit differs between C libraries.
//! This one is plain arithmetic: the same bits on every machine, and several rows per instruction.

/// 1.5 * 2^52: adding it leaves the nearest integer in the low bits of the mantissa. The exponent
/// bias is added with it, so that these bits, shifted, are the power of two itself.
const ROUND: f64 = 6_755_399_441_055_744.0 + 1023.0;
/// ln 2 in two parts; the first has 11 zero bits at its end, so that its product with an exponent
/// is exact.
const LN_2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEFA_3800);
const LN_2_LOW: f64 = f64::from_bits(0x3D2E_F357_93C7_6730);
/// Below this the result would be subnormal; the logistic function is the same to the last bit.
const LOWEST: f64 = -708.0;

/// e^x for x <= 0, within two units in the last place; 3e-308 below -708. NaN gives an unspecified
/// finite number: callers refuse NaN beforehand.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    let x = if x > LOWEST { x } else { LOWEST };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let r = (x - exponent * LN_2_HIGH) - exponent * LN_2_LOW;
    // Taylor's series on |r| <= ln 2 / 2: the first term left out is 4e-18. Grouped (Estrin) to
    // shorten the chain.
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
pub(crate) fn sigmoid(x: f64) -> f64 {
    let e = exp_of_negative(-x.abs());
    let upper = 1.0 / (1.0 + e);
    let p = if x >= 0.0 { upper } else { e * upper };
    if x.is_nan() { x } else { p }
}

/// 1.5 * 2^23, with the exponent bias, as [`ROUND`] of single precision.
const ROUND_SINGLE: f32 = 12_582_912.0 + 127.0;
/// ln 2 in two parts; the first has 15 zero bits at its end.
const LN_2_HIGH_SINGLE: f32 = 0.693_359_4;
const LN_2_LOW_SINGLE: f32 = -2.121_944_4e-4;

/// [`exp_of_negative`] of single precision, within two units in the last place; 2e-38 below -87.
#[inline(always)]
pub(crate) fn exp_of_negative_single(x: f32) -> f32 {
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * std::f32::consts::LOG2_E + ROUND_SINGLE;
    let exponent = shifted - ROUND_SINGLE;
    let r = (x - exponent * LN_2_HIGH_SINGLE) - exponent * LN_2_LOW_SINGLE;
    // Taylor's series on |r| <= ln 2 / 2: the first term left out is 5e-9.
    let r2 = r * r;
    let low = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0));
    let tail = r2 * (low + r2 * r2 * (1.0 / 720.0 + r * (1.0 / 5_040.0)));
    (1.0 + (r + tail)) * f32::from_bits(shifted.to_bits() << 23)
}

/// [`sigmoid`] of single precision.
#[inline(always)]
pub(crate) fn sigmoid_single(x: f32) -> f32 {
    let e = exp_of_negative_single(-x.abs());
    let upper = 1.0 / (1.0 + e);
    let p = if x >= 0.0 { upper } else { e * upper };
    if x.is_nan() { x } else { p }
}

/// intercept + coefficients . row, added in the order of the features.
#[inline(always)]
pub(crate) fn linear(intercept: f64, coefficients: &[f64], row: &[f64]) -> f64 {
    row.iter()
        .zip(coefficients)
        .fold(intercept, |eta, (x, coefficient)| eta + x * coefficient)
}

/// The natural logarithm of a positive number, within 0.52 units in the last place: nearer than
/// `libm::log`, and with it the number that the C library gave to models of earlier releases.
pub(crate) fn ln(x: f64) -> f64 {
    let (mut m, mut exponent) = libm::frexp(x);
    if m < std::f64::consts::FRAC_1_SQRT_2 {
        (m, exponent) = (2.0 * m, exponent - 1);
    }
    // ln m = 2 artanh s; s and the leading sum are kept with their rounding errors.
    let (above, below) = (m - 1.0, m + 1.0);
    let lost = 1.0 - (below - m);
    let s = above / below;
    let rest = (libm::fma(-s, below, above) - s * lost) / below;
    let z = s * s;
    let series = (1..15)
        .rev()
        .fold(0.0, |sum, k| z * (sum + 1.0 / f64::from(2 * k + 1)));
    let high = f64::from(exponent) * LN_2_HIGH;
    let sum = high + 2.0 * s;
    let error = (high - sum) + 2.0 * s;
    sum + (error + (2.0 * rest + 2.0 * s * series + f64::from(exponent) * LN_2_LOW))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place() {
        for i in 0..700_000 {
            let x = -1e-3 * f64::from(i) * 1.000_123;
            let (ours, theirs) = (exp_of_negative(x), libm::exp(x));
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
    fn the_exponential_of_single_precision_is_within_two_units_in_the_last_place() {
        for i in 0..870_000_u32 {
            let x = -1e-4 * i as f32;
            let (ours, theirs) = (f64::from(exp_of_negative_single(x)), libm::exp(x.into()));
            assert!(
                (ours - theirs).abs() <= 2.0 * f64::from(f32::EPSILON) * theirs,
                "exp({x}): {ours:e} and {theirs:e}"
            );
            for x in [x, -x] {
                let (ours, theirs) = (f64::from(sigmoid_single(x)), sigmoid(x.into()));
                assert!(
                    (ours - theirs).abs() <= 3.0 * f64::from(f32::EPSILON) * theirs,
                    "sigmoid({x}): {ours:e} and {theirs:e}"
                );
            }
        }
        assert_eq!(exp_of_negative_single(0.0), 1.0);
        assert_eq!(sigmoid_single(0.0), 0.5);
        assert!(exp_of_negative_single(f32::NEG_INFINITY) < 1e-37);
        assert_eq!(sigmoid_single(f32::INFINITY), 1.0);
        assert!(sigmoid_single(f32::NAN).is_nan());
    }

    #[test]
    fn the_logarithm_is_as_near_as_doubles_allow() {
        // From mpmath at 40 digits, rounded once.
        let table: [(f64, f64); 31] = [
            (0.5938375350140056, -0.5211495071076266),
            (3.0, 1.0986122886681098),
            (0.001, -6.907755278982137),
            (999.0, 6.906754778648554),
            (1.0000001, 9.999999505838704e-08),
            (0.9999999, -1.0000000494736474e-07),
            (0.7071067811865475, -0.34657359027997275),
            (std::f64::consts::SQRT_2, 0.3465735902799727),
            (2.0, std::f64::consts::LN_2),
            (1e-300, -690.7755278982137),
            (1e+300, 690.7755278982137),
            (2.438492611646643, 0.8913800662870804),
            (2.06893699195642, 0.7270349449195184),
            (1.1517087346992898, 0.14124669584325622),
            (1.119949364735961, 0.11328347422782012),
            (1.1347584118881682, 0.12641977531499288),
            (1.7401023411804502, 0.5539439282671729),
            (0.03451664777131288, -3.3663135272357603),
            (0.6000612055276703, -0.5107236197557928),
            (3.7877779522192143, 1.3317795548673586),
            (12.51540286539275, 2.526960114968328),
            (5.743644776282749, 1.7480939872644332),
            (0.30448834691961607, -1.1891224621223946),
            (0.5401248803029105, -0.6159549063400426),
            (0.647585246484694, -0.434504839271561),
            (5.332326425258118, 1.6737876204834994),
            (2.301920495098358, 0.8337437723871728),
            (0.01793656466267207, -4.020913931063133),
            (0.531003930108557, -0.6329858564332057),
            (1.5349751991661473, 0.42851422401361844),
            (1.0563557267669088, 0.054824991027310734),
        ];
        for (x, expected) in table {
            assert_eq!(ln(x), expected, "ln({x})");
        }
        for i in 1..20_000 {
            let x = 1e-3 * f64::from(i) * 1.000_123;
            let (ours, theirs) = (ln(x), libm::log(x));
            assert!(
                (ours - theirs).abs() <= f64::EPSILON * theirs.abs(),
                "ln({x})"
            );
        }
        assert_eq!(ln(1.0), 0.0);
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
