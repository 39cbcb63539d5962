//! `commit`: writes the manifests, that of the holdout first; where the last one stands, everything
//! stands.

use anyhow::Result;
use catalog::fanout::Plan;
use catalog::layout::{self, Split};
use catalog::manifest::{self, DatasetManifest, File, Header, RawShard, Role};
use runtime::failure::Failure;
use runtime::step::{Cache, Outputs, Step};
use store::Store;
use table::dataset::HoldoutRule;
use table::shuffled::Doubles;

use crate::committed::{Committed, is_outdated};
use crate::done::{Done, bad};
use crate::job::{Job, Kind, accept, folder};
use crate::reduce::{self, Reduced};
use crate::warm_up::Counts;
use crate::{aggregates, earlier, quarantine, repeats, times};

pub(crate) async fn commit(step: &Step, store: &Store, plan: &str) -> Result<Outputs> {
    let plan: Plan<Job> = Plan::read(store, plan).await?;
    if let Some(committed) = Committed::find(step, store, &plan).await? {
        return Ok(outputs(&plan, &committed.main, true));
    }
    let done: Vec<Done> = plan.results(step, store).await?;
    accept(&plan.job, &bad(&done))?;
    let reduced = match plan.job.windows {
        Some(_) => reduce::results(step, store, &plan, &done).await?,
        None => Vec::new(),
    };
    let (config, values) = aggregates::pin(step, store, &plan, &done).await?;
    let manifest_of = |split| DatasetManifest {
        config: config.clone(),
        aggregates: values.clone(),
        ..manifest_of(step, &plan, &done, &reduced, split)
    };
    let (mut main, holdout) = match plan.job.kind() {
        Kind::Predict | Kind::Holdout(_) => (manifest_of(plan.job.main_split()), None),
        Kind::Train(rule) => {
            let mut train = manifest_of(Split::Train);
            let holdout = manifest_of(Split::Holdout);
            let mut early = Counts::default();
            reduced.iter().for_each(|bucket| early += bucket.early);
            train.left_out.warm_up = early.left_out;
            train.short_history = early.taken;
            refuse_empty(&plan, rule, &train, &holdout)?;
            train
                .warnings
                .extend(times::old_holdout(rule, &train, &holdout));
            (train, Some(holdout))
        }
    };
    let mut doubles = Doubles::default();
    reduced.iter().for_each(|bucket| doubles += bucket.doubles);
    main.warnings.extend(earlier::left_out(&done));
    main.warnings.extend(of_doubles(doubles));
    if let Some(scored) = &plan.job.scored {
        main.warnings.extend(scored.warnings.clone());
        main.warnings.extend(scored.without_labels(&done));
    }
    let violations: Vec<_> = done
        .iter()
        .flat_map(|done| done.violations.clone())
        .collect();
    quarantine::summarize(&mut main, holdout.as_ref(), &violations);
    quarantine::refuse_many(&plan.job, &main, holdout.as_ref())?;
    if !plan.job.is_again() {
        // Files that others look back at come last.
        let own = done.iter().take_while(|done| !done.earlier).count();
        repeats::refuse(step, store, &plan, &done[..own]).await?;
    }
    for warning in &main.warnings {
        tracing::warn!("{warning}");
    }
    let key = key_of(&plan, plan.job.main_split());
    if let Some(holdout) = &holdout {
        // Without the manifest of the training rows, one of a holdout is a leftover of a run that
        // ended between both.
        let alone = manifest::read::<DatasetManifest>(store, &key)
            .await?
            .is_none();
        let cache = if alone { Cache::Refresh } else { step.cache() };
        manifest::commit(
            store,
            &key_of(&plan, Split::Holdout),
            holdout.clone(),
            cache,
        )
        .await?;
    }
    warn_of_left_out(&main);
    if main.short_history > 0 {
        tracing::info!(
            rows = main.short_history,
            "{} of {} rows to train on lie within lookback of the earliest row, so their \
             windows lack history; \"warm_up\": \"drop\" in dataset.json leaves them out",
            main.short_history,
            main.rows
        );
    }
    let cache = match plan.job.is_again() && is_outdated(store, &plan, &key).await? {
        true => Cache::Refresh,
        false => step.cache(),
    };
    let (main, reused) = manifest::commit(store, &key, main, cache).await?;
    if let Some(holdout) = holdout {
        // Another plan for the same data version may have put its holdout in between: whose
        // training rows are committed, his is the holdout.
        let key = key_of(&plan, Split::Holdout);
        let standing: DatasetManifest = manifest::require(store, &key).await?;
        if standing.header.fingerprint != main.header.fingerprint {
            manifest::commit(store, &key, holdout, Cache::Refresh).await?;
        }
    }
    Ok(outputs(&plan, &main, reused))
}

