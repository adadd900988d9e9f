//! Sums of sizes of which some may not be known.

use std::fmt;

use crate::plan::bytes::Bytes;
use crate::plan::size::Size;

/// A sum of sizes in bytes, with how well it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SizeSum {
    /// The part that is known.
    pub bytes: u64,
    /// How many summands are not known.
    pub unknown: usize,
    /// Some of the summands are estimates.
    pub about: bool,
}

impl SizeSum {
    pub(super) fn add(&mut self, size: Size) {
        self.bytes += size.bytes().unwrap_or(0);
        self.unknown += usize::from(size.bytes().is_none());
        self.about |= size.is_about();
    }

    /// Bytes that a link carries are an estimate at best.
    pub(super) fn add_sent(&mut self, bytes: Option<u64>) {
        self.add(bytes.into());
    }

    /// True where both are the same figure, however well it is known.
    pub(super) const fn is_as_much_as(self, other: Self) -> bool {
        self.bytes == other.bytes && self.unknown == other.unknown
    }

    /// True where nothing was added, or nothing but zeros.
    pub(super) const fn is_zero(self) -> bool {
        self.bytes == 0 && self.unknown == 0
    }
}

impl fmt::Display for SizeSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bytes, self.unknown) {
            (0, 1..) => return f.write_str("size unknown"),
            (_, 1..) => f.write_str("at least ")?,
            _ if self.about => f.write_str("about ")?,
            _ => {}
        }
        Bytes(self.bytes).fmt(f)
    }
}
