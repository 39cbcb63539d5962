//! What ran, what data there is, and one prediction.

use anyhow::Result;
use catalog::attempt::{Attempt, NodeFailure};
use catalog::manifest::RawShard;
use database::{Predicted, Unusable};
use pages::format::{NONE, bytes, count, duration, metric};
use pages::html::{Markup, nothing, tag, tagged, text};
use pages::page::{details, folded, note, section, table};
use serde_json::Value;
use tracking::{RunView, Status};

use super::model::{address, encoded, field, input, report_address, select};
use super::{document, empty, failed, files, heading, link, moment};
use crate::choice;
use crate::{AllScored, Attempted, Choice, DataSet, DataSets, Reports, Scored, Wanted};

/// Metrics of a run that are shown, where it has them.
const SHOWN: [&str; 4] = ["roc_auc", "accuracy", "f1", "psi_max"];

/// Raw files of a data set that a page lists, and those of them that are not folded.
const MOST_FILES: usize = 1000;
const SHOWN_FILES: usize = 50;
/// Sets of results that are shown, the newest.
const LISTED: usize = 200;

fn state(class: &str, word: &str) -> Markup {
    tagged(&format!("span class=\"chip {class}\""), word)
}

/// How many are not listed; nothing when all are.
fn older(more: usize) -> Markup {
    if more > 0 {
        note(format!("And {} older ones.", count(more as u64)))
    } else {
        nothing()
    }
}

/// The page of what ran.
pub(crate) fn runs(runs: &Result<Vec<RunView>>, attempted: &Result<Attempted>) -> String {
    let attempts = match attempted {
        Err(error) => failed("Workflows", error),
        Ok(found) if found.attempts.is_empty() => empty(
            "No workflow has ended yet. Run one:",
            "alameda submit --from workflowtemplate/alameda-pipeline -p data-version=25.05.1",
        ),
        Ok(found) => {
            let columns = [
                "Workflow",
                "Ended",
                "Data",
                "Model",
                "Status",
                "Took",
                "Attempts",
                "What failed",
            ];
            let listed = table(
                "texts",
                "Workflows that ended",
                &columns,
                found.attempts.iter().map(attempt),
            );
            [
                listed,
                older(found.more),
                files("Workflows", "workflows", ""),
            ]
            .into_iter()
            .collect()
        }
    };
    let tracked = match runs {
        Err(error) => failed("Tracked runs", error),
        Ok(runs) if runs.is_empty() => empty(
            "Nothing is tracked yet: training, promotion and reports will be.",
            "",
        ),
        Ok(runs) => {
            let columns = ["Run", "Model", "Status", "Began", "Took", "Metrics"];
            [
                table("texts", "Tracked runs", &columns, runs.iter().map(run)),
                files("Tracked runs", "runs", ""),
            ]
            .into_iter()
            .collect()
        }
    };
    let sections = [
        heading(
            "Runs",
            text("What ran when, the newest first; times are UTC."),
        ),
        section(
            "workflows",
            "Workflows",
            text("How each workflow ended, as its exit handler recorded it."),
            [attempts],
        ),
        section(
            "tracked",
            "Tracked runs",
            text(
                "Training, promotion and reports, as they are tracked. One that is running, or was lost with its process, has no end.",
            ),
            [tracked],
        ),
    ];
    document("Runs", "/runs", sections)
}

fn attempt(attempt: &Attempt) -> Vec<Markup> {
    let class = if attempt.status == "Succeeded" {
        "ok"
    } else {
        "alert"
    };
    let failure = |node: &NodeFailure| {
        tag(
            "li",
            [
                tagged("strong", &node.display_name),
                text(format!(" {}", node.message)),
            ],
        )
    };
    vec![
        text(&attempt.workflow),
        text(moment(attempt.recorded_at)),
        text(&attempt.data_version),
        text(&attempt.model_name),
        state(
            class,
            if attempt.status.is_empty() {
                "unknown"
            } else {
                &attempt.status
            },
        ),
        text(
            attempt
                .duration_seconds
                .map_or_else(|| NONE.to_owned(), |seconds| duration(seconds.trunc(), 0)),
        ),
        text(attempt.attempts),
        if attempt.failures.is_empty() {
            nothing()
        } else {
            tag(
                "ul class=\"plain\"",
                attempt.failures.iter().take(5).map(failure),
            )
        },
    ]
}

