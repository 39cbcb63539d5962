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
