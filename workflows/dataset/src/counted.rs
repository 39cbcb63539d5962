//! What is counted of one column over all rows, in memory that does not depend on how
//! many they are.

use std::collections::HashMap;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use chrono::DateTime;
use pages::chart::SpreadBar;
use profile::cells::{Cells, Compared, Counts, Side, Sketch};
use table::dataset::ColumnType;

use crate::column::Column;
use crate::findings::names_rows;

/// Bars of a column of numbers.
const BARS: usize = 20;
/// Bars of moments, which have a name each.
const PERIODS: usize = 12;
/// Values that have a bar each; the others share one.
const VALUES: usize = 16;
/// Rows below which a mean of the target says nothing.
const ROWS_OF_MEAN: u64 = 5;

/// A column over all rows.
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) is_target: bool,
    pub(crate) nulls: u64,
    /// Values that are not of the type that the sample has.
    pub(crate) misfits: u64,
    /// Distinct values of the sample, and whether that was all rows.
    pub(crate) distinct: (u64, bool),
    /// Mean, standard deviation, least and greatest value, and quantiles, of numbers.
    pub(crate) numbers: Option<Numbers>,
    pub(crate) bars: Vec<SpreadBar>,
    /// Values that are infinite.
    pub(crate) infinite: u64,
    /// Whether each bar is a value with a name.
    pub(crate) named: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) mean: Option<f64>,
    pub(crate) std: Option<f64>,
    pub(crate) ends: Option<(f64, f64)>,
    /// At 5, 50 and 95 %.
    pub(crate) quantiles: [Option<f64>; 3],
}

/// Rows of a bar, and the sum of the target over those that have one.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    rows: u64,
    labelled: u64,
    sum: f64,
}

impl Tally {
    fn add(&mut self, label: f64) {
        self.rows += 1;
        if label.is_finite() {
            self.labelled += 1;
            self.sum += label;
        }
    }

    fn mean(self) -> Option<f64> {
        (self.labelled >= ROWS_OF_MEAN).then(|| self.sum / self.labelled as f64)
    }
}

/// What is counted of a column, in bounded memory.
pub(crate) struct Counted {
    nulls: u64,
    /// Values that are not of the type that the sample has.
    pub(crate) misfits: u64,
    /// Of numbers and moments.
    cells: Option<(Cells, Counts)>,
    ends: Option<(f64, f64)>,
    bars: Bars,
    tallies: Vec<Tally>,
    others: Tally,
}

enum Bars {
    /// By the lower edge, ascending, and the upper edge of the last one.
    Ranges(Vec<f64>, f64),
    /// By the value as text, in the order of the bars.
    Values(HashMap<String, usize>, Vec<String>),
}

impl Counted {
    /// Of no rows yet; the sampled values say where bars are cut.
    pub(crate) fn of(column: &Column) -> Result<Self> {
        let (mut cells, mut bars) = (None, None);
        if let Some(numbers) = scalars(column.column_type, &column.values)? {
            let (of_sample, counts) = cut(&numbers);
            if column.distinct.len() > VALUES || column.is_moment() {
                let count = if column.is_moment() { PERIODS } else { BARS };
                bars = Some(ranges(&of_sample, &counts, count));
            }
            cells = Some((of_sample.clone(), Counts::new(&of_sample)));
        }
        let bars = match bars {
            Some(bars) => bars,
            None => values(column)?,
        };
        let count = match &bars {
            Bars::Ranges(edges, _) => edges.len(),
            Bars::Values(_, names) => names.len(),
        };
        Ok(Self {
            nulls: 0,
            misfits: 0,
            cells,
            ends: None,
            bars,
            tallies: vec![Tally::default(); count],
            others: Tally::default(),
        })
    }

    /// Counts a batch of values, with the target of each row, NaN where there is none.
    pub(crate) fn add(&mut self, values: &ArrayRef, labels: &[f64]) -> Result<()> {
        self.nulls += values.null_count() as u64;
        if let Some(numbers) = scalars_of(values)? {
            for (row, &value) in numbers.iter().enumerate() {
                let Some((cells, counts)) = &mut self.cells else {
                    break;
                };
                if value.is_nan() {
                    continue;
                }
                counts.add(cells, value, 1);
                if value.is_finite() {
                    let (least, most) = self.ends.unwrap_or((value, value));
                    self.ends = Some((least.min(value), most.max(value)));
                }
                if let Bars::Ranges(edges, end) = &self.bars {
                    let at = edges.partition_point(|edge| *edge <= value);
                    match at.checked_sub(1).filter(|_| value <= *end) {
                        Some(bar) => self.tallies[bar].add(labels[row]),
                        None => self.others.add(labels[row]),
                    }
                }
            }
        }
        if let Bars::Values(places, _) = &self.bars {
            for (row, label) in labels
                .iter()
                .enumerate()
                .filter(|(row, _)| values.is_valid(*row))
            {
                match places.get(&array_value_to_string(values, row)?) {
                    Some(&bar) => self.tallies[bar].add(*label),
                    None => self.others.add(*label),
                }
            }
        }
        Ok(())
    }

