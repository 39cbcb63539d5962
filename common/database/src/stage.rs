//! The temporary table that rows and labels are copied into before they are merged.

use super::definition::sql_type;
use super::names::quoted;
use super::session::Session;
use runtime::retry::Trouble;
use table::dataset::ColumnType;

/// Where rows and labels go before they are merged. It is the transaction's own, and gone with it.
pub(super) const STAGE: &str = "pg_temp.alameda_stage";

/// Makes the table that rows or labels go into before they are merged.
pub(super) async fn create_stage(
    session: &Session<'_>,
    columns: Vec<(&str, ColumnType)>,
) -> Result<(), Trouble> {
    let columns: Vec<String> = columns
        .into_iter()
        .map(|(name, column_type)| format!("{} {}", quoted(name), sql_type(column_type)))
        .collect();
    let sql = format!(
        "CREATE TEMPORARY TABLE alameda_stage ({}) ON COMMIT DROP",
        columns.join(", ")
    );
    session.batch("creating a temporary table", &sql).await
}

/// What joins the rows of the table, `present`, with those of `staged`, by the columns that name a
/// row.
pub(super) fn same_key(key: &[String]) -> String {
    let equal: Vec<String> = key
        .iter()
        .map(|name| format!("present.{0} = staged.{0}", quoted(name)))
        .collect();
    equal.join(" AND ")
}