fn run(view: &RunView) -> Vec<Markup> {
    let run = &view.run;
    let (class, word) = match run.status {
        Status::Running => ("unknown", "running"),
        Status::Finished => ("ok", "finished"),
        Status::Failed => ("alert", "failed"),
        Status::Killed => ("warn", "stopped"),
    };
    // An address of another kind would be run, not opened.
    let page = view
        .url
        .as_ref()
        .filter(|url| url.starts_with("http://") || url.starts_with("https://"));
    let shown = SHOWN.iter().filter_map(|name| {
        Some(format!(
            "{name} {}",
            metric(Some(run.metrics.get(*name)?.value))
        ))
    });
    vec![
        page.map_or_else(|| text(&run.name), |url| link(url, &run.name)),
        text(
            run.model_name
                .as_ref()
                .map_or_else(|| "(workflow)".to_owned(), ToString::to_string),
        ),
        state(class, word),
        text(moment(run.start_time)),
        text(run.end_time.map_or_else(
            || NONE.to_owned(),
            |end| duration((end - run.start_time).num_seconds() as f64, 0),
        )),
        text(shown.collect::<Vec<_>>().join(" · ")),
    ]
}

/// The page of the data.
pub(crate) fn data(
    scored: &Result<AllScored>,
    sets: &Result<DataSets>,
    reports: &Result<Reports>,
) -> String {
    let results = match scored {
        Err(error) => failed("Predictions", error),
        Ok(all) if *all == AllScored::default() => {
            empty("Nothing is scored yet. Run the pipeline:", "alameda demo")
        }
        Ok(all) => {
            let columns = [
                "Data",
                "Model",
                "Rows",
                "Without prediction",
                "First day",
                "Last day",
                "Scored",
                "Workflow",
                "Report",
            ];
            let row =
                |of: &Scored| result(of, reports.as_ref().is_ok_and(|reports| reports.has(of)));
            let listed = table(
                "numbers",
                "What was scored",
                &columns,
                all.newest_first().into_iter().take(LISTED).map(row),
            );
            let more = older(all.scored.len().saturating_sub(LISTED));
            let reports = reports
                .as_ref()
                .err()
                .map_or_else(nothing, |error| failed("Reports", error));
            let lost: Markup = all
                .unreadable
                .iter()
                .map(|error| failed("A set of predictions", error))
                .collect();
            [
                listed,
                more,
                files("What was scored", "scored", ""),
                reports,
                lost,
            ]
            .into_iter()
            .collect()
        }
    };
    let prepared = match sets {
        Err(error) => failed("Data sets", error),
        Ok(found) if found.sets.is_empty() => empty("No data set is prepared yet.", ""),
        Ok(found) => {
            let columns = [
                "Data",
                "For",
                "Rows",
                "Labelled",
                "Raw files",
                "Size",
                "Left out",
                "Prepared",
                "Holdout",
            ];
            let listed = table("numbers", "Data sets", &columns, found.sets.iter().map(set));
            [
                listed,
                older(found.more),
                files("Data sets", "prepared", ""),
                quarantine(&found.sets),
            ]
            .into_iter()
            .collect()
        }
    };
    let sections = [
        heading(
            "Data",
            text("What was prepared and scored, the newest first; times are UTC."),
        ),
        section(
            "scored",
            "Scored",
            text("Each data version as a model version scored it."),
            [results],
        ),
        section(
            "prepared",
            "Prepared",
            text(
                "Data sets, as their manifests list them. Files that break the data contract are left out, if so few that it was allowed.",
            ),
            [prepared],
        ),
    ];
    document("Data", "/data", sections)
}

fn result(of: &Scored, reported: bool) -> Vec<Markup> {
    let choice = Choice {
        version: Some(of.model_version),
        data: Some(of.data_version.clone()),
        ..Choice::default()
    };
    let day =
        |day: Option<chrono::NaiveDate>| day.map_or_else(|| NONE.to_owned(), |day| day.to_string());
    vec![
        text(&of.data_version),
        link(
            &address(&of.model_name, &choice),
            format!("{} v{}", of.model_name, of.model_version),
        ),
        text(count(of.rows)),
        text(count(of.unscored_rows)),
        text(day(of.first)),
        text(day(of.last)),
        text(of.scored_at.map_or_else(|| NONE.to_owned(), moment)),
        text(of.workflow.as_deref().unwrap_or(NONE)),
        match reported {
            true => link(
                &report_address(&of.model_name, of.model_version, &of.data_version),
                "report",
            ),
            false => text(NONE),
        },
    ]
}

