//! Rewriting what the first release wrote.

use tokio_postgres::types::{ToSql, Type};

use super::Key;
use super::tables::{self, NUMBERS, PROFILES};
use crate::names::Table;
use crate::session::{Session, get};
use profile::profiles::{Baseline, FORMER_VERSION};
use runtime::retry::Trouble;

/// Rewrites what the first release wrote of a model, so that baselines and profiles are in the
/// same cells whatever release counted them. What can't be read is left.
pub(super) async fn migrate(
    session: &Session<'_>,
    table: &Table,
    model_name: &str,
) -> Result<(), Trouble> {
    for (version, (format, baseline)) in tables::read_baselines(session, table, model_name).await? {
        if format != FORMER_VERSION {
            continue;
        }
        let sql = format!(
            "SELECT DISTINCT data_version FROM {} \
             WHERE predictions_table = $1 AND model_name = $2 AND model_version = $3",
            PROFILES.beside(table)
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
            (&table.name, Type::TEXT),
            (&model_name, Type::TEXT),
            (&version, Type::INT8),
        ];
        let mut moved = 0;
        for row in session
            .query("reading profiles to migrate", &sql, &parameters)
            .await?
        {
            let data_version: String = get(&row, 0)?;
            let key = Key {
                table: &table.name,
                model_name,
                version,
                data_version: &data_version,
            };
            moved += migrate_days(session, table, &key, &baseline).await?;
        }
        tables::set_baseline(session, table, model_name, version, &baseline).await?;
        tracing::info!(
            "converted {moved} profiles of {model_name} version {version} to the format of this release"
        );
    }
    Ok(())
}

/// Writes the profiles of one model and data version again, and says how many.
async fn migrate_days(
    session: &Session<'_>,
    table: &Table,
    key: &Key<'_>,
    baseline: &Baseline,
) -> Result<u64, Trouble> {
    let sql = format!(
        "SELECT day, {NUMBERS} FROM {} WHERE predictions_table = $1 AND model_name = $2 \
         AND model_version = $3 AND data_version = $4 AND format_version = {FORMER_VERSION}",
        PROFILES.beside(table)
    );
    let mut moved = 0;
    for row in session
        .query("reading profiles to migrate", &sql, &key.parameters())
        .await?
    {
        if let Some(profile) = tables::profile(&row, baseline)? {
            tables::write(session, table, key, get(&row, 0)?, &profile, baseline).await?;
            moved += 1;
        }
    }
    Ok(moved)
}
