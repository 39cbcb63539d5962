//! Predictions in Postgres. No other module holds SQL for it.
//!
//! A set of results is published in one transaction that holds an advisory lock of the table: its
//! rows, sorted by their key, go in by binary COPY, straight into the table when no keys can meet,
//! else into a temporary table and by one merge from there. A row represents its key if it was
//! scored last, so that the table depends on what was published and not on the order, the number of
//! tries, or what was killed. A ledger row in the same transaction makes a rerun a no-op.

mod binary;
mod connection;
mod definition;
mod labels;
mod lacking;
mod ledger;
mod names;
mod partitions;
mod profiles;
mod publication;
mod publish;
mod read;
mod retention;
mod rows;
mod session;

mod side_table;
mod stage;

#[cfg(test)]
mod lab;
mod tls;
mod trouble;

use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use deadpool_postgres::{Client, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use tokio::task::JoinHandle;
use tokio_postgres::{Config, Error, IsolationLevel};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use connection::Settings;
pub use definition::TableColumn;
pub use labels::{LabelSorter, Labelled, Labelling, Labels};
pub use lacking::Results;
pub use names::Table;
pub use publication::{Publication, RowSorter, Rows};
pub use publish::Published;
pub use read::{CountedDay, CountedDays, Predicted, PublishedSet, Reader, Unusable, VersionDays};
pub use retention::{Dropped, Retention};

use session::Session;
use trouble::Ended;

use runtime::retry::{Service, Trouble};
use runtime::step::Step;

/// Set for each transaction: one time zone for every clock reading, what a role's defaults would
/// cut short (of which older servers do not have `transaction_timeout`), and to notice when this
/// process is gone.
const SETTINGS: &str = "\
    SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;\
    SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout';\
    DO $$ BEGIN PERFORM set_config('client_connection_check_interval', '1s', true); \
    EXCEPTION WHEN OTHERS THEN NULL; END $$;";

/// The same for a transaction that reads: short, for somebody waits for it, and of one moment.
const READING: &str = "\
    SET LOCAL TimeZone = 'UTC'; SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '2s'; \
    SET LOCAL idle_in_transaction_session_timeout = '30s';";

/// A database, reached through a pool of one connection, or of several that only read. Cheap to
/// clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    reads: bool,
    service: Arc<Service>,
    ended: Ended,
    step: Step,
}

/// Makes connections that report why they ended.
struct Connector {
    tls: MakeRustlsConnect,
    ended: Ended,
}

/// What `Connector::connect` promises: a client, and the task that serves it.
type Connecting<'a> = Pin<
    Box<dyn Future<Output = Result<(tokio_postgres::Client, JoinHandle<()>), Error>> + Send + 'a>,
>;

impl deadpool_postgres::Connect for Connector {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let config = config.clone();
        Box::pin(async move {
            let (client, connection) = config.connect(self.tls.clone()).await?;
            let ended = self.ended.clone();
            let task = tokio::spawn(async move {
                let mut connection = Box::pin(connection);
                // It is noted before the connection is gone, which is what those who wait for an
                // answer notice.
                if let Err(error) = connection.as_mut().await {
                    ended.note(&error);
                }
            });
            Ok((client, task))
        })
    }
}

impl Database {
    /// A database that is not reached yet: the first call connects.
    ///
    /// # Errors
    /// Certificates to trust that can't be read: exit 2.
    pub fn new(settings: &Settings, step: &Step) -> Result<Self> {
        Self::pooled(settings, step, 1, false)
    }

    fn pooled(settings: &Settings, step: &Step, connections: usize, reads: bool) -> Result<Self> {
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let ended = Ended::default();
        let connector = Connector {
            tls: tls::connector(settings)?,
            ended: ended.clone(),
        };
        let manager = Manager::from_connect(settings.config.clone(), connector, recycling);
        let pool = Pool::builder(manager)
            .max_size(connections)
            .build()
            .context("preparing the connection to Postgres")?;
        let host = format!("{}, database {}", settings.host(), settings.database());
        Ok(Self {
            pool,
            reads,
            service: Arc::new(Service {
                name: "Postgres",
                host,
            }),
            ended,
            step: step.clone(),
        })
    }

    /// Runs `work` in a transaction and commits it; tries again within the budget what may pass.
    ///
    /// # Errors
    /// A spent budget: exit 75. What a person must see to: exit 2. Failures of `work`: as they are.
    async fn transaction<T>(
        &self,
        operation: &str,
        work: impl AsyncFn(&Session<'_>) -> Result<T, Trouble>,
    ) -> Result<T> {
        let attempt = async || {
            let mut client = self.connect().await?;
            match self.attempt(&mut client, &work).await {
                Ok(value) => Ok(value),
                Err(trouble) => {
                    // What state it is in is not worth finding out.
                    drop(Object::take(client));
                    Err(trouble)
                }
            }
        };
        self.step
            .retry_budget()
            .work(&self.service, operation, attempt)
            .await
    }

    async fn attempt<T>(
        &self,
        client: &mut Client,
        work: &impl AsyncFn(&Session<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let (isolation, settings) = match self.reads {
            true => (IsolationLevel::RepeatableRead, READING),
            false => (IsolationLevel::ReadCommitted, SETTINGS),
        };
        let begin = client
            .build_transaction()
            .isolation_level(isolation)
            .read_only(self.reads)
            .start();
        let begun = tokio::time::timeout(self.step.retry_budget().0, begin).await;
        let transaction = begun
            .map_err(|_| Trouble::Passing(anyhow!("beginning a transaction: no answer")))?
            .map_err(|error| {
                trouble::of(
                    &self.service,
                    &self.ended,
                    "beginning a transaction",
                    &error,
                )
            })?;
        let session = Session {
            transaction,
            service: &self.service,
            ended: &self.ended,
            step: &self.step,
        };
        session.batch("preparing the transaction", settings).await?;
        let value = work(&session).await?;
        session.commit().await?;
        Ok(value)
    }

    async fn connect(&self) -> Result<Client, Trouble> {
        self.step.check().map_err(Trouble::Lasting)?;
        let connected = tokio::time::timeout(self.step.retry_budget().0, self.pool.get()).await;
        match connected.map_err(|_| Trouble::Passing(anyhow!("connecting: no answer")))? {
            Ok(client) => Ok(client),
            Err(PoolError::Backend(error)) => Err(trouble::of(
                &self.service,
                &self.ended,
                "connecting",
                &error,
            )),
            Err(error) => Err(Trouble::Lasting(anyhow!(
                "{}: connecting: {error}",
                self.service
            ))),
        }
    }
}