fn set(
    DataSet {
        folder,
        manifest: set,
    }: &DataSet,
) -> Vec<Markup> {
    vec![
        link(&address_of(folder), &set.data_version),
        text(set.split),
        text(count(set.rows)),
        text(count(set.labelled_rows)),
        text(count(set.shards.len() as u64)),
        text(bytes(set.shards.iter().map(|shard| shard.bytes).sum())),
        if set.quarantined.is_empty() {
            text("0")
        } else {
            tagged("strong", count(set.quarantined.len() as u64))
        },
        text(moment(set.header.created_at)),
        text(&set.holdout),
    ]
}

fn address_of(folder: &str) -> String {
    format!(
        "/data/{}",
        folder.split('/').map(encoded).collect::<Vec<_>>().join("/")
    )
}

/// The page of one data set: what its manifest says.
pub(crate) fn data_set(set: &DataSet) -> String {
    let DataSet { folder, manifest } = set;
    let fact = |name: &str, value: String| vec![text(name), text(value)];
    let facts = [
        fact("Rows", count(manifest.rows)),
        fact("Labelled", count(manifest.labelled_rows)),
        fact(
            "Prepared",
            format!(
                "{} by {}",
                moment(manifest.header.created_at),
                manifest.header.workflow
            ),
        ),
        fact("Folder", folder.clone()),
        fact("Parts", count(manifest.parts.len() as u64)),
        fact("Configuration", manifest.config.clone()),
        fact("Fingerprint", manifest.header.fingerprint.clone()),
        fact(
            "Columns",
            manifest
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        ),
    ];
    let file = |shard: &RawShard| {
        vec![
            tagged("code", &shard.key),
            text(count(shard.rows)),
            text(bytes(shard.bytes)),
            text(&shard.stamp),
            tagged("code", shard.sha256.get(..12).unwrap_or_default()),
        ]
    };
    let columns = ["File", "Rows", "Size", "Changed", "SHA-256"];
    let files_of = manifest.shards.iter().take(MOST_FILES).map(file);
    let listed = folded("numbers", "Raw files", &columns, files_of, SHOWN_FILES);
    let query = choice::address("", &[("set".to_owned(), folder.clone())]);
    let more = match manifest.shards.len().saturating_sub(MOST_FILES) {
        0 => nothing(),
        more => note(format!("And {} more.", count(more as u64))),
    };
    let title = format!("{} {}", manifest.split, manifest.data_version);
    let sections = [
        heading(&title, link("/data", "All data")),
        section(
            "manifest",
            "Manifest",
            text("What it is, and how it came about."),
            [table("texts", "The manifest", &["Field", "Value"], facts)],
        ),
        section(
            "files",
            "Raw files",
            text("Files that its rows come from, in their order; and those that were left out."),
            [
                listed,
                more,
                files("Raw files", "raw-files", &query),
                quarantine(std::slice::from_ref(set)),
            ],
        ),
    ];
    document(&title, "/data", sections)
}

fn quarantine(sets: &[DataSet]) -> Markup {
    let left_out: Vec<Vec<Markup>> = sets
        .iter()
        .map(|set| &set.manifest)
        .flat_map(|set| set.quarantined.iter().map(move |file| (set, file)))
        .map(|(set, file)| {
            vec![
                text(&set.data_version),
                text(set.split),
                tagged("code", &file.key),
                text(&file.reason),
            ]
        })
        .collect();
    if left_out.is_empty() {
        return note("No raw file was left out.");
    }
    let summary = format!("{} raw files were left out", count(left_out.len() as u64));
    let listed = table(
        "texts",
        "Raw files that were left out",
        &["Data", "For", "File", "Why"],
        left_out,
    );
    details(
        &summary,
        [listed, files("These files", "left-out", "")]
            .into_iter()
            .collect(),
    )
}

/// The page of one id; `found` is nothing where predictions are not in a database.
pub(crate) fn prediction(wanted: &Wanted, found: Option<&Predicted>, tables: &[String]) -> String {
    document(
        "Prediction",
        "/prediction",
        [
            heading("One prediction", nothing()),
            key_form(wanted, found, tables),
            predicted(wanted, found, !tables.is_empty()),
        ],
    )
}

