//! What is wrong with the rows themselves.

use pages::content::{Area, BeforeTraining, Content, FeatureQuality, Quality, Severity};
use pages::format::{count, rows, share, some};
use pages::judge::ratio;

use super::{Findings, NAMED};

impl Findings {
    pub(super) fn of_quality(&mut self, quality: &Quality) {
        let mut warn = |text: String| self.add(Severity::Warn, Area::Quality, text);
        let left_out = quality.left_out.total();
        if quality.rows == 0 && left_out > 0 {
            warn(format!(
                "Nothing was scored: {} left out all {}.",
                cause(quality),
                rows(left_out)
            ));
        } else if quality.rows == 0 {
            warn("There are no rows: nothing was scored.".to_owned());
        }
        if !quality.quarantined.is_empty() {
            let of = quality.shards + quality.quarantined.len() as u64;
            warn(format!(
                "{} of {of} raw files were left out, because they break the data contract.",
                quality.quarantined.len()
            ));
        }
        if quality.unscored_rows > 0 {
            let part = share(ratio(quality.unscored_rows, quality.rows));
            let (unscored, features) = (quality.unscored_rows, &quality.features);
            warn(format!(
                "{} ({part}) {} no prediction, because a feature is null or not finite{}.",
                rows(unscored),
                agreeing(unscored, "has", "have"),
                at_fault(unscored, features)
            ));
        }
        if quality.duplicate_rows > 0 {
            let key = quality.key.join(", ");
            warn(format!(
                "{} {} the row key ({key}) of another row.",
                rows(quality.duplicate_rows),
                agreeing(quality.duplicate_rows, "repeats", "repeat")
            ));
        }
        if left_out > 0 && quality.rows > 0 {
            let of = quality.rows + left_out;
            let text = format!(
                "{} of {} ({}) were left out by {}, and have no score.",
                count(left_out),
                rows(of),
                share(ratio(left_out, of)),
                cause(quality)
            );
            self.add(Severity::Note, Area::Quality, text);
        }
        if let Some(undated) = quality.undated_rows.filter(|&undated| undated > 0) {
            self.add(
                Severity::Note,
                Area::Quality,
                match undated {
                    1 => "1 row has no date and belongs to no day.".to_owned(),
                    undated => format!("{} have no date and belong to no day.", rows(undated)),
                },
            );
        }
        let (late, unmatched) = (&quality.late_labels, quality.late_labels.unmatched_keys);
        if unmatched > 0 {
            let of = match &quality.freshness {
                Some(dates) if dates.first == dates.last => format!(" dated {}", dates.first),
                Some(dates) => format!(" dated {} to {}", dates.first, dates.last),
                None => String::new(),
            };
            let here = late.labels.saturating_sub(unmatched + late.other_days);
            let text = format!(
                "{} late {}{of} {} to rows that are not in these results, and {} {} to rows that are.",
                count(unmatched),
                agreeing(unmatched, "label", "labels"),
                agreeing(unmatched, "belongs", "belong"),
                count(here),
                agreeing(here, "belongs", "belong")
            );
            self.add(Severity::Note, Area::Quality, text);
        }
    }

    /// Dates that can't be right, or that the rows can't have been known on.
    pub(super) fn of_dates(&mut self, content: &Content) {
        let outside = &content.quality.outside;
        let scored_at = content.provenance.scored_at;
        let zone = content.timezone.parse().unwrap_or(chrono_tz::Tz::UTC);
        let up_to = |date: Option<chrono::NaiveDate>| match date {
            Some(date) => date.to_string(),
            None => "beyond the calendar".to_owned(),
        };
        if outside.later_rows > 0 {
            let shown = match outside.later_rows == content.quality.rows {
                true => "",
                false => " Such rows are in no day below.",
            };
            let text = format!(
                "{} dated after the day of scoring, {}, up to {}.{shown}",
                are(outside.later_rows),
                scored_at.with_timezone(&zone).date_naive(),
                up_to(outside.latest)
            );
            self.add(Severity::Warn, Area::Quality, text);
        }
        if outside.ancient_rows > 0 {
            let text = format!(
                "{} dated long before all others, from {} on. Such rows are in no day below.",
                are(outside.ancient_rows),
                up_to(outside.earliest)
            );
            self.add(Severity::Warn, Area::Quality, text);
        }
        if let Some(BeforeTraining { rows, from, begin }) = &content.quality.before_training {
            let text = format!(
                "{} dated before the rows that the model was trained and measured on, which begin \
                 on {begin}: from {from} on.",
                are(*rows)
            );
            self.add(Severity::Note, Area::Quality, text);
        }
    }
}

/// The word for one, or that for several.
fn agreeing(number: u64, one: &'static str, several: &'static str) -> &'static str {
    if number == 1 { one } else { several }
}

/// `1 row is`, `2 rows are`.
fn are(number: u64) -> String {
    format!("{} {}", rows(number), agreeing(number, "is", "are"))
}

/// The features that may leave so many rows without a prediction: what is missing in more rows is
/// filled in by the model.
fn at_fault(unscored: u64, features: &[FeatureQuality]) -> String {
    let lacking = |of: &FeatureQuality| {
        let missing = of.nulls + of.nans + of.infinities;
        let counts = [missing, of.infinities].into_iter();
        let mut counts = counts.filter(|count| (1..=unscored).contains(count));
        Some(format!("{} ({})", of.name, rows(counts.next()?)))
    };
    let found: Vec<String> = features.iter().filter_map(lacking).collect();
    match found.is_empty() {
        true => String::new(),
        false => format!(": {}", some(&found, NAMED)),
    }
}

/// What leaves rows without a score.
fn cause(quality: &Quality) -> String {
    match quality.left_out.quarantined {
        0 => "the filter of dataset.json".to_owned(),
        _ => format!("dataset.json ({})", quality.left_out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_leave_rows_without_a_prediction_are_named() {
        let feature = |name: &str, nulls, infinities| FeatureQuality {
            name: name.to_owned(),
            nulls,
            nans: 0,
            infinities,
            below: 0,
            above: 0,
            min: None,
            max: None,
            reference_min: None,
            reference_max: None,
        };
        // The nulls of age are filled in.
        let features = [
            feature("depth", 0, 1),
            feature("age", 90, 0),
            feature("table", 90, 2),
            feature("x", 0, 0),
        ];
        assert_eq!(at_fault(3, &features), ": depth (1 row), table (2 rows)");
        assert_eq!(at_fault(1, &features), ": depth (1 row)");
        assert_eq!(at_fault(3, &features[3..]), "");
        assert_eq!(are(1), "1 row is");
    }
}