    /// What there is to say of the column.
    pub(crate) fn described(mut self, column: &Column, is_target: bool, whole: bool) -> Described {
        let date = |value: f64| match column.column_type {
            ColumnType::Date => DateTime::from_timestamp(value as i64 * 86_400, 0),
            _ => DateTime::from_timestamp_micros(value as i64),
        };
        let shown = |value: f64| match column.is_moment() {
            true => date(value)
                .map(|at| at.format("%Y-%m-%d").to_string())
                .unwrap_or_default(),
            false => pages::format::number(Some(value)),
        };
        let bar = |name: String, (lower, upper): (f64, f64), tally: Tally| SpreadBar {
            name,
            lower,
            upper,
            rows: tally.rows,
            mean: tally.mean(),
        };
        let mut bars: Vec<SpreadBar> = match &self.bars {
            Bars::Ranges(edges, end) => {
                let upper = edges.iter().skip(1).copied().chain([*end]);
                let edges = edges.iter().copied().zip(upper).zip(&self.tallies);
                let ranges = edges.map(|((lower, upper), tally)| {
                    let name = match column.is_moment() {
                        true => shown(lower),
                        false => format!("{} to {}", shown(lower), shown(upper)),
                    };
                    bar(name, (lower, upper), *tally)
                });
                ranges.collect()
            }
            Bars::Values(_, names) => {
                let named = names.iter().zip(&self.tallies);
                named
                    .map(|(name, tally)| bar(name.clone(), (0.0, 0.0), *tally))
                    .collect()
            }
        };
        let named = matches!(self.bars, Bars::Values(..)) || column.is_moment();
        if column.column_type == ColumnType::Utf8 && names_rows(column) {
            bars.clear();
            self.others = Tally::default();
        }
        if named && self.others.rows > 0 {
            bars.push(bar("all others".to_owned(), (0.0, 0.0), self.others));
        }
        let numbers = self
            .cells
            .as_ref()
            .filter(|_| column.is_number())
            .map(|(cells, counts)| {
                let side = Side::of(cells, counts).within(self.ends);
                let both = Compared::new(cells, side.clone(), side.clone());
                let quantile = |q: f64| both.quantile(&side, q).map(|quantile| quantile.value);
                Numbers {
                    mean: side.mean,
                    std: side.std,
                    ends: self.ends,
                    quantiles: [0.05, 0.5, 0.95].map(quantile),
                }
            });
        Described {
            name: column.name.clone(),
            column_type: column.column_type,
            is_target,
            nulls: self.nulls - self.misfits,
            misfits: self.misfits,
            infinite: self
                .cells
                .as_ref()
                .map_or(0, |(_, counts)| counts.infinities()) as u64,
            distinct: (column.distinct.len() as u64, whole),
            numbers,
            bars,
            named,
        }
    }
}

/// Cells at the quantiles of the sample, and the sample counted in them.
fn cut(numbers: &[f64]) -> (Cells, Counts) {
    let mut sketch = Sketch::default();
    sketch.see(numbers);
    let finite = || numbers.iter().copied().filter(|value| value.is_finite());
    finite().for_each(|value| sketch.keep(value));
    let rows = finite().count().max(1) as f64;
    let mean = finite().sum::<f64>() / rows;
    let variance = finite()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>()
        / rows;
    let cells = sketch.fine((mean, variance.sqrt()), &[]).cells;
    let mut counts = Counts::new(&cells);
    finite().for_each(|value| {
        counts.add(&cells, value, 1);
    });
    (cells, counts)
}

/// Bars of equal width over nearly all of the sample.
fn ranges(cells: &Cells, counts: &Counts, bars: usize) -> Bars {
    let side = Side::of(cells, counts);
    let empty = Side::of(cells, &Counts::new(cells));
    let bars = Compared::new(cells, side, empty).bars(bars);
    let end = bars.last().map_or(0.0, |bar| bar.upper);
    Bars::Ranges(bars.iter().map(|bar| bar.lower).collect(), end)
}

/// The most frequent values of the sample; numbers ascending.
fn values(column: &Column) -> Result<Bars> {
    let mut most: Vec<usize> = column
        .distinct
        .iter()
        .take(VALUES)
        .map(|&(_, _, row)| row)
        .collect();
    if let Some(numbers) = column.numbers()? {
        most.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    }
    let names: Vec<String> = most
        .into_iter()
        .map(|row| Ok(array_value_to_string(&column.values, row)?))
        .collect::<Result<_>>()?;
    let places = names.iter().cloned().zip(0..).collect();
    Ok(Bars::Values(places, names))
}

fn scalars(column_type: ColumnType, values: &ArrayRef) -> Result<Option<Vec<f64>>> {
    match column_type {
        ColumnType::Utf8 | ColumnType::Bool => Ok(None),
        _ => scalars_of(values),
    }
}

/// Numbers, days or microseconds, NaN for null; `None` of texts and booleans.
fn scalars_of(values: &ArrayRef) -> Result<Option<Vec<f64>>> {
    let floats = match values.data_type() {
        DataType::Utf8 | DataType::Boolean => return Ok(None),
        DataType::Date32 => {
            let days = cast(&cast(values, &DataType::Int32)?, &DataType::Int64)?;
            let days = days.as_primitive::<Int64Type>().iter();
            return Ok(Some(
                days.map(|day| day.map_or(f64::NAN, |day| day as f64))
                    .collect(),
            ));
        }
        moment if moment.is_temporal() => {
            cast(&cast(values, &DataType::Int64)?, &DataType::Float64)?
        }
        _ => cast(values, &DataType::Float64)?,
    };
    let floats = floats.as_primitive::<Float64Type>().iter();
    Ok(Some(
        floats.map(|value| value.unwrap_or(f64::NAN)).collect(),
    ))
}
