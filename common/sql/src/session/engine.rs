//! Planning SQL over one table of rows, by the parts of DataFusion that it takes.
//!
//! DataFusion's own session brings catalogs, files, and plans for every kind of query along. To
//! check their types alone takes longer than to check those of all that queries use.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, TableReference, plan_err};
use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::planner::{ContextProvider, ExprPlanner};
use datafusion_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, SortExpr, TableSource, WindowUDF,
};
use datafusion_functions::core::planner::CoreFunctionPlanner;
use datafusion_functions::datetime::planner::DatetimeFunctionPlanner;
use datafusion_functions::unicode::planner::UnicodeFunctionPlanner;
use datafusion_functions_aggregate::planner::AggregateFunctionPlanner;
use datafusion_functions_window::planner::WindowFunctionPlanner;
use datafusion_optimizer::simplify_expressions::{ExprSimplifier, SimplifyContext};
use datafusion_optimizer::{Analyzer, Optimizer, OptimizerContext};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_plan::ExecutionPlan;
use datafusion_sql::parser::Statement;
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast::ExprWithAlias;

use table::parts;

use super::operators::Planner;
use super::source::{Source, TableOfRows};
use super::{bounded, exact, physical};

type SqlResult<T> = datafusion_common::Result<T>;

/// Where DataFusion's own session has its tables: a query may spell it out.
const CATALOG: &str = "datafusion";
const SCHEMA: &str = "public";

/// What plans SQL over a table of rows.
pub(super) struct Engine {
    table: String,
    rows: Arc<TableOfRows>,
    functions: Functions,
    planners: Vec<Arc<dyn ExprPlanner>>,
    analyzer: Analyzer,
    optimizer: Optimizer,
    properties: ExecutionProps,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
}

impl Engine {
    /// With one table of rows of the schema `raw`, which come in any order. What has to be held to
    /// compute is bounded by `memory` bytes.
    pub(super) fn new(table: &str, raw: &SchemaRef, memory: u64) -> Result<Self> {
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(parts::BATCH_ROWS);
        let parser = &mut config.options_mut().sql_parser;
        // Columns of raw files are named as they are, letter case included.
        parser.enable_ident_normalization = false;
        parser.map_string_types_to_utf8view = false;
        parser.collect_spans = true;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(usize::try_from(memory).unwrap_or(usize::MAX), 1.0)
            // What computes from each row has nothing to spill, and leaves no folder behind.
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
            )
            .build_arc()
            .context("preparing to run SQL")?;
        let mut properties = ExecutionProps::new();
        properties.config_options = Some(config.options().clone());
        Ok(Self {
            table: table.to_owned(),
            rows: Arc::new(TableOfRows::new(raw.clone())),
            functions: Functions::new(config.options()).context("preparing to run SQL")?,
            planners: vec![
                // Before DataFusion's own, which would be asked first.
                Arc::new(Planner),
                Arc::new(CoreFunctionPlanner::default()),
                Arc::new(DatetimeFunctionPlanner),
                Arc::new(UnicodeFunctionPlanner),
                Arc::new(AggregateFunctionPlanner),
                Arc::new(WindowFunctionPlanner),
            ],
            analyzer: Analyzer::new(),
            optimizer: Optimizer::new(),
            properties,
            config,
            runtime,
        })
    }

    /// The same, whose rows come in an order.
    pub(super) fn ordered(self, order: Vec<SortExpr>) -> Self {
        let schema = self.rows.schema.clone();
        let rows = Arc::new(TableOfRows { schema, order });
        Self { rows, ..self }
    }

    pub(super) fn is_aggregate(&self, function: &str) -> bool {
        self.functions.aggregate.contains_key(function)
    }

    /// The plan of a statement as it is written.
    pub(super) fn plan(&self, statement: Statement) -> SqlResult<LogicalPlan> {
        self.of_sql().statement_to_plan(statement)
    }

    /// An expression over columns of `schema` as it is written.
    pub(super) fn expression(&self, sql: ExprWithAlias, schema: &DFSchema) -> SqlResult<Expr> {
        self.of_sql()
            .sql_to_expr_with_alias(sql, schema, &mut PlannerContext::new())
    }

    fn of_sql(&self) -> SqlToRel<'_, Self> {
        let options = ParserOptions::from(&self.config.options().sql_parser);
        SqlToRel::new_with_options(self, options)
    }

    /// The plan with the types that its functions and operators take.
    pub(super) fn analyzed(&self, plan: LogicalPlan) -> SqlResult<LogicalPlan> {
        let options = self.config.options();
        self.analyzer.execute_and_check(plan, options, |_, _| {})
    }

    /// What computes a plan.
    ///
    /// # Errors
    /// Those of DataFusion, and a plan of other nodes than checked queries have.
    pub(super) fn physical(&self, plan: &LogicalPlan) -> SqlResult<Arc<dyn ExecutionPlan>> {
        let analyzed = self.analyzed(plan.clone())?;
        let context = OptimizerContext::new_with_config_options(self.config.options().clone());
        // A result that depends on the clock is refused.
        let context = context.without_query_execution_start_time();
        let optimized = self.optimizer.optimize(analyzed, &context, |_, _| {})?;
        physical::plan(&optimized, &self.properties, self.config.batch_size())
    }

    /// An expression over columns of `schema` with its types, and its constants computed.
    pub(super) fn simplified(&self, expr: Expr, schema: &DFSchema) -> SqlResult<Expr> {
        let simplifier = self.simplifier(schema);
        simplifier.simplify(simplifier.coerce(expr, schema)?)
    }

    /// What computes an expression over columns of `schema`.
    pub(super) fn physical_expression(
        &self,
        expr: Expr,
        schema: &DFSchema,
    ) -> SqlResult<Arc<dyn PhysicalExpr>> {
        let expr = self.simplifier(schema).coerce(expr, schema)?;
        physical::expression(&expr, schema, &self.properties)
    }

    fn simplifier(&self, schema: &DFSchema) -> ExprSimplifier {
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(self.config.options().clone());
        ExprSimplifier::new(context.build())
    }

    /// What a plan runs with: the rows of `source`.
    pub(super) fn task(&self, source: Arc<Source>) -> Arc<TaskContext> {
        Arc::new(TaskContext::new(
            None,
            String::new(),
            self.config.clone().with_extension(source),
            // Plans hold the functions themselves.
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            self.runtime.clone(),
        ))
    }
}

