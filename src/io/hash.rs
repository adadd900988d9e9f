//! SHA-256 of bytes as they pass by, of runs of zeros, and of files.
//!
//! A run of zeros has no short cut in SHA-256, but it needs no memory traffic:
//! one small block of zeros, hot in the cache, is hashed again and again, and
//! the holes of a sparse file are never read at all.

pub(crate) mod data;

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::Digest;

use crate::io::Meter;
use crate::io::file::sparse::{FilePart, ZEROS, read_parts};
use crate::model::Sha256;

/// A running SHA-256 with the number of bytes that went in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hasher {
    state: sha2::Sha256,
    bytes: u64,
}

/// The length and the digest of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hashed {
    /// Length in bytes.
    pub size: u64,
    /// The digest of all of them.
    pub sha256: Sha256,
}

impl Hasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Takes that many zero bytes.
    pub(crate) fn zeros(&mut self, count: u64) {
        let mut left = count;
        while left > 0 {
            let piece = left.min(ZEROS.len() as u64);
            self.state.update(&ZEROS[..piece as usize]);
            left -= piece;
        }
        self.bytes += count;
    }

    /// Length and digest of everything that went in.
    pub(crate) fn finish(self) -> Hashed {
        Hashed {
            size: self.bytes,
            sha256: Sha256::from_bytes(self.state.finalize().into()),
        }
    }
}

/// Length and digest of a file; its holes are hashed without being read. Counts
/// the bytes, holes included, on the meter.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn hash_file(path: &Path, meter: &Meter) -> io::Result<Hashed> {
    let file = File::open(path)?;
    meter.set_total(file.metadata()?.len());
    let mut hasher = Hasher::default();
    read_parts(&file, u64::MAX, |part| match part {
        FilePart::Bytes(bytes) => {
            hasher.update(bytes);
            meter.add(bytes.len() as u64);
        }
        FilePart::Hole(length) => {
            hasher.zeros(length);
            meter.add(length);
        }
    })?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn zeros_hash_like_zero_bytes() {
        let mut one = Hasher::default();
        one.update(b"x");
        one.zeros(200_001);
        let mut two = Hasher::default();
        two.update(b"x");
        two.update(&vec![0; 200_001]);
        assert_eq!(one.finish(), two.finish());
    }

    #[test]
    fn a_sparse_file_hashes_like_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::create(&path).unwrap();
        file.write_all_at(b"middle", 3 << 20).unwrap();
        file.set_len(5 << 20).unwrap();
        let mut plain = Hasher::default();
        plain.update(&std::fs::read(&path).unwrap());
        let meter = Meter::default();
        assert_eq!(hash_file(&path, &meter).unwrap(), plain.finish());
        assert_eq!(meter.read(), (5 << 20, Some(5 << 20)));
    }
}