/// What to say of rows that are in several data sets, and not the same way.
fn of_doubles(doubles: Doubles) -> Option<String> {
    let Doubles { rows, differing } = doubles;
    if rows > 0 {
        tracing::info!(rows, differing, "earlier rows are in several data sets");
    }
    (differing > 0).then(|| {
        format!(
            "{rows} earlier rows are in several data sets, and {differing} of them differ from the row \
             that counts: the row to score, or otherwise the row that was scored last"
        )
    })
}

/// Rows that are missing from scores or from training are no detail.
fn warn_of_left_out(main: &DatasetManifest) {
    let left_out = main.left_out;
    if left_out.is_none() {
        return;
    }
    let rows = left_out.total();
    if main.split == Split::Predict && main.rows == 0 && left_out.quarantined == 0 {
        tracing::warn!(
            rows,
            "nothing is left to score: the filter of dataset.json leaves out all {rows} rows"
        );
    } else {
        tracing::warn!(
            rows,
            "{rows} rows are left out as dataset.json says: {left_out}"
        );
    }
}

/// The key of a split's manifest.
fn key_of(plan: &Plan<Job>, split: Split) -> String {
    layout::manifest(&folder(&plan.job, &plan.inputs.fingerprint(), split))
}

/// `reduced` has the parts of a plan whose rows were brought together by entity.
fn manifest_of(
    step: &Step,
    plan: &Plan<Job>,
    done: &[Done],
    reduced: &[Reduced],
    split: Split,
) -> DatasetManifest {
    let header = Header::new(plan.inputs.clone(), step);
    let version = plan.job.data_version.clone();
    let mut manifest = DatasetManifest {
        holdout: plan
            .job
            .holdout
            .map(|rule| rule.to_string())
            .unwrap_or_default(),
        columns: plan.job.columns.clone(),
        history: history(done),
        labels: label_files(plan),
        quarantined: bad(done),
        ..DatasetManifest::empty(header, version, split, &plan.job.config)
    };
    let prepared = done.iter().filter(|done| !done.earlier);
    for done in prepared.filter(|done| done.bad.is_none()) {
        manifest.left_out += done.left_out;
        if split == plan.job.main_split() {
            manifest.quarantine.extend(done.quarantine.clone());
        }
        let counted = done.of_split(split);
        let rows = counted.map_or(0, |counted| counted.rows);
        // A file without rows was read all the same, and belongs to what is not held out.
        if rows > 0 || (done.raw.rows == 0 && split != Split::Holdout) {
            manifest.shards.push(RawShard {
                rows,
                time: counted.and_then(|counted| counted.time),
                ..done.raw.clone()
            });
        }
    }
    let of_files = done.iter().filter(|done| done.bad.is_none());
    let of_files = of_files.flat_map(|done| &done.pieces);
    let pieces = of_files.chain(reduced.iter().flat_map(|bucket| &bucket.pieces));
    for piece in pieces.filter(|piece| piece.split == split) {
        manifest.rows += piece.part.rows;
        manifest.labelled_rows += piece.labelled_rows;
        manifest.parts.push(piece.part.clone());
    }
    manifest
}

