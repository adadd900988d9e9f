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
pub(crate) mod fuzz;
mod gpt;
mod iso;
mod mbr;
mod qcow2;
mod source;
#[cfg(test)]
mod tests;
mod window;

use crate::io::image::magic::ContentKind;
pub(crate) use gpt::disk_size;
pub(crate) use source::{ImageFault, ImageSource, OpenFile};
#[cfg(test)]
pub(crate) use tests::tables;
pub(crate) use window::Window;

/// The edition of these checks. A record that names a smaller one, or none, was
/// written before a check was added, and its file is looked at again.
pub const EDITION: u32 = 1;

/// Checks that a file of a kind is whole, as far as its own structure tells.
/// Compressed data prove themselves when they are unpacked and always pass.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(kind: ContentKind, source: &impl ImageSource) -> Result<(), ImageFault> {
    match kind {
        ContentKind::Iso => iso::check(source),
        ContentKind::Gpt => gpt::check(source),
        ContentKind::Qcow2 => qcow2::check(source),
        _ => Ok(()),
    }
}
