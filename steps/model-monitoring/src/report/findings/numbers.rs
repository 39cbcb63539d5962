//! What is said of numeric features whose index is below the limits.

use pages::content::{ColumnDrift, Content, FeatureQuality, Summary};
use pages::format::{number, rows, share};
use pages::judge::{far, ratio};
use profile::drift::{FALSE_ALARMS, NoiseFloor, Verdict};
use profile::placeholder::is_placeholder;

use super::NAMED;

/// Share of the rows by which missing values have to change to be reported, unless training had
/// none.
const NULLS: f64 = 0.01;

/// A sentence on each of the first features, and how many more there are.
pub(super) fn notes(content: &Content) -> Vec<String> {
    let comparisons = content.drift.comparisons as usize;
    let floor = NoiseFloor::of(comparisons);
    let tail = FALSE_ALARMS / comparisons.max(1) as f64;
    let note = |column: &ColumnDrift| {
        let is_found = column.judgement() >= Some(Verdict::Warn);
        if is_found || column.categories.is_some() {
            return None;
        }
        let mut features = content.quality.features.iter();
        let quality = features.find(|of| of.name == column.name)?;
        let new = column.values.as_ref().is_some_and(|of| !of.new.is_empty());
        let sides = (&column.reference, &column.current);
        let beyond = beyond(quality, sides, tail).filter(|_| !new);
        let changes: Vec<String> = beyond.into_iter().chain(missing(sides, &floor)).collect();
        (!changes.is_empty()).then(|| format!("{}: {}.", column.name, changes.join("; ")))
    };
    let mut notes: Vec<String> = content.drift.features.iter().filter_map(note).collect();
    let more = notes.len().saturating_sub(NAMED);
    notes.truncate(NAMED);
    match more {
        0 => {}
        1 => notes.push("1 more feature has such changes.".to_owned()),
        more => notes.push(format!("{more} more features have such changes.")),
    }
    notes
}

/// Rows beyond the range of training, where they are far beyond it, look like placeholders, or are
/// more than chance explains at one of both ends.
///
/// By chance, with n rows in training and m now, the k least of all rows are all of now about
/// (m / (n + m))^k times.
fn beyond(of: &FeatureQuality, (then, now): (&Summary, &Summary), tail: f64) -> Option<String> {
    let finite = |side: &Summary| (side.rows - side.missing) as f64;
    let (n, m) = (finite(then), finite(now));
    let by_chance = |rows: u64| libm::pow(m / (n + m), rows as f64);
    let ends = [(of.below, of.min, "down to"), (of.above, of.max, "up to")];
    let ends = ends.into_iter().filter(|(rows, ..)| *rows > 0);
    let ends: Vec<(u64, f64, &str)> = ends
        .filter_map(|(rows, end, to)| Some((rows, end?, to)))
        .collect();
    let odd =
        |(rows, end, _): &(u64, f64, &str)| is_placeholder(*end) || by_chance(*rows) < tail / 2.0;
    if far::end_of(of).is_none() && !ends.iter().any(odd) {
        return None;
    }
    let number_of = |(_, end, to): &(u64, f64, &str)| {
        let placeholder = match is_placeholder(*end) {
            true => ", which looks like a placeholder for a missing value",
            false => "",
        };
        format!("{to} {}{placeholder}", number(Some(*end)))
    };
    let all = of.below + of.above;
    let lie = if all == 1 { "lies" } else { "lie" };
    let to: Vec<String> = ends.iter().map(number_of).collect();
    Some(format!(
        "{} ({}) {lie} beyond the range of training, {} to {}: {}",
        rows(all),
        share(ratio(all, now.rows)),
        number(of.reference_min),
        number(of.reference_max),
        to.join(", and ")
    ))
}

/// Missing values that became more, or fewer, than chance explains.
fn missing((then, now): (&Summary, &Summary), floor: &NoiseFloor) -> Option<String> {
    let (was, is) = (
        ratio(then.missing, then.rows)?,
        ratio(now.missing, now.rows)?,
    );
    let [then, now] = [then, now].map(|side| [side.missing, side.rows]);
    // More of them, and fewer.
    let by_chance = floor.explains(then, now, 1) && floor.explains(now, then, 1);
    let matters = (was - is).abs() >= NULLS || was == 0.0;
    (matters && !by_chance).then(|| {
        format!(
            "missing or infinite values went from {} to {}",
            share(Some(was)),
            share(Some(is))
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(rows: u64, missing: u64) -> Summary {
        Summary {
            rows,
            missing,
            ..Summary::default()
        }
    }

    fn feature(below: u64, above: u64, ends: [f64; 2]) -> FeatureQuality {
        FeatureQuality {
            name: "x".to_owned(),
            nulls: 0,
            nans: 0,
            infinities: 0,
            below,
            above,
            min: Some(ends[0]),
            max: Some(ends[1]),
            reference_min: Some(0.0),
            reference_max: Some(5000.0),
        }
    }

    #[test]
    fn rows_beyond_the_range_of_training_are_news_unless_chance_brings_them() {
        let (then, now) = (side(11_000, 0), side(2_866, 0));
        let said = |below, above, ends| beyond(&feature(below, above, ends), (&then, &now), 1e-4);
        let placeholder = said(5, 0, [-999.0, 4000.0]).unwrap();
        assert_eq!(
            placeholder,
            "5 rows (0.174 %) lie beyond the range of training, 0 to 5000: down to −999, which looks \
             like a placeholder for a missing value"
        );
        let far = said(0, 1, [10.0, 1e9]).unwrap();
        assert!(far.ends_with(", 0 to 5000: up to 1e9"), "{far}");
        // (2866 / 13866)^k is below 0.00005 from k = 7 on.
        assert_eq!(said(2, 6, [-1.0, 5100.0]), None);
        let many = said(2, 7, [-3.0, 5100.0]).unwrap();
        assert!(many.starts_with("9 rows (0.314 %) lie beyond"), "{many}");
        assert!(many.ends_with(": down to −3, and up to 5100"), "{many}");
        assert_eq!(said(0, 0, [0.0, 5000.0]), None);
    }

    #[test]
    fn missing_values_that_became_more_or_fewer_are_news_unless_by_chance() {
        let floor = NoiseFloor::of(8);
        let said = |then: [u64; 2], now: [u64; 2]| {
            let of = |[missing, rows]: [u64; 2]| side(rows, missing);
            missing((&of(then), &of(now)), &floor)
        };
        let text = "missing or infinite values went from 31 % to 45 %";
        assert_eq!(said([5_952, 19_200], [1_350, 3_000]).as_deref(), Some(text));
        let text = "missing or infinite values went from 0 % to 1 %";
        assert_eq!(said([0, 11_000], [29, 2_900]).as_deref(), Some(text));
        let text = "missing or infinite values went from 5 % to 0 %";
        assert_eq!(said([550, 11_000], [0, 2_900]).as_deref(), Some(text));
        // A few of many, and of few rows.
        assert_eq!(said([110, 11_000], [34, 2_900]), None);
        assert_eq!(said([0, 11_000], [2, 2_900]), None);
        assert_eq!(said([1_000, 10_000], [13, 100]), None);
        assert_eq!(said([0, 10], [0, 0]), None);
    }
}