fn label_files(plan: &Plan<Job>) -> Vec<File> {
    let scored = plan.job.scored.as_ref();
    scored
        .map(|scored| scored.labels.clone())
        .unwrap_or_default()
}

/// The raw files that the rows look back at, with the times of all their rows.
fn history(done: &[Done]) -> Vec<RawShard> {
    let read = done
        .iter()
        .filter(|done| done.earlier && done.bad.is_none());
    read.map(|done| RawShard {
        time: done.of_split(Split::Predict).and_then(|of| of.time),
        ..done.raw.clone()
    })
    .collect()
}

fn refuse_empty(
    plan: &Plan<Job>,
    rule: HoldoutRule,
    train: &DatasetManifest,
    holdout: &DatasetManifest,
) -> Result<()> {
    let files = plan.shards.len() - train.quarantined.len();
    if train.rows + holdout.rows == 0 {
        let left_out = match train.left_out {
            none if none.is_none() => String::new(),
            some => format!("; left out as dataset.json says: {some}"),
        };
        if plan.job.scored.is_some() {
            return Err(Failure::usage(format!(
                "none of the rows in {files} scored files has a label yet{left_out}: put label files \
                 that name these rows under LABELS_GLOB, and submit again"
            )));
        }
        return Err(Failure::contract(format!(
            "none of the {files} raw files has rows to train on{left_out}"
        )));
    }
    let short = train.left_out.warm_up;
    if train.rows == 0 && short > 0 {
        return Err(Failure::contract(format!(
            "\"warm_up\": \"drop\" in dataset.json leaves out all {short} rows to train on: they lie \
             within `lookback` of the earliest row; write \"warm_up\": \"count\", shorten \
             `lookback` and the windows, or add raw files that reach further back"
        )));
    }
    if let (HoldoutRule::FirstShard, 0, Some(first)) = (rule, holdout.rows, plan.shards.first()) {
        return Err(Failure::contract(format!(
            "{} is to be the holdout, and it has no rows or was left out: repair it, or remove it so that the next file \
             is held out",
            first.key
        )));
    }
    for (manifest, what, fraction) in [
        (train, "leaves no rows to train on", "smaller"),
        (holdout, "holds no rows out", "larger"),
    ] {
        if manifest.rows == 0 {
            let advice = match rule {
                HoldoutRule::Fraction(_) => by_other(plan, fraction),
                HoldoutRule::FirstShard | HoldoutRule::After(_) => "choose another rule".to_owned(),
            };
            return Err(Failure::usage(format!(
                "the holdout {rule} {what} of {} rows: {advice} (--holdout, HOLDOUT)",
                train.rows + holdout.rows
            )));
        }
    }
    Ok(())
}

/// What to hold out where the ids leave one side empty.
fn by_other(plan: &Plan<Job>, fraction: &str) -> String {
    let has_time = plan.job.columns.iter().any(|of| of.role == Role::Time);
    let of_one = match (plan.shards.len(), has_time) {
        (2.., true) => "use first-shard, or after with a date",
        (2.., false) => "use first-shard",
        (_, true) => "use after with a date",
        (_, false) => "split the file and use first-shard",
    };
    format!(
        "rows with the same ids are on one side; if there are several ids, use a {fraction} \
         fraction, and if there is one, {of_one}"
    )
}

fn outputs(plan: &Plan<Job>, main: &DatasetManifest, reused: bool) -> Outputs {
    let holdout = match plan.job.kind() {
        Kind::Train(_) => key_of(plan, Split::Holdout),
        Kind::Holdout(_) | Kind::Predict => String::new(),
    };
    Outputs::new()
        .set("manifest", key_of(plan, main.split))
        .set("holdout-manifest", holdout)
        .set("data-version", &main.data_version)
        .set("rows", main.rows)
        .set("left-out", main.left_out.total())
        .set("quarantined", main.quarantined.len())
        .set("reused", reused)
}
