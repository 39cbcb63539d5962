//! One set of results into the table, in one transaction.

use anyhow::Result;
use chrono::{DateTime, Utc};
use tokio_postgres::types::{ToSql, Type};

use super::definition::{self, Existing};
use super::names::{Table, list, literal, quoted};
use super::profiles::{self, Changes};
use super::publication::{Columns, Publication, Rows, Span};
use super::session::Session;
use super::stage::{STAGE, create_stage, same_key};
use super::{Database, labels, ledger, partitions, retention};
use runtime::retry::Trouble;
use runtime::step::Cache;

/// What publishing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Rows of the results.
    pub rows: u64,
    /// Whether they had been published before.
    pub reused: bool,
}

/// How a try ended.
enum Ended {
    Done(Published),
    /// Rows of others have some of the keys, so that the rows have to be merged.
    Met,
}

impl Database {
    /// Looks before any work is done: whether the results are published already, and else whether
    /// the table can take them.
    ///
    /// # Errors
    /// A database that does not answer: exit 75. A table that can't be made or take the rows: exit
    /// 2.
    pub async fn published(
        &self,
        table: &Table,
        publication: &Publication,
    ) -> Result<Option<Published>> {
        let definition = publication.definition();
        self.transaction(&format!("looking at {table}"), async |session| {
            let existing = definition::look_up(session, table).await?;
            definition::check(table, existing.as_ref(), &definition)?;
            reusable(session, table, existing.as_ref(), publication).await
        })
        .await
    }

    /// Publishes rows.
    ///
    /// # Errors
    /// Those of [`Database::published`]. Two rows of one key: exit 10. SIGTERM: exit 143. The table
    /// is then as it was.
    pub async fn publish(&self, table: &Table, rows: &Rows) -> Result<Published> {
        let started_at = Utc::now();
        profiles::renew(self, table).await?;
        let operation = format!("publishing {} rows to {table}", rows.publication.rows);
        let mut merge = false;
        loop {
            let ended = self
                .transaction(&operation, async |session| {
                    publish(session, table, rows, started_at, merge).await
                })
                .await?;
            match ended {
                Ended::Done(published) => return Ok(published),
                Ended::Met => merge = true,
            }
        }
    }
}

/// What is published of the results already, unless they are to be published again.
async fn reusable(
    session: &Session<'_>,
    table: &Table,
    existing: Option<&Existing>,
    publication: &Publication,
) -> Result<Option<Published>, Trouble> {
    if existing.is_none() || session.step.cache() == Cache::Refresh {
        return Ok(None);
    }
    let rows = ledger::find(session, table, &publication.fingerprint).await?;
    Ok(rows.map(|rows| Published { rows, reused: true }))
}

/// The transaction. `merge` says that rows of others have been met.
async fn publish(
    session: &Session<'_>,
    table: &Table,
    rows: &Rows,
    started_at: DateTime<Utc>,
    merge: bool,
) -> Result<Ended, Trouble> {
    let publication = &*rows.publication;
    session.lock(table).await?;
    ledger::LEDGER.ensure(session, table).await?;
    let existing = definition::look_up(session, table).await?;
    if let Some(published) = reusable(session, table, existing.as_ref(), publication).await? {
        return Ok(Ended::Done(published));
    }
    let definition = publication.definition();
    definition::ensure(session, table, existing.as_ref(), &definition).await?;
    let kept_from = retention::kept_from(session, table, &publication.model_name).await?;
    if definition::is_empty(session, table).await? {
        // Dropped, or emptied: whatever was published before is gone, not only what is published
        // first now.
        ledger::forget(session, table).await?;
        profiles::forget(session, table).await?;
    }
    partitions::ensure(session, table, &definition, &rows.months, kept_from).await?;
    let mut changes = Changes::open(session, table, publication).await?;
    let earlier = ledger::earlier(session, table, publication, rows.span).await?;
    if let Some(profiles) = &rows.profiles {
        changes
            .measure(
                publication.model_version,
                profiles.baseline(),
                earlier.of_version,
            )
            .await?;
    }
    let same_types = existing
        .as_ref()
        .is_none_or(|existing| publication.columns.iter().all(|column| existing.is(column)));
    let expired = rows
        .span
        .and_then(Span::first)
        .zip(kept_from)
        .is_some_and(|(first, kept_from)| first < kept_from);
    if merge || earlier.overlaps || !same_types || expired {
        stage(session, rows).await?;
        let old =
            retention::leave_out(session, table, publication.time.as_deref(), kept_from).await?;
        let staged = format!(
            "JOIN {STAGE} AS staged ON {}",
            same_key(&definition.key[..publication.keys])
        );
        let staged = profiles::Rows {
            join: &staged,
            condition: "true",
            relabel: None,
        };
        changes.read(&staged, -1).await?;
        let sql = merge_sql(table, publication, &earlier, existing.as_ref());
        let merged = session
            .execute("merging", &sql, &given(publication))
            .await?;
        if merged + old < publication.rows {
            labels::fill(session, table, publication).await?;
        }
        changes.read(&staged, 1).await?;
    } else if copy(session, table, rows).await? {
        if let Some(profiles) = &rows.profiles {
            changes.add(
                publication.model_version,
                &publication.data_version,
                profiles,
            )?;
        }
    } else {
        return Ok(Ended::Met);
    }
    changes.apply().await?;
    ledger::record(session, table, publication, rows.span, started_at).await?;
    Ok(Ended::Done(Published {
        rows: publication.rows,
        reused: false,
    }))
}

