//! From values to places: linear scales, round ticks, and ticks of dates.

use chrono::{Datelike, NaiveDate};

/// Maps values from `low..high` to places from `start..end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Scale {
    /// The place of a value; the middle when there is one value only.
    pub(super) fn at(&self, value: f64) -> f64 {
        let width = self.high - self.low;
        let share = if width > 0.0 {
            ((value - self.low) / width).clamp(0.0, 1.0)
        } else {
            0.5
        };
        self.start + share * (self.end - self.start)
    }
}

/// The least of 1, 2 or 5 times a power of ten that divides `width` into at most `most` steps.
pub(super) fn step(width: f64, most: usize) -> f64 {
    let rough = width / most.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::log10(rough).floor());
    // Tolerant, as 0.1 * 5 is not exactly 0.5.
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// Round values within `low..=high`, at most about `most`.
pub(super) fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    every(step(high - low, most), low, high)
}

fn every(step: f64, low: f64, high: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    if !(first.is_finite() && last - first < 1e3) {
        return vec![low, high];
    }
    (0..=(last - first).max(0.0) as usize)
        .map(|i| (first + i as f64) * step)
        .collect()
}

/// Round ends around `low..high` with the ticks between them.
pub(super) fn rounded(low: f64, high: f64, most: usize) -> (f64, f64, Vec<f64>) {
    let step = step((high - low).max(1e-9), most);
    let (from, to) = (
        (low / step + 1e-9).floor() * step,
        (high / step - 1e-9).ceil() * step,
    );
    (from, to, every(step, from, to))
}

/// A tick of a step without digits that say nothing.
pub(super) fn tick_label(value: f64, step: f64) -> String {
    let size = value.abs();
    if size >= 1e6 || (size > 0.0 && step < 1e-4) {
        return crate::format::number(Some(value));
    }
    let places = (-libm::log10(step).floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.places$}");
    let text = text
        .strip_prefix('-')
        .map_or(text.clone(), |rest| format!("−{rest}"));
    if text.trim_matches(['−', '0', '.']).is_empty() {
        "0".to_owned()
    } else {
        text
    }
}

/// Dates at which an axis from `first` to `last` is labelled: at most about `most`, at the
/// beginnings of months, quarters or years where the span is long.
pub(super) fn date_ticks(
    first: NaiveDate,
    last: NaiveDate,
    most: usize,
) -> Vec<(NaiveDate, String)> {
    let days = (last - first).num_days().max(0);
    let most = most.max(2) as i64;
    if let Some(step) = [1, 2, 7, 14].into_iter().find(|step| days / step < most) {
        let label = |date: NaiveDate| date.format("%-d %b").to_string();
        return first
            .iter_days()
            .step_by(step as usize)
            .take_while(|date| *date <= last)
            .map(|date| (date, label(date)))
            .collect();
    }
    let month = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
    let (from, to) = (month(first), month(last));
    let step = [1, 3, 6, 12, 24, 60, 120, 1200, 12_000]
        .into_iter()
        .find(|step| (to - from) / step < most)
        .unwrap_or(120_000);
    (from.div_euclid(step)..=to.div_euclid(step))
        .filter_map(|index| {
            let month = index * step;
            NaiveDate::from_ymd_opt(
                month.div_euclid(12) as i32,
                month.rem_euclid(12) as u32 + 1,
                1,
            )
        })
        .filter(|date| *date >= first && *date <= last)
        .map(|date| {
            let format = if step >= 12 {
                "%Y"
            } else if date.month() == 1 {
                "%b %Y"
            } else {
                "%b"
            };
            (date, date.format(format).to_string())
        })
        .collect()
}
