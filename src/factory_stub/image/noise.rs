//! Bytes that do not compress, the same on every machine and in every release.

use sha2::{Digest, Sha256};

/// A stream of bytes made by hashing a key and a counter.
///
/// A generator from a crate would do, but could give other bytes after an
/// update, and a hash is here anyway.
pub(super) struct Noise {
    key: [u8; 32],
    counter: u64,
}

impl Noise {
    /// The stream that belongs to a name.
    pub(super) fn new(name: &str) -> Self {
        Self {
            key: Sha256::digest(name.as_bytes()).into(),
            counter: 0,
        }
    }

    /// The next bytes of the stream.
    pub(super) fn fill(&mut self, target: &mut [u8]) {
        for piece in target.chunks_mut(32) {
            let block = Sha256::new()
                .chain_update(self.key)
                .chain_update(self.counter.to_le_bytes())
                .finalize();
            piece.copy_from_slice(&block[..piece.len()]);
            self.counter += 1;
        }
    }

    /// A random GUID (version 4) in the byte order of a partition table.
    pub(super) fn guid(&mut self) -> [u8; 16] {
        let mut guid = [0; 16];
        self.fill(&mut guid);
        guid[7] = guid[7] & 0x0f | 0x40;
        guid[8] = guid[8] & 0x3f | 0x80;
        guid
    }
}
