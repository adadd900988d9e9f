//! A file on its way to its name: a hidden temporary that is written sparsely and
//! hashed in one go, and checked for what it looks like.
//!
//! The temporary of `NAME` is `.NAME.part`, always, so that the next process finds
//! what a crash left. It is locked while it is written; a new attempt waits until
//! a thread that an older one left behind has let go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::atomic;
use super::decode::{Chunk, DecodeError, Decoded};
use super::hash::Hasher;
use super::hash::data::DataHasher;
use super::magic::{HEAD, Kind};
use super::sparse::SparseWriter;
use super::writeout::WriteOut;
use crate::model::{DataDigest, Sha256};

/// What follows the name in a temporary's name.
const SUFFIX: &str = ".part";

/// How much is read at once when a partial file is taken up again, in bytes.
const READ: usize = 1 << 20;

/// Why bytes did not become a file.
#[derive(Debug, thiserror::Error)]
pub enum LandingError {
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
    #[error("{name} is {found}; expected is {expected}")]
    WrongContent {
        /// The name that the file would have had.
        name: String,
        /// What it must be.
        expected: Kind,
        /// What it looks like.
        found: Kind,
    },
    /// It came in a different length than announced.
    #[error("{name} has {found} bytes; announced were {expected}")]
    Length {
        /// The name that the file would have had.
        name: String,
        /// The announced length in bytes.
        expected: u64,
        /// The received length in bytes.
        found: u64,
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
    #[error("{name}: the bytes to come belong to another version than those received")]
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

impl LandingError {
    /// True if the same attempt may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_transient(source),
            Self::Decode { source, .. } => source.is_transient(),
            Self::Length { .. } | Self::Stopped { .. } | Self::OtherVersion { .. } => true,
            Self::WrongContent { .. } | Self::Digest { .. } => false,
        }
    }

    /// What a person can do, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } if is_full(source) => {
                Some("free some space there, or lower `cache_policy.keep_versions`")
            }
            Self::WrongContent {
                found: Kind::Html | Kind::Text,
                ..
            } => Some("a proxy or a login page may answer in place of the server"),
            Self::Digest { .. } => Some(
                "if the new content is right, update the pinned digest; otherwise do not use it",
            ),
            _ => None,
        }
    }

    /// True if the bytes themselves are wrong, so that keeping them is no use.
    pub(super) fn is_about_content(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Stopped { .. })
    }

    /// The file system's error, if it was one.
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

/// True for an error of the file system that may pass: a full disk empties.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    is_full(error)
        || matches!(
            error.kind(),
            Kind::Interrupted | Kind::TimedOut | Kind::ResourceBusy | Kind::StaleNetworkFileHandle
        )
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The temporary that becomes a file of this name.
pub fn temporary_of(dir: &Path, name: &str) -> PathBuf {
    atomic::hidden_sibling(dir, name, SUFFIX)
}

/// The file that a temporary of this name is to become.
pub fn name_of_temporary(temporary: &str) -> Option<&str> {
    temporary.strip_prefix('.')?.strip_suffix(SUFFIX)
}

/// A temporary that is being filled.
#[derive(Debug)]
pub struct Landing {
    dir: PathBuf,
    name: String,
    expected: Kind,
    writer: SparseWriter,
    hasher: Hasher,
    data: DataHasher,
    out: Option<WriteOut>,
    head: Vec<u8>,
    recognised: bool,
}

