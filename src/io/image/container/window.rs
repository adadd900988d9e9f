//! The few ranges that the check of a disk needs, gathered while its bytes pass by
//! and are not kept.

use std::io;

use super::gpt::disk_size;
use super::source::ImageSource;
use crate::io::image::magic::HEAD;

/// How much is kept before the end that the partition table names, in bytes: the
/// last sector, and the copy of the list of partitions before it.
const TAIL: u64 = 64 << 10;

/// What has passed of a disk: its start, and its end as its header says.
#[derive(Debug, Default)]
pub(crate) struct Window {
    head: Vec<u8>,
    /// Where the tail begins; known when the head is complete.
    tail_at: Option<u64>,
    tail: Vec<u8>,
    size: u64,
}

impl Window {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let missing = HEAD - self.head.len();
        if missing > 0 {
            self.head
                .extend_from_slice(&bytes[..bytes.len().min(missing)]);
            if self.head.len() == HEAD {
                let end = disk_size(&self.head).unwrap_or(0);
                let tail_at = end.saturating_sub(TAIL);
                self.tail_at = Some(tail_at);
                // Of a small disk some of the tail has passed by already.
                let passed = self.size as usize;
                if let Some(passed) = self.head.get(tail_at as usize..passed) {
                    self.tail.extend_from_slice(passed);
                }
            }
        }
        if let Some(skip) = self.before_tail(bytes.len() as u64) {
            let left = TAIL as usize - self.tail.len();
            let bytes = &bytes[skip..];
            self.tail.extend_from_slice(&bytes[..bytes.len().min(left)]);
        }
        self.size += bytes.len() as u64;
    }

    /// Takes that many zero bytes.
    pub(crate) fn zeros(&mut self, count: u64) {
        let missing = ((HEAD - self.head.len()) as u64).min(count);
        self.update(&vec![0; missing as usize]);
        let count = count - missing;
        if let Some(skip) = self.before_tail(count) {
            let left = TAIL - self.tail.len() as u64;
            let length = (count - skip as u64).min(left) as usize;
            self.tail.resize(self.tail.len() + length, 0);
        }
        self.size += count;
    }

    /// How many bytes have passed.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn passed(&self) -> u64 {
        self.size
    }

    /// Where in the next so many bytes the rest of the tail begins.
    fn before_tail(&self, coming: u64) -> Option<usize> {
        let next = self.tail_at? + self.tail.len() as u64;
        let skip = next.saturating_sub(self.size);
        (skip < coming).then_some(skip as usize)
    }
}

impl ImageSource for Window {
    fn size(&self) -> u64 {
        self.size
    }

    /// Reads what was kept; everything else is the end of it.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        if self.head.as_slice().read_at(at, into).is_ok() {
            return Ok(());
        }
        let from = at
            .checked_sub(self.tail_at.unwrap_or(u64::MAX))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.tail.as_slice().read_at(from, into)
    }
}
