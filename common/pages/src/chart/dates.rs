//! An axis of dates.

use chrono::NaiveDate;

use super::scale::{Scale, date_ticks};
use super::{label, line};
use crate::html::Markup;

/// The left end of the lines.
pub(super) const LEFT: f64 = 46.0;
/// Half of the width of a bar at most.
pub(super) const HALF_OF_BAR: f64 = 22.0;
/// Up to so many dates each one shows its numbers when it is pointed at.
pub(super) const POINTED: usize = 500;

/// How large a chart is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As wide as the page, with the name of each line at its end.
    Page,
    /// Half of that, with one line.
    Half,
}

impl Size {
    pub(super) fn width(self) -> f64 {
        match self {
            Self::Page => 1040.0,
            Self::Half => 500.0,
        }
    }

    /// The right end of the lines.
    pub(super) fn right(self) -> f64 {
        match self {
            Self::Page => self.width() - 104.0,
            Self::Half => self.width() - 10.0,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Page => "wide",
            Self::Half => "half",
        }
    }
}

/// The places of dates: their middles, and half of the width that each one has.
pub(super) struct Dates {
    right: f64,
    ticks: usize,
    scale: Scale,
    pub(super) half: f64,
    first: NaiveDate,
    last: NaiveDate,
}

impl Dates {
    fn new(dates: &[NaiveDate], size: Size) -> Option<Self> {
        let right = size.right();
        let (first, last) = (*dates.first()?, *dates.last()?);
        let gap = |pair: &[NaiveDate]| (pair[1] - pair[0]).num_days();
        let least = dates.windows(2).map(gap).min().unwrap_or(1).max(1) as f64;
        let days = (last - first).num_days() as f64;
        let half = (right - LEFT) / (days / least + 1.0) / 2.0;
        let scale = Scale {
            low: 0.0,
            high: days,
            start: LEFT + half,
            end: right - half,
        };
        let ticks = if size == Size::Page { 10 } else { 5 };
        Some(Self {
            right,
            ticks,
            scale,
            half,
            first,
            last,
        })
    }

    /// An axis for both; half of the width is that of `dates`, and a bar on the first of them stays
    /// on this side of the axis.
    pub(super) fn of_both(dates: &[NaiveDate], thin: &[NaiveDate], size: Size) -> Option<Self> {
        let mut all = [dates, thin].concat();
        all.sort_unstable();
        let (half, axis) = (Self::new(dates, size)?.half, Self::new(&all, size)?);
        let start = axis.scale.start.max(LEFT + half.min(HALF_OF_BAR + 2.0));
        Some(Self {
            half,
            scale: Scale {
                start,
                ..axis.scale
            },
            ..axis
        })
    }

    pub(super) fn at(&self, date: NaiveDate) -> f64 {
        self.scale.at((date - self.first).num_days() as f64)
    }

    pub(super) fn axis(&self, y: f64) -> Vec<Markup> {
        let ticks = date_ticks(self.first, self.last, self.ticks).into_iter();
        let mut axis = vec![line("axis", LEFT, y, self.right, y)];
        axis.extend(ticks.flat_map(|(date, text)| {
            let x = self.at(date);
            [
                line("axis", x, y, x, y + 5.0),
                label("tick mid", x, y + 19.0, &text),
            ]
        }));
        axis
    }
}
