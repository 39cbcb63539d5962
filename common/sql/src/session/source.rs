//! The table `raw`: whatever rows the task at hand brings along.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion_common::error::DataFusionError;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_expr::{SortExpr, TableSource};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::streaming::PartitionStream;

type Rows = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// The rows of one task, and why they ended early.
pub(super) struct Source {
    rows: Mutex<Option<Rows>>,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
    /// What windows gave last.
    given: Mutex<Option<RecordBatch>>,
}

impl Source {
    pub(super) fn new(rows: impl Iterator<Item = Result<RecordBatch>> + Send + 'static) -> Self {
        Self {
            rows: Mutex::new(Some(Box::new(rows))),
            failure: Arc::default(),
            given: Mutex::default(),
        }
    }

    /// Keeps the rows that windows gave last, with their results: the rows that the rest of the
    /// query fails on.
    pub(super) fn give(&self, rows: &RecordBatch) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows.clone());
    }

    /// The rows that windows gave last.
    pub(super) fn given(&self) -> Option<RecordBatch> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.clone()
    }

    /// The error of the rows themselves, which DataFusion could only carry as a text.
    pub(super) fn failure(&self) -> Option<anyhow::Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// The table, and the order in which its rows come.
pub(super) struct TableOfRows {
    pub(super) schema: SchemaRef,
    pub(super) order: Vec<SortExpr>,
}

impl TableOfRows {
    /// In any order.
    pub(super) fn new(schema: SchemaRef) -> Self {
        let order = Vec::new();
        Self { schema, order }
    }
}

impl TableSource for TableOfRows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// The one partition of `raw`.
pub(super) struct RawRows {
    schema: SchemaRef,
}

impl RawRows {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema }
    }
}

impl fmt::Debug for RawRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawRows")
    }
}

impl PartitionStream for RawRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let source = task.session_config().get_extension::<Source>();
        let rows = source.as_ref().and_then(|source| {
            source
                .rows
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        });
        let failure = source
            .map(|source| source.failure.clone())
            .unwrap_or_default();
        let rows = rows.into_iter().flatten().map(move |rows| {
            rows.map_err(|error| {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                DataFusionError::Execution("the rows could not be read".to_owned())
            })
        });
        Box::pin(RecordBatchStreamAdapter::new(
            self.schema.clone(),
            futures::stream::iter(rows),
        ))
    }
}
