//! A raw image of the cache in the form of a qcow2, which is made as it is read.
//!
//! Its digest is needed before the first byte is sent. The same reading that computes it
//! proves that the raw image still is what the cache has on record: a node can compare
//! the result only with what was computed here.

use std::fs::File;
use std::io;

use crate::io::hash::Hasher;
use crate::io::hash::data::DataHasher;
use crate::io::image::qcow2::Qcow2Layout;
use crate::model::{DataDigest, Sha256};

/// How much is read at once, in bytes.
const PIECE: u64 = 1 << 20;

/// The qcow2 form of a raw image. It follows from the image's content alone.
#[derive(Debug)]
pub(crate) struct Qcow2Form {
    layout: Qcow2Layout,
    sha256: Sha256,
}

/// What a raw image is known to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawFacts {
    /// Its length in bytes.
    pub size: u64,
    /// The digest of all of it.
    pub sha256: Sha256,
    /// The digest of its data, where it is known: it takes less time to compare.
    pub data: Option<DataDigest>,
}

/// The digest that a raw image is compared by.
enum RawCheck {
    Data(DataHasher, DataDigest),
    Whole(Hasher, Sha256),
}

impl RawCheck {
    fn new(known: &RawFacts) -> Self {
        match known.data {
            Some(data) => Self::Data(DataHasher::default(), data),
            None => Self::Whole(Hasher::default(), known.sha256),
        }
    }

    fn zeros(&mut self, count: u64) {
        match self {
            Self::Data(hasher, _) => hasher.zeros(count),
            Self::Whole(hasher, _) => hasher.zeros(count),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Data(hasher, _) => hasher.update(bytes),
            Self::Whole(hasher, _) => hasher.update(bytes),
        }
    }

    fn matches(self) -> bool {
        match self {
            Self::Data(hasher, expected) => hasher.finish() == expected,
            Self::Whole(hasher, expected) => hasher.finish().sha256 == expected,
        }
    }
}

impl Qcow2Form {
    /// Reads a raw image twice, except for its zeros.
    ///
    /// # Errors
    /// Any error of the file system, and where the image is not what is known of it.
    pub(crate) fn of(raw: &File, known: &RawFacts) -> io::Result<Self> {
        let size = raw.metadata()?.len();
        if size != known.size {
            return Err(io::Error::other(format!(
                "it has {size} bytes, and should have {}",
                known.size
            )));
        }
        let layout = Qcow2Layout::scan(raw)?;
        let (mut hasher, mut check) = (Hasher::default(), RawCheck::new(known));
        let mut buffer = vec![0; PIECE as usize];
        let (mut at, mut seen) = (0, 0);
        let tables = std::iter::once((0..0, layout.tables_end()));
        for (range, stored) in tables.chain(layout.data()) {
            check.zeros(range.start - seen);
            seen = range.end;
            // The last cluster is filled up behind the end of the disk.
            let mut own = range.end - range.start;
            let end = at + stored;
            while at < end {
                let piece = &mut buffer[..(end - at).min(PIECE) as usize];
                layout.read_at(raw, at, piece)?;
                hasher.update(piece);
                let checked = own.min(piece.len() as u64);
                check.update(&piece[..checked as usize]);
                own -= checked;
                at += piece.len() as u64;
            }
        }
        check.zeros(size - seen);
        if !check.matches() {
            return Err(io::Error::other("its content is not what is on record"));
        }
        let sha256 = hasher.finish().sha256;
        Ok(Self { layout, sha256 })
    }

    /// The length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.layout.len()
    }

    /// The digest of the file.
    pub(crate) fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Reads a part of the file, which is made from the raw image.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn read_at(&self, raw: &File, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.layout.read_at(raw, at, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::io::Meter;
    use crate::io::hash::{Hashed, hash_file};

    #[test]
    fn only_what_is_on_record_is_converted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("raw");
        let file = File::create_new(&path).unwrap();
        // The disk ends within a cluster that holds data.
        for (at, length) in [(0, 34), (1 << 20, 100_000), ((3 << 20) - 600, 600)] {
            file.write_all_at(&vec![7; length], at).unwrap();
        }
        let Hashed { size, sha256 } = hash_file(&path, &Meter::default()).unwrap();
        let mut data = DataHasher::default();
        data.update(&std::fs::read(&path).unwrap());
        let known = RawFacts {
            size,
            sha256,
            data: None,
        };
        let with_data = RawFacts {
            data: Some(data.finish()),
            ..known
        };
        for known in [known, with_data] {
            let raw = File::open(&path).unwrap();
            let image = Qcow2Form::of(&raw, &known).unwrap();
            let mut all = vec![0; image.len() as usize];
            image.read_at(&raw, 0, &mut all).unwrap();
            let mut hasher = Hasher::default();
            hasher.update(&all);
            assert_eq!(hasher.finish().sha256, image.sha256());
        }
        file.write_all_at(b"x", (1 << 20) + 5).unwrap();
        for known in [known, with_data] {
            let error = Qcow2Form::of(&File::open(&path).unwrap(), &known).unwrap_err();
            assert!(error.to_string().contains("on record"), "{error}");
        }
        file.set_len(size + 1).unwrap();
        let error = Qcow2Form::of(&File::open(&path).unwrap(), &known).unwrap_err();
        assert!(error.to_string().contains("should have"), "{error}");
    }
}
