//! `profile`: one page about raw files: a sample says where bars are cut, and every row is counted.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use catalog::manifest::Role;
use chrono::DateTime;
use clap::Args;
use learn::model::ClassValue;
use pages::chart::SpreadBar;
use profile::cells::{Cells, Compared, Counts, Side, Sketch};
use runtime::work::{Disk, Work};
use table::dataset::{ColumnContract, ColumnType};
use table::raw::probe::Probe;

use crate::column::Column;
use crate::doubts::{Doubts, Question, correlation, names_rows};
use crate::files::Files;
use crate::goal::Goal;
use crate::page;
use crate::roles::{likely_target, place};
use crate::sample;

/// Bars of a column of numbers.
const BARS: usize = 20;
/// Bars of moments, which have a name each.
const PERIODS: usize = 12;
/// Values that have a bar each; the others share one.
const VALUES: usize = 16;
/// Rows below which a mean of the target says nothing.
const ROWS_OF_MEAN: u64 = 5;
/// Memory of a file's decoder.
const MEMORY: u64 = 512 << 20;
/// Columns of numbers that are compared with each other, and rows of the sample for that.
const PAIRED: (usize, usize) = (60, 20_000);
/// The correlation from which two columns say the same.
const ALIKE: f64 = 0.9;
/// Relations that are listed.
const LISTED: usize = 20;

/// What `profile` looks at, and where it writes.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Raw files, folders of such, or globs with * in quotes
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,

    /// The column to predict, to which the others are related [default: the one that infer would
    /// take, if any; none for none]
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,

    /// The page
    #[arg(long, value_name = "FILE", default_value = "profile.html")]
    pub out: PathBuf,

    /// Replace the page where it is there
    #[arg(long)]
    pub force: bool,

    /// Rows that say where the bars of a column are cut, the same number of each file
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub rows: u64,
}

/// What all rows are.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Rows of all files.
    pub rows: u64,
    /// The column to predict, if one is known.
    pub target: Option<String>,
    /// The page.
    pub html: String,
}

/// What is said of all of them.
pub(crate) struct Content<'a> {
    pub(crate) files: &'a Files,
    pub(crate) rows: u64,
    /// What the mean of the target is of, and the mean of all rows.
    pub(crate) target: Option<(String, f64)>,
    pub(crate) goal: Option<String>,
    pub(crate) columns: Vec<Described>,
    pub(crate) questions: Vec<Question>,
    /// Correlations with the target, and of columns with each other.
    pub(crate) related: Vec<(String, f64)>,
    pub(crate) alike: Vec<(String, String, f64)>,
}

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

/// Reads all rows twice: a sample, then everything. `seen` is called with the bytes of each file.
///
/// # Errors
/// Files that no step could read: exit 10. A target that is not there: exit 2.
pub fn profile(options: &Options, files: &Files, seen: &dyn Fn(u64)) -> Result<Profile> {
    let scratch = tempfile::tempdir().context("making a scratch folder")?;
    let work = Work::new(scratch.path(), Disk::new(u64::MAX), MEMORY);
    let sampled = sample::read(files, options.rows, &work, &|_| {})?;
    let columns = &sampled.columns;
    let target = match options.target.as_deref() {
        Some("none") => None,
        Some(name) => Some(place(columns, name, "--target")?),
        None => likely_target(columns),
    };
    let goal = target.map(|at| Goal::of(&columns[at])).transpose()?;
    let y = target
        .zip(goal.as_ref())
        .and_then(|(at, goal)| Label::of(&columns[at], goal));
    let mut counted: Vec<Counted> = columns.iter().map(Counted::of).collect::<Result<_>>()?;
    let contracts: Vec<ColumnContract> = columns.iter().map(contract).collect();
    let (mut rows, mut sum, mut labelled) = (0, 0.0, 0_u64);
    for source in &files.train {
        let probe = Probe::open(&source.path, &source.key, &sampled.dialect)?;
        for read in probe.read(&contracts, &work)? {
            let (batch, misfits) = read?;
            rows += batch.num_rows() as u64;
            misfits
                .into_iter()
                .for_each(|column| counted[column].misfits += 1);
            let labels = match (&y, target) {
                (Some(y), Some(at)) => y.read(batch.column(at))?,
                _ => vec![f64::NAN; batch.num_rows()],
            };
            for label in labels.iter().filter(|label| label.is_finite()) {
                sum += label;
                labelled += 1;
            }
            for (counted, values) in counted.iter_mut().zip(batch.columns()) {
                counted.add(values, &labels)?;
            }
        }
        seen(source.bytes);
    }
    let mean = (labelled > 0).then(|| sum / labelled as f64);
    let named = y.as_ref().map(|y| y.name.clone()).zip(mean);
    let whole = sampled.of == Some(sampled.rows);
    let described = columns.iter().zip(counted).enumerate();
    let described = described
        .map(|(at, (column, counted))| counted.described(column, Some(at) == target, whole));
    let labels = match (&y, target) {
        (Some(y), Some(at)) => Some(y.read(&columns[at].values)?),
        _ => None,
    };
    let (related, alike) = relations(columns, target, labels.as_deref())?;
    let questions = questions(columns, target, goal.as_ref())?;
    let content = Content {
        files,
        rows,
        target: named,
        goal: target
            .zip(goal.as_ref())
            .map(|(at, goal)| goal.described(&columns[at].name)),
        columns: described.collect(),
        questions,
        related,
        alike,
    };
    Ok(Profile {
        rows,
        target: target.map(|at| columns[at].name.clone()),
        html: page::render(&content),
    })
}

