//! Images of any size by a description of a few bytes, for `crate::fuzz`.
//!
//! A fuzzer writes 16 KiB at most, and the structures of an image are far apart. So it
//! writes what is not zero, with where it is, and how long the file is; and it may
//! have the checksums of a partition table made right, which by chance they never are.

mod laws;
mod write;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use super::source::{be32, be64, crc32, le32, le64};
use super::{ImageFault, ImageSource, Window, gpt, iso, mbr, qcow2};
pub(crate) use write::describe;

/// Make the checksums of the partition table right.
const REPAIR: u8 = 1;
/// The partition table counts in sectors of 4096 bytes, not 512.
const LARGE: u8 = 2;
/// Put the copy of the partition table where its header says that it is.
const COPY: u8 = 4;

/// The longest file that a file system has, in bytes.
const SIZE_MAX: u64 = i64::MAX as u64;

/// What may be read of an image, in bytes: in all, and at once.
struct ReadBounds {
    total: u64,
    piece: usize,
}

/// An image of ISO 9660.
pub(crate) fn iso(bytes: &[u8]) {
    const BOUNDS: ReadBounds = ReadBounds {
        total: 64 * 2048 + 512 + 512 + 4096 + (1 << 20),
        piece: 1 << 20,
    };
    if let Some(image) = SparseImage::parse(bytes) {
        laws::hold(
            &image,
            &BOUNDS,
            |part| iso::check(part),
            laws::needed_by_iso,
        );
    }
}

/// The partition table of a hybrid image.
pub(crate) fn mbr(bytes: &[u8]) {
    const BOUNDS: ReadBounds = ReadBounds {
        total: 512,
        piece: 512,
    };
    if let Some(image) = SparseImage::parse(bytes) {
        laws::hold(
            &image,
            &BOUNDS,
            |part| mbr::check(part),
            laws::needed_by_mbr,
        );
    }
}

/// A disk with a GUID partition table, as a file and as it passes by.
pub(crate) fn gpt(bytes: &[u8]) {
    const BOUNDS: ReadBounds = ReadBounds {
        total: 512 + 2 * 4096 + (2 << 20),
        piece: 1 << 20,
    };
    if let Some(image) = SparseImage::parse(bytes) {
        laws::hold(
            &image,
            &BOUNDS,
            |part| gpt::check(part),
            laws::needed_by_gpt,
        );
        laws::same_in_passing(&image);
    }
}

/// A disk of QEMU.
pub(crate) fn qcow2(bytes: &[u8]) {
    const BOUNDS: ReadBounds = ReadBounds {
        total: (128 << 20) + 80,
        piece: 64 << 10,
    };
    if let Some(image) = SparseImage::parse(bytes) {
        laws::hold(
            &image,
            &BOUNDS,
            |part| qcow2::check(part),
            laws::needed_by_qcow2,
        );
    }
}

/// How much of an image is kept under one number, in bytes.
const PAGE: usize = 512;

type SparsePage = [u8; PAGE];

/// A file, mostly of holes.
struct SparseImage {
    pages: BTreeMap<u64, SparsePage>,
    size: u64,
    /// Where to cut it, in parts of 65536.
    cut: u16,
    flags: u8,
}

/// What stands before the pieces: flags, where to cut, and the size.
pub(crate) const HEAD: usize = 1 + 2 + 8;

/// What stands before the bytes of a piece: where it is, and how long it is.
const PIECE_HEAD: usize = 4 + 1;

impl SparseImage {
    /// The image that is described.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_first_chunk::<HEAD>()?;
        let [flags, low, high, size @ ..] = *head;
        let mut image = Self {
            pages: BTreeMap::new(),
            size: u64::from_le_bytes(size) & SIZE_MAX,
            cut: u16::from_le_bytes([low, high]),
            flags,
        };
        while let Some(([at @ .., length], more)) = rest.split_first_chunk::<PIECE_HEAD>() {
            let (piece, after) = more.split_at(more.len().min(usize::from(*length)));
            image.write(u32::from_le_bytes(*at).into(), piece);
            rest = after;
        }
        if flags & REPAIR != 0 {
            write::repair(&mut image);
        }
        Some(image)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        for (at, byte) in (at..self.size).zip(bytes) {
            let page = self.pages.entry(at / PAGE as u64).or_insert([0; PAGE]);
            page[at as usize % PAGE] = *byte;
        }
    }

    /// The bytes at a place; zeros behind the end.
    fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(at, &mut bytes);
        bytes
    }

    fn fill(&self, at: u64, into: &mut [u8]) {
        into.fill(0);
        let end = at.saturating_add(into.len() as u64);
        let numbers = at / PAGE as u64..end.div_ceil(PAGE as u64);
        for (number, page) in self.pages.range(numbers) {
            let start = number * PAGE as u64;
            let (from, to) = (start.max(at), (start + PAGE as u64).min(end));
            into[(from - at) as usize..(to - at) as usize]
                .copy_from_slice(&page[(from - start) as usize..(to - start) as usize]);
        }
    }

    /// Its first bytes.
    fn first(&self, size: u64) -> First<'_> {
        First {
            image: self,
            size,
            total: Cell::default(),
            largest: Cell::default(),
        }
    }
}

/// The first bytes of an image, and what was read of them.
struct First<'a> {
    image: &'a SparseImage,
    size: u64,
    total: Cell<u64>,
    largest: Cell<usize>,
}

impl ImageSource for First<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let end = at.saturating_add(into.len() as u64);
        assert!(end <= self.size, "read to {end} of {}", self.size);
        self.total.set(self.total.get() + into.len() as u64);
        self.largest.set(self.largest.get().max(into.len()));
        self.image.fill(at, into);
        Ok(())
    }
}
