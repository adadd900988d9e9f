//! Why bytes did not become a file, in words and in what follows from it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::io::codec::DecodeError;
use crate::io::file::{is_full, is_transient, space};
use crate::io::image::container::ImageFault;
use crate::io::image::magic::ContentKind;
use crate::model::Sha256;

/// Who says how long a file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Whoever sends it.
    Announced,
    Configured,
    /// The file itself, by its partition table.
    Described,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Announced => "as announced",
            Self::Configured => "the most that `limits.image_size` allows",
            Self::Described => "though the disk that its partition table describes ends before",
        })
    }
}

/// Why bytes did not become a file.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The content is something else.
    #[error("{name} is {found}; expected {expected}")]
    WrongContent {
        /// The name that the file would have had.
        name: String,
        /// What it must be.
        expected: ContentKind,
        /// What it looks like.
        found: ContentKind,
    },
    /// It came in a different length than announced.
    #[error("{name} has {found} bytes; {expected} were announced")]
    Length {
        /// The name that the file would have had.
        name: String,
        /// The announced length in bytes.
        expected: u64,
        /// The received length in bytes.
        found: u64,
    },
    /// It is an image of the right kind, but not all of it is there.
    #[error("{name} is not a complete image")]
    NotWhole {
        /// The name that the file would have had.
        name: String,
        /// What contradicts what.
        source: ImageFault,
    },
    /// It goes on and on.
    #[error("{name} is longer than {limit} bytes, {bound}")]
    TooLong {
        /// The name that the file would have had.
        name: String,
        /// How long it may be, in bytes.
        limit: u64,
        /// Who says so.
        bound: Bound,
    },
    /// The digest is another.
    #[error("{name} has the SHA-256 {found}; {by} {expected}")]
    Digest {
        /// The name that the file would have had.
        name: String,
        /// Who promised another, as the begin of a clause: `the order pins`.
        by: &'static str,
        /// The promised digest.
        expected: Sha256,
        /// The digest of what came.
        found: Sha256,
    },
    /// The compressed data do not decode.
    #[error("cannot unpack {name}")]
    Decode {
        /// The name of the unpacked file.
        name: String,
        /// What is wrong with the data.
        source: DecodeError,
    },
    /// The bytes that are there are from another version of the file.
    #[error("{name}: the remaining bytes belong to another version of the file")]
    OtherVersion {
        /// The name that the file would have had.
        name: String,
    },
    /// A worker thread stopped; its panic was printed.
    #[error("the thread that writes {name} stopped unexpectedly")]
    Stopped {
        /// The name that the file would have had.
        name: String,
    },
}

impl StagingError {
    /// True if the same attempt may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_transient(source),
            Self::Decode { source, .. } => source.is_transient(),
            Self::Length { .. } | Self::Stopped { .. } | Self::OtherVersion { .. } => true,
            // What was cut off may be complete next time.
            Self::NotWhole { source, .. } => !matches!(source, ImageFault::Damaged { .. }),
            Self::WrongContent { .. } | Self::Digest { .. } | Self::TooLong { .. } => false,
        }
    }

    /// A hint for the user, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } if space::is_out_of_inodes(source) => {
                Some("remove unneeded files there: each uses an inode, however small it is")
            }
            Self::Io { source, .. } if is_full(source) => {
                Some("free some space there, or lower `cache_policy.keep_versions`")
            }
            Self::NotWhole {
                source: ImageFault::CutShort { .. },
                ..
            }
            | Self::Decode {
                source: DecodeError::Truncated { .. },
                ..
            } => Some("a proxy between here and the factory may truncate downloads silently"),
            Self::TooLong {
                bound: Bound::Configured,
                ..
            } => Some("raise `limits.image_size` if the image is correct"),
            Self::WrongContent {
                found: ContentKind::Html | ContentKind::Text,
                ..
            } => Some("a proxy or a login page may answer instead of the server"),
            Self::Digest { .. } => Some(
                "if the new content is correct, update the pinned digest; otherwise do not use it",
            ),
            _ => None,
        }
    }

    /// True if the bytes themselves are wrong, so that keeping them is no use.
    pub(crate) fn is_about_content(&self) -> bool {
        !matches!(
            self,
            Self::Io { .. }
                | Self::Stopped { .. }
                | Self::NotWhole {
                    source: ImageFault::Unreadable(_),
                    ..
                }
        )
    }

    /// The file system's error, if it was one.
    pub(in crate::io) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        }
    }

    pub(in crate::io) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            source: space::explain(path, source),
            path: path.to_owned(),
        }
    }
}
