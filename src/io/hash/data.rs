//! The digest of a content's data: what proves a sparse file at the cost of what is
//! in it.
//!
//! Nine tenths of an image are zeros, and a node that hashes them with what it has
//! takes seconds for each. So the zeros are counted and not hashed. The content is
//! cut into blocks of 4 KiB; of every maximal run of blocks that are not all zeros
//! its bytes are hashed, then where it begins and how long it is; at the end the
//! length of all. All numbers have 8 bytes, the highest first.
//!
//! Two contents of one digest are equal as far as SHA-256 goes: what is hashed can be
//! taken apart again from its end, where the length of the last run says where that
//! begins. And it follows from the content alone, not from how a file system holds
//! it: zeros on the disk and a hole are the same.
//!
//! `nodes/protocol/scripts/data.pl` is the same for a node.

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::Digest;

use crate::io::file::sparse::{FilePart, HOLE, data_pieces, is_zero, read_parts, read_range};
use crate::model::{DataDigest, Sha256};

/// The size of a block in bytes.
pub(crate) const BLOCK: usize = HOLE;

/// A running digest of data.
#[derive(Debug, Clone, Default)]
pub(crate) struct DataHasher {
    state: sha2::Sha256,
    /// Bytes taken in whole blocks.
    at: u64,
    /// A block that is not complete.
    block: Vec<u8>,
    /// Where the run began that has not ended.
    run: Option<u64>,
    bytes: u64,
}

impl DataHasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        if !self.block.is_empty() {
            let missing = BLOCK - self.block.len();
            let (first, rest) = bytes.split_at(missing.min(bytes.len()));
            self.block.extend_from_slice(first);
            bytes = rest;
            self.complete();
        }
        let (whole, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
        let mut seen = 0;
        for piece in data_pieces(self.at, whole) {
            if piece.start > seen {
                self.end_run(self.at + seen as u64);
            }
            self.run.get_or_insert(self.at + piece.start as u64);
            self.state.update(&whole[piece.clone()]);
            seen = piece.end;
        }
        if whole.len() > seen {
            self.end_run(self.at + seen as u64);
        }
        self.at += whole.len() as u64;
        self.block.extend_from_slice(rest);
    }

    /// Takes that many zero bytes.
    pub(crate) fn zeros(&mut self, mut count: u64) {
        if !self.block.is_empty() {
            let missing = (BLOCK - self.block.len()) as u64;
            let first = missing.min(count);
            self.block.resize(self.block.len() + first as usize, 0);
            count -= first;
            self.complete();
        }
        let rest = count % BLOCK as u64;
        if count > rest {
            self.end_run(self.at);
        }
        self.at += count - rest;
        self.block.resize(self.block.len() + rest as usize, 0);
    }

    /// The digest of everything that went in.
    pub(crate) fn finish(mut self) -> DataDigest {
        let block = std::mem::take(&mut self.block);
        self.take_block(&block);
        self.end_run(self.at);
        self.state.update(self.at.to_be_bytes());
        DataDigest {
            sha256: Sha256::from_bytes(self.state.finalize().into()),
            bytes: self.bytes,
        }
    }

    fn complete(&mut self) {
        if self.block.len() == BLOCK {
            let mut block = std::mem::take(&mut self.block);
            self.take_block(&block);
            block.clear();
            self.block = block;
        }
    }

    /// A whole block, or the last of all.
    fn take_block(&mut self, block: &[u8]) {
        if is_zero(block) {
            self.end_run(self.at);
        } else {
            self.run.get_or_insert(self.at);
            self.state.update(block);
        }
        self.at += block.len() as u64;
    }

    fn end_run(&mut self, end: u64) {
        if let Some(start) = self.run.take() {
            let length = end - start;
            self.state.update(start.to_be_bytes());
            self.state.update(length.to_be_bytes());
            self.bytes += length;
        }
    }
}

