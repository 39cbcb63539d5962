//! Which model scores which raw files, decided once for a workflow and all its retries.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use catalog::layout;
use catalog::manifest::{self, DatasetManifest, ModelManifest, RawShard, ResultsManifest};
use catalog::results;
use catalog::selection::{self, PredictShards, Selection};
use chrono::{DateTime, Utc};
use runtime::failure::Failure;
use runtime::step::{Cache, Outputs, Step};
use runtime::threads;
use settings::published;
use store::{Object, Store};
use table::config::Config;
use table::raw::files;
use tracking::Tracking;

use crate::history::{self, Needs};
use crate::request::Request;

pub(crate) async fn resolve(
    step: &Step,
    tracking: &Tracking,
    store: &Store,
    raw: &Store,
    request: &Request,
) -> Result<Outputs> {
    let version = tracking
        .resolve(&request.model_name, &request.model_ref)
        .await?;
    let model: ModelManifest = manifest::require(store, &version.model).await?;
    let config = Config::load(store, &model.config).await?;
    if published::has_database() {
        let prepared = published::prepared_columns(&config.dataset, &model.features);
        published::check_early(&prepared, &config.dataset)?;
    }
    let Selected {
        mut key,
        mut selection,
        note,
    } = select(store, raw, request).await?;
    if !selection.shards.is_empty()
        && let Some(train) = history::looked_back_at(store, &config, &model).await?
    {
        let needs = Needs {
            step,
            store,
            raw,
            request,
            config: &config,
            train,
        };
        key = layout::looking_back(&request.data_version, &request.model_name, version.version);
        selection = needs.pin(&key, selection).await?;
    }
    let mut summary = match selection.shards.len() {
        0 if note.is_some() => format!("nothing to score: {} has no files", request.data_version),
        0 => format!(
            "nothing to score: {} has no raw file that was not scored before",
            request.data_version
        ),
        shards => format!(
            "version {} of {} scores {shards} raw files",
            version.version, request.model_name
        ),
    };
    if let Some(history) = &selection.history {
        let files = history.files.len();
        summary = format!("{summary}, whose rows look back at {files} other files");
    }
    if let Some(note) = note {
        summary = format!("{summary}; {note}");
    }
    tracing::info!(
        model.version = version.version,
        shards = selection.shards.len(),
        "{summary}"
    );
    Ok(Outputs::new()
        .set("model-version", version.version)
        .set("model-uri", version.uri())
        .set("config", model.config)
        .set("selection", key)
        .set("data-version", &request.data_version)
        .set("shards", selection.shards.len())
        .set("summary", summary))
}

/// A selection and where it is kept.
struct Selected {
    key: String,
    selection: Selection,
    /// What a person should know of it.
    note: Option<String>,
}

/// The selection of this data version: the one that was made before if its files are still those
/// that are asked for, else one that is made now.
async fn select(store: &Store, raw: &Store, request: &Request) -> Result<Selected> {
    let key = layout::selection(&request.data_version, &request.model_name);
    let (glob, files) = listed(raw, request, &request.glob).await?;
    let before = match request.cache {
        Cache::Use => store.get_json::<Selection>(&key).await?,
        Cache::Refresh => None,
    };
    let is_first = request.cache == Cache::Use && before.is_none();
    if let Some(before) = before
        && let Some(selected) = kept(store, raw, request, &key, before, &files.files).await?
    {
        return Ok(selected);
    }
    let mut note = None;
    if files.files.is_empty() {
        let advice = "put the files to score there, or set PREDICT_GLOB";
        let nothing = files.nothing(raw, &glob, advice).await?;
        // A pattern of the date may name no file on a day; a file that is named, or a folder of
        // all files, is meant to be there.
        let by_date = request.glob.contains("{data-version}");
        let may_be_empty = request.predict_shards == PredictShards::New || by_date;
        if !may_be_empty || !glob.contains('*') {
            return Err(nothing);
        }
        tracing::warn!("{nothing}");
        note = Some(format!("no file matches {glob}"));
    }
    let selection = Selection {
        predict_shards: request.predict_shards,
        glob: request.glob.clone(),
        listing: selection::listing(&files.files)?,
        shards: wanted(store, raw, request, files.files.clone()).await?,
        workflow: request.workflow.clone().unwrap_or_default(),
        history: None,
    };
    // Not kept when empty: files that come late are found by the next run for this data version.
    if !selection.shards.is_empty() {
        if !is_first {
            store.put_json(&key, &selection).await?;
        } else if !store.put_json_new(&key, &selection).await? {
            let first = store.require_json(&key).await?;
            match kept(store, raw, request, &key, first, &files.files).await? {
                Some(first) => return Ok(first),
                None => store.put_json(&key, &selection).await?,
            }
        }
    }
    Ok(Selected {
        key,
        selection,
        note,
    })
}

