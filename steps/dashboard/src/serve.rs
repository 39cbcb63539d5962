//! `serve`: the pages. They show what the profiles of predictions say, live, and never read the
//! predictions themselves but for those of one id.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use database::{Reader, Settings, Table};
use pages::judge::Rules;
use runtime::failure::Failure;
use runtime::retry::Budget;
use runtime::secret;
use runtime::step::{Outputs, Step};
use settings::TableArgs;
use store::Store;
use tokio::net::TcpListener;
use tracking::{Tracking, TrackingArgs};

use crate::access::Access;
use crate::listener::Patient;
use crate::server;
use crate::source::Source;
use crate::state::{Limits, State};

/// How long a service may take to answer while somebody waits for a page.
const PATIENCE: Budget = Budget(Duration::from_secs(5));
/// Connections that are open at the same time; others wait.
const CONNECTIONS: usize = 500;
/// How long a connection may stay open without a byte: longer than a page takes to be made.
const IDLE: Duration = Duration::from_secs(75);
/// How long pages that are under way may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(700);

/// What is served, and where.
pub(crate) struct Request {
    pub(crate) bind: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) rules: Rules,
    /// Names of the tables that are shown; none for the one of `table`.
    pub(crate) tables: Vec<String>,
    pub(crate) table: TableArgs,
    pub(crate) tracking: TrackingArgs,
    pub(crate) user_header: Option<String>,
    pub(crate) user: Option<String>,
}

/// Serves until SIGTERM.
///
/// # Errors
/// An address that is taken, or an access that is described by half: exit 2.
pub(crate) async fn serve(step: &Step, request: Request) -> Result<Outputs> {
    let listener = listen(request.bind).await?;
    let at = listener.local_addr().context("looking up the address")?;
    let state = open(step, request)?;
    tracing::info!(%at, "the dashboard is at http://{at}/, and shows {}", state.source.place());
    let stop = step.clone();
    let listener = Patient::new(listener, CONNECTIONS, IDLE);
    let serving = axum::serve(listener, server::router(state))
        .with_graceful_shutdown(async move { stop.stopped().await });
    tokio::select! {
        served = serving.into_future() => served.context("serving the dashboard")?,
        () = async { step.stopped().await; tokio::time::sleep(GRACE).await } => {}
    }
    Ok(Outputs::new())
}

async fn listen(bind: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(bind).await.map_err(|error| {
        Failure::usage(match error.kind() {
            std::io::ErrorKind::AddrInUse => format!(
                "{bind} is taken by another program: end that one, or give another port, such as --bind={}:{}",
                bind.ip(),
                bind.port().checked_add(1).unwrap_or(8501)
            ),
            _ => format!("listening on {bind} (--bind, DASHBOARD_BIND): {error}"),
        })
    })
}

fn open(step: &Step, request: Request) -> Result<State> {
    let step = step.within(PATIENCE).unstopped();
    let store = Store::of(&step)?;
    let source = match Settings::from_environment()? {
        Some(settings) => Source::database(Reader::new(
            &settings,
            &step,
            Table::several(&request.table, &request.tables)?,
            request.connections,
        )?),
        None => Source::store(store.clone(), step.timezone()),
    };
    let password = secret::from_environment("DASHBOARD_PASSWORD")?;
    Ok(State {
        source,
        tracking: Tracking::open(&store, &request.tracking, step.retry_budget())?,
        store,
        rules: request.rules,
        access: Access::new(request.user, password, request.user_header)?,
        limits: Limits::default(),
    })
}
