//! Numbers that are the same in every run: what is picked by the number of a row depends on that
//! number alone.

/// Number `i` of a seed: SplitMix64 (Steele, Lea and Flood 2014, public domain).
///
/// ```
/// assert_eq!(learn::splitmix::number(0, 0), 0xE220_A839_7B1D_CDAF);
/// ```
#[inline]
pub fn number(seed: u64, i: u64) -> u64 {
    let gammas = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut z = seed.wrapping_add(gammas);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Number `i` of a seed, evenly spread from 0 to below 1.
///
/// ```
/// assert_eq!(learn::splitmix::uniform(0, 0), 0.8833108082136426);
/// ```
#[inline]
pub fn uniform(seed: u64, i: u64) -> f64 {
    (number(seed, i) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Four row-major features and the labels of two classes, for tests: `customers` of
/// `testing/fixtures/splitmix.py`, by which scikit-learn's coefficients were made. The fourth
/// feature is the first minus the second.
pub fn customers(seed: u64, rows: usize, intercept: f64) -> (Vec<f64>, Vec<u8>) {
    let (mut x, mut y) = (Vec::with_capacity(rows * 4), Vec::with_capacity(rows));
    for row in 0..rows as u64 {
        let u = |k: u64| uniform(seed, row * 14 + k);
        let feature1 = 50.0 + 15.0 * ((0..12).map(u).fold(0.0, |sum, u| sum + u) - 6.0);
        let feature2 = -1.3 * libm::log(1.0 - u(12));
        let eta = intercept + 0.04 * (feature1 - 50.0) - 0.551 * (feature2 - 1.3);
        x.extend([feature1, feature2, feature1 * feature2, feature1 - feature2]);
        y.push(u8::from(u(13) < 1.0 / (1.0 + libm::exp(-eta))));
    }
    (x, y)
}