/// Copies rows straight into the table; false when there is a row of one of their keys, which ends
/// the transaction.
async fn copy(session: &Session<'_>, table: &Table, rows: &Rows) -> Result<bool, Trouble> {
    let definition = rows.publication.definition();
    let columns = list(definition.columns.iter().map(|column| column.name.as_str()));
    let sql = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
    session
        .copy("copying", &sql, rows.pieces(Columns::All, sent(session)))
        .await
}

/// Copies rows into a table of their own.
async fn stage(session: &Session<'_>, rows: &Rows) -> Result<(), Trouble> {
    let columns = rows.publication.columns.iter();
    let columns = columns.map(|column| (column.name.as_str(), column.column_type));
    create_stage(session, columns.collect()).await?;
    let sql = format!("COPY {STAGE} FROM STDIN (FORMAT binary)");
    session
        .copy("copying", &sql, rows.pieces(Columns::Rows, sent(session)))
        .await
        .map(drop)
}

/// Counts what is sent.
fn sent(session: &Session<'_>) -> impl Fn(u64) + Send + 'static {
    let progress = session.step.current_progress().clone();
    move |rows| progress.advance(rows)
}

/// Parameters of [`merge_sql`].
fn given(publication: &Publication) -> [(&(dyn ToSql + Sync), Type); 4] {
    [
        (&publication.model_name, Type::TEXT),
        (&publication.model_version, Type::INT8),
        (&publication.data_version, Type::TEXT),
        (&publication.scored_at, Type::TIMESTAMPTZ),
    ]
}

/// Takes in the staged rows: a new key is inserted, and of two rows of one key the one stands that
/// was scored last.
///
/// The stage is read in the order in which it was filled, which is the key's.
fn merge_sql(
    table: &Table,
    publication: &Publication,
    earlier: &ledger::Earlier,
    existing: Option<&Existing>,
) -> String {
    let definition = publication.definition();
    let names: Vec<&str> = definition
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let value = |name: &str| match publication.target.as_deref() {
        // A label that is known stays known.
        Some(target) if target == name => {
            format!("coalesce(excluded.{0}, present.{0})", quoted(name))
        }
        _ => format!("excluded.{}", quoted(name)),
    };
    let mut updates: Vec<String> = names
        .iter()
        .filter(|name| !definition.key.iter().any(|key| key == *name))
        .map(|name| format!("{} = {}", quoted(name), value(name)))
        .collect();
    // What only other results have is unknown for these: the row would else hold features of
    // another scoring.
    let foreign = earlier.columns.iter().filter(|name| {
        !names.contains(&name.as_str()) && existing.is_some_and(|existing| existing.has(name))
    });
    updates.extend(foreign.map(|name| format!("{} = NULL", quoted(name))));
    let mut newer = "coalesce(present.scored_at <= excluded.scored_at, true)".to_owned();
    if !earlier.tied.is_empty() {
        let tied: Vec<String> = earlier
            .tied
            .iter()
            .map(|(version, data)| format!("({version}, {})", literal(data)))
            .collect();
        newer += &format!(
            " AND NOT (present.scored_at = excluded.scored_at AND (present.model_version, present.data_version) IN ({}))",
            tied.join(", ")
        );
    }
    format!(
        "INSERT INTO {table} AS present ({columns}) SELECT {rows}, $1, $2, $3, $4 FROM {STAGE} \
         ON CONFLICT ({key}) DO UPDATE SET {updates} WHERE {newer}",
        columns = list(names.iter().copied()),
        rows = list(
            publication
                .columns
                .iter()
                .map(|column| column.name.as_str())
        ),
        key = list(definition.key.iter().map(String::as_str)),
        updates = updates.join(", "),
    )
}
