//! What is kept of the training data beside a model: one pass finds where columns are cut, and one
//! counts them in these cells.

mod scores;

use std::sync::Arc;

use anyhow::{Context, Result};
use learn::estimator::Seen;
use learn::fitted_model::FittedModel;
use learn::preprocessing::{FittedColumn, Preprocessing};
use learn::rows::Rows;
use learn::signature::{Kind, Signature};
use profile::cells::{Counted, Counts, FINE, Fine, Picker, SAMPLE, Sketch, shares};
use profile::profiles::Overflow;
use profile::reference::{ColumnProfile, FORMAT_VERSION, FeatureProfile, Reference, ScoreProfile};
use runtime::step::{Progress, Step};
use store::Store;
use table::labelled::LabelledRows;

use crate::extremes::{Absurd, Apart, Ends, Extremes, Ruinous, Spread};
use crate::job::Job;
use crate::memory::{self, NUMBER};
use crate::training_rows::{SCRATCH_BYTES, Sums, TrainingRows, UNIT_ROWS};
use scores::{CountedScores, Looks, Scored, look};

/// Bytes of the distinct values of a column, where they are few.
const DISTINCT: u64 = 1 << 10;

/// The numeric features as they are read.
pub(crate) enum Natural {
    /// The numbers that the estimator takes.
    Inputs,
    /// Others than those; `None` where no feature is numeric.
    Rows(Option<Box<TrainingRows>>),
}

impl Natural {
    /// Of the training data, what is missing included.
    ///
    /// # Errors
    /// Those of [`TrainingRows::new`].
    pub(crate) fn of(step: &Step, store: &Store, job: &Job, progress: &Progress) -> Result<Self> {
        if job.choice.preprocessing.is_none() {
            return Ok(Self::Inputs);
        }
        let Some(signature) = job.signature.of_kind(Kind::Numeric) else {
            return Ok(Self::Rows(None));
        };
        let unchanged = Preprocessing::unchanged(&signature.names())?;
        let rows = LabelledRows::new(store, step.work(), &job.data.config, &signature, &unchanged)?;
        let rows = rows.with_any_number();
        let rows = TrainingRows::new(step, rows, &job.data.train, SCRATCH_BYTES, progress)?;
        Ok(Self::Rows(Some(Box::new(rows))))
    }

    /// Rows with these features; those of the inputs where there are no others.
    pub(crate) fn rows<'a>(&'a self, inputs: &'a TrainingRows) -> &'a TrainingRows {
        match self {
            Self::Rows(Some(rows)) => rows,
            Self::Inputs | Self::Rows(None) => inputs,
        }
    }
}

/// Profiles the training data and the model's scores on it, and finds the values that ruin a fit.
///
/// Trees score the rows that they grew on more surely than any others: of such a model only
/// `unseen` rows are scored, so that new ones are no drift for that alone.
pub(crate) async fn profile(
    step: &Step,
    rows: &TrainingRows,
    natural: &Natural,
    model: &Arc<FittedModel>,
    seen: &Seen,
    unseen: Option<&TrainingRows>,
) -> Result<(Reference, Absurd)> {
    let beside = Beside {
        model: unseen.is_none().then(|| model.clone()),
        extremes: Some(Extremes::new(seen)),
    };
    let (profiled, found) = match natural {
        Natural::Inputs => columns(step, rows, seen, Some(&beside)).await?,
        Natural::Rows(Some(natural)) => columns(step, natural, seen, None).await?,
        Natural::Rows(None) => (Vec::new(), None),
    };
    let found = match found {
        Some(found) => found,
        None => {
            let counted = count(rows, seen.rows, Columns::none(rows), &[], beside);
            counted.await?.1
        }
    };
    let score = match unseen {
        None => found.score,
        Some(unseen) => {
            let scores = Beside {
                model: Some(model.clone()),
                extremes: None,
            };
            let counted = count(unseen, unseen.count(), Columns::none(unseen), &[], scores);
            counted.await?.1.score
        }
    };
    let extremes = found.extremes.context("inputs have extremes")?;
    let inputs = extremes.ruinous();
    let is_named = |name: &str| {
        let mut named = inputs.iter().filter_map(Ruinous::feature);
        named.any(|at| rows.inputs()[at] == name)
    };
    let of_features = profiled.iter().enumerate();
    let of_features = of_features.filter(|(_, (of, _))| !is_named(&of.name));
    let of_features = of_features.filter_map(|(at, (of, ends))| {
        let apart = apart(&model.preprocessing, &of.name, ends)?;
        Some(Ruinous::apart(Some(at), apart))
    });
    let absurd = Absurd {
        features: of_features.collect(),
        inputs,
        target: extremes.of_target(model.task),
    };
    let reference = Reference {
        format_version: FORMAT_VERSION,
        rows: seen.rows,
        positives: seen.positives.unwrap_or(0),
        features: profiled.into_iter().map(|(profile, _)| profile).collect(),
        score: score.context("a model has scores")?,
        categories: Vec::new(),
    };
    Ok((reference, absurd))
}

