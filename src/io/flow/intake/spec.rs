//! What an intake is told, and what it hands out.

use std::path::PathBuf;
use std::sync::Arc;

use crate::io::Meter;
use crate::io::flow::Validator;
use crate::io::flow::growing::GrowingFile;
use crate::io::flow::staged::StagedFile;
use crate::io::flow::unpack::Unpack;
use crate::io::image::magic::ContentKind;
use crate::model::Sha256;

/// What is to come, and what is to become of it.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// The directory of all files.
    pub dir: PathBuf,
    /// The name of the download.
    pub name: String,
    /// Where it comes from: a partial file is only resumed for the same URL.
    pub url: String,
    /// What it must look like.
    pub kind: ContentKind,
    /// The unpacked form, where that is wanted too.
    pub unpack: Option<Unpack>,
    /// The largest size that is accepted, in bytes.
    pub max: u64,
    /// The digests that it must have.
    pub promises: Vec<Promise>,
    /// Counts the received bytes.
    pub meter: Arc<Meter>,
    /// Told how far the download has come, for those who read it meanwhile.
    pub growing: GrowingFile,
}

/// A digest that somebody vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Promise {
    /// The digest.
    pub sha256: Sha256,
    /// Who vouches, as the begin of a clause: `the order pins`.
    pub by: &'static str,
}

/// The files of a finished download: checked, on the disk, without their names.
///
/// Dropping it leaves temporaries, which is what a crash at that point leaves.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub download: StagedFile,
    /// The unpacked form, where that was wanted.
    pub unpacked: Option<StagedFile>,
    /// What identified the version of the file, where the server said it.
    pub validator: Option<Validator>,
}
