//! What repeats across files: the same file under two names, and keys that two rows share.
//!
//! Hashes find the suspects, and the values of their keys decide: no row is refused because of a
//! hash. Memory is bounded: what is kept of suspects, pairs and examples has a limit.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use anyhow::Result;
use catalog::fanout::Plan;
use catalog::layout;
use runtime::failure::Failure;
use runtime::step::Step;
use runtime::threads::blocking;
use store::Store;
use store::digest;
use table::dataset::HoldoutRule;
use table::dataset::keys::{Keys, show};

use crate::done::Done;
use crate::job::Job;
use crate::keys::{KeyCollector, KeyColumns, OfGroup, Record, columns_of, each_batch, short};

/// Suspects that are compared by value at once.
const SUSPECTS: usize = 256;
/// Files that are read for one suspect, at most.
const FILES: usize = 8;
/// Pairs of files that are counted apart, at most.
const PAIRS: usize = 10_000;
/// Pairs and examples that a message shows.
const SHOWN: usize = 3;

/// Refuses what a data set must not hold twice.
///
/// # Errors
/// The same file twice, a key twice, or a key both held out and trained on: exit 10, naming files.
pub(crate) async fn refuse(
    step: &Step,
    store: &Store,
    plan: &Plan<Job>,
    done: &[Done],
) -> Result<()> {
    refuse_copies(done)?;
    if !plan.job.keys_count() {
        return Ok(());
    }
    let runs = runs(step, store, plan, done).await?;
    let search = Search {
        step: step.clone(),
        store: store.clone(),
        job: plan.job.clone(),
        columns: plan.job.key_columns(),
        done: done.to_vec(),
    };
    blocking(move || search.run(Merged::new(runs)?)).await
}