/// The number of a column of rows, and its ends.
pub(crate) async fn ends(rows: &TrainingRows, name: &str) -> Result<Option<(usize, Ends)>> {
    let Some(first) = rows.inputs().iter().position(|of| of == name) else {
        return Ok(None);
    };
    let column = Columns {
        first,
        count: 1,
        ..Columns::none(rows)
    };
    let look = Look::new(column, rows.count(), Beside::default());
    let ends = rows.sum(look).await?.ends.pop();
    Ok(ends.map(|ends| (first, ends)))
}

/// The values of a feature that lie apart, as a model takes them.
pub(crate) fn apart(preprocessing: &Preprocessing, name: &str, ends: &Ends) -> Option<Apart> {
    let mut columns = preprocessing.columns().iter();
    match columns.find(|column| column.name() == name)? {
        FittedColumn::Numeric(numeric) => ends.apart(numeric.clip),
        FittedColumn::Categorical(_) | FittedColumn::Dropped(_) => None,
    }
}

/// Features of either kind in the order of the signature.
pub(crate) fn in_order(
    numbers: Vec<FeatureProfile>,
    categories: Vec<FeatureProfile>,
    signature: &Signature,
) -> Result<Vec<FeatureProfile>> {
    let (mut numbers, mut categories) = (numbers.into_iter(), categories.into_iter());
    let features = signature.features().iter();
    let features = features.map(|feature| match feature.kind {
        Kind::Numeric => numbers.next(),
        Kind::Categorical => categories.next(),
    });
    let features = features.collect::<Option<Vec<FeatureProfile>>>();
    features.context("a profile of every feature")
}

/// Profiles the columns of rows; of the inputs also what is `beside` them.
async fn columns(
    step: &Step,
    rows: &TrainingRows,
    seen: &Seen,
    beside: Option<&Beside>,
) -> Result<(Vec<(FeatureProfile, Ends)>, Option<Found>)> {
    let names = rows.inputs();
    let together = memory::profiled_together(step).min(names.len()).max(1);
    let (mut features, mut found) = (Vec::with_capacity(names.len()), None);
    for first in (0..names.len()).step_by(together) {
        let columns = Columns {
            first,
            count: together.min(names.len() - first),
            ..Columns::none(rows)
        };
        let spread: Vec<(f64, f64)> = match beside {
            Some(_) => {
                let inputs = seen.inputs[first..].iter();
                inputs.map(|of| (of.mean, of.std)).collect()
            }
            None => {
                let none = Spreads(columns.clone(), vec![Spread::default(); columns.count]);
                let spreads = rows.sum(none).await?.1;
                spreads.iter().map(Spread::mean_and_std).collect()
            }
        };
        let beside = beside.filter(|_| first == 0);
        let looked_at = beside.cloned().unwrap_or_default();
        let counted = count(rows, seen.rows, columns, &spread, looked_at);
        let (counted, of_these) = counted.await?;
        let named = |(name, (counted, ends)): (&String, (Counted, Ends))| {
            let (name, profile) = (name.clone(), ColumnProfile::Cells(counted));
            (FeatureProfile { name, profile }, ends)
        };
        features.extend(names[first..].iter().zip(counted).map(named));
        found = found.or(beside.and(Some(of_these)));
    }
    Ok((features, found))
}

