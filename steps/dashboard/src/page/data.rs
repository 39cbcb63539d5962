//! What data there is.

use anyhow::Result;
use catalog::manifest::RawShard;
use pages::format::{NONE, bytes, count};
use pages::html::{Markup, nothing, tagged, text};
use pages::page::{details, folded, note, section, table};

use super::model::{address, encoded, report_address};
use super::{document, empty, failed, files, heading, link, moment, older};
use crate::choice;
use crate::{AllScored, Choice, DataSet, DataSets, Reports, Scored};

/// Raw files of a data set that a page lists, and those of them that are not folded.
const MOST_FILES: usize = 1000;
const SHOWN_FILES: usize = 50;
/// Sets of results that are shown, the newest.
const LISTED: usize = 200;

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
                "Data sets, as their manifests list them. Raw files that break the data contract are left out, up to MAX_BAD_SHARDS.",
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
    let mut facts = vec![
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
    if !manifest.left_out.is_none() {
        facts.push(fact("Rows left out", manifest.left_out.to_string()));
    }
    if manifest.short_history > 0 {
        let rows = count(manifest.short_history);
        facts.push(fact("Rows with a short history", rows));
    }
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
            text("Contents and provenance."),
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
