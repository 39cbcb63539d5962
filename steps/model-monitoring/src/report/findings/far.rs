//! Predictions and features that lie far beyond what the model was trained with.

use pages::content::{ComparedWith, Content, FarPredictions, FeatureQuality, Summary};
use pages::format::{count, number, some};
use pages::judge::far;

use super::NAMED;

/// Says how many predictions lie far out, and which features do.
pub(super) fn predictions(content: &Content) -> Option<String> {
    let of_task = content.performance.of_task.as_ref()?;
    let (found, score) = (of_task.far.as_ref()?, &content.drift.score);
    let sides = (&score.reference, &score.current);
    let features = &content.quality.features;
    let scored = content.performance.scored_rows;
    Some(text(found, scored, sides, score.compared_with, features))
}

fn text(
    found: &FarPredictions,
    scored: u64,
    (then, now): (&Summary, &Summary),
    compared_with: ComparedWith,
    features: &[FeatureQuality],
) -> String {
    let (lie, which) = match found.rows {
        1 => ("lies", String::new()),
        _ => (
            "lie",
            format!(
                "they go from {} to {}, and the farthest is ",
                number(now.min),
                number(now.max)
            ),
        ),
    };
    let features = named(features).map_or_else(String::new, |far| {
        format!(
            " Correct the features if they are wrong: values far beyond those in training has {far}."
        )
    });
    format!(
        "{} of {} predictions {lie} far beyond those {}, {} to {}: {which}{} for {}. Means \
         and errors of all rows say little beside it.{features}",
        count(found.rows),
        count(scored),
        compared_with.within(),
        number(then.min),
        number(then.max),
        number(Some(found.prediction)),
        found.key
    )
}

/// The features that have values far beyond training's, with these; `None` without such.
pub(super) fn named(features: &[FeatureQuality]) -> Option<String> {
    let far = features.iter().filter_map(|of| {
        let end = far::end_of(of)?;
        let to = match of.reference_max < Some(end) {
            true => "up to",
            false => "down to",
        };
        Some(format!(
            "{} ({to} {}, in training {} to {})",
            of.name,
            number(Some(end)),
            number(of.reference_min),
            number(of.reference_max)
        ))
    });
    let far: Vec<String> = far.collect();
    (!far.is_empty()).then(|| some(&far, NAMED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_predictions_are_named_with_their_range_and_the_features_at_fault() {
        let side = |min, max| Summary {
            min: Some(min),
            max: Some(max),
            ..Summary::default()
        };
        let (then, now) = (side(300.0, 18_000.0), side(-7.35e10, 17_500.0));
        let mut found = FarPredictions {
            rows: 1,
            key: "id 7765".to_owned(),
            prediction: -7.35e10,
        };
        let depth = FeatureQuality {
            name: "depth".to_owned(),
            nulls: 0,
            nans: 0,
            infinities: 0,
            below: 1,
            above: 0,
            min: Some(-1e9),
            max: Some(70.0),
            reference_min: Some(43.0),
            reference_max: Some(79.0),
        };
        let one = text(
            &found,
            2000,
            (&then, &now),
            ComparedWith::Training,
            &[depth],
        );
        assert_eq!(
            one,
            "1 of 2,000 predictions lies far beyond those in training, 300 to 18,000: −7.35e10 for \
             id 7765. Means and errors of all rows say little beside it. Correct the features if \
             they are wrong: values far beyond those in training has depth (down to −1e9, in \
             training 43 to 79)."
        );
        found.rows = 12;
        let many = text(&found, 2000, (&then, &now), ComparedWith::Holdout, &[]);
        assert!(
            many.starts_with("12 of 2,000 predictions lie far beyond those on the holdout, 300")
                && many.contains(
                    ": they go from −7.35e10 to 17,500, and the farthest is −7.35e10 for"
                )
                && many.ends_with("beside it."),
            "{many}"
        );
    }
}
