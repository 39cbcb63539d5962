//! A metric of each segment of the rows: of those that have the same value in a column.
//!
//! How sure it is, and how sure the difference of two models on the same rows, is known by the
//! delete-a-group jackknife over [`GROUPS`] groups of entities: of rows that have the same ids.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, RecordBatch};

use super::pass::{Watch, pass};
use super::rankings;
use crate::categories::{MOST_VALUES, texts};
use crate::dataset::keys;
use crate::labelled::{LabelledRows, Twins};
use crate::parts;
use catalog::manifest::{DatasetManifest, Part, Role};
use learn::fitted_model::FittedModel;
use learn::metrics::paired::jackknife_interval;
use learn::metrics::{Interval, RankMetrics, from_ordered_bits, ordered_bits, weighted};
use learn::rows::Rows;
use learn::task::{Evaluation, Metric};
use runtime::failure::Failure;
use runtime::step::{Progress, Step};
use runtime::threads::blocking;
use runtime::work::Work;
use store::Store;
use store::spill::Sorters;

/// Groups of the jackknife: fewer than of all rows, because each segment has its own.
const GROUPS: usize = 32;

/// The rows of one value of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The column.
    pub column: String,
    /// Its value; `None` of rows without one.
    pub value: Option<String>,
    /// Rows.
    pub rows: u64,
    /// The metric; `None` where it is undefined, as where all labels are alike.
    pub metric: Option<f64>,
    /// The metric without each group of entities that has rows; `None` where it is undefined for
    /// one of them, and of a metric that is not smooth.
    pub without: Option<Vec<f64>>,
}

impl Segment {
    /// Holds the metric of all such rows there could be in 95 of 100 cases; `None` where it is
    /// undefined, or the rows are of a single group.
    pub fn interval(&self) -> Option<Interval> {
        jackknife_interval(self.metric?, self.without.as_ref()?)
    }

    /// Likewise the metric less that of another model on the same rows.
    pub fn less(&self, other: &Self) -> Option<Interval> {
        let (ours, theirs) = (self.without.as_ref()?, other.without.as_ref()?);
        let pairs = ours.iter().zip(theirs);
        let without: Vec<f64> = pairs.map(|(ours, theirs)| ours - theirs).collect();
        let found = jackknife_interval(self.metric? - other.metric?, &without);
        found.filter(|_| ours.len() == theirs.len() && self.rows == other.rows)
    }
}

/// The segments of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segments {
    /// By column, those with the most rows first.
    pub segments: Vec<Segment>,
    /// Columns of more than [`MOST_VALUES`] values, which divide nothing.
    pub too_many: Vec<String>,
}

/// What rows are divided by: columns of `judged`, data of the same raw rows that another
/// configuration may have prepared.
pub struct Divisions<'a> {
    /// The data that has them.
    pub judged: &'a DatasetManifest,
    /// Their names.
    pub columns: &'a [String],
}

/// Measures a model on each segment of rows. Memory does not grow with the rows, and with several
/// classes it grows with the square of their number.
///
/// # Errors
/// As [`super::evaluate`]; parts of other rows: exit 10; more values than there is memory for:
/// exit 2.
pub async fn evaluate_segments(
    (step, store): (&Step, &Store),
    rows: &LabelledRows,
    model: &Arc<FittedModel>,
    dataset: &DatasetManifest,
    divisions: &Divisions<'_>,
    metric: Metric,
    progress: &Progress,
) -> Result<Segments> {
    let ids = divisions.judged.columns.iter();
    let ids = ids.filter(|column| column.role == Role::Id);
    let ids: Vec<String> = ids.map(|column| column.name.clone()).collect();
    let by = Arc::new(By {
        store: store.clone(),
        work: step.work().clone(),
        twins: Twins::new(dataset, divisions.judged)?,
        columns: divisions.columns.to_vec(),
        ids,
        memory: step.memory() / 4,
    });
    let orders = orders(step.work(), model, by.columns.len(), metric);
    let begin = {
        let (model, by) = (model.clone(), by.clone());
        move |first_row| Divided::new(&model, &by, &orders, first_row)
    };
    let all = pass(step, rows, model, dataset, progress, &[], begin).await?;
    blocking(move || all.finish(metric)).await
}