impl Landing {
    /// Opens the temporary of a name with what it holds; see [`Self::replay`] and
    /// [`Self::restart`] for what to do with that.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn open(dir: &Path, name: &str, expected: Kind) -> Result<Self, LandingError> {
        let temporary = temporary_of(dir, name);
        let file = open_locked(&temporary).map_err(LandingError::io("open", &temporary))?;
        let writer =
            SparseWriter::append_to(file).map_err(LandingError::io("examine", &temporary))?;
        Ok(Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            expected,
            writer,
            hasher: Hasher::default(),
            data: DataHasher::default(),
            out: WriteOut::of(&temporary),
            head: Vec::new(),
            recognised: false,
        })
    }

    /// How many bytes there are.
    pub fn position(&self) -> u64 {
        self.writer.position()
    }

    /// True as soon as the first bytes are known to be of the expected kind.
    pub fn is_recognised(&self) -> bool {
        self.recognised
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they cannot be written, or show that this is something else.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LandingError> {
        self.look(bytes)?;
        self.hasher.update(bytes);
        self.data.update(bytes);
        if let Some(out) = &mut self.out {
            out.more(bytes.len() as u64);
        }
        self.writer
            .write(bytes)
            .map_err(LandingError::io("write to", &self.temporary()))
    }

    /// Takes that many zero bytes.
    ///
    /// # Errors
    /// If they show that this is something else.
    pub fn zeros(&mut self, count: u64) -> Result<(), LandingError> {
        let missing = (HEAD - self.head.len()) as u64;
        self.look(&[0; HEAD][..count.min(missing) as usize])?;
        self.hasher.zeros(count);
        self.data.zeros(count);
        self.writer.skip(count);
        Ok(())
    }

    /// Reads what the temporary holds, so that writing can go on behind it. Each
    /// piece is shown to `also`.
    ///
    /// # Errors
    /// Like [`Self::write`], and what `also` gives.
    pub fn replay(
        &mut self,
        mut also: impl FnMut(&Self, &[u8]) -> Result<(), LandingError>,
    ) -> Result<(), LandingError> {
        let temporary = self.temporary();
        let mut file = File::open(&temporary).map_err(LandingError::io("open", &temporary))?;
        let mut buffer = vec![0; READ];
        let mut left = self.position();
        while left > 0 {
            let want = left.min(READ as u64) as usize;
            let piece = &mut buffer[..want];
            file.read_exact(piece)
                .map_err(LandingError::io("read", &temporary))?;
            self.look(piece)?;
            self.hasher.update(piece);
            self.data.update(piece);
            also(self, piece)?;
            left -= want as u64;
        }
        Ok(())
    }

    /// Throws everything away.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn restart(&mut self) -> Result<(), LandingError> {
        self.hasher = Hasher::default();
        self.data = DataHasher::default();
        self.head.clear();
        self.recognised = false;
        self.writer
            .restart()
            .map_err(LandingError::io("empty", &self.temporary()))
    }

    /// Puts everything on the disk. The file has no name yet.
    ///
    /// # Errors
    /// If it is something else, or cannot be written.
    pub fn finish(mut self) -> Result<Landed, LandingError> {
        if !self.recognised {
            self.recognise()?;
        }
        let temporary = self.temporary();
        let failed = |doing| LandingError::io(doing, &temporary);
        let file = self.writer.finish().map_err(failed("complete"))?;
        file.sync_all().map_err(failed("write out"))?;
        let metadata = file.metadata().map_err(failed("examine"))?;
        let hashed = self.hasher.finish();
        Ok(Landed {
            dir: self.dir,
            name: self.name,
            size: hashed.size,
            sha256: hashed.sha256,
            data: self.data.finish(),
            mtime_ns: mtime_ns(&metadata),
            _lock: file,
        })
    }

    /// Stops for now: what was taken is in the file, whose length says how much
    /// that is.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn park(self) -> Result<(), LandingError> {
        let temporary = self.temporary();
        self.writer
            .finish()
            .map(drop)
            .map_err(LandingError::io("complete", &temporary))
    }

    /// Fills the file from a decoder, to the end.
    ///
    /// # Errors
    /// Like [`Self::write`], and [`LandingError::Decode`].
    pub fn fill(mut self, decoded: Decoded) -> Result<Landed, LandingError> {
        for chunk in decoded {
            match chunk {
                Ok(Chunk::Data(bytes)) => self.write(&bytes)?,
                Ok(Chunk::Zeros(count)) => self.zeros(count)?,
                Err(source) => {
                    return Err(LandingError::Decode {
                        name: self.name,
                        source,
                    });
                }
            }
        }
        self.finish()
    }

    fn temporary(&self) -> PathBuf {
        temporary_of(&self.dir, &self.name)
    }

    /// Gathers the first bytes, and says at once if they are not the right ones.
    fn look(&mut self, bytes: &[u8]) -> Result<(), LandingError> {
        if self.recognised {
            return Ok(());
        }
        let missing = HEAD - self.head.len();
        self.head
            .extend_from_slice(&bytes[..bytes.len().min(missing)]);
        if self.head.len() < self.expected.head_len() {
            return Ok(());
        }
        self.recognise()
    }

    fn recognise(&mut self) -> Result<(), LandingError> {
        let found = Kind::of(&self.head);
        if found != self.expected {
            return Err(LandingError::WrongContent {
                name: self.name.clone(),
                expected: self.expected,
                found,
            });
        }
        self.recognised = true;
        self.head = Vec::new();
        Ok(())
    }
}

/// Opens or makes a file, alone: waits for a thread that still writes to it.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.lock()?;
        // Whoever had it may have removed or renamed it in the meantime.
        let same = fs::metadata(path).is_ok_and(|now| {
            file.metadata()
                .is_ok_and(|mine| (mine.dev(), mine.ino()) == (now.dev(), now.ino()))
        });
        if same {
            return Ok(file);
        }
    }
}

/// Modification time in nanoseconds since 1970.
pub(crate) fn mtime_ns(metadata: &fs::Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

/// A complete file on the disk that has everything but its name.
#[derive(Debug)]
pub struct Landed {
    dir: PathBuf,
    name: String,
    size: u64,
    sha256: Sha256,
    data: DataDigest,
    mtime_ns: i64,
    /// Held until the file has its name, so that nobody writes to it.
    _lock: File,
}

impl Landed {
    /// The name it is to have.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of the content.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The digest of its data.
    pub fn data(&self) -> DataDigest {
        self.data
    }

    /// Modification time in nanoseconds since 1970; taking the name keeps it.
    pub fn mtime_ns(&self) -> i64 {
        self.mtime_ns
    }

    /// Gives the file its name, in place of what had it. The directory is not
    /// synced; see [`atomic::sync_dir`].
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn publish(self) -> Result<(), LandingError> {
        let path = self.dir.join(&self.name);
        fs::rename(temporary_of(&self.dir, &self.name), &path)
            .map_err(LandingError::io("rename a file to", &path))
    }
}
