//! What lies far beyond the values of training.

use crate::content::FeatureQuality;

/// So many times the range of training beyond this range, values are far. Of as many rows as
/// training has, the largest is that far by chance once in 12 times where the tail is as long as
/// Pareto's of index 1, and once in 122 times where it is that of index 2.
pub const FAR: f64 = 10.0;

/// Below the first and above the second, values are far from those between `ends`; `None` where
/// these are all alike, which says nothing of what is far.
pub fn limits(ends: Option<(f64, f64)>) -> Option<[f64; 2]> {
    let (low, high) = ends?;
    let width = high - low;
    (width > 0.0 && width.is_finite()).then_some([low - FAR * width, high + FAR * width])
}

/// The end of a feature's values that is far, of two the farther one.
pub fn end_of(feature: &FeatureQuality) -> Option<f64> {
    let [low, high] = limits(feature.reference_min.zip(feature.reference_max))?;
    let (min, max) = feature.min.zip(feature.max)?;
    match (low - min, max - high) {
        (below, above) if below.max(above) <= 0.0 => None,
        (below, above) if below > above => Some(min),
        _ => Some(max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_far_from_ten_ranges_on() {
        assert_eq!(limits(Some((1.0, 3.0))), Some([-19.0, 23.0]));
        assert_eq!(limits(Some((3.0, 3.0))), None);
        assert_eq!(limits(Some((f64::MIN, f64::MAX))), None);
        let end = |min, max| {
            end_of(&FeatureQuality {
                name: "x".to_owned(),
                nulls: 0,
                nans: 0,
                infinities: 0,
                below: 0,
                above: 0,
                min: Some(min),
                max: Some(max),
                reference_min: Some(1.0),
                reference_max: Some(3.0),
            })
        };
        assert_eq!(end(-19.0, 23.0), None);
        assert_eq!(end(-20.0, 23.5), Some(-20.0));
        assert_eq!(end(0.0, 24.0), Some(24.0));
    }
}
