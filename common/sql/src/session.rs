//! SQL over raw rows: the features of a model and the filter of its data contract, checked before
//! anything is read.
//!
//! A query may compute from each row, and from windows over the rows of the same entity that reach
//! back a stated time. So its result depends neither on how rows are spread over files nor on the
//! clock, and rows keep their order.
//!
//! ```
//! use sql::session::Features;
//! use table::config::Config;
//!
//! let dataset = r#"{"columns": [
//!     {"name": "id", "type": "utf8", "role": "id"},
//!     {"name": "amount", "type": "float64", "role": "feature"},
//!     {"name": "churned", "type": "int64", "role": "target", "allowed": [0, 1]}
//! ]}"#;
//! let plan = |sql: &str| {
//!     let config = Config::parse(dataset.to_owned(), sql.to_owned())?;
//!     Features::new(&config, 64 << 20)
//! };
//! let features = plan("SELECT id, amount * 2 AS twice, churned FROM raw")?;
//! assert_eq!(features.columns()[1].name, "twice");
//! // What looks beyond its own row and its entity is refused before anything is read.
//! assert!(plan("SELECT id, sum(amount) OVER () AS total, churned FROM raw").is_err());
//! # Ok::<(), anyhow::Error>(())
//! ```

mod aggregate;
mod arguments;
mod bounded;
mod check;
mod columns;
mod condition;
mod engine;
mod exact;
mod excerpt;
mod fault;
mod frame;
mod lineage;
mod operators;
mod overflow;
mod physical;
mod probe;
mod sliding;
mod source;
mod values;
mod wide;
mod windows;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, ensure};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion_common::error::Result as SqlResult;
use datafusion_execution::SendableRecordBatchStream;
use datafusion_expr::LogicalPlan;
use datafusion_physical_plan::execution_plan::reset_plan_states;
use datafusion_physical_plan::streaming::StreamingTableExec;
use datafusion_physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use futures::executor::block_on;

use catalog::manifest::Column;
use runtime::failure::Failure;
use table::config::{Config, FEATURES_FILE};
use table::parts;

pub use aggregate::Fit;
use aggregate::{Aggregates, Lookup};
use check::Checked;
use condition::Condition;
use engine::Engine;
use excerpt::Query;
use fault::{OnTheirWay, Rows};
use frame::Watch;
use source::Source;
pub use windows::Windows;

/// The table that queries read.
const RAW: &str = "raw";
const DAY_MICROS: i64 = 86_400_000_000;

/// Memory to plan a query with that no row passes through.
pub const PLANNING_MEMORY: u64 = 64 << 20;

/// A features query and its filters, planned once and run over any number of raw files.
pub struct Features {
    engine: Engine,
    filter: Option<Condition>,
    train_filter: Option<Condition>,
    /// What a WHERE of the query is refused with.
    condition: Option<String>,
    logical: LogicalPlan,
    plan: Arc<dyn ExecutionPlan>,
    /// With DataFusion's own windows, which tests compare.
    #[cfg(test)]
    unslid: Arc<dyn ExecutionPlan>,
    raw: SchemaRef,
    /// Places of the raw columns that name a row.
    key: Vec<usize>,
    schema: SchemaRef,
    columns: Vec<Column>,
    reads: Vec<bool>,
    windows: Option<Windows>,
    aggregates: Aggregates,
    /// The values of the aggregates, once they are known.
    lookup: OnceLock<Arc<Lookup>>,
    memory: u64,
}