/// Where the values of rows are read.
struct By {
    store: Store,
    work: Work,
    twins: Twins,
    columns: Vec<String>,
    /// Columns that name an entity; without them each row is one.
    ids: Vec<String>,
    /// Bytes that the segments of a part may take.
    memory: u64,
}

/// The value of a row, its inverted score, whether it is a positive with its weight, and its group.
type ByValue = [u64; 4];

/// By column, by the task's order of the rows; none where the metric needs no order.
type Orders = Vec<Vec<Sorters<ByValue>>>;

fn orders(work: &Work, model: &FittedModel, columns: usize, metric: Metric) -> Orders {
    let needed = rankings(model, metric.name);
    let memory = work.sorter_memory() / (needed * columns).max(1);
    let of = |_| Sorters::with_memory(work.clone(), memory);
    (0..columns)
        .map(|_| (0..needed).map(of).collect())
        .collect()
}

/// The segments of some rows.
struct Divided {
    model: Arc<FittedModel>,
    by: Arc<By>,
    orders: Orders,
    columns: Vec<Values>,
    batches: Option<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>>,
    weighs: bool,
    /// Groups of rows that were read and not measured yet.
    groups: VecDeque<usize>,
    /// Number of the next row that is read among all.
    row: u64,
    /// Bytes of one evaluation.
    of_one: u64,
    /// Evaluations that there are.
    evaluations: u64,
}

/// The values of a column.
#[derive(Default)]
struct Values {
    /// By the hash of the value.
    of: HashMap<u64, Measured>,
    too_many: bool,
    /// Values of rows that were read and not measured yet.
    ahead: VecDeque<u64>,
}

/// What is measured of the rows of a value.
struct Measured {
    value: Option<String>,
    all: Box<dyn Evaluation>,
    /// By group; none of those without rows.
    groups: Vec<Option<Box<dyn Evaluation>>>,
}

impl Measured {
    fn new(value: Option<String>, model: &FittedModel) -> Self {
        Self {
            value,
            all: model.task.evaluation(&model.target, &model.rule),
            groups: (0..GROUPS).map(|_| None).collect(),
        }
    }

    fn merge(&mut self, later: Self) {
        self.all.merge(later.all);
        for (ours, theirs) in self.groups.iter_mut().zip(later.groups) {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => ours.merge(theirs),
                (ours @ None, theirs) => *ours = theirs,
                (Some(_), None) => {}
            }
        }
    }

    /// The metric without each group that has rows.
    fn without(&self, metric: Metric, ranks: &[Vec<RankMetrics>]) -> Option<Vec<f64>> {
        if !metric.is_smooth() {
            return None;
        }
        let present = (0..GROUPS).filter(|group| self.groups[*group].is_some());
        let without = present.map(|left_out| {
            let others = self.groups.iter().enumerate();
            let others = others.filter(|(group, _)| *group != left_out);
            let mut others = others.filter_map(|(_, of)| of.as_ref());
            let mut rest = others.next()?.copy();
            others.for_each(|of| rest.merge(of.copy()));
            let ranks: Vec<RankMetrics> = ranks.iter().map(|of| of[left_out]).collect();
            rest.report(&ranks).number(metric.name)
        });
        without.collect()
    }
}

impl Divided {
    fn new(model: &Arc<FittedModel>, by: &Arc<By>, orders: &Orders, row: u64) -> Self {
        Self {
            model: model.clone(),
            by: by.clone(),
            orders: orders.clone(),
            columns: by.columns.iter().map(|_| Values::default()).collect(),
            batches: None,
            weighs: false,
            groups: VecDeque::new(),
            row,
            of_one: model.task.evaluation(&model.target, &model.rule).bytes(),
            evaluations: 0,
        }
    }

