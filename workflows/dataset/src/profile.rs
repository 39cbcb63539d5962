//! `profile`: one page about raw files: a sample says where bars are cut, and every row is counted.

use std::path::PathBuf;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::array_value_to_string;
use catalog::manifest::Role;
use clap::Args;
use learn::model::ClassValue;
use table::dataset::ColumnContract;
use table::raw::probe::Probe;

use crate::column::Column;
use crate::counted::Counted;
use crate::explained::correlation;
use crate::files::Files;
use crate::findings::Findings;
use crate::goal::Goal;
use crate::leaks::Target;
use crate::page::{self, Content};
use crate::question::Question;
use crate::roles::{likely_target, place};
use crate::sample::{self, Sampled};
use crate::spellings;
use crate::target_questions;

/// Columns of numbers that are compared with each other, and rows of the sample for that.
const PAIRED: (usize, usize) = (60, 20_000);
/// The correlation from which two columns say the same.
const ALIKE: f64 = 0.9;
/// Relations that are listed.
const LISTED: usize = 20;

/// What `profile` looks at, and where it writes.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Raw files, folders with raw files, or globs with * in quotes
    #[arg(required = true, value_name = "FILES")]
    pub files: Vec<PathBuf>,

    /// The column to predict, for the relations of the others to it [default: the one that infer
    /// would choose, if any; none for no target]
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,

    /// File of the page
    #[arg(long, value_name = "FILE", default_value = "profile.html")]
    pub out: PathBuf,

    /// Replace an existing page
    #[arg(long)]
    pub force: bool,

    /// Number of rows to sample for the bounds of the bars, the same from each file
    #[arg(
        long,
        value_name = "N",
        default_value_t = 200_000,
        value_parser = clap::value_parser!(u64).range(100..)
    )]
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

/// Reads all rows twice: a sample, then everything. `seen` is called with the bytes of each file.
///
/// # Errors
/// Files that no step could read: exit 10. A target that is not there: exit 2.
pub fn profile(options: &Options, files: &Files, seen: &dyn Fn(u64)) -> Result<Profile> {
    let scratch = tempfile::tempdir().context("making a scratch folder")?;
    let work = sample::work_in(scratch.path());
    let sampled = sample::read(files, options.rows, &work, &|_| {})?;
    let columns = &sampled.columns;
    let target = match options.target.as_deref() {
        Some("none") => None,
        Some(name) => Some(place(&sampled, name, "--target")?),
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
    let questions = questions(&sampled, target, goal.as_ref())?;
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
    sampled: &Sampled,
    target: Option<usize>,
    goal: Option<&Goal>,
) -> Result<Vec<Question>> {
    let mut others = sampled.questions.clone();
    let Some((target, goal)) = target.zip(goal) else {
        return Ok(others);
    };
    let columns = &sampled.columns;
    let related = Target::of(&columns[target], goal)?;
    let mut leaks = Vec::new();
    for (at, column) in columns.iter().enumerate().filter(|(at, _)| *at != target) {
        let before: Vec<&Column> = (0..at)
            .filter(|other| *other != target)
            .map(|other| &columns[other])
            .collect();
        let findings = Findings::of(column, &before, &related, &sampled.places)?;
        leaks.extend(findings.leaks);
        others.extend(findings.others);
        others.extend(spellings::missing(column, &sampled.dialect));
    }
    let of_target = target_questions::questions(&columns[target], goal, &sampled.places)?;
    leaks.extend(of_target.into_iter().chain(others));
    Ok(leaks)
}