/// Counts columns of so many rows, and what is looked at beside them.
async fn count(
    rows: &TrainingRows,
    many: u64,
    columns: Columns,
    spread: &[(f64, f64)],
    beside: Beside,
) -> Result<(Vec<(Counted, Ends)>, Found)> {
    let looked = rows.sum(Look::new(columns.clone(), many, beside)).await;
    let looked = looked.context("profiling the training data")?;
    let mut found = Found {
        score: None,
        extremes: looked.extremes,
    };
    let score = looked.score.map(|(model, looks)| {
        let counted = looks.counted(&model.rule);
        (model, counted)
    });
    if columns.count == 0 && score.is_none() {
        return Ok((Vec::new(), found));
    }
    let fine = looked.sketches.into_iter().zip(spread);
    let fine = fine.map(|(sketch, spread)| sketch.fine(*spread, &[]));
    let counted = rows.sum(Count::new(columns, fine.collect(), score)).await;
    let counted = counted.context("counting the training data")?;
    let features = counted.fine.iter().zip(&counted.features);
    let features = features.map(|(fine, counts)| fine.coarse(&shares(), &counts.cells).of(counts));
    let features = features.zip(looked.ends).collect();
    found.score = counted.score.map(|(_, counted)| counted.profile());
    Ok((features, found))
}

/// What is looked at beside columns.
#[derive(Clone, Default)]
struct Beside {
    /// What scores the rows, where their scores are profiled.
    model: Option<Arc<FittedModel>>,
    /// Of the inputs, where they are looked for.
    extremes: Option<Extremes>,
}

/// What was found of it.
struct Found {
    score: Option<ScoreProfile>,
    extremes: Option<Extremes>,
}

/// Columns of features that are profiled together.
#[derive(Clone)]
struct Columns {
    /// Numbers in a row.
    width: usize,
    /// The first of the columns.
    first: usize,
    count: usize,
    /// Room for one column's values.
    values: Vec<f64>,
}

impl Columns {
    fn none(rows: &TrainingRows) -> Self {
        Self {
            width: rows.inputs().len(),
            first: 0,
            count: 0,
            values: Vec::new(),
        }
    }

    /// Does something with the values of each column.
    fn each(&mut self, x: &[f64], mut of: impl FnMut(usize, &[f64])) {
        for j in 0..self.count {
            self.values.clear();
            let rows = x.chunks_exact(self.width);
            self.values.extend(rows.map(|row| row[self.first + j]));
            of(j, &self.values);
        }
    }
}

/// Means and deviations of columns, of the values that are there.
#[derive(Clone)]
struct Spreads(Columns, Vec<Spread>);

impl Sums for Spreads {
    fn bytes(&self) -> u64 {
        3 * NUMBER * self.1.len() as u64
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        let (columns, spreads) = (&mut self.0, &mut self.1);
        columns.each(rows.x, |j, values| {
            let values: Vec<f64> = values
                .iter()
                .copied()
                .filter(|value| value.is_finite())
                .collect();
            spreads[j].merge(&Spread::of(&values));
        });
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        let pairs = self.1.iter_mut().zip(&later.1);
        pairs.for_each(|(ours, theirs)| ours.merge(theirs));
        Ok(())
    }
}

