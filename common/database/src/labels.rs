//! Labels that come later, filled into the predictions: one transaction for all label files, with a
//! ledger of its own.

mod tables;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use arrow::array::ArrayRef;
use chrono::Utc;

use super::binary::{self, Cells, Source};
use super::definition::{self, Existing, holds, sql_type};
use super::names::{Table, literal, quoted};
use super::profiles::{self, Changes};
use super::publication::{PIECE, Publication};
use super::rows::{Row, RowSorters};
use super::session::Session;
use super::stage::{STAGE, create_stage, same_key};
use super::{Database, retention};
use learn::model::ClassValue;
use runtime::failure::Failure;
use runtime::retry::Trouble;
use runtime::step::Cache;
use runtime::work::Work;
use store::Object;
use store::digest;
use store::spill::Runs;
use table::dataset::{ColumnType, Dataset};
use table::labels::{LabelRows, Latest};

/// The column of labels in the stage; no other column is there but those of the key.
const LABEL: &str = "alameda label";

/// Label files for the predictions of one model name.
#[derive(Clone, Debug)]
pub struct Labelling {
    publication: Publication,
    /// Digest of the files and of what they are read by.
    fingerprint: String,
    files: u64,
    /// Columns by which labels are joined, in the order of the contract.
    keys: Vec<(String, ColumnType)>,
    target: String,
    type_of_target: ColumnType,
    /// The cell of each class; none of a number.
    classes: Vec<Vec<u8>>,
    workflow: String,
}

/// What labelling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Keys that have a label.
    pub labels: u64,
    /// Rows that got a label, or another one.
    pub changed: u64,
    /// Labels without a row in the table.
    pub absent: u64,
    /// Whether the same files had been filled in before, and nothing was published since.
    pub reused: bool,
}

impl Labelling {
    /// `files` are read as `dataset` describes them, and fill the rows that are published like
    /// `publication`.
    ///
    /// # Errors
    /// Predictions without a target, or without any column that names a row of the labels: exit 2.
    pub fn new(
        publication: &Publication,
        dataset: &Dataset,
        files: &[Object],
        workflow: &str,
    ) -> Result<Self> {
        let goal = dataset.goal().map_err(Failure::usage)?;
        let target = dataset.target();
        let published = |name: &String| {
            publication.columns[..publication.keys]
                .iter()
                .any(|column| column.name == *name)
        };
        let keys: Vec<(String, ColumnType)> = dataset
            .key()
            .into_iter()
            .filter(published)
            .filter_map(|name| {
                let column = dataset.columns.iter().find(|column| column.name == name)?;
                Some((name, column.column_type))
            })
            .collect();
        if keys.is_empty() {
            return Err(Failure::usage(format!(
                "the predictions have none of the columns {:?}, which identify the rows of labels: \
                 return one from features.sql, and train a new version",
                dataset.key()
            )));
        }
        if publication.target.as_ref() != Some(&target.name) {
            return Err(Failure::usage(format!(
                "the predictions have no target {:?} to be filled in: keep it in features.sql, \
                 and train a new version",
                target.name
            )));
        }
        let files_read: Vec<String> = files
            .iter()
            .map(|file| format!("{} {} {}", file.key, file.bytes, file.stamp))
            .collect();
        let classes = goal.target.classes.iter();
        let classes = classes.map(|class| cell(class, target.column_type));
        let classes = classes.collect();
        Ok(Self {
            fingerprint: digest::hex(
                format!("{keys:?} {target:?} {}", files_read.join("\n")).as_bytes(),
            ),
            files: files.len() as u64,
            keys,
            target: target.name.clone(),
            type_of_target: target.column_type,
            classes,
            publication: publication.clone(),
            workflow: workflow.to_owned(),
        })
    }