    /// Refuses more evaluations than there is memory for.
    fn check_memory(&self) -> Result<()> {
        let (takes, limit) = (self.evaluations * self.of_one, self.by.memory);
        if takes <= limit {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "measuring the model on each value of the segment columns {} takes more than the {} MiB of memory for it, \
             a quarter of the budget: name fewer columns (--segment-columns, SEGMENT_COLUMNS), or raise the budget \
             (--memory, ALAMEDA_MEMORY)",
            self.by.columns.join(", "),
            limit >> 20
        )))
    }

    /// Reads the values of so many rows.
    fn read(&mut self, rows: usize) -> Result<()> {
        while self.groups.len() < rows {
            let batches = self.batches.as_mut().context("an open part")?;
            let batch = batches.next().context("a value of each row")??;
            let (columns, ids) = batch.columns().split_at(self.columns.len());
            match ids.is_empty() {
                false => {
                    let entities = keys::hashes(ids)?;
                    let groups = entities.map(|hash| (hash as u64 % GROUPS as u64) as usize);
                    self.groups.extend(groups);
                }
                true => {
                    let rows = self.row..self.row + batch.num_rows() as u64;
                    let groups = rows.map(|row| (row % GROUPS as u64) as usize);
                    self.groups.extend(groups);
                }
            }
            self.row += batch.num_rows() as u64;
            for (values, column) in self.columns.iter_mut().zip(columns) {
                values.see(column, &self.model)?;
            }
        }
        Ok(())
    }
}

impl Values {
    fn see(&mut self, column: &ArrayRef, model: &FittedModel) -> Result<()> {
        let texts = texts(column)?;
        let column: [ArrayRef; 1] = [Arc::new(texts.clone())];
        for (row, hash) in keys::hashes(&column)?.enumerate() {
            let code = hash as u64;
            self.ahead.push_back(code);
            if !self.of.contains_key(&code) && !self.is_full() {
                let value = texts.is_valid(row).then(|| texts.value(row).to_owned());
                self.of.insert(code, Measured::new(value, model));
            }
        }
        Ok(())
    }

    /// Whether no value more is taken; one of the values may be null.
    fn is_full(&mut self) -> bool {
        self.too_many |= self.of.len() > MOST_VALUES;
        self.too_many
    }

    fn merge(&mut self, later: Self) {
        self.too_many |= later.too_many;
        for (code, measured) in later.of {
            match self.of.get_mut(&code) {
                Some(ours) => ours.merge(measured),
                None => {
                    self.of.insert(code, measured);
                }
            }
        }
        if self.of.len() > MOST_VALUES + 1 {
            self.too_many = true;
        }
        if self.too_many {
            self.of.clear();
        }
    }
}

impl Watch for Divided {
    fn open(&mut self, part: &Part) -> Result<()> {
        let other = self.by.twins.of(part, "segments")?;
        let file = parts::local(&self.by.store, &other.key, &other.sha256)?;
        let columns = [&self.by.columns[..], &self.by.ids].concat();
        let batches = parts::read(&file, &columns, &self.by.work)?;
        self.batches = Some(Box::new(batches));
        Ok(())
    }

    fn take(&mut self, rows: Rows<'_>, outputs: &[f64]) -> Result<()> {
        self.read(rows.len())?;
        self.weighs |= rows.weights.is_some();
        let width = self.model.estimator.outputs();
        let of_rows: Vec<usize> = self.groups.drain(..rows.len()).collect();
        let model = &self.model;
        for (values, orders) in self.columns.iter_mut().zip(&self.orders) {
            let codes: Vec<u64> = values.ahead.drain(..rows.len()).collect();
            if values.too_many {
                continue;
            }
            let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
            for (row, code) in codes.into_iter().enumerate() {
                groups.entry(code).or_default().push(row);
            }
            for (code, group) in groups {
                let measured = values.of.get_mut(&code).context("a value that was seen")?;
                let labels: Vec<f64> = group.iter().map(|row| rows.y[*row]).collect();
                let of_row = |row: &usize| &outputs[row * width..(row + 1) * width];
                let outputs: Vec<f64> = group.iter().flat_map(of_row).copied().collect();
                let weights = rows.weights.map(|all| {
                    let weights = group.iter().map(|row| all[*row]);
                    weights.collect::<Vec<f64>>()
                });
                measured.all.add(&labels, &outputs, weights.as_deref())?;
                let each = group.iter().zip(outputs.chunks_exact(width)).enumerate();
                for (at, (row, outputs)) in each {
                    let of_group = measured.groups[of_rows[*row]].get_or_insert_with(|| {
                        self.evaluations += 1;
                        model.task.evaluation(&model.target, &model.rule)
                    });
                    let weight = weights.as_ref().map(|weights| &weights[at..=at]);
                    of_group.add(&labels[at..=at], outputs, weight)?;
                }
                let measured = &measured.all;
                for (order, sorters) in orders.iter().enumerate() {
                    sorters.lend(|sorter| {
                        let scored = labels.iter().zip(outputs.chunks_exact(width));
                        for (row, (label, outputs)) in scored.enumerate() {
                            let (score, positive) = measured.ranked(order, *label, outputs);
                            let weight = weights.as_ref().map_or(1.0, |weights| weights[row]);
                            let low = u64::from(positive) << 63 | weight.abs().to_bits();
                            let group = of_rows[group[row]] as u64;
                            sorter.push([code, !ordered_bits(score), low, group])?;
                        }
                        Ok(())
                    })?;
                }
            }
        }
        self.check_memory()
    }

