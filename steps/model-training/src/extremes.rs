//! Values so far from all others of their feature, or of the target, that they ruin a fit, such as
//! the smallest integer in place of a missing one.

mod apart;

use anyhow::{Context, Result};
use catalog::manifest::Part;
use catalog::manifest::Role;
use learn::estimator::Seen;
use learn::rows::Rows;
use learn::squares::Squares;
use learn::task::{LabelKind, Task};
use runtime::threads::blocking;
use store::Store;
use table::labelled;
use table::parts;

use crate::job::Job;
use crate::training_rows::{Sums, TrainingRows};
pub(crate) use apart::{Apart, Ends};

/// In standard deviations of the other values. Samples of even the longest tails stay far below:
/// their largest value has others near it.
const RUINOUS: f64 = 1e6;

/// What helps against a wrong target, which features.sql does not make and `filter` may not read.
pub(crate) const WITHOUT_ROW: &str = "correct it in the raw file, or leave such rows out of \
    training and holdout by the `train_filter` of dataset.json";

/// A standard deviation that is so small a part of the mean comes from rounding.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Looks for the values of each feature that lie farthest out, and at how the others spread; and at
/// the ends of the target.
#[derive(Clone)]
pub(crate) struct Extremes {
    rows: u64,
    columns: Vec<Column>,
    target: Ends,
    others: Vec<f64>,
}

#[derive(Clone)]
struct Column {
    middle: f64,
    /// A quarter of the largest distance from the middle: values beyond are extreme.
    far: f64,
    extreme: Option<Extreme>,
    others: Spread,
}

/// The values that lie far out.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Extreme {
    /// The first of those that lie farthest out, and the number of its row.
    value: f64,
    row: u64,
    count: u64,
}

/// Mean and sum of squares around it (Chan, Golub and LeVeque 1979), and whether values differ.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    rows: f64,
    mean: f64,
    squares: Squares,
    /// The first value.
    first: f64,
    /// Whether another one is not the same.
    varies: bool,
}

/// A value that ruins a fit.
#[derive(Debug)]
pub(crate) struct Ruinous {
    /// The number of its feature; none of the target.
    feature: Option<usize>,
    extreme: Extreme,
    far: Far,
}

/// How far a value is from the others.
#[derive(Clone, Copy, Debug)]
enum Far {
    /// From their mean, in their standard deviations.
    Deviations(f64),
    /// From the nearest of them, in their ranges.
    Ranges(f64),
}

impl Ruinous {
    /// A value that lies apart from all others of its feature, or of the target.
    pub(crate) fn apart(feature: Option<usize>, Apart { extreme, ranges }: Apart) -> Self {
        Self {
            feature,
            extreme,
            far: Far::Ranges(ranges),
        }
    }

    /// The number of its feature; none of the target.
    pub(crate) fn feature(&self) -> Option<usize> {
        self.feature
    }
}

/// Values that ruin a fit.
#[derive(Debug)]
pub(crate) struct Absurd {
    /// Of inputs of the estimator.
    pub(crate) inputs: Vec<Ruinous>,
    /// Of numeric features as they are read, other than those inputs.
    pub(crate) features: Vec<Ruinous>,
    /// Of the target, where it is a number.
    pub(crate) target: Option<Ruinous>,
}

impl Extremes {
    /// Of no rows yet, beside what the first pass saw of all rows.
    pub(crate) fn new(seen: &Seen) -> Self {
        let column = |input: &learn::estimator::InputSeen| {
            let middle = Some(input.mean).filter(|mean| mean.is_finite());
            let middle = middle.unwrap_or(0.0);
            let quarters = [input.min, input.max].map(|end| (0.25 * end - 0.25 * middle).abs());
            Column {
                middle,
                far: quarters[0].max(quarters[1]),
                extreme: None,
                others: Spread::default(),
            }
        };
        Self {
            rows: 0,
            columns: seen.inputs.iter().map(column).collect(),
            target: Ends::default(),
            others: Vec::new(),
        }
    }

