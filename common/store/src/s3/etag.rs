//! The ETag that S3 gives to what is uploaded from here: by it a listing says whether an object
//! has the bytes of a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use md5::{Digest, Md5};

use super::uploads::PartSizes;
use crate::digest::digits;

const BUFFER_BYTES: usize = 1 << 18;

/// The ETag of an object that was uploaded from a file: the MD5 digest of its bytes, and of the
/// digests of its parts for a multipart upload. It says nothing where the bucket is encrypted by
/// KMS, whose ETags are no digests.
pub(crate) fn etag_of(path: &Path, sizes: PartSizes) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut digests: Vec<[u8; 16]> = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (mut part, mut left) = (Md5::new(), sizes.of_part(digests.len()));
        while left > 0 {
            let wanted = left.min(buffer.len());
            let read = file
                .read(&mut buffer[..wanted])
                .with_context(|| format!("reading {}", path.display()))?;
            if read == 0 {
                break;
            }
            part.update(&buffer[..read]);
            left -= read;
        }
        let is_empty = left == sizes.of_part(digests.len());
        if !is_empty || digests.is_empty() {
            digests.push(part.finalize().into());
        }
        if left > 0 {
            break;
        }
    }
    Ok(match &digests[..] {
        [only] => digits(only),
        parts => format!("{}-{}", digits(&Md5::digest(parts.concat())), parts.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of more than one part are checked against a server's.
    #[test]
    fn one_part_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, sizes) = (folder.path().join("a"), PartSizes::default());
        // RFC 1321, appendix A.5.
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(etag_of(&path, sizes).unwrap(), digest);
        }
        std::fs::write(&path, vec![0; sizes.of_part(0)]).unwrap();
        assert!(
            !etag_of(&path, sizes).unwrap().contains('-'),
            "what just fits is put at once"
        );
    }
}
