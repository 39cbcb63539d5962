//! Aggregates over the rows to train on: `aggregate.NAME.sql`, one `SELECT` of keys and functions
//! over `train`.
//!
//! They are computed once, in partial states of each raw file, and looked up by the keys since: as
//! columns `NAME.column` of `raw`.

mod groups;
mod lookup;

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::DFSchema;
use datafusion_common::error::DataFusionError;
use datafusion_expr::expr::{AggregateFunction, NullTreatment};
use datafusion_expr::{Aggregate as Grouping, Expr, LogicalPlan};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};

use table::config::{Config, aggregates as files};
use table::dataset::Dataset;

use super::check;
use super::engine::Engine;
use super::exact::EXACT;
use super::excerpt::Query;
use super::fault;
use super::lineage;
use super::overflow;
use super::probe;

pub use groups::Fit;
pub(super) use lookup::Lookup;

/// The table that aggregates read.
const TRAIN: &str = "train";
/// All aggregates of a configuration, in the order of their names.
#[derive(Debug)]
pub(super) struct Aggregates {
    each: Vec<Arc<Aggregate>>,
    /// The columns of raw rows, and after them those of the aggregates.
    extended: SchemaRef,
}

/// One aggregate, planned.
#[derive(Debug)]
struct Aggregate {
    name: String,
    /// Places of the raw columns whose values are its keys.
    keys: Vec<usize>,
    key_fields: Vec<Field>,
    values: Vec<Value>,
    /// Places of the raw columns that name a row.
    of_row: Vec<usize>,
}

/// A function of an aggregate.
#[derive(Debug)]
struct Value {
    column: String,
    function: Arc<AggregateFunctionExpr>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// Places of the raw columns that it is over.
    reads: Vec<usize>,
}

impl Value {
    fn arguments(&self, rows: &RecordBatch) -> datafusion_common::error::Result<Vec<ArrayRef>> {
        let arguments = self.arguments.iter();
        let evaluated = arguments.map(|of| of.evaluate(rows)?.into_array(rows.num_rows()));
        evaluated.collect()
    }

    /// The fault of what it is over that shows without any row.
    fn fault(&self, schema: &Schema) -> Option<DataFusionError> {
        let mut arguments = self.arguments.iter();
        arguments.find_map(|argument| probe::of_expr(argument, schema))
    }
}