    /// The values that ruin a fit, and those of features whose spread overflows.
    pub(crate) fn ruinous(&self) -> Vec<Ruinous> {
        let of = |(feature, column): (usize, &Column)| {
            let extreme = column.extreme?;
            let others = &column.others;
            let std = others.squares.deviation(others.rows);
            let distance = (extreme.value - others.mean).abs() / std;
            // Where the others are all alike, nothing says what a usual distance is.
            let spread = others.varies && std > ROUNDING * others.mean.abs();
            (spread && distance > RUINOUS).then_some(Ruinous {
                feature: Some(feature),
                extreme,
                far: Far::Deviations(distance),
            })
        };
        self.columns.iter().enumerate().filter_map(of).collect()
    }

    /// The values of a target that lie apart from all others, where it is a number.
    pub(crate) fn of_target(&self, task: &dyn Task) -> Option<Ruinous> {
        let apart = self.target.apart([None, None]);
        let apart = apart.filter(|_| task.labels() == LabelKind::Number)?;
        Some(Ruinous::apart(None, apart))
    }
}

impl Sums for Extremes {
    fn bytes(&self) -> u64 {
        (self.columns.len() * size_of::<Column>()) as u64 + Ends::BYTES
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        let (x, p) = (rows.x, self.columns.len());
        for (j, column) in self.columns.iter_mut().enumerate() {
            self.others.clear();
            for (i, &value) in x.iter().skip(j).step_by(p).enumerate() {
                // A feature that is constant has no distance at all.
                if column.far > 0.0 && (value - column.middle).abs() >= column.far {
                    column.see(value, self.rows + i as u64, 1);
                } else {
                    self.others.push(value);
                }
            }
            column.others.merge(&Spread::of(&self.others));
        }
        self.target.see(rows.y, self.rows);
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        for (ours, theirs) in self.columns.iter_mut().zip(&later.columns) {
            if let Some(Extreme { value, row, count }) = theirs.extreme {
                ours.see(value, self.rows + row, count);
            }
            ours.others.merge(&theirs.others);
        }
        self.target.merge(&later.target.after(self.rows));
        self.rows += later.rows;
        Ok(())
    }
}

impl Column {
    fn see(&mut self, value: f64, row: u64, count: u64) {
        let distance = |value: f64| (value - self.middle).abs();
        let seen = self.extreme.map_or(0, |extreme| extreme.count) + count;
        let first = self
            .extreme
            .filter(|known| distance(known.value) >= distance(value));
        self.extreme = Some(match first {
            Some(known) => Extreme {
                count: seen,
                ..known
            },
            None => Extreme {
                value,
                row,
                count: seen,
            },
        });
    }
}

impl Spread {
    /// Mean and population standard deviation; 0 of no values.
    pub(crate) fn mean_and_std(&self) -> (f64, f64) {
        match self.rows > 0.0 {
            true => (self.mean, self.squares.deviation(self.rows)),
            false => (0.0, 0.0),
        }
    }

    pub(crate) fn of(values: &[f64]) -> Self {
        let rows = values.len() as f64;
        if values.is_empty() {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / rows;
        let around = |unit: f64| -> f64 {
            let apart = values.iter().map(|value| (value - mean) * unit);
            apart.map(|apart| apart * apart).sum()
        };
        Self {
            rows,
            mean,
            squares: Squares::of(around(1.0), around),
            first: values[0],
            varies: values.iter().any(|value| *value != values[0]),
        }
    }

    pub(crate) fn merge(&mut self, later: &Self) {
        let rows = self.rows + later.rows;
        if later.rows == 0.0 {
            return;
        }
        match self.rows > 0.0 {
            true => self.varies |= later.varies || later.first != self.first,
            false => (self.first, self.varies) = (later.first, later.varies),
        }
        let shift = later.mean - self.mean;
        let mut squares = later.squares;
        squares.add(|unit| (shift * unit) * (shift * unit) * self.rows * (later.rows / rows));
        self.squares.merge(&squares);
        self.mean += shift * (later.rows / rows);
        self.rows = rows;
    }
}

/// A sentence on each value that ruins a fit, with the row that holds it.
pub(crate) async fn describe(
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
    ruinous: &[Ruinous],
) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    for Ruinous {
        feature,
        extreme,
        far,
    } in ruinous
    {
        let (part, row) = rows
            .place(extreme.row)
            .context("a row of the training data")?;
        let name = match feature {
            Some(at) => &rows.inputs()[*at],
            None => &job.data.goal.target.name,
        };
        let value = number(extreme.value);
        let placed = placed(store, job, rows, name, (part, row), &value).await?;
        let others = of_several("one", extreme.count);
        let (far, cause) = match far {
            Far::Deviations(distance) => (
                format!("{distance:.1e} standard deviations of its other values away from them"),
                "it decides the whole fit; correct it, bound it or make it null",
            ),
            Far::Ranges(ranges) => (
                format!(
                    "{} times as far from all its other values as these lie apart",
                    match *ranges < 100.0 {
                        true => format!("{ranges:.1}"),
                        false => format!("{ranges:.1e}"),
                    }
                ),
                "if it stands for a missing value, make it null; else correct or bound it",
            ),
        };
        let advice = match feature {
            Some(_) => format!(
                "{cause} in features.sql, or leave its row out by the filter of dataset.json"
            ),
            None => format!("if it is wrong, or stands for a missing value, {WITHOUT_ROW}"),
        };
        sentences.push(format!("{placed}, {far}{others}: {advice}"));
    }
    Ok(sentences)
}

