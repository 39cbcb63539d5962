//! The keys of rows, as hashes, on their way from `map` to `commit`, which looks for keys that
//! repeat across files.
//!
//! `map` writes one object for each group: the hashes of all its rows, sorted, each with the place
//! of its file. So `commit` reads as many objects as there are groups, in their order. It believes
//! an object for those files alone that it lists with the right number of rows, and reads the keys
//! of the others from their parts: which groups were cut, and which pod was killed when, makes no
//! difference.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, RecordBatch};
use runtime::threads::wait;
use runtime::work::Work;
use store::spill::{Sorted, Sorter, Sorters};
use store::{BlockingUpload, LocalFile, Store};
use table::dataset::keys::Keys;
use table::{parts, shuffled};

use crate::done::Done;

/// The hash of a key, and the place of its file among all.
pub(crate) type Record = [u64; 2];

/// First bytes of an object, and its form.
const MAGIC: &[u8; 8] = b"alakeys1";
/// Bytes of a record in an object: a hash and 32 bits of place.
const BYTES: usize = 12;
/// Bytes that are read or written at once.
const BUFFER: usize = 1 << 16;

/// The names of the columns that name a row.
pub(crate) type KeyColumns = Arc<[String]>;

pub(crate) fn columns_of(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>> {
    let schema = batch.schema_ref();
    names
        .iter()
        .map(|name| Ok(batch.column(schema.index_of(name)?).clone()))
        .collect()
}

/// Hands over the rows that were written of a file: from its parts, or, where its rows wait for
/// those of other files, from where they wait.
pub(crate) fn each_batch(
    store: &Store,
    done: &Done,
    columns: &[String],
    work: &Work,
    mut take: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    for piece in &done.pieces {
        let part = parts::local(store, &piece.part.key, &piece.part.sha256)?;
        for batch in parts::read(&part, columns, work)? {
            take(&batch?)?;
        }
    }
    let shuffled = done.shuffled.iter();
    for object in shuffled.filter_map(|shuffled| shuffled.object.as_ref()) {
        shuffled::read_all(store, object, &mut take)?;
    }
    Ok(())
}

/// Takes the hash that is kept of a key.
pub(crate) fn short(hash: u128) -> u64 {
    (hash >> 64) as u64
}

/// The keys of the files of a group, collected on several threads.
pub(crate) struct KeyCollector {
    columns: KeyColumns,
    work: Work,
    sorters: Sorters<Record>,
    rows: Mutex<BTreeMap<usize, u64>>,
}

impl KeyCollector {
    /// Spills into the scratch folder.
    pub(crate) fn new(work: &Work, columns: KeyColumns) -> Self {
        Self {
            columns,
            work: work.clone(),
            sorters: Sorters::with_memory(work.clone(), work.sorter_memory()),
            rows: Mutex::default(),
        }
    }

    /// For the keys of a file, which count once they are given to [`KeyCollector::take`].
    pub(crate) fn of_file(&self, ordinal: usize) -> OfFile {
        OfFile {
            columns: self.columns.clone(),
            ordinal,
            rows: 0,
            sorter: Sorter::new(&self.work),
        }
    }

    /// Takes in the keys of a whole file.
    pub(crate) fn take(&self, file: OfFile) -> Result<()> {
        self.sorters.lend(|all| all.merge(file.sorter))?;
        self.rows().insert(file.ordinal, file.rows);
        Ok(())
    }

    /// Takes in the keys of a file from what was written of it.
    pub(crate) fn read(&self, store: &Store, ordinal: usize, done: &Done) -> Result<()> {
        let mut keys = self.of_file(ordinal);
        each_batch(store, done, &self.columns, &self.work, |batch| {
            keys.add(batch)
        })?;
        self.take(keys)
    }

    /// Whether the keys of a file were taken in.
    pub(crate) fn has(&self, ordinal: usize) -> bool {
        self.rows().contains_key(&ordinal)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    /// All records, sorted; nothing is left.
    pub(crate) fn sorted(&self) -> Result<Sorted<Record>> {
        self.sorters.finish()
    }

    /// Writes all records to an object; nothing is left. It waits for the store.
    pub(crate) fn write(&self, store: &Store, key: &str) -> Result<()> {
        let writing = || format!("writing {key}");
        let upload = BlockingUpload(wait(store.upload(key))?);
        let mut target = BufWriter::with_capacity(BUFFER, upload);
        let rows = std::mem::take(&mut *self.rows());
        target.write_all(MAGIC)?;
        target.write_all(&(rows.len() as u64).to_le_bytes())?;
        for (ordinal, rows) in rows {
            target.write_all(&(ordinal as u64).to_le_bytes())?;
            target.write_all(&rows.to_le_bytes())?;
        }
        for record in self.sorted()? {
            let [hash, ordinal] = record?;
            target
                .write_all(&hash.to_le_bytes())
                .with_context(writing)?;
            let ordinal = u32::try_from(ordinal)?;
            target
                .write_all(&ordinal.to_le_bytes())
                .with_context(writing)?;
        }
        let upload = target
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        let BlockingUpload(upload) = upload.with_context(writing)?;
        wait(upload.finish())?;
        Ok(())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<usize, u64>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of one file.
pub(crate) struct OfFile {
    columns: KeyColumns,
    ordinal: usize,
    rows: u64,
    sorter: Sorter<Record>,
}

impl OfFile {
    /// Takes in prepared rows.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns_of(batch, &self.columns)?;
        let mut hashes = Keys::new(&columns)?.into_hashes();
        hashes.try_for_each(|hash| self.take(hash))
    }

    /// Takes in the key of a prepared row by its hash.
    pub(crate) fn take(&mut self, hash: u128) -> Result<()> {
        self.rows += 1;
        self.sorter.push([short(hash), self.ordinal as u64])
    }
}

pub(crate) fn locked(keys: &Mutex<OfFile>) -> MutexGuard<'_, OfFile> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An object of a group, opened.
pub(crate) struct OfGroup {
    /// The places of its files, and how many rows each has.
    pub(crate) rows: BTreeMap<usize, u64>,
    /// A copy lives as long as it is read.
    file: LocalFile,
    source: BufReader<File>,
}

impl OfGroup {
    /// Opens what [`KeyCollector::write`] wrote; `None` for what another release wrote, or what is
    /// cut.
    pub(crate) fn open(file: LocalFile) -> Result<Option<Self>> {
        let opened = File::open(file.path()).with_context(|| format!("opening {file}"))?;
        let bytes = opened
            .metadata()
            .with_context(|| format!("looking up {file}"))?
            .len();
        let mut source = BufReader::with_capacity(BUFFER, opened);
        let rows = header(&mut source, bytes).with_context(|| format!("reading {file}"))?;
        Ok(rows.map(|rows| Self { rows, file, source }))
    }
}

/// The header of an object of so many bytes, if they are what it says.
fn header(source: &mut impl Read, bytes: u64) -> std::io::Result<Option<BTreeMap<usize, u64>>> {
    let mut word = [0; 8];
    let mut next = || source.read_exact(&mut word).map(|()| word);
    if bytes < 16 || next()? != *MAGIC {
        return Ok(None);
    }
    let files = u64::from_le_bytes(next()?);
    if files > (bytes - 16) / 16 {
        return Ok(None);
    }
    let mut rows = BTreeMap::new();
    for _ in 0..files {
        let ordinal = u64::from_le_bytes(next()?) as usize;
        rows.insert(ordinal, u64::from_le_bytes(next()?));
    }
    let whole = rows.values().try_fold(16 + 16 * files, |sum, rows| {
        sum.checked_add(rows.checked_mul(BYTES as u64)?)
    });
    Ok((whole == Some(bytes)).then_some(rows))
}

impl Iterator for OfGroup {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = [0; BYTES];
        match self.source.read_exact(&mut bytes) {
            Ok(()) => {
                let [a, b, c, d, e, f, g, h, ordinal @ ..] = bytes;
                let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
                Some(Ok([hash, u64::from(u32::from_le_bytes(ordinal))]))
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error).with_context(|| format!("reading {}", self.file))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_cut_or_of_another_form_is_not_believed() {
        let mut whole = MAGIC.to_vec();
        for word in [1_u64, 7, 2] {
            whole.extend(word.to_le_bytes());
        }
        whole.extend([1; 2 * BYTES]);
        let read = |bytes: &[u8]| header(&mut &bytes[..], bytes.len() as u64).unwrap();
        assert_eq!(read(&whole), Some(BTreeMap::from([(7, 2)])));
        for length in [0, 8, 16, 31, whole.len() - 1] {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        whole[0] = b'x';
        assert_eq!(read(&whole), None);
    }
}
