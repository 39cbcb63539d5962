//! The object of one raw file: a stream of rows for each bucket, and their index.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::partitioned::Partitioned;
use super::{PURPOSE, Shape};
use crate::dataset::keys::Keys;
use crate::parts;
use catalog::manifest::Part;
use runtime::failure::Failure;
use runtime::threads::wait;
use runtime::work::Work;
use store::digest::Hasher;
use store::{BlockingUpload, Store, digest};

/// First bytes of an object, and its form.
const MAGIC: &[u8; 8] = b"alashuf1";
/// Bytes of the index for a bucket: where its rows begin, their bytes, how many there are, and the
/// first digits of their digest.
const ENTRY: usize = 24 + DIGITS;
const DIGITS: usize = 32;
/// How much is compressed: what is read once is written quickly. The default level saves a
/// hundredth of the bytes, and takes half as long again.
const LEVEL: i32 = 1;
/// Bytes that are written at once.
const BUFFER: usize = 1 << 16;
/// Bytes that are read of a range at once.
const WINDOW: u64 = 4 << 20;
/// Of how many objects the first bytes are read at the same time, and how many bytes of each.
const AHEAD: usize = 16;
const FIRST: u64 = 1 << 18;

/// What is known of the object of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shuffled {
    /// The object; its ordinal is the file's place among all.
    pub part: Part,
    /// Where the index begins in it.
    pub index: u64,
    /// What was written after the index, if there is anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attached>,
}

/// Bytes at the end of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// Where they begin.
    begin: u64,
    /// Their digest.
    pub sha256: String,
}

impl Shuffled {
    /// The bytes that were attached; none where there is nothing.
    ///
    /// # Errors
    /// An object that is not what was written: exit 2. Those of the store.
    pub async fn attached(&self, store: &Store) -> Result<Vec<u8>> {
        let Some(Attached { begin, sha256 }) = &self.attached else {
            return Ok(Vec::new());
        };
        let bytes = store.range(&self.part.key, *begin..self.part.bytes).await?;
        match digest::hex(&bytes) == *sha256 {
            true => Ok(bytes),
            false => Err(damaged(&self.part.key)),
        }
    }
}

/// Damaged streams may not be parsed: what they say of themselves is believed.
fn damaged(key: &str) -> anyhow::Error {
    Failure::damaged(format!(
        "{key} is damaged: delete it and run the step that wrote it again"
    ))
}

/// Puts the rows of a file in buckets.
pub struct ShuffleWriter {
    shape: Shape,
    schema: SchemaRef,
    buckets: usize,
    partitioned: Partitioned,
    rows: u64,
}

impl ShuffleWriter {
    /// Keeps at most `memory` bytes of rows in memory.
    pub fn new(shape: &Shape, buckets: usize, work: &Work, memory: usize) -> Self {
        let schema = shape.schema();
        Self {
            partitioned: Partitioned::new(schema.clone(), buckets, work, memory),
            shape: shape.clone(),
            schema,
            buckets,
            rows: 0,
        }
    }

    /// Takes in raw rows of the file `key`, in the order of the file.
    ///
    /// # Errors
    /// A row without an entity: exit 10. A scratch folder that can't be written, or the budget of
    /// disk.
    pub fn write(&mut self, key: &str, rows: &RecordBatch) -> Result<()> {
        let rows = self.shape.shuffled(key, rows)?;
        let buckets = self.buckets as u64;
        // The other half of the hash decides what is held out.
        let entity = Keys::new(&rows.columns()[..self.shape.entity])?;
        let placed = entity.into_hashes();
        let placed = placed.map(|hash| ((hash as u64) % buckets) as usize);
        self.rows += rows.num_rows() as u64;
        self.partitioned.push(rows, placed)
    }