impl Aggregates {
    /// Plans those of a configuration over raw rows.
    ///
    /// # Errors
    /// SQL that is wrong or that is no aggregate over rows to train on: exit 2, with the place.
    pub(super) fn plan(config: &Config, raw: &SchemaRef, memory: u64) -> Result<Self> {
        let mut fields: Vec<Arc<Field>> = raw.fields().iter().cloned().collect();
        let mut each = Vec::new();
        if !config.aggregates.is_empty() {
            let engine = Engine::new(TRAIN, raw, memory)?;
            for (name, aggregate) in &config.aggregates {
                let file = files::file_of(name);
                let query = Query {
                    name: &file,
                    sql: &aggregate.sql,
                };
                let rules = Rules {
                    query: &query,
                    raw,
                    dataset: &config.dataset,
                };
                let planned = rules.plan(&engine, name)?;
                for value in &planned.values {
                    if fields.iter().any(|field| *field.name() == value.column) {
                        return Err(query.refusal(
                            None,
                            &format!(
                                "two columns are named {:?}: rename one of them",
                                value.column
                            ),
                        ));
                    }
                    let data_type = value.function.field().data_type().clone();
                    fields.push(Arc::new(Field::new(&value.column, data_type, true)));
                }
                each.push(Arc::new(planned));
            }
        }
        Ok(Self {
            each,
            extended: Arc::new(Schema::new(fields)),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Columns that queries read: the raw ones, and `NAME.column` of each aggregate.
    pub(super) fn extended(&self) -> &SchemaRef {
        &self.extended
    }

    /// Places of the raw columns that the keys are.
    pub(super) fn keys(&self) -> impl Iterator<Item = usize> {
        let each = self.each.iter();
        each.flat_map(|aggregate| aggregate.keys.iter().copied())
    }

    /// Places of the raw columns that the functions are over.
    pub(super) fn arguments(&self) -> impl Iterator<Item = usize> {
        let values = self.each.iter().flat_map(|aggregate| &aggregate.values);
        values.flat_map(|value| value.reads.iter().copied())
    }

    /// # Errors
    /// A fault that shows without any row: exit 2, with the column.
    pub(super) fn must_compute(&self) -> Result<()> {
        for aggregate in &self.each {
            for value in &aggregate.values {
                if let Some(fault) = value.fault(&self.extended) {
                    let (file, column) = (files::file_of(&aggregate.name), &value.column);
                    let what = format!("{file} fails in the column {column:?}");
                    return Err(fault::refusal(&what, &fault));
                }
            }
        }
        Ok(())
    }

    /// Nothing computed yet, with at most `memory` bytes to do it in.
    ///
    /// # Errors
    /// Keys of a type that are not compared.
    pub(super) fn fit(&self, memory: u64) -> Result<Fit> {
        Fit::new(&self.each, memory)
    }

    /// The lookup of values by keys, of tables by the names of their aggregates.
    ///
    /// # Errors
    /// Tables of other aggregates, and such that take more than `memory` bytes.
    pub(super) fn lookup(&self, tables: &[(String, Vec<u8>)], memory: u64) -> Result<Lookup> {
        Lookup::new(&self.each, &self.extended, tables, memory)
    }

    /// A lookup that finds nothing.
    ///
    /// # Errors
    /// Keys of a type that are not compared.
    pub(super) fn unknown(&self) -> Result<Lookup> {
        Lookup::unknown(&self.each, &self.extended)
    }
}

/// What an aggregate is checked against.
struct Rules<'a> {
    query: &'a Query<'a>,
    raw: &'a SchemaRef,
    dataset: &'a Dataset,
}

impl Rules<'_> {
    fn refuse(&self, word: &str, text: &str) -> anyhow::Error {
        self.query.refusal(self.query.find(word), text)
    }

    fn plan(&self, engine: &Engine, name: &str) -> Result<Aggregate> {
        const WHAT: &str = "an aggregate is one SELECT over train";
        let statement = check::one_select(self.query, WHAT)?;
        let failure = |error| self.query.failure(&error);
        let plan = engine.plan(statement).map_err(failure)?;
        let grouping = self.grouping(&plan)?;
        self.check_source(&grouping.input)?;
        // Calls are checked as they are written: the analyzer writes some of them again.
        for expr in &grouping.aggr_expr {
            self.check_call(call(expr))?;
        }
        let plan = engine.analyzed(plan).map_err(failure)?;
        let grouping = self.grouping(&plan)?;
        let LogicalPlan::Projection(projection) = &plan else {
            return Err(self.no_aggregate());
        };
        let schema = DFSchema::try_from(self.raw.as_ref().clone())?;
        let keys = self.keys(grouping)?;
        let mut values = Vec::new();
        for (place, expr) in projection.expr.iter().enumerate() {
            let mut plain = expr;
            while let Expr::Alias(alias) = plain {
                plain = &alias.expr;
            }
            let of_group = match plain {
                Expr::Column(column) => grouping.schema.maybe_index_of_column(column),
                _ => None,
            };
            let Some(of_group) = of_group else {
                return Err(self.query.refusal(
                    None,
                    &format!(
                        "column {} of the result is neither a grouping column nor one function: compute \
                         it in features.sql, from the columns {name}.x of this aggregate",
                        place + 1
                    ),
                ));
            };
            let Some(at) = of_group.checked_sub(keys.len()) else {
                continue;
            };
            let given = match expr {
                // SQL itself names count(*) by how it is written.
                Expr::Alias(alias) if !alias.name.contains('(') => Some(&alias.name),
                _ => None,
            };
            let Some(given) = given else {
                return Err(self.query.refusal(
                    None,
                    &format!(
                        "column {} of the result has no name: name it with AS; features.sql then reads it \
                         as {name}.NAME",
                        place + 1
                    ),
                ));
            };
            let column = format!("{name}.{given}");
            let expr = &grouping.aggr_expr[at];
            values.push(self.value(engine, &schema, column, call(expr))?);
        }
        if values.is_empty() {
            return Err(self.no_aggregate());
        }
        let key_fields = keys.iter().map(|&key| self.raw.field(key).clone());
        Ok(Aggregate {
            name: name.to_owned(),
            key_fields: key_fields.map(|field| field.with_nullable(true)).collect(),
            keys,
            values,
            of_row: fault::key(self.dataset, self.raw),
        })
    }

    fn no_aggregate(&self) -> anyhow::Error {
        self.query.refusal(
            None,
            "it computes nothing over several rows: write SELECT key, count(*) AS rows FROM train \
             GROUP BY key",
        )
    }

    /// The node that groups, under nothing but a selection of its columns.
    fn grouping<'a>(&self, plan: &'a LogicalPlan) -> Result<&'a Grouping> {
        let refuse = |word, what: &str, advice: &str| {
            Err(self.refuse(word, &format!("{what} is refused in an aggregate{advice}")))
        };
        let LogicalPlan::Projection(projection) = plan else {
            return match plan {
                LogicalPlan::Sort(_) => refuse("ORDER", "ORDER BY", ": a table has no order"),
                LogicalPlan::Limit(_) => {
                    refuse("LIMIT", "LIMIT", ": it would keep arbitrary groups")
                }
                LogicalPlan::Distinct(_) => refuse("DISTINCT", "DISTINCT", ": use GROUP BY"),
                LogicalPlan::Union(_) => refuse("UNION", "UNION", ": write a file for each"),
                _ => Err(self.no_aggregate()),
            };
        };
        match projection.input.as_ref() {
            LogicalPlan::Aggregate(grouping) => Ok(grouping),
            LogicalPlan::Filter(_) if self.query.find("HAVING").is_some() => refuse(
                "HAVING",
                "HAVING",
                ": compare the columns in features.sql, such as CASE WHEN store.rows > 9 THEN ...",
            ),
            LogicalPlan::Window(_) => refuse("OVER", "a window", ": write it in features.sql"),
            _ => Err(self.no_aggregate()),
        }
    }

    fn check_source(&self, input: &LogicalPlan) -> Result<()> {
        match input {
            LogicalPlan::SubqueryAlias(alias) => self.check_source(&alias.input),
            LogicalPlan::TableScan(scan) if scan.table_name.table() == TRAIN => Ok(()),
            LogicalPlan::Filter(_) => Err(self.refuse(
                "WHERE",
                "WHERE is refused in an aggregate: write count(CASE WHEN condition THEN 1 END), \
                 sum(CASE WHEN condition THEN x END)",
            )),
            _ => Err(self.refuse(
                "FROM",
                "an aggregate reads only the table train, without a join or a subquery",
            )),
        }
    }

    /// Places of the raw columns that are grouped by.
    fn keys(&self, grouping: &Grouping) -> Result<Vec<usize>> {
        let mut keys = Vec::new();
        for expr in &grouping.group_expr {
            let place = match expr {
                Expr::Column(column) => grouping.input.schema().maybe_index_of_column(column),
                _ => None,
            };
            let Some(place) = place else {
                return Err(self.refuse(
                    "GROUP",
                    &format!(
                        "GROUP BY {expr} is refused: grouping columns must be columns of the raw \
                         files, unchanged, because rows to score look their values up by them"
                    ),
                ));
            };
            let field = self.raw.field(place);
            let (column, data_type) = (field.name(), field.data_type());
            if *column == self.dataset.target().name {
                return Err(self.of_target("GROUP"));
            }
            if data_type.is_floating() {
                return Err(self.refuse(
                    "GROUP",
                    &format!(
                        "GROUP BY {column:?} of type {data_type} is refused: floats can't be grouping columns"
                    ),
                ));
            }
            keys.push(place);
        }
        Ok(keys)
    }

    fn of_target(&self, word: &str) -> anyhow::Error {
        let target = &self.dataset.target().name;
        self.refuse(
            word,
            &format!(
                "an aggregate over the target {target:?} is refused: each training row would see \
                 its own label in it; `encode: target` in models.json encodes a category by the \
                 target of other rows"
            ),
        )
    }

    fn check_call(&self, call: Option<&AggregateFunction>) -> Result<()> {
        let Some(call) = call else {
            return Err(self.no_aggregate());
        };
        let name = call.func.name();
        if !EXACT.contains(&name) {
            return Err(self.refuse(
                name,
                &format!(
                    "{name}() is refused in an aggregate: there are {}",
                    EXACT.join(", ")
                ),
            ));
        }
        let params = &call.params;
        if params.distinct {
            return Err(self.refuse(
                "DISTINCT",
                "DISTINCT in an aggregate is refused: all values would have to be kept; an \
                 aggregate by that column has a row for each",
            ));
        }
        if params.filter.is_some() {
            return Err(self.refuse(
                "FILTER",
                &format!("FILTER is refused: write {name}(CASE WHEN condition THEN x END)"),
            ));
        }
        if !params.order_by.is_empty() || params.null_treatment == Some(NullTreatment::IgnoreNulls)
        {
            let text =
                format!("ORDER BY or IGNORE NULLS in {name}() is refused: the rows have no order");
            return Err(self.refuse(name, &text));
        }
        Ok(())
    }

    fn value(
        &self,
        engine: &Engine,
        schema: &DFSchema,
        column: String,
        call: Option<&AggregateFunction>,
    ) -> Result<Value> {
        let Some(call) = call else {
            return Err(self.no_aggregate());
        };
        let of_raw = (0..self.raw.fields().len()).map(lineage::Origin::of_raw);
        let of_raw: Vec<lineage::Origin> = of_raw.collect();
        let mut reads = Vec::new();
        let mut arguments = Vec::new();
        for argument in &call.params.args {
            if let Some(refusal) = check::check_expression(self.query, argument, false) {
                return Err(refusal);
            }
            let argument = unqualified(argument).map_err(|error| self.query.failure(&error))?;
            reads.extend(lineage::of_expr(&argument, schema, &of_raw).reads);
            let planned = engine.physical_expression(argument, schema);
            let planned = planned.and_then(|expr| overflow::check(expr, schema.as_arrow()));
            arguments.push(planned.map_err(|error| self.query.failure(&error))?);
        }
        if reads
            .iter()
            .any(|&place| *self.raw.field(place).name() == self.dataset.target().name)
        {
            return Err(self.of_target(call.func.name()));
        }
        let function = AggregateExprBuilder::new(call.func.clone(), arguments.clone())
            .schema(self.raw.clone())
            .alias(&column)
            .build();
        let function = function.map_err(|error| self.query.failure(&error))?;
        if let other @ (DataType::List(_) | DataType::Struct(_)) = function.field().data_type() {
            return Err(self.refuse(call.func.name(), &format!("{column} is of type {other}")));
        }
        Ok(Value {
            column,
            function: Arc::new(function),
            arguments,
            reads,
        })
    }
}

/// The function that a grouped expression is.
fn call(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => call(&alias.expr),
        Expr::AggregateFunction(function) => Some(function),
        _ => None,
    }
}

/// An expression whose columns are named without the table.
fn unqualified(expr: &Expr) -> datafusion_common::error::Result<Expr> {
    use datafusion_common::Column;
    use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
    let plain = expr.clone().transform_up(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    });
    plain.data()
}
