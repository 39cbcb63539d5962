//! The Beta distribution, and with it the bounds of shares.

/// Relative error at which the continued fraction ends.
const PRECISION: f64 = 1e-14;
/// Terms of it at most; it takes some of the root of the larger parameter.
const TERMS: u32 = 1_000_000;
/// Halvings that settle a quantile to the last bit.
const HALVINGS: u32 = 60;

/// The distribution function at `x` from 0 to 1, of positive parameters: the regularised incomplete
/// beta function, by Lentz's continued fraction.
pub(crate) fn cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return f64::from(u8::from(x >= 1.0));
    }
    // Where the fraction converges fast.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - cdf(1.0 - x, b, a);
    }
    let scale = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    let scale = scale + a * libm::log(x) + b * libm::log1p(-x);
    let not_zero = |value: f64| match value.abs() < f64::MIN_POSITIVE {
        true => f64::MIN_POSITIVE,
        false => value,
    };
    let mut c = 1.0;
    let mut d = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for term in 1..TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut last = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / not_zero(1.0 + numerator * d);
            c = not_zero(1.0 + numerator / c);
            last = c * d;
            fraction *= last;
        }
        if (last - 1.0).abs() < PRECISION {
            break;
        }
    }
    (libm::exp(scale) * fraction / a).clamp(0.0, 1.0)
}

/// The number below which the share `part` of the distribution lies.
pub(crate) fn quantile(part: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        match cdf(middle, a, b) < part {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

/// The number that Student's t of so many degrees of freedom exceeds, on either side, with the
/// probability `part`.
pub(crate) fn student(part: f64, degrees: u64) -> f64 {
    let degrees = degrees as f64;
    let x = quantile(part, degrees / 2.0, 0.5);
    (degrees * (1.0 - x) / x).sqrt()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        beta: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        x: f64,
        a: f64,
        b: f64,
        cdf: f64,
        quantile: f64,
    }

    #[test]
    fn the_beta_distribution_is_that_of_scipy() {
        let text = include_str!("../../../testing/fixtures/intervals.json");
        let fixture: Fixture = serde_json::from_str(text).expect("a fixture");
        for Case {
            x,
            a,
            b,
            cdf: expected,
            quantile: at,
        } in fixture.beta
        {
            let found = cdf(x, a, b);
            // Logarithms of the gamma function of 1e8 keep some 7 digits.
            let near = (found - expected).abs() <= 1e-6 * expected + 1e-300;
            assert!(near, "{found} and {expected} at {x} of {a} and {b}");
            let found = quantile(0.0005, a, b);
            assert!((found - at).abs() <= 1e-9, "{found} and {at}, {a} and {b}");
        }
        assert_eq!((cdf(0.0, 2.0, 3.0), cdf(1.0, 2.0, 3.0)), (0.0, 1.0));
    }
}
