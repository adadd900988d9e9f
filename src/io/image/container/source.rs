//! The bytes of an image, read a few at a time, and what can be wrong with them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that can be read at any position.
pub(crate) trait ImageSource {
    /// How many there are.
    fn size(&self) -> u64;

    /// Fills the buffer from a position on.
    ///
    /// # Errors
    /// Any error of the file system; [`io::ErrorKind::UnexpectedEof`] beyond the end.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
}

/// Why a file is not a whole image.
#[derive(Debug, thiserror::Error)]
pub enum ImageFault {
    /// It ends before what it describes.
    #[error("it ends after {size} bytes, but {what} reaches to byte {claimed}")]
    CutShort {
        /// Which part of it says so.
        what: &'static str,
        /// How many bytes there must be at least.
        claimed: u64,
        /// How many there are.
        size: u64,
    },
    /// What it says about itself is contradictory.
    #[error("{what}")]
    Damaged {
        /// What was found, as a clause.
        what: String,
    },
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// An open file with the length that it had when it was asked.
#[derive(Debug)]
pub(crate) struct OpenFile<'a> {
    file: &'a File,
    size: u64,
}

impl<'a> OpenFile<'a> {
    /// Asks for the length.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn of(file: &'a File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl ImageSource for OpenFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }
}

impl ImageSource for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let found = usize::try_from(at)
            .ok()
            .and_then(|at| self.get(at..at.checked_add(into.len())?));
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ImageSource for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(at, into)
    }
}

/// Says that something reaches to a byte, which must then be there.
pub(super) fn reach(
    source: &impl ImageSource,
    what: &'static str,
    claimed: u64,
) -> Result<(), ImageFault> {
    let size = source.size();
    if claimed > size {
        return Err(ImageFault::CutShort {
            what,
            claimed,
            size,
        });
    }
    Ok(())
}

/// Reads so many bytes of something that is described to be there.
pub(super) fn read(
    source: &impl ImageSource,
    what: &'static str,
    at: u64,
    length: usize,
) -> Result<Vec<u8>, ImageFault> {
    reach(source, what, at.saturating_add(length as u64))?;
    let mut bytes = vec![0; length];
    source.read_at(at, &mut bytes)?;
    Ok(bytes)
}

pub(super) fn damaged(what: impl Into<String>) -> ImageFault {
    ImageFault::Damaged { what: what.into() }
}

/// The `N` bytes at a position of a buffer; zeros where it has none, which the
/// callers rule out by reading whole structures.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(field(bytes, at))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(field(bytes, at))
}

pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