    /// Writes the object, and `attached` at its end; `None` where there are no rows. It waits for
    /// the store.
    ///
    /// # Errors
    /// Those of the store and of the scratch folder.
    pub fn finish(
        self,
        store: &Store,
        key: String,
        ordinal: usize,
        attached: Option<&[u8]>,
        check: impl Fn() -> Result<()>,
    ) -> Result<Option<Shuffled>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let writing = || format!("writing {key}");
        let mut upload = Counted {
            to: BufWriter::with_capacity(BUFFER, BlockingUpload(wait(store.upload(&key))?)),
            at: 0,
            hasher: Hasher::default(),
        };
        upload.write_all(MAGIC).with_context(writing)?;
        let mut index = vec![0; self.buckets * ENTRY];
        let mut streams = Streams {
            index: &mut index,
            upload: Some(upload),
            open: None,
            schema: &self.schema,
        };
        for bucket in 0..self.buckets {
            for rows in self.partitioned.rows(bucket) {
                check()?;
                streams.write(bucket, &rows?).with_context(writing)?;
            }
        }
        let mut upload = streams.finish().with_context(writing)?;
        let at = upload.at;
        upload.write_all(&index).with_context(writing)?;
        let begin = upload.at;
        let attached = attached.map(|bytes| -> io::Result<Attached> {
            upload.write_all(bytes)?;
            let sha256 = digest::hex(bytes);
            Ok(Attached { begin, sha256 })
        });
        let attached = attached.transpose().with_context(writing)?;
        let upload = upload
            .to
            .into_inner()
            .map_err(io::IntoInnerError::into_error);
        let BlockingUpload(upload) = upload.with_context(writing)?;
        let written = wait(upload.finish())?;
        Ok(Some(Shuffled {
            part: Part {
                key,
                rows: self.rows,
                bytes: written.bytes,
                sha256: written.sha256,
                ordinal,
            },
            index: at,
            attached,
        }))
    }
}

/// The streams of an object, one after the other.
struct Streams<'a> {
    index: &'a mut [u8],
    upload: Option<Counted>,
    open: Option<Open>,
    schema: &'a SchemaRef,
}

struct Open {
    bucket: usize,
    begin: u64,
    rows: u64,
    writer: StreamWriter<Counted>,
}

impl Streams<'_> {
    fn write(&mut self, bucket: usize, rows: &RecordBatch) -> Result<()> {
        if self.open.as_ref().is_none_or(|open| open.bucket != bucket) {
            self.close()?;
            let upload = self.upload.take().context("a stream is open")?;
            let options = IpcWriteOptions::default()
                .try_with_compression(Some(CompressionType::ZSTD))?
                .try_with_compression_level(Some(LEVEL))?;
            self.open = Some(Open {
                bucket,
                begin: upload.at,
                rows: 0,
                writer: StreamWriter::try_new_with_options(upload, self.schema, options)?,
            });
        }
        let open = self.open.as_mut().context("no stream is open")?;
        open.rows += rows.num_rows() as u64;
        Ok(open.writer.write(rows)?)
    }

    /// Ends the open stream, and writes its entry.
    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let mut upload = open.writer.into_inner()?;
        let digest = std::mem::take(&mut upload.hasher).hex();
        let entry = &mut self.index[open.bucket * ENTRY..][..ENTRY];
        entry[..8].copy_from_slice(&open.begin.to_le_bytes());
        entry[8..16].copy_from_slice(&(upload.at - open.begin).to_le_bytes());
        entry[16..24].copy_from_slice(&open.rows.to_le_bytes());
        entry[24..].copy_from_slice(&digest.as_bytes()[..DIGITS]);
        self.upload = Some(upload);
        Ok(())
    }

    fn finish(mut self) -> Result<Counted> {
        self.close()?;
        self.upload.context("a stream is open")
    }
}

/// An upload that counts bytes, and hashes those of a stream.
struct Counted {
    to: BufWriter<BlockingUpload>,
    at: u64,
    hasher: Hasher,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        // The magic is of no stream.
        if self.at > 0 {
            self.hasher.update(&bytes[..written]);
        }
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Where the rows of a bucket are in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    begin: u64,
    bytes: u64,
    /// How many there are.
    pub rows: u64,
    digest: String,
}