/// Refuses files of the same bytes, unless they gave no rows.
fn refuse_copies(done: &[Done]) -> Result<()> {
    const NAMED: usize = 8;
    let mut first: HashMap<&str, &Done> = HashMap::new();
    let mut lines = Vec::new();
    for done in done
        .iter()
        .filter(|done| done.bad.is_none() && done.raw.rows > 0)
    {
        let known = *first.entry(&done.raw.sha256).or_insert(done);
        if known.raw.key != done.raw.key {
            let (a, b) = (&known.raw.key, &done.raw.key);
            lines.push(format!("\n  {a} and {b}: {} rows", done.raw.rows));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let count = lines.len();
    lines.truncate(NAMED);
    if count > NAMED {
        lines.push(format!("\n  and {} more", count - NAMED));
    }
    Err(Failure::contract(format!(
        "{count} raw files are duplicates, with the same bytes under two names, and their rows \
         would count twice:{}\nremove one of each pair",
        lines.concat()
    )))
}

type Run = Box<dyn Iterator<Item = Result<Record>> + Send>;

/// The sorted records of all files that gave rows, each in one run.
async fn runs(step: &Step, store: &Store, plan: &Plan<Job>, done: &[Done]) -> Result<Vec<Run>> {
    let mut missing: BTreeMap<usize, u64> = BTreeMap::new();
    for (ordinal, done) in done.iter().enumerate() {
        let rows = done.rows();
        if rows > 0 {
            missing.insert(ordinal, rows);
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    let folder = layout::groups_keys(&plan.folder());
    for object in groups_of(store, &folder).await? {
        if missing.is_empty() {
            break;
        }
        let file = store.file(&object).await?;
        let Some(group) = blocking(move || OfGroup::open(file)).await? else {
            continue;
        };
        let mut taken = vec![false; plan.shards.len()];
        for (&ordinal, rows) in &group.rows {
            if missing.get(&ordinal) == Some(rows) {
                missing.remove(&ordinal);
                taken[ordinal] = true;
            }
        }
        if taken.contains(&true) {
            let is_taken = move |record: &Result<Record>| match record {
                Ok([_, ordinal]) => taken.get(*ordinal as usize) == Some(&true),
                Err(_) => true,
            };
            runs.push(Box::new(group.filter(is_taken)));
        }
    }
    if !missing.is_empty() {
        tracing::info!(
            files = missing.len(),
            "reading the row keys of files from their parts"
        );
        let collector = Arc::new(KeyCollector::new(step.work(), plan.job.key_columns()));
        let (keys, store) = (collector.clone(), store.clone());
        let missing: Vec<_> = missing
            .into_keys()
            .map(|ordinal| (ordinal, done[ordinal].clone()))
            .collect();
        step.each(missing, move |(ordinal, done)| {
            keys.read(&store, ordinal, &done)
        })
        .await?;
        runs.push(Box::new(collector.sorted()?));
    }
    Ok(runs)
}

/// Keys of a folder's objects of groups: first those of cuts that are complete.
pub(crate) async fn groups_of(store: &Store, folder: &str) -> Result<Vec<String>> {
    let listed = store.list(folder).await?;
    let cut = |key: &str| key.rsplit_once("-of-").map(|(_, cut)| cut.to_owned());
    let mut sizes: HashMap<Option<String>, usize> = HashMap::new();
    for object in &listed {
        *sizes.entry(cut(&object.key)).or_default() += 1;
    }
    let is_complete = |key: &str| {
        let cut = cut(key);
        let groups = cut
            .as_deref()
            .and_then(|cut| cut.strip_suffix(".bin")?.parse().ok());
        groups.is_some_and(|groups: usize| sizes.get(&cut) == Some(&groups))
    };
    let mut keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
    keys.sort_by_key(|key| (!is_complete(key), key.clone()));
    Ok(keys)
}

/// Sorted runs as one.
struct Merged {
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<(Record, usize)>>,
}

impl Merged {
    fn new(mut runs: Vec<Run>) -> Result<Self> {
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some(record) = run.next() {
                heads.push(Reverse((record?, index)));
            }
        }
        Ok(Self { runs, heads })
    }
}

impl Iterator for Merged {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = self.heads.peek_mut()?;
        let Reverse((record, index)) = *head;
        match self.runs[index].next() {
            Some(Ok(following)) => *head = Reverse((following, index)),
            None => {
                PeekMut::pop(head);
            }
            Some(Err(error)) => return Some(Err(error)),
        }
        Some(Ok(record))
    }
}

/// Rows that share a hash.
#[derive(Clone, Debug, Default)]
struct Suspect {
    hash: u64,
    rows: u64,
    /// The first files that hold any, and how many each.
    files: Vec<(usize, u64)>,
}

impl Suspect {
    fn add(&mut self, [hash, ordinal]: Record) {
        let ordinal = ordinal as usize;
        self.hash = hash;
        self.rows += 1;
        let is_full = self.files.len() >= FILES;
        match self.files.last_mut() {
            Some((last, rows)) if *last == ordinal => *rows += 1,
            _ if is_full => {}
            _ => self.files.push((ordinal, 1)),
        }
    }
}

/// What was found.
#[derive(Default)]
struct Tally {
    /// Rows that repeat the key of another row on the same side of the holdout.
    repeated: u64,
    /// Keys on both sides.
    shared: u64,
    pairs: BTreeMap<(usize, usize), u64>,
    examples: Vec<String>,
    is_proven: bool,
}

/// A search through the records of all rows.
struct Search {
    step: Step,
    store: Store,
    job: Job,
    columns: KeyColumns,
    done: Vec<Done>,
}

impl Search {
    fn run(&self, records: Merged) -> Result<()> {
        const CHECK: u64 = 1 << 16;
        let mut tally = Tally::default();
        let mut suspects = Vec::new();
        let mut current = Suspect::default();
        let mut seen = 0_u64;
        for record in records {
            let record = record?;
            if current.rows > 0 && current.hash != record[0] {
                self.close(std::mem::take(&mut current), &mut suspects, &mut tally)?;
            }
            current.add(record);
            seen += 1;
            if seen.is_multiple_of(CHECK) {
                self.step.check()?;
            }
        }
        self.close(current, &mut suspects, &mut tally)?;
        self.compare(&mut suspects, &mut tally)?;
        match tally.is_proven {
            true => Err(self.refusal(&tally)),
            false => Ok(()),
        }
    }

    /// Repeated rows and shared keys, if rows of the same hash have the same key.
    fn counts(&self, suspect: &Suspect) -> (u64, u64) {
        let held_out = suspect
            .files
            .iter()
            .filter(|(file, _)| self.is_held_out(*file));
        let held_out = held_out.map(|(_, rows)| rows).sum();
        self.counts_of([held_out, suspect.rows - held_out])
    }

    /// The counts of so many rows of one key: held out, and not.
    fn counts_of(&self, [held_out, others]: [u64; 2]) -> (u64, u64) {
        let repeated = match self.job.repeated_keys.is_refuse() {
            true => held_out.saturating_sub(1) + others.saturating_sub(1),
            false => 0,
        };
        (repeated, u64::from(held_out > 0 && others > 0))
    }

    /// Whether all rows of a file are held out. By the other rules, which go by ids or by time, all
    /// rows of a key are on the same side.
    fn is_held_out(&self, ordinal: usize) -> bool {
        self.job.holdout == Some(HoldoutRule::FirstShard) && ordinal == 0
    }

    /// Takes in all rows of one hash.
    fn close(
        &self,
        suspect: Suspect,
        suspects: &mut Vec<Suspect>,
        tally: &mut Tally,
    ) -> Result<()> {
        if suspect.rows < 2 || self.counts(&suspect) == (0, 0) {
            return Ok(());
        }
        if tally.is_proven {
            self.count(&suspect, tally);
            return Ok(());
        }
        suspects.push(suspect);
        match suspects.len() >= SUSPECTS {
            true => self.compare(suspects, tally),
            false => Ok(()),
        }
    }

    fn count(&self, suspect: &Suspect, tally: &mut Tally) {
        let (repeated, shared) = self.counts(suspect);
        tally.repeated += repeated;
        tally.shared += shared;
        let (first, _) = suspect.files[0];
        for (place, &(file, rows)) in suspect.files.iter().enumerate() {
            let (pair, rows) = ((first, file), rows - u64::from(place == 0));
            if rows > 0 && (tally.pairs.len() < PAIRS || tally.pairs.contains_key(&pair)) {
                *tally.pairs.entry(pair).or_default() += rows;
            }
        }
    }

    /// Reads the keys of suspects, and counts those that are equal by value.
    fn compare(&self, suspects: &mut Vec<Suspect>, tally: &mut Tally) -> Result<()> {
        let suspects = std::mem::take(suspects);
        let mut keys: HashMap<u64, HashMap<String, [u64; 2]>> = suspects
            .iter()
            .map(|suspect| (suspect.hash, HashMap::new()))
            .collect();
        let mut shown = HashMap::new();
        let mut files: Vec<usize> = suspects
            .iter()
            .flat_map(|suspect| suspect.files.iter().map(|(file, _)| *file))
            .collect();
        files.sort_unstable();
        files.dedup();
        for ordinal in files {
            self.step.check()?;
            let is_held_out = self.is_held_out(ordinal);
            let done = &self.done[ordinal];
            each_batch(
                &self.store,
                done,
                &self.columns,
                self.step.work(),
                |batch| {
                    let columns = columns_of(batch, &self.columns)?;
                    let (values, mut bytes) = (Keys::new(&columns)?, Vec::new());
                    for (row, hash) in Keys::new(&columns)?.into_hashes().enumerate() {
                        let Some(of_hash) = keys.get_mut(&short(hash)) else {
                            continue;
                        };
                        values.encode(row, &mut bytes);
                        let sides = of_hash.entry(digest::hex(&bytes)).or_default();
                        sides[usize::from(!is_held_out)] += 1;
                        let text = || show(&self.columns, &columns, row);
                        shown.entry(short(hash)).or_insert_with(text);
                    }
                    Ok(())
                },
            )?;
        }
        for suspect in &suspects {
            let of_hash = &keys[&suspect.hash];
            if of_hash
                .values()
                .any(|&sides| self.counts_of(sides) != (0, 0))
            {
                tally.is_proven = true;
                self.count(suspect, tally);
                if tally.examples.len() < SHOWN {
                    let names: Vec<&str> = suspect
                        .files
                        .iter()
                        .map(|&(file, _)| self.name(file))
                        .collect();
                    let key = &shown[&suspect.hash];
                    tally
                        .examples
                        .push(format!("\n  {key}: in {}", names.join(" and ")));
                }
            }
        }
        Ok(())
    }

    fn name(&self, ordinal: usize) -> &str {
        &self.done[ordinal].raw.key
    }

    fn refusal(&self, tally: &Tally) -> anyhow::Error {
        let rows: u64 = self.done.iter().map(|done| done.raw.rows).sum();
        let key = self.columns.join(", ");
        let is_train = self.job.holdout.is_some();
        let (mut text, mut advice) = (Vec::new(), Vec::new());
        if tally.repeated > 0 {
            let repeated = tally.repeated;
            text.push(format!(
                "{repeated} of {rows} rows repeat the ({key}) of another row"
            ));
            advice.push("remove or correct the duplicates");
            if is_train {
                advice.push(
                    "or set \"repeated_keys\": \"allow\" in dataset.json, if each of these rows \
                     should count",
                );
            }
        }
        if tally.shared > 0 {
            let shared = tally.shared;
            let first = self.name(0);
            text.push(format!(
                "{shared} row keys ({key}) are both in {first}, which is held out, and in training \
                 files"
            ));
            advice.push(
                "to measure the model on rows that it has not seen, remove them from one side or \
                 hold out by HOLDOUT=fraction=0.1, which keeps the rows of an id together",
            );
        }
        let mut pairs: Vec<_> = tally.pairs.iter().collect();
        pairs.sort_by_key(|&(pair, rows)| (Reverse(*rows), *pair));
        let lines = pairs
            .iter()
            .take(SHOWN)
            .map(|&(&(a, b), rows)| match a == b {
                true => format!("\n  within {}: {rows}", self.name(a)),
                false => format!("\n  {} and {}: {rows}", self.name(a), self.name(b)),
            });
        let mut lines = lines.collect::<Vec<_>>();
        if pairs.len() > SHOWN {
            lines.push(format!(
                "\n  and {} more pairs of files",
                pairs.len() - SHOWN
            ));
        }
        Failure::contract(format!(
            "{}:{}\nfor example:{}\n{}",
            text.join(", and "),
            lines.concat(),
            tally.examples.concat(),
            advice.join("; ")
        ))
    }
}
