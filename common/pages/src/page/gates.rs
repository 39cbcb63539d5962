//! What the gates of the promotion said of a model.

use learn::metrics::Interval;

use super::parts::{details, note, table};
use crate::content::{GateSegment, GateVerdict};
use crate::format::{NONE, count, number};
use crate::html::{Markup, nothing, tag, tagged, text};

/// Each gate that judged a version, with the segments that it judged by.
pub(super) fn of(gates: &[GateVerdict]) -> Markup {
    let heading = tagged("h3 class=\"part\"", "Gates");
    if gates.is_empty() {
        return tag(
            "div",
            [
                heading,
                note("There is no verdict of a promotion for this version."),
            ],
        );
    }
    let row = |gate: &GateVerdict| {
        let (word, class) = if gate.promoted {
            ("passed", "ok")
        } else {
            ("refused", "alert")
        };
        vec![
            tagged(&format!("span class=\"chip {class}\""), word),
            text(&gate.comparison),
            text(&gate.reason),
            tagged("code", &gate.key),
        ]
    };
    let columns = ["Verdict", "Compared", "Why", "Key"];
    let parts = [
        heading,
        table(
            "texts",
            "Gates of the promotion",
            &columns,
            gates.iter().map(row),
        ),
    ];
    let of_segments = gates.iter().map(|gate| segments(&gate.key, &gate.segments));
    tag("div", parts.into_iter().chain(of_segments))
}

/// The segments of the holdout that a verdict judged by, folded under its name; nothing of a
/// verdict that looked at none.
pub fn segments(verdict: &str, segments: &[GateSegment]) -> Markup {
    if segments.is_empty() {
        return nothing();
    }
    let interval = |of: Option<Interval>| {
        text(of.map_or_else(
            || NONE.to_owned(),
            |of| {
                let [low, high] = [of.low, of.high].map(|end| number(Some(end)));
                format!("{low} to {high}")
            },
        ))
    };
    let row = |of: &GateSegment| {
        let (word, class) = match of.refuses {
            Some(true) => ("refused", "alert"),
            Some(false) => ("passed", "ok"),
            None => ("not judged", "unknown"),
        };
        let ahead = of
            .candidate
            .zip(of.champion)
            .map(|(ours, theirs)| ours - theirs);
        vec![
            text(&of.column),
            match &of.value {
                Some(value) => text(value),
                None => tagged("span class=\"muted\"", "null"),
            },
            text(count(of.rows)),
            tagged(&format!("span class=\"chip {class}\""), word),
            text(number(of.candidate)),
            interval(of.interval),
            text(number(ahead)),
            interval(of.difference),
            text(&of.reason),
        ]
    };
    let columns = [
        "Column",
        "Value",
        "Rows",
        "Verdict",
        "Candidate",
        "95 % interval",
        "Difference",
        "95 % interval of the difference",
        "Why",
    ];
    let refused = segments.iter().filter(|of| of.refuses == Some(true));
    details(
        &format!(
            "{verdict} by segments: {} of {} refused",
            refused.count(),
            segments.len()
        ),
        table(
            "texts",
            "Segments of the holdout",
            &columns,
            segments.iter().map(row),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_segment_has_its_verdict_interval_and_reason() {
        let segment = |value: &str, refuses, low| GateSegment {
            column: "region".to_owned(),
            value: (!value.is_empty()).then(|| value.to_owned()),
            rows: 1234,
            candidate: Some(0.5),
            interval: Some(Interval { low, high: 0.625 }),
            champion: Some(0.75),
            difference: None,
            refuses,
            reason: format!("because of <{value}>"),
        };
        let gate = GateVerdict {
            key: "models/m/verdict.json".to_owned(),
            promoted: false,
            reason: "all in all".to_owned(),
            comparison: "same-holdout".to_owned(),
            workflow: "w".to_owned(),
            segments: vec![
                segment("north", Some(true), 0.375),
                segment("south", Some(false), 0.4375),
                segment("", None, 0.25),
            ],
        };
        let before = GateVerdict {
            segments: Vec::new(),
            ..gate.clone()
        };
        let page = of(&[gate]).to_string();
        for shown in [
            "models/m/verdict.json by segments: 1 of 3 refused",
            ">refused<",
            ">passed<",
            ">not judged<",
            "1,234",
            "0.375 to 0.625",
            "−0.25",
            "because of &lt;north&gt;",
            ">null<",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        let page = of(&[before]).to_string();
        assert!(page.contains("all in all") && !page.contains("Segments of the holdout"));
    }
}