/// The digest of the data in the first `limit` bytes of a file, or of all of it if
/// it has fewer. Holes are not read.
///
/// # Errors
/// Any error of the file system.
pub fn hash_data(path: &Path, limit: u64) -> io::Result<DataDigest> {
    let mut hasher = DataHasher::default();
    read_parts(&File::open(path)?, limit, |part| match part {
        FilePart::Bytes(bytes) => hasher.update(bytes),
        FilePart::Hole(length) => hasher.zeros(length),
    })?;
    Ok(hasher.finish())
}

/// The digest of the data in the first `length` bytes of a file that may be written to at
/// its end; what is not there yet are zeros.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn hash_beginning(file: &File, length: u64) -> io::Result<DataDigest> {
    let mut hasher = DataHasher::default();
    read_range(file, 0..length, |part| match part {
        FilePart::Bytes(bytes) => hasher.update(bytes),
        FilePart::Hole(zeros) => hasher.zeros(zeros),
    })?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;

    use super::*;

    /// As the head of this file says it, in the plainest way.
    fn plainly(content: &[u8]) -> DataDigest {
        let mut state = sha2::Sha256::new();
        let mut data = 0;
        let blocks: Vec<&[u8]> = content.chunks(BLOCK).collect();
        let mut at = 0;
        while at < blocks.len() {
            let start = at;
            while at < blocks.len() && blocks[at].iter().any(|&byte| byte != 0) {
                state.update(blocks[at]);
                at += 1;
            }
            if at > start {
                let begin = (start * BLOCK) as u64;
                let length = ((at * BLOCK).min(content.len())) as u64 - begin;
                state.update(begin.to_be_bytes());
                state.update(length.to_be_bytes());
                data += length;
            } else {
                at += 1;
            }
        }
        state.update((content.len() as u64).to_be_bytes());
        DataDigest {
            sha256: Sha256::from_bytes(state.finalize().into()),
            bytes: data,
        }
    }

    fn runs() -> impl Strategy<Value = Vec<(u8, usize)>> {
        prop::collection::vec((0_u8..3, 1_usize..20_000), 0..10)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// However it arrives and is held, the digest is that of the content.
        #[test]
        fn it_follows_from_the_content_alone(runs in runs(), cut in 1_usize..9_000) {
            let mut content = Vec::new();
            let mut in_runs = DataHasher::default();
            for &(byte, length) in &runs {
                content.resize(content.len() + length, byte);
                if byte == 0 {
                    in_runs.zeros(length as u64);
                } else {
                    in_runs.update(&vec![byte; length]);
                }
            }
            let plain = plainly(&content);
            prop_assert_eq!(in_runs.finish(), plain);
            let mut in_pieces = DataHasher::default();
            content.chunks(cut).for_each(|piece| in_pieces.update(piece));
            prop_assert_eq!(in_pieces.finish(), plain);

            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            let file = File::create(&path).unwrap();
            let mut at = 0;
            for (byte, length) in runs {
                if byte != 0 {
                    file.write_all_at(&vec![byte; length], at).unwrap();
                }
                at += length as u64;
            }
            file.set_len(at).unwrap();
            prop_assert_eq!(hash_data(&path, u64::MAX).unwrap(), plain);
            let half = at / 2;
            prop_assert_eq!(hash_data(&path, half).unwrap(), plainly(&content[..half as usize]));
        }
    }

    #[test]
    fn zeros_count_where_they_are() {
        let digest = |pieces: &[&[u8]]| {
            let mut hasher = DataHasher::default();
            pieces.iter().for_each(|piece| hasher.update(piece));
            hasher.finish().sha256
        };
        let (data, zeros) = ([7; BLOCK], [0; BLOCK]);
        let all = [
            digest(&[]),
            digest(&[&zeros]),
            digest(&[&zeros, &zeros]),
            digest(&[&data]),
            digest(&[&data, &zeros]),
            digest(&[&zeros, &data]),
            digest(&[&data, &zeros, &data]),
            digest(&[&data, &data]),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