/// The first pass.
#[derive(Clone)]
struct Look {
    columns: Columns,
    picker: Picker,
    /// Number of the next row.
    row: u64,
    /// Rows of a chunk that are picked.
    picked: Vec<usize>,
    sketches: Vec<Sketch>,
    ends: Vec<Ends>,
    score: Option<(Arc<FittedModel>, Looks)>,
    extremes: Option<Extremes>,
    /// Bytes of what is picked of one column in a unit of rows.
    bytes: u64,
}

impl Look {
    fn new(columns: Columns, rows: u64, beside: Beside) -> Self {
        let Beside { model, extremes } = beside;
        let at_least = rows.max(UNIT_ROWS);
        Self {
            picker: Picker::of(rows),
            row: 0,
            picked: Vec::new(),
            sketches: vec![Sketch::default(); columns.count],
            ends: vec![Ends::default(); columns.count],
            score: model.map(|model| {
                let looks = Looks::new(&model);
                (model, looks)
            }),
            extremes,
            bytes: DISTINCT + Ends::BYTES + NUMBER * (2 * SAMPLE * UNIT_ROWS / at_least),
            columns,
        }
    }
}

impl Sums for Look {
    fn bytes(&self) -> u64 {
        self.bytes * self.columns.count as u64
    }

    fn begin(&mut self, row: u64) {
        self.row = row;
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        let x = rows.x;
        let first = self.row;
        let numbers = first..first + rows.len() as u64;
        self.row = numbers.end;
        self.picked.clear();
        let picked = numbers
            .enumerate()
            .filter(|(_, row)| self.picker.picks(*row));
        self.picked.extend(picked.map(|(at, _)| at));
        let (sketches, ends, picked) = (&mut self.sketches, &mut self.ends, &self.picked);
        self.columns.each(x, |j, values| {
            look(&mut sketches[j], values, picked);
            ends[j].see(values, first);
        });
        if let Some((model, looks)) = &mut self.score {
            looks.see(&Scored::of(model, x, rows.y)?, picked);
        }
        if let Some(extremes) = &mut self.extremes {
            extremes.add(rows)?;
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        for (ours, theirs) in self.sketches.iter_mut().zip(&later.sketches) {
            ours.merge(theirs);
        }
        for (ours, theirs) in self.ends.iter_mut().zip(&later.ends) {
            ours.merge(theirs);
        }
        if let (Some((_, ours)), Some((_, theirs))) = (&mut self.score, &later.score) {
            ours.merge(theirs);
        }
        if let (Some(ours), Some(theirs)) = (&mut self.extremes, later.extremes) {
            ours.merge(theirs)?;
        }
        Ok(())
    }
}

/// The second pass.
#[derive(Clone)]
struct Count {
    columns: Columns,
    fine: Arc<[Fine]>,
    features: Vec<Counts>,
    score: Option<(Arc<FittedModel>, CountedScores)>,
}

impl Count {
    fn new(
        columns: Columns,
        features: Vec<Fine>,
        score: Option<(Arc<FittedModel>, CountedScores)>,
    ) -> Self {
        Self {
            columns,
            features: features
                .iter()
                .map(|fine| Counts::new(&fine.cells))
                .collect(),
            score,
            fine: features.into(),
        }
    }
}

impl Sums for Count {
    fn bytes(&self) -> u64 {
        NUMBER * FINE as u64 * self.columns.count as u64
    }

    fn add(&mut self, rows: Rows<'_>) -> Result<()> {
        let x = rows.x;
        let (fine, counts) = (&self.fine, &mut self.features);
        self.columns.each(x, |j, values| {
            for value in values {
                counts[j].add(&fine[j].cells, *value, 1);
            }
        });
        if let Some((model, score)) = &mut self.score {
            score.add(&Scored::of(model, x, rows.y)?);
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        for (ours, theirs) in self.features.iter_mut().zip(&later.features) {
            ours.merge(theirs).ok_or(Overflow)?;
        }
        match (&mut self.score, &later.score) {
            (Some((_, ours)), Some((_, theirs))) => ours.merge(theirs),
            _ => Ok(()),
        }
    }
}
