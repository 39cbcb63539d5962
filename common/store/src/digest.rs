//! SHA-256 digests, as lower-case hex.
//!
//! ```
//! use store::digest;
//!
//! let whole = digest::hex(b"abc");
//! assert!(whole.starts_with("ba7816bf"));
//! let mut parts = digest::Hasher::default();
//! parts.update(b"a");
//! parts.update(b"bc");
//! assert_eq!(parts.hex(), whole);
//! ```

use std::io::Read;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// Size and digest of what was written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Size in bytes.
    pub bytes: u64,
    /// Hex digest of the content.
    pub sha256: String,
}

/// A running digest.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes in bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes taken in.
    pub fn hex(self) -> String {
        digits(&self.0.finalize())
    }
}

/// Bytes as hexadecimal digits.
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of bytes.
pub fn hex(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.hex()
}

/// The digest of a value's canonical JSON: fields in the order of the type, maps sorted by the
/// caller's `BTreeMap`.
pub fn of_json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(hex(&serde_json::to_vec(value)?))
}

/// The digest and the length of everything a reader gives.
pub fn of_reader(mut reader: impl Read) -> std::io::Result<Written> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => {
                return Ok(Written {
                    bytes,
                    sha256: hasher.hex(),
                });
            }
            read => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_digest_is_the_standards() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            super::hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            super::of_reader(&b"abc"[..]).unwrap().sha256,
            super::hex(b"abc")
        );
    }
}
