//! Performance of another task than two classes. Rows are joined with late labels by their keys;
//! then the parts are read again, so that a row's outputs, however many a task has, are beside
//! its label.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, Float64Array, RecordBatch};
use chrono_tz::Tz;
use learn::fitted_model::FittedModel;
use learn::metrics::RankMetrics;
use learn::metrics::largest::{Erring, LargestErrors};
use learn::task::Evaluation;
use pages::content::{Deciding, DecidingRow};
use profile::days::DayNumber;
use runtime::step::Step;
use runtime::work::Work;
use store::Store;
use store::spill::{Sorted, Sorter};
use table::dataset::Goal;
use table::dates;
use table::parts;
use table::scoring::Measured;

use crate::joined::{DayCounts, Joined, OfTask};
use crate::matching::{Keys, Matching};
use crate::rows::{CHECK_EVERY, LabelWords, PlaceWords, place, placed, placed_in, weights_of};
use crate::segments::{Codes, Dictionaries, Segmentation, code};
use crate::subject::Subject;

/// The late label of a row, by its place.
type PlacedLabel = [u64; 2];

/// Joins sorted rows with sorted late labels.
pub(crate) fn match_labels(
    step: &Step,
    rows: Sorted<PlaceWords>,
    late: Sorted<LabelWords>,
    work: &Work,
) -> Result<(Keys, Sorted<PlacedLabel>)> {
    let mut matching = Matching::new(late)?;
    let mut labels = Sorter::<PlacedLabel>::new(work);
    for (index, row) in (0_u64..).zip(rows) {
        if index % CHECK_EVERY == 0 {
            step.check()?;
        }
        let (key, place) = placed(row?);
        if let Some(label) = matching.label_of(key)? {
            labels.push([place, label.to_bits()])?;
        }
    }
    Ok((matching.finish()?, labels.finish()?))
}

/// What the parts are read with.
pub(crate) struct Read<'a> {
    pub(crate) step: &'a Step,
    pub(crate) store: &'a Store,
    pub(crate) subject: &'a Subject,
    pub(crate) dictionaries: &'a Dictionaries,
    pub(crate) work: &'a Work,
}

impl Read<'_> {
    /// The columns of the key of a row with their values, by the place of the row.
    fn key_of(&self, place: u64) -> Result<String> {
        let keys = self.subject.keys();
        let (ordinal, row) = placed_in(place);
        let part = self.subject.results.parts.get(ordinal);
        let part = part.context("a part of the results")?;
        let file = parts::local(self.store, &part.key, &part.sha256)?;
        let texts = parts::row(&file, &keys, row, self.work)?.unwrap_or_default();
        let named = keys.iter().zip(texts);
        let named: Vec<String> = named.map(|(name, text)| format!("{name} {text}")).collect();
        Ok(named.join(", "))
    }
}

/// Reads the parts again, and measures each row with its latest label. `farthest` is the place of a
/// row whose key is to be known.
pub(crate) fn measure(
    read: &Read<'_>,
    segmentation: Segmentation,
    (keys, labels): (Keys, Sorted<PlacedLabel>),
    farthest: Option<u64>,
) -> Result<Joined> {
    let mut second = Second::new(read, segmentation, labels)?;
    for (ordinal, part) in (0..).zip(&read.subject.results.parts) {
        let file = parts::local(read.store, &part.key, &part.sha256)?;
        let mut first = place(ordinal, 0);
        for batch in parts::read(&file, &second.columns, read.work)? {
            read.step.check()?;
            let batch = batch?;
            let measured = second.batch(&batch, first);
            measured.with_context(|| format!("measuring {}", part.key))?;
            first += batch.num_rows() as u64;
        }
    }
    let deciding = second.deciding(read)?;
    let farthest = farthest.map(|place| read.key_of(place)).transpose()?;
    second.finish(keys, deciding, farthest)
}

/// The second pass.
struct Second<'a> {
    model: Arc<FittedModel>,
    goal: Goal,
    timezone: Tz,
    dictionaries: &'a Dictionaries,
    /// What is read: the target, the outputs, the score, the columns that rows are divided by, and
    /// the weight and the time if there are such.
    columns: Vec<String>,
    outputs: usize,
    segments: usize,
    /// The column of what a row weighs, if there is one: the last but for the time.
    weight: Option<String>,
    labels: Sorted<PlacedLabel>,
    /// The next late label.
    ahead: Option<(u64, f64)>,
    overall: Measured,
    /// Of a number.
    largest: Option<LargestErrors>,
    measured_rows: u64,
    days: BTreeMap<Option<DayNumber>, (DayCounts, Box<dyn Evaluation>)>,
    segmentation: Segmentation,
    by_score: Vec<Box<dyn Evaluation>>,
    by_value: Vec<HashMap<u32, Box<dyn Evaluation>>>,
}

/// Rows of a batch, each with its label, where it has one, and its outputs.
struct Rows {
    labels: Vec<Option<f64>>,
    /// Row-major.
    outputs: Vec<f64>,
    width: usize,
    /// What each row weighs, if any does.
    weights: Option<Vec<f64>>,
}

