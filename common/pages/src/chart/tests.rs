use chrono::NaiveDate;

use super::scale::{Scale, date_ticks, rounded, tick_label, ticks};
use super::*;
use learn::metrics::Interval;
use profile::drift::Verdict;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[test]
fn ticks_are_round_and_lie_within_the_ends() {
    assert_eq!(
        ticks(0.0, 1.0, 5),
        [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    );
    assert_eq!(ticks(3.2, 98.0, 4), [50.0]);
    assert_eq!(ticks(5.0, 5.0, 4), [5.0]);
    assert_eq!(ticks(f64::MIN, f64::MAX, 4).len(), 2);
    let (from, to, between) = rounded(0.71, 0.93, 6);
    assert!(
        (from - 0.70).abs() < 1e-12 && (to - 0.95).abs() < 1e-12,
        "{from} {to}"
    );
    assert_eq!(between.len(), 6);
    assert_eq!(tick_label(0.30000000000000004, 0.1), "0.3");
    assert_eq!(tick_label(-20.0, 10.0), "−20");
    assert_eq!(tick_label(-0.0, 0.5), "0");
}

#[test]
fn dates_are_labelled_by_days_months_or_years() {
    let labels = |first, last| {
        date_ticks(date(first), date(last), 10)
            .into_iter()
            .map(|(_, text)| text)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        labels("2025-01-30", "2025-02-01"),
        ["30 Jan", "31 Jan", "1 Feb"]
    );
    assert_eq!(
        labels("2024-11-15", "2025-06-20"),
        ["Dec", "Jan 2025", "Feb", "Mar", "Apr", "May", "Jun"]
    );
    assert_eq!(labels("2015-03-01", "2024-03-01").len(), 9);
    assert_eq!(labels("2015-03-01", "2024-03-01")[0], "2016");
    assert_eq!(labels("2025-01-01", "2025-01-01"), ["1 Jan"]);
    assert!(labels("0001-01-01", "9999-12-31").len() <= 11);
}

#[test]
fn a_scale_keeps_its_values_inside_the_chart() {
    let scale = Scale {
        low: 0.0,
        high: 1.0,
        start: 100.0,
        end: 0.0,
    };
    assert_eq!(
        (scale.at(0.25), scale.at(7.0), scale.at(-1.0)),
        (75.0, 0.0, 100.0)
    );
    assert_eq!(
        Scale {
            low: 2.0,
            high: 2.0,
            ..scale
        }
        .at(2.0),
        50.0
    );
}

#[test]
fn a_line_is_broken_where_there_is_no_value() {
    let dates: Vec<NaiveDate> = (1..=5)
        .map(|day| NaiveDate::from_ymd_opt(2025, 1, day).unwrap())
        .collect();
    let values = vec![Some(0.5), Some(0.6), None, Some(0.7), None];
    let band = vec![
        Some(Interval {
            low: 0.4,
            high: 0.6,
        }),
        Some(Interval {
            low: 0.5,
            high: 0.7,
        }),
        None,
        None,
        None,
    ];
    let chart = DailyLines {
        id: "c",
        size: Size::Half,
        title: "t",
        dates: &dates,
        thin_dates: &[],
        series: vec![Series {
            name: "F1",
            values,
            thin: Vec::new(),
            band,
        }],
        level: None,
    };
    let svg = daily_lines(&chart).to_string();
    let path = svg
        .split("class=\"series s0\" d=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(path.matches('M').count(), 2, "{path}");
    assert_eq!(path.matches('L').count(), 1, "{path}");
    assert_eq!(svg.matches("class=\"mark s0\"").count(), 3);
    assert_eq!(svg.matches("class=\"band n0\"").count(), 1);
}

#[test]
fn charts_of_nothing_are_drawn_too() {
    let lines = DailyLines {
        id: "c",
        size: Size::Page,
        title: "t",
        dates: &[],
        thin_dates: &[],
        series: Vec::new(),
        level: None,
    };
    assert_eq!(daily_lines(&lines).to_string(), "");
    let bars = DailyBars {
        id: "c",
        title: "t",
        dates: &[date("2025-01-01")],
        thin_dates: &[],
        rows: vec![0],
        labelled: vec![0],
    };
    assert!(daily_bars(&bars).to_string().contains("0 of 0 rows"));
    let empty = Histogram {
        id: "h",
        name: "<x>",
        size: (320.0, 150.0),
        bins: &[],
        reference: 0,
        current: 0,
        means: (None, None),
        compared_with: "training",
    };
    let svg = histogram(&empty).to_string();
    assert!(
        svg.contains("no values") && svg.contains("&lt;x&gt;") && !svg.contains("NaN"),
        "{svg}"
    );
    assert!(!calibration("k", &[], &[]).to_string().contains("NaN"));
    assert_eq!(heat_lines("h", "t", &[], &[], 0.25).to_string(), "");
    let nothing = Trace {
        id: "r",
        title: "t",
        axes: ("a", "b"),
        points: Vec::new(),
        chance: ((0.0, 0.0), (1.0, 1.0)),
        threshold: None,
        description: String::new(),
    };
    assert!(!curve(&nothing).to_string().contains("NaN"));
}

#[test]
fn an_alert_stands_out_by_more_than_its_colour() {
    let dates: Vec<NaiveDate> = (1..=3)
        .map(|day| NaiveDate::from_ymd_opt(2025, 1, day).unwrap())
        .collect();
    let values = vec![
        (Some(0.01), Verdict::Ok),
        (None, Verdict::InsufficientData),
        (Some(9.0), Verdict::Alert),
    ];
    let svg = heat_lines(
        "h",
        "PSI",
        &dates,
        &[HeatRow {
            name: "<x>",
            values,
        }],
        0.25,
    )
    .to_string();
    assert_eq!(
        (
            svg.matches("heat-dot").count(),
            svg.matches("class=\"heat alert\"").count()
        ),
        (1, 1)
    );
    assert!(
        !svg.contains("heat unknown"),
        "a day without rows has no bar"
    );
    assert!(
        svg.contains("&lt;x&gt;: at most 9.000 (2025-01-03), 1 alerts"),
        "{svg}"
    );
}
