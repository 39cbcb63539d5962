//! The filters of a data contract.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion_common::DFSchema;
use datafusion_common::error::DataFusionError;
use datafusion_expr::ExprSchemable;
use datafusion_physical_expr::PhysicalExpr;

use runtime::failure::Failure;

use super::engine::Engine;
use super::excerpt::Query;
use super::{check, fault, overflow, probe};

/// A condition on raw rows.
pub(super) struct Condition {
    name: &'static str,
    expr: Arc<dyn PhysicalExpr>,
    /// The fault of its functions of constants.
    of_constants: Option<DataFusionError>,
    /// Places of the columns that name a row.
    key: Vec<usize>,
    /// Places of the columns that it reads.
    pub(super) reads: Vec<usize>,
}

impl Condition {
    pub(super) fn plan(
        engine: &Engine,
        raw: &SchemaRef,
        key: &[usize],
        name: &'static str,
        sql: &str,
    ) -> Result<Self> {
        let query = Query { name, sql };
        let schema = DFSchema::try_from(raw.as_ref().clone())?;
        let expr = check::filter(engine, &query, &schema)?;
        let of_constants = probe::of_constants(&expr);
        let read = expr.column_refs();
        let reads = read
            .iter()
            .filter_map(|column| schema.maybe_index_of_column(column))
            .collect();
        let plan = || {
            let expr = engine.simplified(expr.clone(), &schema)?;
            let data_type = expr.get_type(&schema)?;
            let expr = engine.physical_expression(expr, &schema)?;
            let expr = overflow::check(expr, schema.as_arrow())?;
            Ok((expr, data_type))
        };
        let (expr, data_type) = plan().map_err(|error| query.failure(&error))?;
        match data_type {
            DataType::Boolean => Ok(Self {
                name,
                expr,
                of_constants,
                key: key.to_vec(),
                reads,
            }),
            other => {
                let text = format!("it is of type {other}, and must be a condition");
                Err(query.refusal(None, &text))
            }
        }
    }

    /// Refuses a filter that reads the target: rows to score have none, so that it would leave all
    /// of them out.
    pub(super) fn must_not_read(&self, raw: &SchemaRef, target: &str) -> Result<()> {
        if !self
            .reads
            .iter()
            .any(|&place| raw.field(place).name() == target)
        {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{} reads the target {target:?}, which rows to score do not have: they would all be \
             left out. Make the condition the `train_filter` of dataset.json, which is for \
             training only, or leave rows without a label out by \"unlabelled\": \"drop\"; then \
             train a new version",
            self.name
        )))
    }

    /// Refuses a condition with a fault that shows without any of the `raw` rows.
    pub(super) fn must_compute(&self, raw: &SchemaRef) -> Result<()> {
        let of_expr = probe::of_expr(&self.expr, raw);
        match self.of_constants.as_ref().or(of_expr.as_ref()) {
            None => Ok(()),
            Some(fault) => Err(fault::refusal(&format!("{} fails", self.name), fault)),
        }
    }

    /// The rows for which it is true.
    pub(super) fn holds(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let truth = |rows: &RecordBatch| {
            let truth = self.expr.evaluate(rows);
            truth.and_then(|truth| truth.into_array(rows.num_rows()))
        };
        let all = truth(batch).map_err(|error| {
            let found = fault::first(batch, truth).map(|(row, of_row)| {
                let row = fault::row(batch, row, &self.key, &self.reads);
                (format!(" on {row}"), of_row)
            });
            let (place, of_row) = found.unwrap_or_default();
            let what = format!("{} fails{place}", self.name);
            let fault = probe::of_expr(&self.expr, batch.schema_ref());
            fault::failure(&what, fault, of_row.as_ref().unwrap_or(&error))
        })?;
        let truth = all.as_boolean();
        Ok(if truth.null_count() > 0 {
            prep_null_mask_filter(truth)
        } else {
            truth.clone()
        })
    }
}
