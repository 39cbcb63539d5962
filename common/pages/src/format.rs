//! Numbers and names as a person reads them. Pure.

use std::borrow::Borrow;

use learn::metrics::Interval;

/// Shown in place of a missing number.
pub const NONE: &str = "–";

/// A count with commas: `2,000,000`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Some names, and how many more there are: `a, b and 3 more`.
pub fn some<S: Borrow<str>>(names: &[S], most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let shown = names[..names.len() - more].join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A count of rows: `1 row`, `2,000 rows`.
pub fn rows(value: u64) -> String {
    if value == 1 {
        "1 row".to_owned()
    } else {
        format!("{} rows", count(value))
    }
}

/// `1 h 2 min`, `3 min 4 s`; below a minute seconds with so many decimals, such as `5.2 s`.
pub fn duration(seconds: f64, decimals: usize) -> String {
    let whole = seconds.max(0.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{:.decimals$} s", seconds.max(0.0)),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A share of 1 in per cent: `70.9 %`, `0.0123 %`, `100 %`.
pub fn share(value: Option<f64>) -> String {
    let Some(percent) = value
        .map(|value| value * 100.0)
        .filter(|percent| percent.is_finite())
    else {
        return NONE.to_owned();
    };
    let text = match percent.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.001 => return "< 0.001 %".to_owned(),
        size if size < 1.0 => trimmed(format!("{percent:.3}")),
        size if size > 99.95 && size < 100.0 => trimmed(format!("{percent:.3}")),
        _ => trimmed(format!("{percent:.1}")),
    };
    // Rounding must not claim what is not so.
    match (text.as_str(), percent < 100.0) {
        ("100", true) => "> 99.999 %".to_owned(),
        _ => format!("{text} %"),
    }
}

/// A count that fits beside an axis: `5.6k`, `2M`.
pub fn compact(value: u64) -> String {
    let (divisor, unit) = match value {
        0..10_000 => return count(value),
        10_000..1_000_000 => (1e3, "k"),
        1_000_000..1_000_000_000 => (1e6, "M"),
        _ => (1e9, "G"),
    };
    let text = format!("{:.1}", value as f64 / divisor);
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// A metric to three places, and a small one to two digits: `0.745`, `0.0023`, `0.00074`.
pub fn metric(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => NONE.to_owned(),
        Some(value) if value != 0.0 && value.abs() < 1e-6 => {
            format!("{}0.000001", if value < 0.0 { "> −" } else { "< " })
        }
        Some(value) if value != 0.0 && value.abs() < 0.01 => {
            let places = (1 - libm::log10(value.abs()).floor() as i32).clamp(3, 7) as usize;
            minus(format!("{value:.places$}"))
        }
        Some(value) => minus(format!("{value:.3}")),
    }
}

/// A difference of two metrics, with its sign: `+0.012`.
pub fn difference(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => NONE.to_owned(),
        Some(value) if value.abs() < 0.0005 => "±0.000".to_owned(),
        Some(value) => minus(format!("{value:+.3}")),
    }
}

/// An interval as `0.701 – 0.712`.
pub fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || NONE.to_owned(),
        |of| format!("{} – {}", metric(Some(of.low)), metric(Some(of.high))),
    )
}

/// Any number to four digits: `50.12`, `−0.00123`, `1.2e9`.
pub fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return NONE.to_owned();
    };
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        let text = format!("{value:.2e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return minus(format!("{}e{exponent}", trimmed(digits.to_owned())));
    }
    if size >= 10_000.0 {
        let whole = count(size.round() as u64);
        return if value < 0.0 {
            format!("−{whole}")
        } else {
            whole
        };
    }
    let places = (3 - libm::log10(size).floor() as i32).clamp(0, 8) as usize;
    minus(trimmed(format!("{value:.places$}")))
}

/// [`number`] with its sign: `+0.81`, `−0.4`.
pub fn signed(value: Option<f64>) -> String {
    let sign = match value.is_some_and(|value| value > 0.0 && value.is_finite()) {
        true => "+",
        false => "",
    };
    format!("{sign}{}", number(value))
}

/// A size in bytes: `12.3 MiB`.
pub fn bytes(value: u64) -> String {
    match value {
        0..1024 => format!("{value} B"),
        1024..1_048_576 => format!("{:.1} KiB", value as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", value as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", value as f64 / 1_073_741_824.0),
    }
}

/// A bound that is small: `0.007`, `0.0004`.
pub fn small(value: f64) -> String {
    match value {
        value if value < 0.0001 => "0.0001".to_owned(),
        value if value < 0.001 => format!("{value:.4}"),
        value => format!("{value:.3}"),
    }
}

/// A p-value: `0.04`, `< 0.001`.
pub fn p_value(value: f64) -> String {
    if value < 0.001 {
        "<\u{a0}0.001".to_owned()
    } else {
        trimmed(format!("{value:.3}"))
    }
}

/// Without zeros that say nothing.
fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// With a sign as wide as the digits.
fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_many_are_counted() {
        let names = ["a", "b", "c"];
        assert_eq!(some(&names, 3), "a, b, c");
        assert_eq!(some(&names, 1), "a and 2 more");
    }

    #[test]
    fn numbers_are_shown_with_the_digits_that_matter() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (2_000_000, "2,000,000"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(count(value), expected);
        }
        for (value, expected) in [
            (None, "–"),
            (Some(0.0), "0 %"),
            (Some(1.0), "100 %"),
            (Some(0.7093), "70.9 %"),
            (Some(0.000_123), "0.012 %"),
            (Some(1e-7), "< 0.001 %"),
            (Some(0.999_999_99), "> 99.999 %"),
            (Some(0.9999), "99.99 %"),
            (Some(f64::NAN), "–"),
            (Some(0.5), "50 %"),
        ] {
            assert_eq!(share(value), expected, "{value:?}");
        }
        for (value, expected) in [
            (0.0, "0"),
            (50.1234, "50.12"),
            (-0.001234, "−0.001234"),
            (1234.56, "1235"),
            (-12_345.6, "−12,346"),
            (1.25e9, "1.25e9"),
            (-3e-7, "−3e-7"),
            (0.1, "0.1"),
            (9.999_96, "10"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(number(Some(value)), expected, "{value}");
        }
        for (value, expected) in [
            (0.74549, "0.745"),
            (0.0104, "0.010"),
            (0.00234, "0.0023"),
            (0.000_741, "0.00074"),
            (0.0, "0.000"),
            (-0.000_741, "−0.00074"),
            (1e-9, "< 0.000001"),
        ] {
            assert_eq!(metric(Some(value)), expected);
        }
        assert_eq!(difference(Some(-0.0124)), "−0.012");
        assert_eq!(difference(Some(0.0001)), "±0.000");
        for (value, expected) in [
            (Some(0.81), "+0.81"),
            (Some(-0.4), "−0.4"),
            (Some(0.0), "0"),
            (Some(f64::INFINITY), "–"),
            (None, "–"),
        ] {
            assert_eq!(signed(value), expected, "{value:?}");
        }
        assert_eq!(p_value(1e-9), "<\u{a0}0.001");
        assert_eq!(rows(1), "1 row");
    }
}