/// What names a row: its table where there are several, its ids, and its time.
fn key_form(wanted: &Wanted, found: Option<&Predicted>, tables: &[String]) -> Markup {
    let shown = found
        .map(|found| found.table.as_str())
        .or(wanted.table.as_deref());
    let options = tables
        .iter()
        .map(|name| (name.clone(), name.clone(), shown == Some(name.as_str())));
    let of_tables = match tables.len() {
        0 | 1 => nothing(),
        _ => field("Table", select("table", options)),
    };
    let id = ["Id".to_owned()];
    let key = found.map_or(&id[..], |found| &found.key[..]);
    let inputs = key.iter().enumerate().map(|(place, name)| {
        let value = wanted.values.get(place).cloned().flatten();
        field(name, input(&choice::key_parameter(place), "search", value))
    });
    let parts = std::iter::once(of_tables)
        .chain(inputs)
        .chain([tagged("button type=\"submit\"", "Find")]);
    tag(
        "form class=\"choice\" method=\"get\" action=\"/prediction\"",
        parts,
    )
}

fn predicted(wanted: &Wanted, found: Option<&Predicted>, in_database: bool) -> Markup {
    if !in_database {
        return empty(
            "Predictions are parquet files here, in which no single one is looked up. Publish them to Postgres, and name \
             it to the dashboard:",
            "export DATABASE_URL=postgres://...",
        );
    }
    let Some(found) = found else {
        return match &wanted.table {
            Some(table) => empty(
                &format!("No table {table} of predictions is shown here, or it has none yet."),
                "",
            ),
            None => empty(
                "There is no table of predictions yet. Publish some:",
                "alameda publish-predictions publish --help",
            ),
        };
    };
    if !wanted.is_some() {
        let key = found.key.join(", ");
        return empty(
            &format!(
                "Give the key of a row ({key}): every prediction that is kept for it is shown, with its features. The first \
                 part is enough where it names one row."
            ),
            "",
        );
    }
    if let Some(Unusable {
        column,
        sql_type,
        such_as,
    }) = &found.unusable
    {
        let why = match such_as {
            Some(such_as) => format!("{column} is of the type {sql_type}: give {such_as}."),
            None => format!(
                "The column {column} is of the type {sql_type}, by which nothing is looked up here: use SQL."
            ),
        };
        return empty(&why, "");
    }
    if found.rows.is_empty() {
        let given = found.key.iter().zip(&wanted.values);
        let given: Vec<String> = given
            .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)))
            .collect();
        return empty(&format!("No prediction has the {}.", given.join(", ")), "");
    }
    let query = choice::address("", &wanted.pairs());
    let more = match found.more {
        true => note(format!(
            "Older predictions of this key are not shown, but the last {}.",
            found.rows.len()
        )),
        false => nothing(),
    };
    tag(
        "section",
        [
            shown(found),
            more,
            files("Predictions", "predictions", &query),
        ],
    )
}

/// A column of the table for each row that was found: a row has many columns, and an id few rows.
fn shown(found: &Predicted) -> Markup {
    let cell = |row: &serde_json::Map<String, Value>, column: &str| match row.get(column) {
        None | Some(Value::Null) => tagged("span class=\"muted\"", NONE),
        Some(Value::String(value)) => text(value),
        Some(value) => text(value),
    };
    let first = [
        "model_name",
        "model_version",
        "prediction",
        "probability",
        "data_version",
        "scored_at",
    ];
    let ordered = first
        .iter()
        .copied()
        .filter(|name| found.columns.iter().any(|column| column == name));
    let others = found
        .columns
        .iter()
        .map(String::as_str)
        .filter(|name| !first.contains(name));
    let rows = ordered.chain(others).map(|column| {
        std::iter::once(text(column))
            .chain(found.rows.iter().map(|row| cell(row, column)))
            .collect()
    });
    let names: Vec<String> = (1..=found.rows.len())
        .map(|number| format!("Prediction {number}"))
        .collect();
    let columns: Vec<&str> = std::iter::once("Column")
        .chain(names.iter().map(String::as_str))
        .collect();
    table("numbers", "Predictions of this id", &columns, rows)
}
