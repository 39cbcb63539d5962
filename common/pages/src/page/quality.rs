//! Data quality.

use super::parts::{self, folded, note, table};
use crate::content::{FeatureQuality, Freshness, Quality};
use crate::format::{count, number, rows, share, some};
use crate::html::{Markup, nothing, tag, tagged, text};

/// Features that are shown before the others are folded.
const SHOWN: usize = 12;
/// Dates without rows that are named.
const GAPS: usize = 3;

pub(super) fn facts_of_rows(quality: &Quality, time: Option<&str>) -> Markup {
    let fact = |name: &str, value: u64, of: u64, what: String| {
        let class = if value > 0 { "fact some" } else { "fact" };
        let part = if value > 0 && of > 0 {
            share(Some(value as f64 / of as f64))
        } else {
            String::new()
        };
        tag(
            &format!("div class=\"{class}\""),
            [
                tagged("dt", name),
                tag(
                    "dd",
                    [
                        tagged("strong", count(value)),
                        text(" "),
                        tagged("span class=\"muted\"", part),
                    ],
                ),
                tagged("dd class=\"muted\"", what),
            ],
        )
    };
    let files = quality.shards + quality.quarantined.len() as u64;
    let mut facts = vec![
        fact(
            "Without prediction",
            quality.unscored_rows,
            quality.rows,
            "a feature is null or not finite".to_owned(),
        ),
        fact(
            "Repeated row keys",
            quality.duplicate_rows,
            quality.rows,
            format!("rows with the {} of another", quality.key.join(", ")),
        ),
        fact(
            "Files left out",
            quality.quarantined.len() as u64,
            files,
            format!("of {} raw files", count(files)),
        ),
    ];
    if let Some(freshness) = &quality.freshness {
        facts.push(fresh(freshness));
    }
    if let (Some(undated), Some(time)) = (quality.undated_rows, time) {
        facts.push(fact(
            "Without a date",
            undated,
            quality.rows,
            format!("{time} is null, or holds no date"),
        ));
    }
    let outside = &quality.outside;
    if outside.later_rows + outside.ancient_rows > 0 {
        let what = format!(
            "{} after the day of scoring, {} long before all others",
            count(outside.later_rows),
            count(outside.ancient_rows)
        );
        facts.push(fact(
            "Implausible dates",
            outside.later_rows + outside.ancient_rows,
            quality.rows,
            what,
        ));
    }
    let late = &quality.late_labels;
    if !late.files.is_empty() {
        let of_these = late.labels.saturating_sub(late.other_days);
        let dates = match quality.freshness {
            Some(_) => " of these dates",
            None => "",
        };
        let others = match late.other_days {
            0 => String::new(),
            others => format!("; {} have other dates", count(others)),
        };
        let what = format!(
            "late labels without a row, of {}{dates} in {}{others}",
            count(of_these),
            files_of(late.files.len())
        );
        facts.push(fact(
            "Unmatched labels",
            late.unmatched_keys,
            of_these,
            what,
        ));
    }
    tag("dl class=\"facts\"", facts)
}

/// How old the last row was when it was scored.
fn fresh(freshness: &Freshness) -> Markup {
    let days = |days: u64| {
        if days == 1 {
            "1 day".to_owned()
        } else {
            format!("{} days", count(days))
        }
    };
    let age = match freshness.age_days {
        0 => "scored on its last date".to_owned(),
        age if age > 0 => format!("scored {} after its last date", days(age.unsigned_abs())),
        age => format!("scored {} before its last date", days(age.unsigned_abs())),
    };
    let gaps = match freshness.missing_days {
        0 => "no date is missing".to_owned(),
        missing => {
            let gaps: Vec<String> = freshness.gaps.iter().map(ToString::to_string).collect();
            let named = match gaps.is_empty() {
                true => String::new(),
                false => format!(" ({})", some(&gaps, GAPS)),
            };
            format!("{} without rows{named}", days(missing))
        }
    };
    let class = if freshness.age_days < 0 || freshness.missing_days > 0 {
        "fact some"
    } else {
        "fact"
    };
    tag(
        &format!("div class=\"{class}\""),
        [
            tagged("dt", "Dates"),
            tag(
                "dd",
                [tagged(
                    "strong class=\"dates\"",
                    format!("{} – {}", freshness.first, freshness.last),
                )],
            ),
            tagged("dd class=\"muted\"", format!("{age}; {gaps}")),
        ],
    )
}

fn files_of(number: usize) -> String {
    if number == 1 {
        "1 file".to_owned()
    } else {
        format!("{number} files")
    }
}

pub(super) fn section(quality: &Quality, time: Option<&str>) -> Markup {
    let lead = text(format!(
        "{} from {}. Unusual values are bold; ranges are compared with those of training.",
        rows(quality.rows),
        files_of(quality.shards as usize)
    ));
    parts::section(
        "quality",
        "Data quality",
        lead,
        [
            facts_of_rows(quality, time),
            features(quality),
            quarantined(quality),
            late(quality),
        ],
    )
}

fn features(quality: &Quality) -> Markup {
    values(&quality.features, quality.rows)
}

/// What is wrong with the values of each feature, among so many rows.
pub fn values(features: &[FeatureQuality], rows: u64) -> Markup {
    let cell = |value: u64| match value {
        0 => tagged("span class=\"muted\"", "0"),
        _ => {
            let part = share((rows > 0).then(|| value as f64 / rows as f64));
            tag(
                "span",
                [
                    tagged("strong", count(value)),
                    tagged("span class=\"muted\"", format!(" {part}")),
                ],
            )
        }
    };
    let range = |low: Option<f64>, high: Option<f64>| match (low, high) {
        (Some(low), Some(high)) => tagged(
            "span class=\"range\"",
            format!("{} … {}", number(Some(low)), number(Some(high))),
        ),
        _ => tagged("span class=\"muted\"", crate::format::NONE),
    };
    let row = |feature: &FeatureQuality| {
        vec![
            text(&feature.name),
            cell(feature.nulls),
            cell(feature.nans),
            cell(feature.infinities),
            cell(feature.below),
            cell(feature.above),
            range(feature.min, feature.max),
            range(feature.reference_min, feature.reference_max),
        ]
    };
    let columns = [
        "Feature",
        "Null",
        "Not a number",
        "Infinite",
        "Below range",
        "Above range",
        "Range now",
        "Range in training",
    ];
    // What stands out comes first.
    let odd = |feature: &&FeatureQuality| {
        feature.nulls + feature.nans + feature.infinities + feature.below + feature.above
    };
    let mut features: Vec<&FeatureQuality> = features.iter().collect();
    features.sort_by_key(|feature| std::cmp::Reverse(odd(feature)));
    folded(
        "numbers",
        "Values of the features",
        &columns,
        features.into_iter().map(row),
        SHOWN,
    )
}

fn quarantined(quality: &Quality) -> Markup {
    if quality.quarantined.is_empty() {
        return nothing();
    }
    let rows = quality
        .quarantined
        .iter()
        .map(|shard| vec![tagged("code", &shard.key), text(&shard.reason)]);
    table(
        "texts",
        "Raw files that were left out",
        &["File left out", "Why"],
        rows,
    )
}

fn late(quality: &Quality) -> Markup {
    let late = &quality.late_labels;
    match late.files.last() {
        None => nothing(),
        Some(last) => note(format!(
            "{} are labelled by {}, the last of them {last}. If two files label the same row, \
             the last file name wins.",
            rows(late.matched_rows),
            files_of(late.files.len())
        )),
    }
}