    /// The cell of a label: the index of its class, or the number.
    fn label(&self, label: f64) -> Cow<'_, [u8]> {
        match (self.classes.get(label as usize), self.type_of_target) {
            (Some(class), _) => Cow::Borrowed(class),
            (None, ColumnType::Int32) => Cow::Owned(binary::integer(label as i32)),
            (None, ColumnType::Int64) => Cow::Owned(binary::bigint(label as i64)),
            (None, ColumnType::Float32) => Cow::Owned(binary::real(label as f32)),
            (None, _) => Cow::Owned(binary::double(label)),
        }
    }

    /// Names of the columns by which labels are joined.
    pub fn keys(&self) -> Vec<String> {
        self.keys.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// A class as a cell of a column of that type.
fn cell(class: &ClassValue, column_type: ColumnType) -> Vec<u8> {
    match (class, column_type) {
        (ClassValue::Int(value), ColumnType::Int32) => binary::integer(*value as i32),
        (ClassValue::Int(value), _) => binary::bigint(*value),
        (ClassValue::Bool(value), _) => binary::boolean(*value),
        (ClassValue::Text(value), _) => binary::text(value),
    }
}

/// Takes in labels, on several threads.
pub struct LabelSorter {
    labelling: Arc<Labelling>,
    sorters: RowSorters,
}

impl LabelSorter {
    /// Spills into unnamed files in a scratch folder; each thread keeps its share of memory.
    pub fn new(labelling: &Labelling, work: impl Into<Work>) -> Self {
        Self {
            labelling: Arc::new(labelling.clone()),
            sorters: RowSorters::new(work),
        }
    }

    /// Takes in labels of the file of that number, in the order of the files' names.
    ///
    /// # Errors
    /// A value that Postgres can't hold: exit 10. A scratch folder that is full: exit 2.
    pub fn push(&self, file: usize, rows: &LabelRows) -> Result<()> {
        let keys = || self.labelling.keys.iter().zip(&rows.keys);
        let named = |row: usize| {
            let keys = keys().map(|((name, _), array)| (name.as_str(), array));
            binary::named(keys, row)
        };
        let cells = |((name, column_type), array): (&(String, ColumnType), &ArrayRef)| {
            let of = Source {
                column: name,
                row: &named,
                advice: "correct the label file",
            };
            Cells::new(&of, array, *column_type)
        };
        let keys: Vec<Cells> = keys().map(cells).collect::<Result<_>>()?;
        let known: Vec<(usize, f64)> = rows
            .labels
            .iter()
            .enumerate()
            .filter_map(|(row, label)| Some((row, (*label)?)))
            .collect();
        self.sorters.push(file as u32, known.len(), |at, out| {
            let (row, label) = known[at];
            keys.iter().for_each(|cells| cells.put(row, out));
            out.extend_from_slice(&self.labelling.label(label));
            keys.first().map_or(0, |first| first.prefix(row))
        })
    }

    /// All labels in the order of their keys.
    ///
    /// # Errors
    /// A scratch folder that is full: exit 2.
    pub fn finish(&self) -> Result<Labels> {
        Ok(Labels {
            runs: self.sorters.finish()?,
            labelling: self.labelling.clone(),
        })
    }
}

/// Labels, sorted and on disk.
pub struct Labels {
    runs: Runs<Row>,
    labelling: Arc<Labelling>,
}

impl Labels {
    /// What sends the labels as a binary COPY, piece by piece: one for each key. `sent` counts
    /// them.
    fn pieces(
        &self,
        sent: Arc<AtomicU64>,
    ) -> impl FnOnce(&mut dyn FnMut(Vec<u8>) -> Result<()>) -> Result<()> + Send + 'static {
        let (runs, keys) = (self.runs.clone(), self.labelling.keys.len());
        move |send| {
            let mut rows = runs.read()?;
            let mut piece = binary::HEADER.to_vec();
            let mut latest = Latest::new(|row: &Row| u64::from(row.part));
            let put = |label: Option<Row>, piece: &mut Vec<u8>| {
                if let Some(label) = label {
                    piece.extend((keys as i16 + 1).to_be_bytes());
                    piece.extend(label.cells);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            };
            while let Some(row) = rows.next_ref()? {
                let key = &row.cells[..binary::length_of(&row.cells, keys)?];
                put(
                    latest.push(row, |held| held.cells.starts_with(key)),
                    &mut piece,
                );
                if piece.len() >= PIECE {
                    send(std::mem::replace(
                        &mut piece,
                        Vec::with_capacity(PIECE + PIECE / 8),
                    ))?;
                }
            }
            put(latest.finish(), &mut piece);
            piece.extend(binary::TRAILER);
            send(piece)
        }
    }
}

impl Database {
    /// Looks before any work is done: whether the labels are filled in already, and else whether
    /// the table can take them.
    ///
    /// # Errors
    /// A database that does not answer: exit 75. Labels that can't be joined with the table: exit
    /// 2.
    pub async fn labelled(&self, table: &Table, labelling: &Labelling) -> Result<Option<Labelled>> {
        self.transaction(&format!("looking at {table}"), async |session| {
            let Some(existing) = definition::look_up(session, table).await? else {
                return Ok(None);
            };
            labelling
                .check(table, &existing)
                .map_err(Trouble::Lasting)?;
            reusable(session, table, labelling).await
        })
        .await
    }

    /// Fills labels in, where they change something, and counts them in the profiles.
    ///
    /// # Errors
    /// Those of [`Database::labelled`]. SIGTERM: exit 143. The table is then as it was.
    pub async fn label(&self, table: &Table, labels: &Labels) -> Result<Labelled> {
        profiles::renew(self, table).await?;
        self.transaction(&format!("labelling {table}"), async |session| {
            label(session, table, labels).await
        })
        .await
    }
}

impl Labelling {
    fn check(&self, table: &Table, existing: &Existing) -> Result<()> {
        for (name, column_type) in self
            .keys
            .iter()
            .map(|(name, column_type)| (name, *column_type))
            .chain([(&self.target, self.type_of_target)])
        {
            let (of_labels, of_table) = (sql_type(column_type), existing.type_of(name));
            if !of_table
                .is_some_and(|of_table| holds(of_table, of_labels) || holds(of_labels, of_table))
            {
                return Err(Failure::usage(format!(
                    "column {} is {} in the table {table}, and {of_labels} in the labels: they can't be joined; keep the \
                     column's type in features.sql and train a new version, or set --labels-glob (LABELS_GLOB) to a place without files",
                    quoted(name),
                    of_table.unwrap_or("missing")
                )));
            }
        }
        Ok(())
    }

    /// What joins `present` with `staged`.
    fn same_key(&self) -> String {
        format!(
            "{} AND present.model_name = {}",
            same_key(&self.keys()),
            literal(&self.publication.model_name)
        )
    }
}

/// What was done with the same files, if nothing has come since that they could fill.
async fn reusable(
    session: &Session<'_>,
    table: &Table,
    labelling: &Labelling,
) -> Result<Option<Labelled>, Trouble> {
    if session.step.cache() == Cache::Refresh {
        return Ok(None);
    }
    let state = tables::state(session, table, labelling).await?;
    tables::find(session, table, labelling, &state).await
}

async fn label(session: &Session<'_>, table: &Table, labels: &Labels) -> Result<Labelled, Trouble> {
    let (labelling, started_at) = (&*labels.labelling, Utc::now());
    session.lock(table).await?;
    let Some(existing) = definition::look_up(session, table).await? else {
        tracing::warn!("there is no table {table} yet, and nothing to label");
        return Ok(Labelled::default());
    };
    labelling
        .check(table, &existing)
        .map_err(Trouble::Lasting)?;
    if let Some(labelled) = reusable(session, table, labelling).await? {
        return Ok(labelled);
    }
    tables::LABELS.ensure(session, table).await?;
    let mut labelled = Labelled {
        labels: stage(session, labels).await?,
        ..Labelled::default()
    };
    let time = labelling
        .publication
        .time
        .as_deref()
        .filter(|time| labelling.keys.iter().any(|(name, _)| name == time));
    let kept_from = retention::kept_from(session, table, &labelling.publication.model_name).await?;
    let old = retention::leave_out(session, table, time, kept_from).await?;
    labelled.absent = count_absent(session, table, labelling).await? + old;

    let mut changes = Changes::open(session, table, &labelling.publication).await?;
    let (key, target) = (labelling.same_key(), quoted(&labelling.target));
    let differs = format!("present.{target} IS DISTINCT FROM staged.{}", quoted(LABEL));
    let join = format!("JOIN {STAGE} AS staged ON {key}");
    let label = format!("staged.{}", quoted(LABEL));
    let relabel = Some((labelling.target.as_str(), label.as_str()));
    changes
        .read(
            &profiles::Rows {
                join: &join,
                condition: &differs,
                relabel,
            },
            1,
        )
        .await?;
    let sql = format!(
        "UPDATE {table} AS present SET {target} = {label} FROM {STAGE} AS staged WHERE {key} AND {differs}"
    );
    labelled.changed = session.execute("filling in labels", &sql, &[]).await?;
    changes.apply().await?;
    tables::record(session, table, labelling, &labelled, started_at).await?;
    Ok(labelled)
}

/// Copies labels into a table of their own; gives how many there are.
async fn stage(session: &Session<'_>, labels: &Labels) -> Result<u64, Trouble> {
    let labelling = &*labels.labelling;
    let keys = labelling.keys.iter();
    let keys = keys.map(|(name, column_type)| (name.as_str(), *column_type));
    let columns = keys.chain([(LABEL, labelling.type_of_target)]);
    create_stage(session, columns.collect()).await?;
    let sent = Arc::new(AtomicU64::new(0));
    let sql = format!("COPY {STAGE} FROM STDIN (FORMAT binary)");
    session
        .copy("copying labels", &sql, labels.pieces(sent.clone()))
        .await?;
    // The server would else guess how to join them.
    session
        .execute_batch("counting labels", &format!("ANALYZE {STAGE}"))
        .await?;
    Ok(sent.load(Ordering::Relaxed))
}

async fn count_absent(
    session: &Session<'_>,
    table: &Table,
    labelling: &Labelling,
) -> Result<u64, Trouble> {
    let sql = format!(
        "SELECT count(*) FROM {STAGE} AS staged WHERE NOT EXISTS (SELECT FROM {table} AS present WHERE {})",
        labelling.same_key()
    );
    let mut absent = 0;
    let take = |row: &tokio_postgres::Row| {
        absent = row.try_get::<_, i64>(0)? as u64;
        Ok(())
    };
    session
        .each("counting labels without a row", &sql, &[], take)
        .await?;
    Ok(absent)
}

/// Fills labels of staged rows into rows that replaced others and have none: what is
/// known stays known, whichever was published first.
pub(super) async fn fill(
    session: &Session<'_>,
    table: &Table,
    publication: &Publication,
) -> Result<(), Trouble> {
    let Some(target) = publication.target.as_deref().map(quoted) else {
        return Ok(());
    };
    let key: Vec<String> = publication.columns[..publication.keys]
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let sql = format!(
        "UPDATE {table} AS present SET {target} = staged.{target} FROM {STAGE} AS staged WHERE {} \
         AND present.model_name = {} AND present.{target} IS NULL AND staged.{target} IS NOT NULL",
        same_key(&key),
        literal(&publication.model_name)
    );
    session
        .execute("filling in labels", &sql, &[])
        .await
        .map(drop)
}