/// The raw files that a glob names, and the glob with the data version filled in.
async fn listed(raw: &Store, request: &Request, glob: &str) -> Result<(String, files::Found)> {
    let glob = glob.replace("{data-version}", &request.data_version.to_string());
    let found = files::find(raw, &glob, "--predict-glob (PREDICT_GLOB)").await?;
    Ok((glob, found))
}

/// The selection that was made before, if it holds; `None` when nothing was scored of it and other
/// files are asked for now.
///
/// # Errors
/// Results were made of it, and other files are asked for now: exit 2, naming what differs.
async fn kept(
    store: &Store,
    raw: &Store,
    request: &Request,
    key: &str,
    before: Selection,
    files: &[Object],
) -> Result<Option<Selected>> {
    let same_flags = before.predict_shards == request.predict_shards && before.glob == request.glob;
    let keep = |selection, note| {
        let key = key.to_owned();
        Ok(Some(Selected {
            key,
            selection,
            note,
        }))
    };
    let known = of_version(store, request).await?;
    let replaced = replaced(raw, files, &known).await?;
    if same_flags && replaced.is_empty() && before.listing == selection::listing(files)? {
        return keep(before, None);
    }
    let mut differences = differences(store, raw, request, &before, files, &known.shards).await?;
    differences.extend(replaced);
    if differences.is_empty() {
        return keep(before, None);
    }
    let shown = list(&differences);
    if same_flags && request.workflow.as_ref() == Some(&before.workflow) {
        tracing::warn!(
            key,
            "keeping the files that this workflow selected, although:{shown}"
        );
        let count = differences.len();
        let note = format!("raw files came, went or changed since the selection: {count}");
        return keep(before, Some(note));
    }
    if !known.is_scored {
        tracing::warn!(
            key,
            "none of the files selected before was scored; selected again:{shown}"
        );
        return Ok(None);
    }
    let flags = match same_flags {
        true => String::new(),
        false => format!(
            " (they were selected with predict-shards={} and PREDICT_GLOB={}, and now it is \
             predict-shards={} and PREDICT_GLOB={})",
            before.predict_shards, before.glob, request.predict_shards, request.glob
        ),
    };
    Err(Failure::usage(format!(
        "{} is scored already by {}, from other raw files{flags}:{shown}\n\
         use another data-version for the present files, restore the old ones, or score all of \
         them again under this one with cache=refresh",
        request.data_version, request.model_name
    )))
}

/// What differs between the files that were chosen and those of today, a line each.
async fn differences(
    store: &Store,
    raw: &Store,
    request: &Request,
    before: &Selection,
    files: &[Object],
    known: &[RawShard],
) -> Result<Vec<String>> {
    // A backfill needs a glob of its own for each date; the files of a night may lie elsewhere.
    let same_glob = before.glob == request.glob;
    let elsewhere = match files {
        [] if !same_glob => listed(raw, request, &before.glob).await?.1.files,
        _ => Vec::new(),
    };
    let today = elsewhere.iter().chain(files);
    let today: HashMap<&str, &Object> = today.map(|file| (file.key.as_str(), file)).collect();
    let by_key = by_key(known);
    let mut lines = Vec::new();
    for chosen in &before.shards {
        let key = chosen.key.as_str();
        let Some(&file) = today.get(key) else {
            let why = match same_glob {
                true => "is gone",
                false => "is gone, or no longer matches the glob",
            };
            lines.push(format!("{key} {why}"));
            continue;
        };
        let of_that_name = by_key.get(key).into_iter().flatten();
        let as_chosen =
            of_that_name.filter(|known| known.bytes == chosen.bytes && known.stamp == chosen.stamp);
        let as_chosen: Vec<&RawShard> = as_chosen.copied().collect();
        if file != chosen && !is_scored(raw, file, &as_chosen).await? {
            lines.push(format!(
                "{key} has changed: it had {} bytes, last changed {}, and has {}, last changed {}",
                chosen.bytes, chosen.stamp, file.bytes, file.stamp
            ));
        }
    }
    let chosen: HashSet<&str> = before
        .shards
        .iter()
        .map(|shard| shard.key.as_str())
        .collect();
    let others = files
        .iter()
        .filter(|file| !chosen.contains(file.key.as_str()));
    let others: Vec<Object> = others.cloned().collect();
    if !others.is_empty() {
        let new = wanted(store, raw, request, others).await?;
        lines.extend(new.iter().map(|file| format!("{} is new", file.key)));
    }
    Ok(lines)
}

