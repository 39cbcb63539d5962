//! What is kept of the training data beside a model: one pass finds where columns are cut, and one
//! counts them in these cells.

use std::sync::Arc;

use anyhow::{Context, Result};
use learn::model::{Model, Moments};
use profile::cells::{Counted, Counts, FINE, Fine, Picker, SAMPLE, Sketch, shares};
use profile::profiles::{Overflow, ScoreCounts, score_cuts};
use profile::reference::{FORMAT_VERSION, FeatureProfile, NumericProfile, Reference, ScoreProfile};
use runtime::step::Step;

use crate::extremes::{Extremes, Ruinous};
use crate::memory;
use crate::training_rows::{Sums, TrainingRows, UNIT_ROWS};

/// Bytes of a number.
const NUMBER: u64 = 8;
/// Bytes of the distinct values of a column, where they are few.
const DISTINCT: u64 = 1 << 10;

/// Profiles the training data and the model's scores on it, and finds the values that ruin a fit.
pub(crate) async fn reference(
    step: &Step,
    rows: &TrainingRows,
    moments: &Moments,
    model: &Model,
) -> Result<(Reference, Vec<Ruinous>)> {
    let all = model.features.len();
    let (shared, together) = (
        Arc::new(model.clone()),
        memory::profiled_together(step).min(all),
    );
    let mut features = Vec::with_capacity(all);
    let mut of_first = None;
    for first in (0..all).step_by(together.max(1)) {
        let columns = Columns {
            model: shared.clone(),
            first,
            count: together.min(all - first),
            values: Vec::new(),
        };
        let looked = Look::new(columns.clone(), moments);
        let looked = rows
            .sum(looked)
            .await
            .context("profiling the training data")?;
        let fine = looked.sketches.into_iter().enumerate().map(|(j, sketch)| {
            let moments = (moments.mean(first + j), moments.std(first + j));
            sketch.fine((moments.0.unwrap_or(0.0), moments.1.unwrap_or(0.0)), &[])
        });
        let score = looked.score.map(|score| {
            // Probabilities reach from 0 to 1.
            (
                score.scores.fine((0.5, 0.25), &score_cuts(model.threshold)),
                score.extremes,
            )
        });
        let (fine_score, extremes) = score.unzip();
        let counted = Count::new(columns, fine.collect(), fine_score);
        let counted = rows
            .sum(counted)
            .await
            .context("counting the training data")?;
        for (fine, counts) in counted.fine.features.iter().zip(&counted.features) {
            features.push(fine.coarse(&shares(), &counts.cells).of(counts));
        }
        if let (Some(fine), Some(extremes)) = (&counted.fine.score, extremes) {
            of_first = Some((ScoreProfile::chosen(fine, &counted.score), extremes));
        }
    }
    let (score, extremes) = of_first.context("a model has features")?;
    let named = |(name, counted): (&String, Counted)| FeatureProfile {
        name: name.clone(),
        profile: NumericProfile::Cells(counted),
    };
    let reference = Reference {
        format_version: FORMAT_VERSION,
        rows: moments.rows(),
        positives: moments.classes()[1],
        features: model.features.iter().zip(features).map(named).collect(),
        score,
        categories: Vec::new(),
    };
    Ok((reference, extremes.ruinous()))
}

/// Columns of features that are profiled together.
#[derive(Clone)]
struct Columns {
    model: Arc<Model>,
    /// The first of them; with the first of all, scores and extremes are looked at.
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
            let column = x.iter().skip(self.first + j);
            self.values
                .extend(column.step_by(self.model.features.len()));
            of(j, &self.values);
        }
    }

    /// The scores of rows.
    fn scores(&mut self, x: &[f64]) -> &[f64] {
        self.values.clear();
        self.model.predict_probability(x, &mut self.values);
        &self.values
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
    score: Option<Scores>,
    /// Bytes of what is picked of one column in a unit of rows.
    bytes: u64,
}

#[derive(Clone)]
struct Scores {
    scores: Sketch,
    extremes: Extremes,
}

impl Look {
    fn new(columns: Columns, moments: &Moments) -> Self {
        let rows = moments.rows().max(UNIT_ROWS);
        Self {
            picker: Picker::of(moments.rows()),
            row: 0,
            picked: Vec::new(),
            sketches: vec![Sketch::default(); columns.count],
            score: (columns.first == 0).then(|| Scores {
                scores: Sketch::default(),
                extremes: Extremes::new(moments),
            }),
            bytes: DISTINCT + NUMBER * (2 * SAMPLE * UNIT_ROWS / rows),
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

    fn add(&mut self, x: &[f64], y: &[u8]) -> Result<()> {
        let rows = self.row..self.row + y.len() as u64;
        self.row = rows.end;
        self.picked.clear();
        let picked = rows.enumerate().filter(|(_, row)| self.picker.picks(*row));
        self.picked.extend(picked.map(|(at, _)| at));
        let look = |sketch: &mut Sketch, values: &[f64]| {
            sketch.see(values);
            for at in &self.picked {
                sketch.keep(values[*at]);
            }
        };
        let sketches = &mut self.sketches;
        self.columns
            .each(x, |j, values| look(&mut sketches[j], values));
        if let Some(score) = &mut self.score {
            look(&mut score.scores, self.columns.scores(x));
            score.extremes.add(x, y)?;
        }
        Ok(())
    }

    fn merge(&mut self, later: &Self) -> Result<()> {
        for (ours, theirs) in self.sketches.iter_mut().zip(&later.sketches) {
            ours.merge(theirs);
        }
        if let (Some(ours), Some(theirs)) = (&mut self.score, &later.score) {
            ours.scores.merge(&theirs.scores);
            ours.extremes.merge(&theirs.extremes)?;
        }
        Ok(())
    }
}

/// The second pass.
#[derive(Clone)]
struct Count {
    columns: Columns,
    fine: Arc<FineColumns>,
    features: Vec<Counts>,
    score: ScoreCounts,
}

struct FineColumns {
    features: Vec<Fine>,
    score: Option<Fine>,
}

impl Count {
    fn new(columns: Columns, features: Vec<Fine>, score: Option<Fine>) -> Self {
        let of_score = score.as_ref().map(|fine| ScoreCounts::new(&fine.cells));
        Self {
            columns,
            features: features
                .iter()
                .map(|fine| Counts::new(&fine.cells))
                .collect(),
            score: of_score.unwrap_or_default(),
            fine: Arc::new(FineColumns { features, score }),
        }
    }
}

impl Sums for Count {
    fn bytes(&self) -> u64 {
        NUMBER * FINE as u64 * self.columns.count as u64
    }

    fn add(&mut self, x: &[f64], y: &[u8]) -> Result<()> {
        let (fine, counts) = (&self.fine, &mut self.features);
        self.columns.each(x, |j, values| {
            for value in values {
                counts[j].add(&fine.features[j].cells, *value, 1);
            }
        });
        if let Some(fine) = &fine.score {
            for (score, label) in self.columns.scores(x).iter().zip(y) {
                self.score.add(&fine.cells, Some(*score), Some(*label), 1);
            }
        }
        Ok(())
    }

    fn merge(&mut self, later: &Self) -> Result<()> {
        for (ours, theirs) in self.features.iter_mut().zip(&later.features) {
            ours.merge(theirs).ok_or(Overflow)?;
        }
        self.score.merge(&later.score).ok_or(Overflow)?;
        Ok(())
    }
}
