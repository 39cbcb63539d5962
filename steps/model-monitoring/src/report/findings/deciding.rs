//! Few rows that decide the metrics of a number.

use pages::content::{DecidingRow, FeatureQuality, OfTask};
use pages::format::{count, number, rows};

use super::far;

/// Says which few rows make most of the squared error.
pub(super) fn decided(of: &OfTask, features: &[FeatureQuality]) -> Option<String> {
    let (few, now) = (of.deciding.as_ref()?, of.now.as_ref()?);
    let row = |row: &DecidingRow| {
        let (label, predicted) = (number(Some(row.label)), number(Some(row.prediction)));
        let weight = row.weight.map(|weight| number(Some(weight)));
        let weight = weight.map_or_else(String::new, |weight| format!(", weight {weight}"));
        format!("{} (label {label}, predicted {predicted}{weight})", row.key)
    };
    let named: Vec<String> = few.rows.iter().map(row).collect();
    let makes = if few.rows.len() == 1 { "makes" } else { "make" };
    let weighted = few.rows.iter().any(|row| row.weight.is_some());
    let features = far::named(features);
    let wrong = match (weighted, &features) {
        (false, None) => "the label if it is wrong".to_owned(),
        (true, None) => "the label or the weight, whichever is wrong".to_owned(),
        (_, Some(far)) => {
            let weight = if weighted { ", the weight" } else { "" };
            format!(
                "the label{weight} or the features, whichever is wrong; values far beyond those in \
                 training has {far}"
            )
        }
    };
    Some(format!(
        "{} of {} {makes} {:.1} % of the squared error: {}. RMSE and R² say nothing about the \
         others, and MAE little; correct {wrong}.",
        count(few.rows.len() as u64),
        rows(now.rows()),
        100.0 * few.share,
        named.join("; "),
    ))
}

#[cfg(test)]
mod tests {
    use learn::metrics::regression::Regression;
    use learn::task::Report;
    use pages::content::{Deciding, Severity};

    use super::super::Findings;
    use super::*;

    #[test]
    fn rows_that_decide_the_metrics_are_named_with_their_share() {
        let row = |key: &str, label| DecidingRow {
            key: key.to_owned(),
            label,
            prediction: 2.5,
            weight: None,
        };
        let mut now = Regression::default();
        now.add_rows(&[1.0; 3000], &[2.0; 3000], None).unwrap();
        let mut of = OfTask {
            task: "regression".to_owned(),
            classes: Vec::new(),
            metrics: Vec::new(),
            now: Some(Report::other(&now.report(), [])),
            holdout: None,
            far: None,
            deciding: Some(Deciding {
                share: 0.999_99,
                rows: vec![row("id 17, at 2026-11-20", 30_000.0)],
            }),
        };
        let found = |of: &OfTask| {
            let mut findings = Findings(Vec::new());
            findings.of_task(of, &[]);
            findings.0
        };
        let one = found(&of);
        let expected = "1 of 3,000 rows makes 100.0 % of the squared error: id 17, at 2026-11-20 \
                        (label 30,000, predicted 2.5). RMSE and R² say nothing about the others, \
                        and MAE little; correct the label if it is wrong.";
        assert_eq!(one[0].text, expected);
        assert_eq!((one.len(), one[0].severity), (1, Severity::Warn));
        if let Some(few) = &mut of.deciding {
            few.rows[0].weight = Some(1e9);
        }
        let text = &found(&of)[0].text;
        let expected = "(label 30,000, predicted 2.5, weight 1e9). RMSE";
        assert!(text.contains(expected), "{text}");
        let advice = "; correct the label or the weight, whichever is wrong.";
        assert!(text.ends_with(advice), "{text}");
        if let Some(few) = &mut of.deciding {
            few.rows[0].weight = None;
            few.share = 0.75;
            few.rows.push(row("id 18, at 2026-11-21", -4.0));
        }
        let text = &found(&of)[0].text;
        assert!(text.starts_with("2 of 3,000 rows make 75.0 % of"), "{text}");
        assert!(text.contains("2.5); id 18, at 2026-11-21 (label"), "{text}");
        let feature = |name: &str, max| FeatureQuality {
            name: name.to_owned(),
            nulls: 0,
            nans: 0,
            infinities: 0,
            below: 0,
            above: 1,
            min: Some(43.0),
            max: Some(max),
            reference_min: Some(43.0),
            reference_max: Some(79.0),
        };
        // A label may be right where a feature is not.
        let text = decided(&of, &[feature("table", 95.0), feature("depth", 1e9)]);
        let advice = "; correct the label or the features, whichever is wrong; values far beyond \
                      those in training has depth (up to 1e9, in training 43 to 79).";
        assert!(
            text.as_ref().is_some_and(|text| text.ends_with(advice)),
            "{text:?}"
        );
        of.deciding = None;
        assert_eq!(found(&of), []);
    }

    #[test]
    fn rows_of_reports_without_weights_are_read() {
        let text = r#"{"key": "id 17", "label": 1.0, "prediction": 2.0}"#;
        let row: DecidingRow = serde_json::from_str(text).unwrap();
        assert_eq!(row.weight, None);
        assert!(!serde_json::to_string(&row).unwrap().contains("weight"));
    }
}