impl Features {
    /// Plans the queries of a configuration. What DataFusion has to hold is bounded by `memory`
    /// bytes.
    ///
    /// # Errors
    /// SQL that is wrong or that looks beyond its own row, a filter that reads the target, a result
    /// without an id, the time or the target, and features of a type that the configuration does
    /// not take: exit 2, with the place in the SQL where it is known.
    pub fn new(config: &Config, memory: u64) -> Result<Self> {
        let dataset = &config.dataset;
        let of_files = dataset.raw_schema();
        let aggregates = Aggregates::plan(config, &of_files, memory)?;
        let raw = aggregates.extended().clone();
        let mut engine = Engine::new(RAW, &raw, memory)?;
        let key = fault::key(dataset, &raw);
        let plan = |name, sql: &Option<String>| {
            let condition = sql
                .as_deref()
                .map(|sql| Condition::plan(&engine, &of_files, &key, name, sql));
            condition.transpose()
        };
        let filter = plan("the filter of dataset.json", &dataset.filter)?;
        let train_filter = plan("the train_filter of dataset.json", &dataset.train_filter)?;
        if let Some(filter) = &filter {
            filter.must_not_read(&raw, &dataset.target().name)?;
        }
        let query = Query {
            name: FEATURES_FILE,
            sql: &config.features_sql,
        };
        let mut checked = check::features(&engine, &query, &raw, dataset)?;
        if checked.windows.is_some() {
            engine = engine.ordered(windows::order(dataset));
            checked = check::features(&engine, &query, &raw, dataset)?;
        }
        let columns = columns::of_plan(&query, config, &checked.plan, &checked.made_of)?;
        let plan = fault::planned(&engine, &checked.plan);
        let plan = plan.map_err(|error| fault::of_planning(&engine, &query, &checked, &error))?;
        let Checked {
            plan: logical,
            windows,
            condition,
            ..
        } = checked;
        if windows.is_some() {
            frame::check_plan(&plan).map_err(|error| query.failure(&error))?;
        }
        let mut reads = reads(&plan, [&filter, &train_filter], raw.fields().len());
        reads.truncate(of_files.fields().len());
        aggregates.keys().for_each(|key| reads[key] = true);
        // A promise that SQL's own rules make about nulls would differ from what a reader of the
        // parts may rely on.
        let schema = parts::nullable(&Schema::new(plan.schema().fields().clone()));
        Ok(Self {
            engine,
            filter,
            train_filter,
            condition,
            logical,
            plan: sliding::in_place(plan.clone()).map_err(|error| query.failure(&error))?,
            #[cfg(test)]
            unslid: plan,
            raw,
            key,
            schema,
            columns,
            reads,
            windows,
            aggregates,
            lookup: OnceLock::new(),
            memory,
        })
    }

    /// Refuses a query that may leave rows out, before any is read. What was trained with such a
    /// query before is not asked: all of its rows may pass.
    ///
    /// # Errors
    /// A query with a WHERE: exit 2.
    pub fn must_keep_rows(&self) -> Result<()> {
        match &self.condition {
            None => Ok(()),
            Some(refusal) => Err(Failure::usage(refusal)),
        }
    }

    /// Whether there are columns of aggregates over the rows to train on.
    pub fn has_aggregates(&self) -> bool {
        !self.aggregates.is_empty()
    }

    /// The aggregates of no rows yet, for which there are `memory` bytes.
    ///
    /// # Errors
    /// Keys of a type that are not compared.
    pub fn fit(&self, memory: u64) -> Result<Fit> {
        self.aggregates.fit(memory)
    }

    /// Has the values of aggregates attached to rows: tables by name, as [`Fit::finish`] gives
    /// them.
    ///
    /// # Errors
    /// Tables of other aggregates; such that take more than a quarter of the memory: exit 2.
    pub fn look_up(&self, tables: &[(String, Vec<u8>)]) -> Result<()> {
        let lookup = self.aggregates.lookup(tables, self.memory / 4)?;
        ensure!(
            self.lookup.set(lookup.into()).is_ok(),
            "aggregates are known once"
        );
        Ok(())
    }

    /// Leaves the columns of aggregates null, where rows are looked at before a training.
    ///
    /// # Errors
    /// Keys of a type that are not compared.
    pub fn look_up_nothing(&self) -> Result<()> {
        let lookup = self.aggregates.unknown()?;
        ensure!(
            self.lookup.set(lookup.into()).is_ok(),
            "aggregates are known once"
        );
        Ok(())
    }

    /// What the windows of the query look back at; `None` for a query that looks at its own row
    /// alone, for which it does not matter how rows are spread over files and calls.
    pub fn windows(&self) -> Option<&Windows> {
        self.windows.as_ref()
    }

    /// For each raw column, whether the query or the filter reads its values, or an aggregate finds
    /// its own by them.
    pub fn reads(&self) -> Vec<bool> {
        self.reads.clone()
    }

    /// The same, and whether aggregates are over its values.
    pub fn reads_to_fit(&self) -> Vec<bool> {
        let mut reads = self.reads();
        let arguments = self.aggregates.arguments();
        arguments.for_each(|argument| reads[argument] = true);
        reads
    }

    /// Columns of the result, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Schema of the result; every column may be null.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows for which the contract's filter is true; `None` when there is no filter.
    ///
    /// # Errors
    /// A value that the filter can't be computed from: exit 10; a fault of its SQL: exit 2.
    pub fn keep(&self, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
        self.filter
            .as_ref()
            .map(|filter| filter.holds(batch))
            .transpose()
    }

    /// The rows, of those to `keep`, for which the contract's filter of training data is true;
    /// `None` when there is no such filter. It is not computed for the other rows: they may hold
    /// values that it has no result for.
    ///
    /// # Errors
    /// A value that the filter can't be computed from: exit 10; a fault of its SQL: exit 2.
    pub fn keep_in_training(
        &self,
        batch: &RecordBatch,
        keep: Option<&BooleanArray>,
    ) -> Result<Option<BooleanArray>> {
        let (Some(filter), Some(keep)) = (&self.train_filter, keep) else {
            let filter = self.train_filter.as_ref();
            return filter.map(|filter| filter.holds(batch)).transpose();
        };
        let holds = filter.holds(&filter_record_batch(batch, keep)?)?;
        let mut of_kept = holds.values().iter();
        let in_place = keep
            .values()
            .iter()
            .map(|keep| keep && of_kept.next().unwrap_or(false));
        Ok(Some(BooleanArray::new(in_place.collect(), None)))
    }

