//! Days that break on their own.

use chrono::NaiveDate;
use pages::content::{Area, Content, Freshness, OddPeriod, Period, Periods, Severity};
use pages::format::{count, metric, number, rows, share, some};
use pages::judge::odd;
use pages::page::periods;

use super::NAMED;

/// Days that a sentence names; the others are counted.
const DAYS: usize = 3;

/// What is said of them.
pub(super) fn findings(content: &Content) -> Vec<(Severity, Area, String)> {
    let alert = content.thresholds.alert;
    let broken = content.drift.periods.as_ref();
    let broken = broken.map_or_else(Vec::new, |periods| broken_columns(periods, alert));
    let broken = broken.into_iter();
    let broken = broken.map(|text| (Severity::Warn, Area::Drift, text));
    let days = content.performance.days.iter();
    let days: Vec<(NaiveDate, u64)> = days.map(|day| (day.date, day.rows)).collect();
    let freshness = content.quality.freshness.as_ref();
    let notes = freshness.and_then(without_rows).into_iter();
    let notes = notes.chain(uneven(&days));
    let notes = notes.map(|text| (Severity::Note, Area::Quality, text));
    broken.chain(notes).collect()
}

/// Columns that are unlike training on few days.
fn broken_columns(of: &Periods, alert: f64) -> Vec<String> {
    let mut columns: Vec<&str> = of.odd.iter().map(|odd| odd.column.as_str()).collect();
    columns.dedup();
    let unit = match (of.unit, of.dates.len()) {
        (unit, 1) => periods::name(unit).to_owned(),
        (unit, _) => format!("{}s", periods::name(unit)),
    };
    let text = |column: &&str| {
        let days: Vec<&OddPeriod> = of.odd.iter().filter(|odd| odd.column == *column).collect();
        let named: Vec<String> = days.iter().map(|odd| named(odd, of.unit)).collect();
        format!(
            "{column} is unlike training on its own on {} of {} {unit}: {}. Limits are a PSI of {} \
             and twice what chance explains, or a share of missing values that is 10 percentage \
             points above that of all rows.",
            count(days.len() as u64),
            count(of.dates.len() as u64),
            some(&named, DAYS),
            number(Some(alert))
        )
    };
    let mut texts: Vec<String> = columns.iter().take(NAMED).map(text).collect();
    match columns.len().saturating_sub(NAMED) {
        0 => {}
        more => texts.push(format!(
            "{more} more columns are unlike training on few {unit}."
        )),
    }
    texts
}

fn named(odd: &OddPeriod, unit: Period) -> String {
    let from = match unit {
        Period::Day => "",
        _ => "from ",
    };
    let missing = odd.missing.map_or_else(String::new, |missing| {
        format!(", {} missing", share(Some(missing)))
    });
    format!(
        "{from}{} (PSI {}, chance explains {}{missing})",
        odd.date,
        metric(Some(odd.psi)),
        metric(Some(odd.noise_floor))
    )
}

fn without_rows(of: &Freshness) -> Option<String> {
    let gaps: Vec<String> = of.gaps.iter().map(ToString::to_string).collect();
    let dates = match gaps.len() {
        0 => return None,
        1 => "1 date has".to_owned(),
        more => format!("{} dates have", count(more as u64)),
    };
    Some(format!(
        "{dates} no rows, between {} and {}: {}.",
        of.first,
        of.last,
        some(&gaps, NAMED)
    ))
}

fn uneven(days: &[(NaiveDate, u64)]) -> Option<String> {
    let odd = odd::uneven(days);
    let named = |(date, number): &(NaiveDate, u64)| format!("{} on {date}", rows(*number));
    let named: Vec<String> = odd.iter().map(named).collect();
    (!named.is_empty()).then(|| {
        format!(
            "Unusual numbers of rows: {}, where the median day has {}. Four times the median, or a \
             quarter of it, is unusual.",
            some(&named, DAYS),
            count(odd::median(days.iter().map(|(_, rows)| *rows)))
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
    }

    #[test]
    fn broken_days_are_named_by_column_and_the_rest_is_counted() {
        let odd = |column: String, day: u32, missing| OddPeriod {
            column,
            date: date(day),
            psi: 5.34,
            noise_floor: 1.17,
            missing,
        };
        let of = |odd: Vec<OddPeriod>| Periods {
            unit: Period::Day,
            dates: (1..=30).map(date).collect(),
            rows: vec![100; 30],
            noise_floor: vec![1.17; 30],
            odd,
        };
        let limits = "Limits are a PSI of 0.25 and twice what chance explains, or a share of missing \
                      values that is 10 percentage points above that of all rows.";
        let one = of(vec![
            odd("nulls".to_owned(), 15, Some(1.0)),
            odd("cat".to_owned(), 3, None),
            odd("cat".to_owned(), 15, None),
        ]);
        assert_eq!(
            broken_columns(&one, 0.25),
            [
                format!(
                    "nulls is unlike training on its own on 1 of 30 days: 2026-11-15 (PSI 5.340, \
                     chance explains 1.170, 100 % missing). {limits}"
                ),
                format!(
                    "cat is unlike training on its own on 2 of 30 days: 2026-11-03 (PSI 5.340, \
                     chance explains 1.170), 2026-11-15 (PSI 5.340, chance explains 1.170). {limits}"
                ),
            ]
        );
        let many = of((0..9).map(|i| odd(format!("x{i}"), 15, None)).collect());
        let texts = broken_columns(&many, 0.25);
        assert_eq!(texts.len(), NAMED + 1);
        assert_eq!(
            texts[NAMED],
            "4 more columns are unlike training on few days."
        );
        assert_eq!(broken_columns(&of(Vec::new()), 0.25), Vec::<String>::new());
    }

    #[test]
    fn dates_without_rows_and_uneven_days_are_dated() {
        let of = |gaps: Vec<NaiveDate>| Freshness {
            first: date(1),
            last: date(30),
            age_days: 0,
            missing_days: gaps.len() as u64,
            gaps,
        };
        let text = without_rows(&of(vec![date(15)]));
        let expected = "1 date has no rows, between 2026-11-01 and 2026-11-30: 2026-11-15.";
        assert_eq!(text.as_deref(), Some(expected));
        let text = without_rows(&of((10..17).map(date).collect())).unwrap();
        assert!(text.starts_with("7 dates have no rows") && text.ends_with("and 2 more."));
        assert_eq!(without_rows(&of(Vec::new())), None);
        let days = |odd| (1..=30).map(move |day| (date(day), if day == 15 { odd } else { 100 }));
        let expected = "Unusual numbers of rows: 10 rows on 2026-11-15, where the median day has \
                        100. Four times the median, or a quarter of it, is unusual.";
        let found = uneven(&days(10).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), Some(expected));
        assert_eq!(uneven(&days(90).collect::<Vec<_>>()), None);
    }
}
