//! The bytes of a CSV file, decompressed as its name says.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder;

use crate::raw::Compression;

/// Bytes that are read from a compressed file at once.
const READ: usize = 1 << 17;
/// The largest window of a zstd file, which is what its decoder holds, as a power of 2: 32 MiB.
const ZSTD_WINDOW: u32 = 25;

/// Opens a file. All members of a gzip file and all frames of a zstd file are read.
pub(super) fn open(path: &Path, compression: Compression) -> Result<Box<dyn Read + Send>> {
    let place = || format!("opening {}", path.display());
    let file = File::open(path).with_context(place)?;
    let buffered = |file| BufReader::with_capacity(READ, file);
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(buffered(file))),
        Compression::Zstd => {
            let mut decoder = Decoder::with_buffer(buffered(file)).with_context(place)?;
            decoder.window_log_max(ZSTD_WINDOW).with_context(place)?;
            Box::new(decoder)
        }
    })
}
