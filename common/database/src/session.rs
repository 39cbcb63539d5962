//! A transaction, and statements in it that say what they do.

use std::future::Future;
use std::io::Cursor;
use std::time::Duration;

use anyhow::{Result, anyhow};
use deadpool_postgres::Transaction;
use futures::{SinkExt, TryStreamExt};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{CopyInSink, Error, Row};

use super::names::Table;
use super::trouble::{self, Ended};
use runtime::retry::{Service, Trouble};
use runtime::step::Step;

/// Time between two looks whether the step is asked to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Pieces of a COPY that wait to be sent.
const AHEAD: usize = 2;

/// Parameters of a statement, each with its type, so that a statement is one round trip.
pub(super) type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// A transaction. It is rolled back unless it is committed.
pub(super) struct Session<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) service: &'a Service,
    pub(super) ended: &'a Ended,
    pub(super) step: &'a Step,
}

impl Session<'_> {
    /// Rows of a query that is answered at once: no answer within the budget counts as a failure
    /// that may pass.
    pub(super) async fn query(
        &self,
        operation: &str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        self.soon(operation, self.transaction.query_typed(sql, parameters))
            .await
    }

    /// Hands over the rows of a query one by one, however many there are and however long it takes.
    ///
    /// # Errors
    /// The first error of `take`, which stands.
    pub(super) async fn each(
        &self,
        operation: &str,
        sql: &str,
        parameters: Parameters<'_>,
        mut take: impl FnMut(&Row) -> Result<()>,
    ) -> Result<(), Trouble> {
        let given = parameters
            .iter()
            .map(|(value, data_type)| (*value, data_type.clone()));
        let rows = self
            .unless_stopped(operation, self.transaction.query_typed_raw(sql, given))
            .await?;
        let mut rows = Box::pin(rows);
        while let Some(row) = self.unless_stopped(operation, rows.try_next()).await? {
            take(&row).map_err(Trouble::Lasting)?;
        }
        Ok(())
    }

    /// Runs several statements without parameters that are done at once.
    pub(super) async fn batch(&self, operation: &str, sql: &str) -> Result<(), Trouble> {
        self.soon(operation, self.transaction.batch_execute(sql))
            .await
    }

    /// Runs a statement that may take as long as it takes; gives how many rows it changed.
    pub(super) async fn execute(
        &self,
        operation: &str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<u64, Trouble> {
        self.unless_stopped(operation, self.transaction.execute_typed(sql, parameters))
            .await
    }

    /// Runs several statements without parameters that may take as long as they take.
    pub(super) async fn execute_batch(&self, operation: &str, sql: &str) -> Result<(), Trouble> {
        self.unless_stopped(operation, self.transaction.batch_execute(sql))
            .await
    }

    /// Waits for the advisory lock of a table, and holds it until the transaction ends.
    pub(super) async fn lock(&self, table: &Table) -> Result<(), Trouble> {
        let (operation, parameters) = (format!("locking {table}"), table.lock());
        let free = self
            .query(
                &operation,
                "SELECT pg_try_advisory_xact_lock($1)",
                &[(&parameters, Type::INT8)],
            )
            .await?;
        if free.first().map_or(Ok(false), |row| get(row, 0))? {
            return Ok(());
        }
        tracing::info!(
            "{}: another process is writing to {table}; waiting for it",
            self.service
        );
        self.execute(
            &operation,
            "SELECT pg_advisory_xact_lock($1)",
            &[(&parameters, Type::INT8)],
        )
        .await
        .map(drop)
    }

    /// Streams a COPY from `pieces`, which are made on a thread of their own. False when there is a
    /// row of the same key, which ends the transaction.
    pub(super) async fn copy(
        &self,
        operation: &str,
        sql: &str,
        pieces: impl FnOnce(&mut dyn FnMut(Vec<u8>) -> Result<()>) -> Result<()> + Send + 'static,
    ) -> Result<bool, Trouble> {
        let sink: CopyInSink<Cursor<Vec<u8>>> =
            // The table may be locked, by somebody who makes an index of it.
            self.unless_stopped(operation, self.transaction.copy_in::<_, Cursor<Vec<u8>>>(sql)).await?;
        let mut sink = Box::pin(sink);
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(AHEAD);
        let step = self.step.clone();
        let made = tokio::spawn(runtime::threads::blocking(move || {
            pieces(&mut |piece| {
                step.check()?;
                // Nobody takes it any more when the server has failed, which is reported there.
                sender
                    .blocking_send(piece)
                    .map_err(|_| anyhow!("the server takes no more rows"))
            })
        }));
        while let Some(piece) = receiver.recv().await {
            self.unless_stopped(operation, sink.send(Cursor::new(piece)))
                .await?;
        }
        // Rows that could not be made end the COPY: it is rolled back as the sink is dropped.
        made.await
            .map_err(|error| Trouble::Lasting(error.into()))?
            .map_err(Trouble::Lasting)?;
        let finished = async {
            match sink.as_mut().finish().await {
                Ok(_) => Ok(true),
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.unless_stopped(operation, finished).await
    }

    pub(super) async fn commit(self) -> Result<(), Trouble> {
        let Self {
            transaction,
            service,
            ended,
            ..
        } = self;
        // An interrupted commit is no rollback, so it is not interrupted.
        transaction
            .commit()
            .await
            .map_err(|error| trouble::of(service, ended, "committing", &error))
    }

    async fn soon<T>(
        &self,
        operation: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        let in_time = tokio::time::timeout(
            self.step.retry_budget().0,
            self.unless_stopped(operation, answer),
        );
        in_time
            .await
            .unwrap_or_else(|_| Err(Trouble::Passing(anyhow!("{operation}: no answer"))))
    }

    async fn unless_stopped<T>(
        &self,
        operation: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => {
                    return answer.map_err(|error| trouble::of(self.service, self.ended, operation, &error));
                }
                () = tokio::time::sleep(LOOK) => self.step.check().map_err(Trouble::Lasting)?,
            }
        }
    }
}

/// A value of a row.
///
/// # Errors
/// Another type than the query asks for: a bug.
pub(super) fn get<T: FromSqlOwned>(row: &Row, index: usize) -> Result<T, Trouble> {
    row.try_get(index)
        .map_err(|error| Trouble::Lasting(error.into()))
}
