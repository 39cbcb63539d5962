//! Tables beside that of the predictions. All tables of predictions in a schema share them.

use anyhow::Result;
use tokio_postgres::types::{ToSql, Type};

use super::names::{Table, literal};
use super::session::{Session, get};
use runtime::retry::Trouble;

/// Such a table, as it is made.
pub(super) struct SideTable {
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) comment: &'static str,
    /// Names, types and comments of its columns.
    pub(super) columns: &'static [(&'static str, &'static str, &'static str)],
    /// Its key, such as `PRIMARY KEY (day)`.
    pub(super) key: &'static str,
}

impl SideTable {
    /// Its full name, in the schema of `table`.
    pub(super) fn beside(&self, table: &Table) -> Table {
        table.beside(self.name)
    }

    /// Names of its columns.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _, _)| *name).collect()
    }

    pub(super) async fn exists(
        &self,
        session: &Session<'_>,
        table: &Table,
    ) -> Result<bool, Trouble> {
        let name = self.beside(table).to_string();
        let operation = format!("looking up {name}");
        let rows = session
            .query(
                &operation,
                "SELECT to_regclass($1) IS NOT NULL",
                &[(&name, Type::TEXT)],
            )
            .await?;
        rows.first().map_or(Ok(false), |row| get(row, 0))
    }

    /// Whether it has a column of that name.
    pub(super) async fn has_column(
        &self,
        session: &Session<'_>,
        table: &Table,
        name: &str,
    ) -> Result<bool, Trouble> {
        let full = self.beside(table).to_string();
        let operation = format!("looking up {full}");
        let there = "SELECT EXISTS (SELECT FROM pg_attribute \
                     WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped)";
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&full, Type::TEXT), (&name, Type::TEXT)];
        let rows = session.query(&operation, there, &parameters).await?;
        rows.first().map_or(Ok(false), |row| get(row, 0))
    }

    /// Adds a column that the table lacks, because an earlier release made it: its name, type and
    /// comment.
    pub(super) async fn ensure_column(
        &self,
        session: &Session<'_>,
        table: &Table,
        (name, sql, comment): (&str, &str, &str),
    ) -> Result<(), Trouble> {
        if self.has_column(session, table, name).await? {
            return Ok(());
        }
        let full = self.beside(table);
        session.lock(&full).await?;
        let sql = format!(
            "ALTER TABLE {full} ADD COLUMN IF NOT EXISTS {name} {sql};\
             COMMENT ON COLUMN {full}.{name} IS {}",
            literal(comment)
        );
        session
            .batch(&format!("adding {name} to {full}"), &sql)
            .await
    }

    /// Makes it when it is missing.
    pub(super) async fn ensure(&self, session: &Session<'_>, table: &Table) -> Result<(), Trouble> {
        if self.exists(session, table).await? {
            return Ok(());
        }
        let full = self.beside(table);
        // Writers of other tables of predictions share it, so the lock of `table` is not enough.
        session.lock(&full).await?;
        let columns: String = self
            .columns
            .iter()
            .map(|(name, sql, _)| format!("{name} {sql}, "))
            .collect();
        let comments: String = self
            .columns
            .iter()
            .map(|(name, _, comment)| {
                format!("COMMENT ON COLUMN {full}.{name} IS {};", literal(comment))
            })
            .collect();
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {full} ({columns}{});COMMENT ON TABLE {full} IS {};{comments}",
            self.key,
            literal(self.comment)
        );
        session.batch(&format!("creating {full}"), &sql).await
    }
}