/// Rows that are measured.
struct Measurable {
    labels: Vec<f64>,
    outputs: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl Rows {
    /// The label and the outputs of a row, where it has both, and what it weighs.
    fn measurable(&self, row: usize) -> Option<(f64, &[f64], f64)> {
        let outputs = &self.outputs[row * self.width..(row + 1) * self.width];
        let label = self.labels[row].filter(|_| !outputs.iter().any(|of| of.is_nan()))?;
        let weight = self.weights.as_ref().map_or(1.0, |weights| weights[row]);
        Some((label, outputs, weight))
    }

    /// Those rows that have both a label and outputs.
    fn of(&self, rows: impl Iterator<Item = usize>) -> Measurable {
        let (mut labels, mut outputs) = (Vec::new(), Vec::new());
        let mut weights = self.weights.as_ref().map(|_| Vec::new());
        for (label, of_row, weight) in rows.filter_map(|row| self.measurable(row)) {
            labels.push(label);
            outputs.extend_from_slice(of_row);
            if let Some(weights) = &mut weights {
                weights.push(weight);
            }
        }
        Measurable {
            labels,
            outputs,
            weights,
        }
    }
}

impl Measurable {
    fn add_to(&self, measured: &mut Box<dyn Evaluation>) -> Result<()> {
        let weights = self.weights.as_deref();
        Ok(measured.add(&self.labels, &self.outputs, weights)?)
    }
}

impl<'a> Second<'a> {
    fn new(
        read: &Read<'a>,
        segmentation: Segmentation,
        mut labels: Sorted<PlacedLabel>,
    ) -> Result<Self> {
        let subject = read.subject;
        let model = as_read(&subject.model);
        let outputs = model.task.output_columns(&model.target, &model.rule);
        let segments = subject.segment_columns();
        let by_score = segmentation.score.iter();
        let by_score = by_score.map(|_| evaluation(&model)).collect();
        Ok(Self {
            goal: subject.config.goal()?,
            timezone: read.step.timezone(),
            dictionaries: read.dictionaries,
            outputs: outputs.len(),
            segments: segments.len(),
            by_value: segments.iter().map(|_| HashMap::new()).collect(),
            columns: std::iter::once(model.target.name.clone())
                .chain(outputs)
                .chain([subject.baseline.score.name().to_owned()])
                .chain(segments)
                .chain(subject.weight().map(str::to_owned))
                .chain(subject.time().map(str::to_owned))
                .collect(),
            ahead: next(&mut labels)?,
            labels,
            overall: Measured::of(read.work, &model),
            largest: model.task.metric("rmse").map(|_| LargestErrors::default()),
            measured_rows: 0,
            days: BTreeMap::new(),
            weight: subject.weight().map(str::to_owned),
            segmentation,
            by_score,
            model,
        })
    }

    fn batch(&mut self, batch: &RecordBatch, first: u64) -> Result<()> {
        let (target, rest) = batch.columns().split_at(1);
        let (outputs, rest) = rest.split_at(self.outputs);
        let (score, rest) = rest.split_at(1);
        let (segments, rest) = rest.split_at(self.segments);
        let (weight, time) = rest.split_at(usize::from(self.weight.is_some()));
        let numbers = |columns: &[_]| -> Result<Vec<Float64Array>> {
            let named = columns.iter().zip(&self.columns);
            named
                .map(|(column, name)| parts::numbers(column, name))
                .collect()
        };
        let (outputs, score) = (numbers(outputs)?, numbers(score)?);
        let days = match time.first() {
            Some(time) => dates::of_column(time, self.timezone),
            None => vec![None; batch.num_rows()],
        };
        let codes = self.dictionaries.codes(segments, batch.num_rows())?;
        let mut labels = parts::labels(&target[0], &self.goal)?;
        self.later(&mut labels, first)?;
        let number = |column: &Float64Array, row: usize| match column.is_valid(row) {
            true => column.value(row),
            false => f64::NAN,
        };
        let of_row = |row| outputs.iter().map(move |column| number(column, row));
        let rows = Rows {
            width: outputs.len(),
            outputs: (0..batch.num_rows()).flat_map(of_row).collect(),
            labels,
            weights: match (weight.first(), &self.weight) {
                (Some(column), Some(name)) => Some(weights_of(column, name)?),
                _ => None,
            },
        };
        if let Some(largest) = &mut self.largest {
            for row in 0..batch.num_rows() {
                if let Some((label, outputs, weight)) = rows.measurable(row) {
                    largest.add(first + row as u64, label, outputs[0], weight);
                }
            }
        }
        let scores = (0..batch.num_rows()).map(|row| number(&score[0], row));
        self.measure(&rows, &days, &codes, &scores.collect::<Vec<f64>>())
    }