/// Files that were read and have other content today, although a copy kept size and time, a line
/// each.
async fn replaced(raw: &Store, files: &[Object], known: &OfVersion) -> Result<Vec<String>> {
    let Some(since) = known.since else {
        return Ok(Vec::new());
    };
    let by_key = by_key(&known.shards);
    let mut lines = Vec::new();
    for file in files {
        let of_that_name = by_key.get(file.key.as_str()).into_iter().flatten();
        let same: Vec<&RawShard> = of_that_name
            .filter(|known| known.bytes == file.bytes && known.stamp == file.stamp)
            .copied()
            .collect();
        if same.is_empty() || !raw.may_be_replaced(&file.key, since)? {
            continue;
        }
        let local = raw.file(&file.key).await?;
        let sha256 = threads::blocking(move || local.hash()).await?.sha256;
        if same.iter().all(|known| known.sha256 != sha256) {
            lines.push(format!(
                "{} has changed: it has other content, and the size and time from before",
                file.key
            ));
        }
    }
    Ok(lines)
}

fn list(lines: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = lines.iter().take(SHOWN).map(|line| format!("\n  {line}"));
    let mut text: String = shown.collect();
    if lines.len() > SHOWN {
        text += &format!("\n  and {} more", lines.len() - SHOWN);
    }
    text
}

/// Those of the files that are to be scored.
async fn wanted(
    store: &Store,
    raw: &Store,
    request: &Request,
    files: Vec<Object>,
) -> Result<Vec<Object>> {
    if request.predict_shards == PredictShards::All {
        return Ok(files);
    }
    let scored = scored(store, request).await?;
    let by_key = by_key(&scored);
    let mut new = Vec::new();
    for file in files {
        let known = by_key
            .get(file.key.as_str())
            .map(Vec::as_slice)
            .unwrap_or_default();
        if !is_scored(raw, &file, known).await? {
            new.push(file);
        }
    }
    Ok(new)
}

fn by_key(shards: &[RawShard]) -> HashMap<&str, Vec<&RawShard>> {
    let mut by_key: HashMap<&str, Vec<&RawShard>> = HashMap::new();
    for shard in shards {
        by_key.entry(&shard.key).or_default().push(shard);
    }
    by_key
}

/// What is known of this data version.
struct OfVersion {
    /// Whether this model name has results of it, by whatever version of the model.
    is_scored: bool,
    /// Raw files that were read for it.
    shards: Vec<RawShard>,
    /// When the first of them were.
    since: Option<DateTime<Utc>>,
}

impl OfVersion {
    fn add(&mut self, at: DateTime<Utc>, shards: Vec<RawShard>) {
        self.shards.extend(shards);
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
    }
}

async fn of_version(store: &Store, request: &Request) -> Result<OfVersion> {
    let mut known = OfVersion {
        is_scored: false,
        shards: Vec::new(),
        since: None,
    };
    let results = layout::results(&request.data_version, &request.model_name);
    for object in store.list(&results).await? {
        if layout::parse_results_manifest(&object.key).is_some() {
            known.is_scored = true;
            let results: ResultsManifest = manifest::require(store, &object.key).await?;
            known.add(results.header.created_at, results.shards);
        }
    }
    for object in store
        .glob(&layout::predict_manifests(&request.data_version))
        .await?
    {
        let prepared: DatasetManifest = manifest::require(store, &object.key).await?;
        known.add(prepared.header.created_at, prepared.shards);
    }
    Ok(known)
}

/// Raw files in the committed results of this model name under other data versions.
async fn scored(store: &Store, request: &Request) -> Result<Vec<RawShard>> {
    let mut shards = Vec::new();
    let data_version = request.data_version.to_string();
    for key in results::keys(store, &request.model_name).await? {
        let of_another = layout::parse_results_manifest(&key)
            .is_some_and(|(version, _)| version != data_version);
        if of_another {
            let results: ResultsManifest = manifest::require(store, &key).await?;
            shards.extend(results.shards);
        }
    }
    Ok(shards)
}

/// A file is known by its name and content: what was delivered again under an old name is scored,
/// what was only touched is not.
async fn is_scored(raw: &Store, shard: &Object, of_that_name: &[&RawShard]) -> Result<bool> {
    let same: Vec<&RawShard> = of_that_name
        .iter()
        .filter(|known| known.bytes == shard.bytes)
        .copied()
        .collect();
    if same.iter().any(|known| known.stamp == shard.stamp) {
        return Ok(true);
    }
    if same.is_empty() {
        return Ok(false);
    }
    let file = raw.file(&shard.key).await?;
    let sha256 = threads::blocking(move || file.hash()).await?.sha256;
    Ok(same.iter().any(|known| known.sha256 == sha256))
}
