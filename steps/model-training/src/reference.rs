//! What is kept of the training data beside a model: one pass finds where columns are cut, and one
//! counts them in these cells.

mod scores;

use std::sync::Arc;

use anyhow::{Context, Result};
use learn::estimator::Seen;
use learn::fitted_model::FittedModel;
use learn::preprocessing::FittedColumn;
use learn::rows::Rows;
use learn::signature::{Kind, Signature};
use learn::task::Rule;
use profile::cells::{Counted, Counts, FINE, Fine, Picker, SAMPLE, Sketch, shares};
use profile::profiles::Overflow;
use profile::reference::{ColumnProfile, FORMAT_VERSION, FeatureProfile, Reference, ScoreProfile};
use runtime::step::Step;

use crate::extremes::{Absurd, Apart, Ends, Extremes, Ruinous, Spread};
use crate::memory::{self, NUMBER};
use crate::training_rows::{Sums, TrainingRows, UNIT_ROWS};
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
/// Trees score the rows that they grew on more surely than any others: the scores of such a model
/// are those of `unseen` rows, so that new ones are no drift for that alone.
pub(crate) async fn profile(
    step: &Step,
    rows: &TrainingRows,
    natural: &Natural,
    model: &Arc<FittedModel>,
    seen: &Seen,
    unseen: Option<&TrainingRows>,
) -> Result<(Reference, Absurd)> {
    let rule = &model.rule;
    let scores = Columns {
        model: Some(model.clone()),
        width: rows.inputs().len(),
        first: 0,
        count: 0,
        values: Vec::new(),
    };
    let (profiled, mut of_scores) = match natural {
        Natural::Inputs => columns(step, rows, seen, rule, Some(model)).await?,
        Natural::Rows(Some(natural)) => columns(step, natural, seen, rule, None).await?,
        Natural::Rows(None) => (Vec::new(), None),
    };
    if of_scores.is_none() {
        of_scores = count(rows, scores.clone(), &[], seen, rule).await?.1;
    }
    let (mut score, extremes) = of_scores.context("a model has scores")?;
    if let Some(unseen) = unseen {
        let seen = Seen {
            rows: unseen.count(),
            ..seen.clone()
        };
        let of_unseen = count(unseen, scores, &[], &seen, rule).await?.1;
        score = of_unseen.context("a model has scores")?.0;
    }
    let inputs = extremes.ruinous();
    let is_named = |name: &str| {
        let mut named = inputs.iter().filter_map(Ruinous::feature);
        named.any(|at| rows.inputs()[at] == name)
    };
    let of_features = profiled.iter().enumerate();
    let of_features = of_features.filter(|(_, (of, _))| !is_named(&of.name));
    let of_features = of_features.filter_map(|(at, (of, ends))| {
        let apart = apart(model, &of.name, ends)?;
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
        score,
        categories: Vec::new(),
    };
    Ok((reference, absurd))
}

/// The values of a feature that lie apart, as the model takes them.
fn apart(model: &FittedModel, name: &str, ends: &Ends) -> Option<Apart> {
    let mut columns = model.preprocessing.columns().iter();
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

/// Profiles the columns of rows, and the scores of a model with the first of them.
async fn columns(
    step: &Step,
    rows: &TrainingRows,
    seen: &Seen,
    rule: &Rule,
    model: Option<&Arc<FittedModel>>,
) -> Result<(
    Vec<(FeatureProfile, Ends)>,
    Option<(ScoreProfile, Extremes)>,
)> {
    let names = rows.inputs();
    let together = memory::profiled_together(step).min(names.len()).max(1);
    let (mut features, mut of_first) = (Vec::with_capacity(names.len()), None);
    for first in (0..names.len()).step_by(together) {
        let columns = Columns {
            model: model.filter(|_| first == 0).cloned(),
            width: names.len(),
            first,
            count: together.min(names.len() - first),
            values: Vec::new(),
        };
        let spread: Vec<(f64, f64)> = match model {
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
        let (counted, score) = count(rows, columns, &spread, seen, rule).await?;
        let named = |(name, (counted, ends)): (&String, (Counted, Ends))| {
            let (name, profile) = (name.clone(), ColumnProfile::Cells(counted));
            (FeatureProfile { name, profile }, ends)
        };
        features.extend(names[first..].iter().zip(counted).map(named));
        of_first = of_first.or(score);
    }
    Ok((features, of_first))
}

/// Counts columns, and scores with them where they are asked for.
async fn count(
    rows: &TrainingRows,
    columns: Columns,
    spread: &[(f64, f64)],
    seen: &Seen,
    rule: &Rule,
) -> Result<(Vec<(Counted, Ends)>, Option<(ScoreProfile, Extremes)>)> {
    let looked = rows.sum(Look::new(columns.clone(), seen)).await;
    let looked = looked.context("profiling the training data")?;
    let fine = looked.sketches.into_iter().zip(spread);
    let fine = fine.map(|(sketch, spread)| sketch.fine(*spread, &[]));
    let score = looked.score;
    let score = score.map(|score| (score.scores.counted(rule), score.extremes));
    let (fine_score, extremes) = score.unzip();
    let counted = Count::new(columns, fine.collect(), fine_score);
    let counted = rows.sum(counted).await;
    let counted = counted.context("counting the training data")?;
    let features = counted.fine.iter().zip(&counted.features);
    let features = features.map(|(fine, counts)| fine.coarse(&shares(), &counts.cells).of(counts));
    let features = features.zip(looked.ends);
    let score = counted.score.as_ref().map(CountedScores::profile);
    let score = score.zip(extremes);
    Ok((features.collect(), score))
}

/// Columns of features that are profiled together.
#[derive(Clone)]
struct Columns {
    /// What scores, where scores and extremes are looked at too.
    model: Option<Arc<FittedModel>>,
    /// Numbers in a row.
    width: usize,
    /// The first of the columns.
    first: usize,
    count: usize,
    /// Room for one column's values.
    values: Vec<f64>,
}

impl Columns {
    /// Does something with the values of each column.
    fn each(&mut self, x: &[f64], mut of: impl FnMut(usize, &[f64])) {
        for j in 0..self.count {
            self.values.clear();
            let rows = x.chunks_exact(self.width);
            self.values.extend(rows.map(|row| row[self.first + j]));
            of(j, &self.values);
        }
    }

    /// The scores of rows, where they are asked for.
    fn scores(&self, rows: Rows<'_>) -> Result<Option<Scored>> {
        let model = self.model.as_ref();
        let scored = model.map(|model| Scored::of(model, rows.x, rows.y));
        scored.transpose()
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
    score: Option<Scores>,
    /// Bytes of what is picked of one column in a unit of rows.
    bytes: u64,
}

#[derive(Clone)]
struct Scores {
    scores: Looks,
    extremes: Extremes,
}

impl Look {
    fn new(columns: Columns, seen: &Seen) -> Self {
        let rows = seen.rows.max(UNIT_ROWS);
        Self {
            picker: Picker::of(seen.rows),
            row: 0,
            picked: Vec::new(),
            sketches: vec![Sketch::default(); columns.count],
            ends: vec![Ends::default(); columns.count],
            score: columns.model.as_ref().map(|model| Scores {
                scores: Looks::new(model),
                extremes: Extremes::new(seen),
            }),
            bytes: DISTINCT + Ends::BYTES + NUMBER * (2 * SAMPLE * UNIT_ROWS / rows),
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
        if let Some(score) = &mut self.score {
            if let Some(scored) = self.columns.scores(rows)? {
                score.scores.see(&scored, picked);
            }
            score.extremes.add(rows)?;
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
        if let (Some(ours), Some(theirs)) = (&mut self.score, later.score) {
            ours.scores.merge(&theirs.scores);
            ours.extremes.merge(theirs.extremes)?;
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
    score: Option<CountedScores>,
}

impl Count {
    fn new(columns: Columns, features: Vec<Fine>, score: Option<CountedScores>) -> Self {
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
        if let (Some(score), Some(scored)) = (&mut self.score, self.columns.scores(rows)?) {
            score.add(&scored);
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        for (ours, theirs) in self.features.iter_mut().zip(&later.features) {
            ours.merge(theirs).ok_or(Overflow)?;
        }
        match (&mut self.score, &later.score) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            _ => Ok(()),
        }
    }
}
