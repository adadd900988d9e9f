//! What an image says about its own length, and whether the bytes that are there
//! agree.
//!
//! An answer without a length that ends cleanly, or whose length is that of a cut
//! body, looks complete to HTTP. The image itself knows better: an ISO 9660 volume
//! has a size, a GUID partition table has a copy in the last sector of its disk,
//! and the tables of a qcow2 name every cluster. A file that is *longer* than what
//! it says is no fault: hybrid ISO images are padded and have partitions appended.
//!
//! One reader per format, each a pure function of a [`ImageSource`]. They look at a few
//! sectors (at the tables, for qcow2), take bounded memory and time whatever the
//! bytes are, and never panic.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gpt;
mod iso;
mod mbr;
mod qcow2;
#[cfg(test)]
mod tests;
mod window;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::io::image::magic::ContentKind;
pub use gpt::disk_size;
#[cfg(test)]
pub(crate) use tests::tables;
pub use window::Window;

/// The edition of these checks. A record that names a smaller one, or none, was
/// written before a check was added, and its file is looked at again.
pub const EDITION: u32 = 1;

/// Bytes that can be read at any position.
pub trait ImageSource {
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

/// Checks that a file of a kind is whole, as far as its own structure tells.
/// Compressed data prove themselves when they are unpacked and always pass.
///
/// # Errors
/// What is wrong with it.
pub fn check(kind: ContentKind, source: &impl ImageSource) -> Result<(), ImageFault> {
    match kind {
        ContentKind::Iso => iso::check(source),
        ContentKind::Gpt => gpt::check(source),
        ContentKind::Qcow2 => qcow2::check(source),
        _ => Ok(()),
    }
}

/// An open file with the length that it had when it was asked.
#[derive(Debug)]
pub struct OpenFile<'a> {
    file: &'a File,
    size: u64,
}

impl<'a> OpenFile<'a> {
    /// Asks for the length.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn of(file: &'a File) -> io::Result<Self> {
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
fn reach(source: &impl ImageSource, what: &'static str, claimed: u64) -> Result<(), ImageFault> {
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

/// Reads so many bytes of something that is described to lie there.
fn read(
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

fn damaged(what: impl Into<String>) -> ImageFault {
    ImageFault::Damaged { what: what.into() }
}

/// The `N` bytes at a position of a buffer; zeros where it has none, which the
/// callers rule out by reading whole structures.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(field(bytes, at))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(field(bytes, at))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