/// A sentence on the value of a feature that is farthest from 0, with the row that holds it.
pub(crate) async fn farthest(
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
    name: &str,
    ends: &Ends,
) -> Result<Option<String>> {
    let Some(extreme) = ends.farthest() else {
        return Ok(None);
    };
    let at = rows.place(extreme.row);
    let at = at.context("a row of the training data")?;
    let value = number(extreme.value);
    let placed = placed(store, job, rows, name, at, &value).await?;
    Ok(Some(format!(
        "{placed}, farther from 0 than its other values: if it stands for a missing value, make it \
         null by nullif({name:?}, {value}) in features.sql, or leave its row out by the filter of \
         dataset.json"
    )))
}

/// A value of the training data and the row that holds it, such as `feature "x" is 7 in raw file
/// train/2.parquet (row 17 of a part), id 17`. `input` is the value where the column is none of the
/// data.
pub(crate) async fn placed(
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
    name: &str,
    (part, row): (&Part, u64),
    input: &str,
) -> Result<String> {
    let what = match name == job.data.goal.target.name {
        true => "target",
        false => "feature",
    };
    let (value, key) = natural(store, job, rows, name, part, row).await?;
    Ok(format!(
        "{what} {name:?} is {} in {}{key}",
        value.as_deref().unwrap_or(input),
        labelled::origin(&job.data.train, &part.key, row),
    ))
}

/// Which of so many values one is, such as `, the first of 3 such values`; nothing of a single one.
pub(crate) fn of_several(which: &str, count: u64) -> String {
    match count {
        1 => String::new(),
        count => format!(", {which} of {count} such values"),
    }
}

/// The target of a row, or its feature before preprocessing, where the input is named like one, and
/// what names the row, such as `, id 17`.
pub(crate) async fn natural(
    store: &Store,
    job: &Job,
    rows: &TrainingRows,
    input: &str,
    part: &Part,
    row: u64,
) -> Result<(Option<String>, String)> {
    let columns = job.data.train.columns.iter();
    let names = columns.filter(|column| match column.role {
        Role::Id | Role::Time => true,
        Role::Feature | Role::Target => column.name == input,
        _ => false,
    });
    let names: Vec<String> = names.map(|column| column.name.clone()).collect();
    if names.is_empty() {
        return Ok((None, String::new()));
    }
    // Whole numbers and decimals are shown with all of their digits.
    let mut columns = job.data.train.columns.iter();
    let is_float =
        columns.any(|column| column.name == input && column.data_type.starts_with("Float"));
    let (file, work, input) = (
        store.file(&part.key).await?,
        rows.work().clone(),
        input.to_owned(),
    );
    blocking(move || {
        let (mut value, mut key) = (None, String::new());
        let texts = parts::row(&file, &names, row, &work)?.unwrap_or_default();
        for (name, text) in names.iter().zip(texts) {
            match *name == input {
                true if is_float => value = Some(text.parse().map_or(text, number)),
                true => value = Some(text),
                false => key += &format!(", {name} {text}"),
            }
        }
        Ok((value, key))
    })
    .await
}

/// A number in full where that is short.
pub(crate) fn number(value: f64) -> String {
    if value.abs() < 1e21 {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}
