//! How large the pages of a parquet file are, by their headers alone: what decoding a column holds
//! in memory.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// Chunks up to so many bytes are not looked into: they count as a whole.
const SMALL: u64 = 64 << 10;
/// Bytes of a file that are read at once; a header takes some 20 to 100.
const READ_AHEAD: usize = 512;

/// Bytes that are held while a column is decoded: its dictionary and its largest page, in the row
/// group in which they are most. A header that makes no sense counts its chunk as a whole; decoding
/// it says what is wrong.
pub(super) fn footprint(file: &File, metadata: &ParquetMetaData, leaf: usize) -> u64 {
    let groups = metadata.row_groups().iter();
    groups
        .map(|group| of_chunk(file, group.column(leaf)))
        .max()
        .unwrap_or(0)
}

fn of_chunk(file: &File, chunk: &ColumnChunkMetaData) -> u64 {
    let whole = u64::try_from(chunk.uncompressed_size()).unwrap_or(u64::MAX);
    if whole <= SMALL {
        return whole;
    }
    let start = chunk
        .dictionary_page_offset()
        .unwrap_or_else(|| chunk.data_page_offset());
    let place = u64::try_from(start)
        .ok()
        .zip(u64::try_from(chunk.compressed_size()).ok());
    let Some((start, bytes)) = place else {
        return whole;
    };
    match pages(file, start, start.saturating_add(bytes)) {
        Ok(Pages { dictionary, data }) => dictionary + data,
        Err(_) => whole,
    }
}

/// Bytes of the largest pages of a chunk, decompressed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pages {
    dictionary: u64,
    data: u64,
}

/// `PageType.DICTIONARY_PAGE` of parquet.thrift.
const DICTIONARY_PAGE: u64 = 2;

fn pages(file: &File, start: u64, end: u64) -> io::Result<Pages> {
    let mut pages = Pages::default();
    let mut at = start;
    while at < end {
        let mut bytes = Bytes::new(file, at);
        let header = Header::read(&mut bytes)?;
        let largest = match header.page_type == DICTIONARY_PAGE {
            true => &mut pages.dictionary,
            false => &mut pages.data,
        };
        *largest = (*largest).max(header.uncompressed);
        at = bytes.at + header.compressed;
    }
    Ok(pages)
}

/// The first fields of a page's header.
#[derive(Debug, Default)]
struct Header {
    page_type: u64,
    uncompressed: u64,
    compressed: u64,
}

impl Header {
    /// Reads a header in Thrift's compact protocol, to its last byte.
    fn read(bytes: &mut Bytes<'_>) -> io::Result<Self> {
        let mut header = Self::default();
        let mut field = 0;
        while let Some((id, kind)) = bytes.field(field)? {
            field = id;
            let target = match (id, kind) {
                (1, I32) => &mut header.page_type,
                (2, I32) => &mut header.uncompressed,
                (3, I32) => &mut header.compressed,
                _ => {
                    bytes.skip(kind, DEEPEST)?;
                    continue;
                }
            };
            // Zigzag: none of the three is negative.
            let number = bytes.varint()?;
            *target = match number & 1 {
                0 => number >> 1,
                _ => return Err(nonsense()),
            };
        }
        Ok(header)
    }
}

/// Types of the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;
/// Structs within structs of a page's header: statistics in a data page's header are two.
const DEEPEST: u32 = 8;

/// The bytes of a file from some place on.
struct Bytes<'a> {
    file: &'a File,
    at: u64,
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    begin: u64,
}

impl<'a> Bytes<'a> {
    fn new(file: &'a File, at: u64) -> Self {
        Self {
            file,
            at,
            buffer: Vec::new(),
            begin: at,
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.at < self.begin || self.at >= self.begin + self.buffer.len() as u64 {
            self.buffer.resize(READ_AHEAD, 0);
            let read = self.file.read_at(&mut self.buffer, self.at)?;
            self.buffer.truncate(read);
            self.begin = self.at;
        }
        let byte = self.buffer.get((self.at - self.begin) as usize);
        let byte = *byte.ok_or(ErrorKind::UnexpectedEof)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(nonsense())
    }

    /// Number and type of the next field; `None` at the end of the struct.
    fn field(&mut self, before: u64) -> io::Result<Option<(u64, u8)>> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        Ok(match (kind, u64::from(head >> 4)) {
            (0, _) => None,
            // A number of its own, zigzag.
            (kind, 0) => Some((self.varint()? >> 1, kind)),
            (kind, delta) => Some((before + delta, kind)),
        })
    }

    fn skip(&mut self, kind: u8, depth: u32) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(nonsense)?;
        match kind {
            TRUE | FALSE => {}
            BYTE => self.at += 1,
            I16 | I32 | I64 => {
                self.varint()?;
            }
            DOUBLE => self.at += 8,
            BINARY => self.at += self.varint()?,
            LIST | SET => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                for _ in 0..count {
                    // A boolean in a list is a byte.
                    match head & 0x0f {
                        TRUE | FALSE => self.at += 1,
                        kind => self.skip(kind, depth)?,
                    }
                }
            }
            STRUCT => {
                let mut field = 0;
                while let Some((id, kind)) = self.field(field)? {
                    field = id;
                    self.skip(kind, depth)?;
                }
            }
            _ => return Err(nonsense()),
        }
        Ok(())
    }
}

fn nonsense() -> io::Error {
    ErrorKind::InvalidData.into()
}