    /// Places of the raw columns that decide whether a row is kept, in training or else.
    pub fn decisive(&self, training: bool) -> Vec<usize> {
        let train_filter = self.train_filter.iter().filter(|_| training);
        let conditions = self.filter.iter().chain(train_filter);
        conditions
            .flat_map(|condition| condition.reads.iter().copied())
            .collect()
    }

    /// Computes the features of raw rows, in their order. It reads `rows` while the result is read.
    ///
    /// With [`windows`](Self::windows) the rows are those of whole entities, in the ascending order
    /// of the entity's columns, as Arrow's row format compares them, and of the time; rows of the
    /// same time count in the order in which they come. Each of them has one row in the result.
    ///
    /// # Errors
    /// Errors of `rows` as they are; a value that the query can't be computed from, and a null in
    /// an entity: exit 10; a fault of the SQL, and a window whose rows do not fit into memory:
    /// exit 2.
    pub fn compute(
        &self,
        rows: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        self.compute_of(rows, |_| None)
    }

    /// The same of rows of several files: `file` gives that of a row by its place among all `rows`,
    /// for errors.
    ///
    /// # Errors
    /// Those of [`compute`](Self::compute).
    pub fn compute_of(
        &self,
        rows: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
        file: impl Fn(u64) -> Option<String>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let windows = self.windows.as_ref();
        let watch = windows.map(|windows| Watch::new(windows, &self.raw, self.memory));
        let mut watch = watch.transpose()?;
        let lookup = match self.has_aggregates() {
            true => Some(
                self.lookup
                    .get()
                    .context("the aggregates are not known")?
                    .clone(),
            ),
            false => None,
        };
        let last: Arc<Mutex<Option<Rows>>> = Arc::default();
        let taken = last.clone();
        let mut read = 0;
        let rows = rows.map(move |batch| {
            let mut batch = batch?;
            if let Some(lookup) = &lookup {
                batch = lookup.attach(&batch)?;
            }
            watch.as_mut().map_or(Ok(()), |watch| watch.see(&batch))?;
            let first = read;
            read += batch.num_rows() as u64;
            *taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Rows {
                batch: batch.clone(),
                first,
            });
            Ok(batch)
        });
        let source = Arc::new(Source::new(rows));
        let mut stream = self.stream(self.plan.clone(), source.clone())?;
        let mut computed = 0;
        Ok(std::iter::from_fn(move || {
            let batch = block_on(stream.next())?;
            let taken = {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                match self.windows {
                    // Rows that were computed from are not kept any longer.
                    None => last.take(),
                    // The last ones wait for others in their windows.
                    Some(_) => last.clone(),
                }
            };
            Some(match batch {
                Ok(batch) => {
                    computed += batch.num_rows() as u64;
                    RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())
                        .map_err(Into::into)
                }
                Err(error) => Err(source.failure().unwrap_or_else(|| {
                    let given = source.given();
                    let met = OnTheirWay {
                        taken,
                        given: given.map(|batch| Rows {
                            batch,
                            first: computed,
                        }),
                        file: &file,
                    };
                    self.failure(&error, &met)
                })),
            })
        }))
    }

    /// The result of a plan over the rows of a source.
    fn stream(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        source: Arc<Source>,
    ) -> SqlResult<SendableRecordBatchStream> {
        // A plan that ran keeps its metrics; a fresh one for every file keeps them from adding up.
        execute_stream(reset_plan_states(plan)?, self.engine.task(source))
    }
}

/// For each of the raw columns, whether it is read: what the plan takes of the table, and what the
/// filters name.
fn reads(
    plan: &Arc<dyn ExecutionPlan>,
    conditions: [&Option<Condition>; 2],
    columns: usize,
) -> Vec<bool> {
    let mut reads = vec![false; columns];
    let mut nodes = vec![plan];
    while let Some(node) = nodes.pop() {
        match node.downcast_ref::<StreamingTableExec>() {
            Some(table) => match table.projection() {
                Some(read) => read.iter().for_each(|&column| reads[column] = true),
                None => reads.fill(true),
            },
            None => nodes.extend(node.children()),
        }
    }
    for condition in conditions.into_iter().flatten() {
        condition
            .reads
            .iter()
            .for_each(|&column| reads[column] = true);
    }
    reads
}

#[cfg(test)]
mod tests;