    fn bytes(&self) -> u64 {
        let most = self.columns.len() * (MOST_VALUES + 1) * GROUPS;
        (most as u64 * self.of_one).min(self.by.memory)
    }

    fn merge(&mut self, later: Self) {
        self.weighs |= later.weighs;
        for (ours, theirs) in self.columns.iter_mut().zip(later.columns) {
            ours.merge(theirs);
        }
    }
}

impl Divided {
    fn finish(self, metric: Metric) -> Result<Segments> {
        let mut found = Segments::default();
        let columns = self.by.columns.iter().zip(self.columns);
        for ((column, values), orders) in columns.zip(&self.orders) {
            if values.too_many {
                found.too_many.push(column.clone());
                continue;
            }
            let ranked = orders.iter().map(|sorters| ranked(sorters, self.weighs));
            let ranked = ranked.collect::<Result<Vec<_>>>()?;
            let segment = |(code, measured): (u64, Measured)| {
                let none = || vec![RankMetrics::default(); GROUPS + 1];
                let orders = ranked.iter();
                let ranks: Vec<Vec<RankMetrics>> = orders
                    .map(|of| of.get(&code).cloned().unwrap_or_else(none))
                    .collect();
                let of_all: Vec<RankMetrics> = ranks.iter().map(|of| of[GROUPS]).collect();
                let report = measured.all.report(&of_all);
                Segment {
                    column: column.clone(),
                    rows: report.rows(),
                    metric: report.number(metric.name),
                    without: measured.without(metric, &ranks),
                    value: measured.value,
                }
            };
            let mut segments: Vec<Segment> = values.of.into_iter().map(segment).collect();
            segments.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.value.cmp(&b.value)));
            found.segments.extend(segments);
        }
        Ok(found)
    }
}

/// The metrics of each value's order: without each group, then of all rows.
fn ranked(sorters: &Sorters<ByValue>, weighs: bool) -> Result<HashMap<u64, Vec<RankMetrics>>> {
    let mut found = HashMap::new();
    let mut current: Option<(u64, Vec<Ranking>)> = None;
    let metrics = |of: Vec<Ranking>| of.into_iter().map(Ranking::metrics).collect();
    for record in sorters.finish()? {
        let [code, score, low, group] = record?;
        if current.as_ref().is_none_or(|(of, _)| *of != code) {
            if let Some((before, rankings)) = current.take() {
                found.insert(before, metrics(rankings));
            }
            let rankings = (0..=GROUPS).map(|_| Ranking::new(weighs)).collect();
            current = Some((code, rankings));
        }
        let (score, positive) = (from_ordered_bits(!score), low >> 63 == 1);
        if let Some((_, rankings)) = &mut current {
            for (left_out, ranking) in (0..).zip(rankings) {
                if left_out != group {
                    ranking.add(score, positive, f64::from_bits(low << 1 >> 1))?;
                }
            }
        }
    }
    if let Some((last, rankings)) = current {
        found.insert(last, metrics(rankings));
    }
    Ok(found)
}

/// Exact in whole numbers where rows do not weigh, as the metrics of all rows are.
enum Ranking {
    Counted(learn::metrics::Ranking),
    Weighed(weighted::Ranking),
}

impl Ranking {
    fn new(weighs: bool) -> Self {
        match weighs {
            true => Self::Weighed(weighted::Ranking::default()),
            false => Self::Counted(learn::metrics::Ranking::default()),
        }
    }

    fn add(&mut self, score: f64, positive: bool, weight: f64) -> Result<()> {
        match self {
            Self::Counted(of) => of.add(score, positive)?,
            Self::Weighed(of) => of.add(score, positive, weight)?,
        }
        Ok(())
    }

    fn metrics(self) -> RankMetrics {
        match self {
            Self::Counted(of) => of.metrics(),
            Self::Weighed(of) => of.metrics(),
        }
    }
}