    /// Puts late labels in the place of a batch's own.
    fn later(&mut self, labels: &mut [Option<f64>], first: u64) -> Result<()> {
        while let Some((place, label)) = self.ahead {
            let row = usize::try_from(place - first).unwrap_or(usize::MAX);
            let Some(own) = labels.get_mut(row) else {
                break;
            };
            *own = Some(label);
            self.ahead = next(&mut self.labels)?;
        }
        Ok(())
    }

    fn measure(
        &mut self,
        rows: &Rows,
        days: &[Option<DayNumber>],
        codes: &[Codes],
        scores: &[f64],
    ) -> Result<()> {
        let all = rows.of(0..rows.labels.len());
        self.measured_rows += all.labels.len() as u64;
        self.overall
            .add(&all.labels, &all.outputs, all.weights.as_deref())?;

        for (day, of_day) in grouped(days.iter().copied()) {
            let model = &self.model;
            let new = || (DayCounts::new(model.rule.threshold), evaluation(model));
            let (counts, measured) = self.days.entry(day).or_insert_with(new);
            counts.rows += of_day.len() as u64;
            for &row in &of_day {
                counts.labelled_rows += u64::from(rows.labels[row].is_some());
                if !scores[row].is_nan() {
                    counts.scored_rows += 1;
                    counts.score_sum += scores[row];
                }
            }
            rows.of(of_day.into_iter()).add_to(measured)?;
        }

        for (score, codes) in scores.iter().zip(codes) {
            let score = Some(*score).filter(|score| !score.is_nan());
            self.segmentation.add(score, None, *codes, None);
        }
        let cuts = self.segmentation.cuts();
        let ranges = scores.iter().map(|score| match score.is_nan() {
            true => None,
            false => Some(cuts.partition_point(|cut| cut <= score)),
        });
        for (range, of_range) in grouped(ranges) {
            if let Some(measured) = range.and_then(|range| self.by_score.get_mut(range)) {
                rows.of(of_range.into_iter()).add_to(measured)?;
            }
        }
        for (column, values) in self.by_value.iter_mut().enumerate() {
            for (value, of_value) in grouped(codes.iter().map(|codes| code(*codes, column))) {
                let measured = values.entry(value);
                let measured = measured.or_insert_with(|| evaluation(&self.model));
                rows.of(of_value.into_iter()).add_to(measured)?;
            }
        }
        Ok(())
    }

    /// The rows that make most of the squared error, by the values of their keys.
    fn deciding(&self, read: &Read<'_>) -> Result<Option<Deciding>> {
        let found = self.largest.as_ref().and_then(LargestErrors::deciding);
        let Some((found, share)) = found else {
            return Ok(None);
        };
        let row = |of: &Erring| {
            Ok(DecidingRow {
                key: read.key_of(of.row)?,
                label: of.label,
                prediction: of.prediction,
                weight: self.weight.as_ref().map(|_| of.weight),
            })
        };
        let rows = found.iter().map(row).collect::<Result<_>>()?;
        Ok(Some(Deciding { share, rows }))
    }

    fn finish(
        self,
        keys: Keys,
        deciding: Option<Deciding>,
        farthest: Option<String>,
    ) -> Result<Joined> {
        let report = |of: Box<dyn Evaluation>| of.report(&[]);
        let (mut days, mut reports) = (BTreeMap::new(), BTreeMap::new());
        for (day, (counts, measured)) in self.days {
            days.insert(day, counts);
            reports.insert(day, report(measured));
        }
        let overall = match self.measured_rows {
            0 => None,
            _ => Some(self.overall.report()?),
        };
        let of_values = |values: HashMap<u32, Box<dyn Evaluation>>| {
            let values = values.into_iter();
            values.map(|(value, of)| (value, report(of))).collect()
        };
        Ok(Joined {
            days,
            ranks: RankMetrics::default(),
            curve: Vec::new(),
            at_thresholds: Vec::new(),
            segmentation: self.segmentation,
            keys,
            of_task: Some(OfTask {
                overall,
                days: reports,
                by_score: self.by_score.into_iter().map(report).collect(),
                by_value: self.by_value.into_iter().map(of_values).collect(),
                deciding,
                farthest,
            }),
        })
    }
}

/// A model whose outputs are read from the columns of predictions: the ends of intervals are there.
fn as_read(model: &Arc<FittedModel>) -> Arc<FittedModel> {
    let mut model = model.clone();
    if model.rule.quantiles {
        let rule = &mut Arc::make_mut(&mut model).rule;
        rule.interval = rule.interval.map(|_| [0.0; 2]);
    }
    model
}

fn evaluation(model: &FittedModel) -> Box<dyn Evaluation> {
    model.task.evaluation(&model.target, &model.rule)
}

/// The rows of each group, in order.
fn grouped<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, Vec<usize>> {
    let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    for (row, key) in keys.enumerate() {
        groups.entry(key).or_default().push(row);
    }
    groups
}

fn next(labels: &mut Sorted<PlacedLabel>) -> Result<Option<(u64, f64)>> {
    let next = labels.next().transpose()?;
    Ok(next.map(|[place, label]| (place, f64::from_bits(label))))
}