impl ContextProvider for Engine {
    fn get_table_source(&self, name: TableReference) -> SqlResult<Arc<dyn TableSource>> {
        let asked = name.clone().resolve(CATALOG, SCHEMA);
        if asked != TableReference::bare(self.table.as_str()).resolve(CATALOG, SCHEMA) {
            return plan_err!("table '{name}' not found");
        }
        Ok(self.rows.clone())
    }

    /// A function in the place of a table is refused by its name, once there is a plan.
    fn get_table_function_source(&self, _: &str, _: Vec<Expr>) -> SqlResult<Arc<dyn TableSource>> {
        Ok(Arc::new(TableOfRows::new(Arc::new(Schema::empty()))))
    }

    /// A recursive query is refused as such, once there is a plan.
    fn create_cte_work_table(&self, _: &str, schema: SchemaRef) -> SqlResult<Arc<dyn TableSource>> {
        Ok(Arc::new(TableOfRows::new(schema)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar.get(name).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.functions.window.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.config.options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.functions.scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.functions.aggregate.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.functions.window.keys().cloned().collect()
    }
}

/// Functions by each of their names.
struct Functions {
    scalar: HashMap<String, Arc<ScalarUDF>>,
    aggregate: HashMap<String, Arc<AggregateUDF>>,
    window: HashMap<String, Arc<WindowUDF>>,
}

impl Functions {
    /// DataFusion's functions, with ours in the place of those of the same names.
    fn new(options: &ConfigOptions) -> SqlResult<Self> {
        let mut scalar = HashMap::new();
        for function in datafusion_functions::all_default_functions() {
            let configured = function.inner().with_updated_config(options);
            let function = configured.map_or(function, Arc::new);
            insert(&mut scalar, &function, function.name(), function.aliases());
        }
        for function in bounded::functions(&scalar)? {
            insert(&mut scalar, &function, function.name(), function.aliases());
        }
        let mut aggregate = HashMap::new();
        let all = datafusion_functions_aggregate::all_default_aggregate_functions();
        for function in all.into_iter().chain(exact::functions()) {
            insert(
                &mut aggregate,
                &function,
                function.name(),
                function.aliases(),
            );
        }
        let mut window = HashMap::new();
        for function in datafusion_functions_window::all_default_window_functions() {
            insert(&mut window, &function, function.name(), function.aliases());
        }
        Ok(Self {
            scalar,
            aggregate,
            window,
        })
    }
}

/// Puts a function in the place of those of the same names.
fn insert<F>(
    functions: &mut HashMap<String, Arc<F>>,
    function: &Arc<F>,
    name: &str,
    aliases: &[String],
) {
    for name in aliases.iter().map(String::as_str).chain([name]) {
        functions.insert(name.to_owned(), function.clone());
    }
}