/// Where the rows of some buckets are in an object.
///
/// # Errors
/// Those of the store.
pub async fn index(store: &Store, object: &Shuffled, buckets: Range<usize>) -> Result<Vec<Entry>> {
    let at = |bucket: usize| object.index + (bucket * ENTRY) as u64;
    let range = at(buckets.start)..at(buckets.end);
    let bytes = store.range(&object.part.key, range).await?;
    let entry = |entry: &[u8]| {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&entry[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Entry {
            begin: word(0),
            bytes: word(8),
            rows: word(16),
            digest: String::from_utf8_lossy(&entry[24..]).into_owned(),
        }
    };
    Ok(bytes.chunks_exact(ENTRY).map(entry).collect())
}

/// Reads the rows of a bucket from all objects, in no order that matters: `take` is given them with
/// the columns of [`Shape::sorted_schema`]. What an object has of it is copied into the scratch
/// folder where it is large. It waits for the store.
///
/// # Errors
/// An object that is not what was written: exit 2. Those of the store and of `take`.
pub fn read(
    store: &Store,
    shape: &Shape,
    objects: &[(&Shuffled, &Entry)],
    work: &Work,
    mut take: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let with_rows: Vec<_> = objects.iter().filter(|(_, entry)| entry.rows > 0).collect();
    for ahead in with_rows.chunks(AHEAD) {
        let first = ahead.iter().map(|(object, entry)| {
            let end = entry.begin + entry.bytes.min(FIRST);
            store.range(&object.part.key, entry.begin..end)
        });
        let first = wait(try_join_all(first))?;
        for (&&(object, entry), first) in ahead.iter().zip(first) {
            of_object(store, shape, (object, entry), first, work, &mut take)?;
        }
    }
    Ok(())
}

/// Hands over all rows of an object, with the columns of [`Shape::schema`]. It waits for the store.
///
/// # Errors
/// An object that is not what was written: exit 2. Those of the store and of `take`.
pub fn read_all(
    store: &Store,
    object: &Shuffled,
    take: &mut impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let part = &object.part;
    let local = parts::local(store, &part.key, &part.sha256)?;
    let reading = || format!("reading {local}");
    let file = File::open(local.path()).with_context(reading)?;
    let mut file = BufReader::with_capacity(BUFFER, file);
    file.seek(SeekFrom::Start(MAGIC.len() as u64))
        .with_context(reading)?;
    while file.stream_position().with_context(reading)? < object.index {
        for batch in StreamReader::try_new(&mut file, None).with_context(reading)? {
            take(&batch.with_context(reading)?)?;
        }
    }
    Ok(())
}

fn of_object(
    store: &Store,
    shape: &Shape,
    (object, entry): (&Shuffled, &Entry),
    first: Vec<u8>,
    work: &Work,
    take: &mut impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let key = &object.part.key;
    let mut hasher = Hasher::default();
    hasher.update(&first);
    let (mut at, end) = (entry.begin + first.len() as u64, entry.begin + entry.bytes);
    let source: Box<dyn Read> = if at == end {
        Box::new(io::Cursor::new(first))
    } else {
        let writing = || work.spilling(PURPOSE);
        let mut copy = work.file(PURPOSE)?;
        copy.write_all(&first).with_context(writing)?;
        while at < end {
            let window = wait(store.range(key, at..end.min(at + WINDOW)))?;
            hasher.update(&window);
            copy.write_all(&window).with_context(writing)?;
            at += window.len() as u64;
        }
        copy.rewind().with_context(writing)?;
        Box::new(BufReader::with_capacity(BUFFER, copy))
    };
    if !hasher.hex().starts_with(&entry.digest) {
        return Err(damaged(key));
    }
    let reading = || format!("reading {key}");
    let file = u32::try_from(object.part.ordinal)?;
    let mut rows = 0;
    for batch in StreamReader::try_new(source, None).with_context(reading)? {
        let batch = batch.with_context(reading)?;
        take(&shape.placed(&batch, file, rows)?)?;
        rows += batch.num_rows() as u64;
    }
    match rows == entry.rows {
        true => Ok(()),
        false => Err(damaged(key)),
    }
}