/// The target as a number.
struct Label {
    name: String,
    positive: Option<ClassValue>,
}

impl Label {
    /// `None` of more than two classes, which have no mean.
    fn of(column: &Column, goal: &Goal) -> Option<Self> {
        match &goal.classes[..] {
            [] => Some(Self {
                name: column.name.clone(),
                positive: None,
            }),
            [_, positive] => Some(Self {
                name: format!("{} = {positive}", column.name),
                positive: Some(positive.clone()),
            }),
            _ => None,
        }
    }

    /// NaN where there is none.
    fn read(&self, values: &ArrayRef) -> Result<Vec<f64>> {
        let Some(positive) = &self.positive else {
            let floats = cast(values, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>().iter();
            return Ok(floats.map(|value| value.unwrap_or(f64::NAN)).collect());
        };
        let positive = match (values.data_type().is_floating(), positive) {
            (true, ClassValue::Int(value)) => format!("{:?}", *value as f64),
            _ => positive.to_string(),
        };
        let label = |row: usize| match values.is_null(row) {
            true => Ok(f64::NAN),
            false => Ok(f64::from(u8::from(
                array_value_to_string(values, row)? == positive,
            ))),
        };
        (0..values.len()).map(label).collect()
    }
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
struct Counted {
    nulls: u64,
    misfits: u64,
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
    fn of(column: &Column) -> Result<Self> {
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

    fn add(&mut self, values: &ArrayRef, labels: &[f64]) -> Result<()> {
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

    fn described(mut self, column: &Column, is_target: bool, whole: bool) -> Described {
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
                    mean: counts.mean(cells),
                    std: counts.std(cells),
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

fn contract(column: &Column) -> ColumnContract {
    ColumnContract {
        nullable: true,
        format: column.forms.first().cloned(),
        ..ColumnContract::new(&column.name, column.column_type, Role::Ignored)
    }
}

type Relations = (Vec<(String, f64)>, Vec<(String, String, f64)>);

/// Correlations in the sample: with the target, the strongest first, and of columns that say nearly
/// the same.
fn relations(
    columns: &[Column],
    target: Option<usize>,
    labels: Option<&[f64]>,
) -> Result<Relations> {
    let mut numbers: Vec<(usize, Vec<f64>)> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        if let Some(values) = column.numbers()?.filter(|_| column.distinct.len() > 1) {
            numbers.push((at, values));
        }
    }
    let others = || numbers.iter().filter(|(at, _)| Some(*at) != target);
    let mut related: Vec<(String, f64)> = others()
        .filter_map(|(at, x)| Some((columns[*at].name.clone(), correlation(x, labels?)?)))
        .collect();
    related.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
    related.truncate(LISTED);
    let few: Vec<(usize, &[f64])> = others()
        .take(PAIRED.0)
        .map(|(at, x)| (*at, &x[..x.len().min(PAIRED.1)]))
        .collect();
    let mut alike = Vec::new();
    for (index, (one, x)) in few.iter().enumerate() {
        for (other, z) in &few[index + 1..] {
            let r = correlation(x, z).filter(|r| r.abs() >= ALIKE);
            alike.extend(r.map(|r| (columns[*one].name.clone(), columns[*other].name.clone(), r)));
        }
    }
    alike.sort_by(|a, b| {
        b.2.abs()
            .total_cmp(&a.2.abs())
            .then_with(|| (&a.0, &a.1).cmp(&(&b.0, &b.1)))
    });
    alike.truncate(LISTED);
    Ok((related, alike))
}

/// What `infer` would ask of the columns.
fn questions(
    columns: &[Column],
    target: Option<usize>,
    goal: Option<&Goal>,
) -> Result<Vec<Question>> {
    let Some((target, goal)) = target.zip(goal) else {
        return Ok(Vec::new());
    };
    let (mut leaks, mut others) = (Vec::new(), Vec::new());
    for (at, column) in columns.iter().enumerate().filter(|(at, _)| *at != target) {
        let before: Vec<&Column> = (0..at)
            .filter(|other| *other != target)
            .map(|other| &columns[other])
            .collect();
        let doubts = Doubts::of(column, &before, &columns[target], goal)?;
        leaks.extend(doubts.leaks);
        others.extend(doubts.others);
    }
    leaks.extend(others);
    Ok(leaks)
}
