//! Names, texts and moments as SQL takes them.

use std::fmt;

use anyhow::Result;
use chrono::{DateTime, Datelike, Utc};

use runtime::failure::Failure;
use settings::published::check_name;
use settings::{PartitionBy, TableArgs};
use store::digest;

/// A table's full name; shown quoted, as SQL takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) partition_by: PartitionBy,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

impl Table {
    /// The table that flags name.
    ///
    /// # Errors
    /// A name that Postgres does not keep: exit 2.
    pub fn of(flags: &TableArgs) -> Result<Self> {
        Self::named(flags, "--predictions-table", &flags.predictions_table)
    }

    /// The tables of the given names, each once; the one table without any.
    ///
    /// # Errors
    /// Those of [`Table::of`].
    pub fn several(flags: &TableArgs, names: &[String]) -> Result<Vec<Self>> {
        let mut tables: Vec<Self> = Vec::new();
        for name in names.iter().map(|name| name.trim()) {
            let table = Self::named(flags, "--predictions-tables", name)?;
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        if tables.is_empty() {
            tables.push(Self::of(flags)?);
        }
        Ok(tables)
    }

    fn named(flags: &TableArgs, flag: &str, name: &str) -> Result<Self> {
        let schema = &flags.database_schema;
        for (flag, name) in [("--database-schema", schema.as_str()), (flag, name)] {
            check_name(name).map_err(|text| Failure::usage(format!("{flag}: {text}")))?;
        }
        Ok(Self {
            schema: schema.clone(),
            name: name.to_owned(),
            partition_by: flags.predictions_partition,
        })
    }

    /// Another table in the same schema.
    pub(super) fn beside(&self, name: &str) -> Self {
        Self {
            schema: self.schema.clone(),
            name: name.to_owned(),
            partition_by: PartitionBy::None,
        }
    }

    /// The advisory lock that everybody holds who changes the table.
    pub(super) fn lock(&self) -> i64 {
        let digest = digest::hex(format!("alameda {self}").as_bytes());
        i64::from_str_radix(&digest[..15], 16).unwrap_or_default()
    }
}

/// A name as SQL takes it, whatever letters it has.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it.
pub(super) fn literal(text: &str) -> String {
    // The escape form means the same under any setting of the server.
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A moment as a column of time of any type takes it: the transaction's time zone is UTC. Postgres
/// refuses years with a sign, which chrono writes from 10000 on; the year before 1 is 1 BC.
pub(super) fn moment(moment: DateTime<Utc>) -> String {
    let (is_ad, year) = moment.year_ce();
    let rest = moment.format("-%m-%d %H:%M:%S%.6f+00");
    let era = if is_ad { "" } else { " BC" };
    literal(&format!("{year:04}{rest}{era}"))
}

/// Names as SQL takes a list of columns.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_can_be_quoted() {
        let odd = Table {
            schema: "a\"b".to_owned(),
            name: "ç; DROP".to_owned(),
            partition_by: PartitionBy::None,
        };
        assert_eq!(odd.to_string(), "\"a\"\"b\".\"ç; DROP\"");
        assert_eq!(literal(r"it's \ so"), r"E'it\'s \\ so'");
        assert!(check_name(&"é".repeat(31)).is_ok());
        for refused in ["", "a\0b", &"é".repeat(32)] {
            assert!(check_name(refused).is_err(), "{refused:?}");
        }
    }
}
