//! A file on its way to its name: a hidden temporary that is written sparsely and
//! hashed in one go, and checked for what it looks like and for being whole.
//!
//! The temporary of `NAME` is `.NAME.part`, always, so that the next process finds
//! what a crash left. It is locked while it is written; a new attempt waits until
//! a thread that an older one left behind has let go.

mod error;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::io::codec::{Chunk, Decoded};
use crate::io::file::space::Reserve;
use crate::io::file::sparse::SparseWriter;
use crate::io::file::{atomic, occupied};
use crate::io::flow::gate::Gate;
use crate::io::flow::partial::{Ledger, Mark};
use crate::io::flow::writeout::WriteOut;
use crate::io::hash::Hasher;
use crate::io::hash::data::DataHasher;
use crate::io::image::container::OpenFile;
use crate::io::image::magic::Kind;
use crate::model::{DataDigest, Sha256};

pub use error::LandingError;
pub(crate) use error::is_transient;

/// What follows the name in a temporary's name.
const SUFFIX: &str = ".part";

/// How much is read at once when a partial file is taken up again, in bytes.
const READ: usize = 1 << 20;

/// The temporary that becomes a file of this name.
pub fn temporary_of(dir: &Path, name: &str) -> PathBuf {
    atomic::hidden_sibling(dir, name, SUFFIX)
}

/// The file that a temporary of this name is to become.
pub fn name_of_temporary(temporary: &str) -> Option<&str> {
    temporary.strip_prefix('.')?.strip_suffix(SUFFIX)
}

/// What a temporary is to become.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The directory that it is in.
    pub dir: &'a Path,
    /// The name of the file.
    pub name: &'a str,
    /// What it must look like.
    pub kind: Kind,
    /// The largest size that is accepted, in bytes.
    pub max: u64,
}

/// A temporary that is being filled.
#[derive(Debug)]
pub struct Landing {
    dir: PathBuf,
    gate: Gate,
    writer: SparseWriter,
    reserve: Reserve,
    hasher: Hasher,
    data: DataHasher,
    ledger: Option<Arc<Ledger>>,
    out: Option<WriteOut>,
}

impl Landing {
    /// Opens the temporary of a name with what it holds; see [`Self::replay`] and
    /// [`Self::restart`] for what to do with that. How far it comes is noted in the
    /// ledger, if there is one.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn open(target: Target<'_>, ledger: Option<Arc<Ledger>>) -> Result<Self, LandingError> {
        let Target {
            dir,
            name,
            kind,
            max,
        } = target;
        let temporary = temporary_of(dir, name);
        let file = occupied::make_way(&temporary)
            .and_then(|()| open_locked(&temporary))
            .map_err(LandingError::io("open", &temporary))?;
        let writer =
            SparseWriter::append_to(file).map_err(LandingError::io("examine", &temporary))?;
        Ok(Self {
            dir: dir.to_owned(),
            gate: Gate::new(name, kind, max),
            writer,
            reserve: Reserve::default(),
            hasher: Hasher::default(),
            data: DataHasher::default(),
            out: WriteOut::of(&temporary, ledger.clone()),
            ledger,
        })
    }

    /// How many bytes there are.
    pub fn position(&self) -> u64 {
        self.writer.position()
    }

    /// True as soon as the first bytes are known to be of the expected kind.
    pub fn is_recognised(&self) -> bool {
        self.gate.is_recognised()
    }

    /// Learns how long the file is said to be.
    ///
    /// # Errors
    /// If that is more than is accepted.
    pub fn announce(&mut self, total: u64) -> Result<(), LandingError> {
        self.gate.announce(total)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they cannot be written, or show that this is something else.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LandingError> {
        self.gate.take(bytes)?;
        self.hasher.update(bytes);
        self.data.update(bytes);
        let length = bytes.len() as u64;
        self.reserve
            .ask(self.writer.file(), length)
            .and_then(|()| self.writer.write(bytes))
            .map_err(LandingError::io("write to", &self.temporary()))?;
        let mark = self.ledger.is_some().then(|| self.mark());
        if let Some(out) = &mut self.out {
            out.more(length, mark);
        }
        Ok(())
    }

    /// Takes that many zero bytes.
    ///
    /// # Errors
    /// If they show that this is something else.
    pub fn zeros(&mut self, count: u64) -> Result<(), LandingError> {
        self.gate.zeros(count)?;
        self.hasher.zeros(count);
        self.data.zeros(count);
        self.writer.skip(count);
        Ok(())
    }

    /// Reads what the temporary holds up to a mark, so that writing can go on behind
    /// it; what lies behind the mark is dropped. Each piece is shown to `also`. False
    /// if it is not what was written: then another mark may be tried.
    ///
    /// # Errors
    /// Like [`Self::write`], and what `also` gives.
    pub fn replay(
        &mut self,
        mark: Mark,
        mut also: impl FnMut(&Self, &[u8]) -> Result<(), LandingError>,
    ) -> Result<bool, LandingError> {
        let temporary = self.temporary();
        self.rewind();
        // Zeros at the end are not in the file until it is complete.
        self.writer
            .cut(mark.bytes)
            .map_err(LandingError::io("cut", &temporary))?;
        let mut file = File::open(&temporary).map_err(LandingError::io("open", &temporary))?;
        let mut buffer = vec![0; READ];
        let mut left = mark.bytes;
        while left > 0 {
            let want = left.min(READ as u64) as usize;
            let piece = &mut buffer[..want];
            file.read_exact(piece)
                .map_err(LandingError::io("read", &temporary))?;
            self.gate.take(piece)?;
            self.hasher.update(piece);
            self.data.update(piece);
            also(self, piece)?;
            left -= want as u64;
        }
        Ok(self.mark() == mark)
    }

    /// Throws everything away.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn restart(&mut self) -> Result<(), LandingError> {
        // What it noted of the old content must not be said of the new.
        self.out = None;
        self.rewind();
        let temporary = self.temporary();
        self.writer
            .restart()
            .map_err(LandingError::io("empty", &temporary))?;
        self.out = WriteOut::of(&temporary, self.ledger.clone());
        Ok(())
    }

    /// Checks that it is whole, and puts everything on the disk. The file has no name
    /// yet.
    ///
    /// # Errors
    /// If it is something else, or less, or cannot be written.
    pub fn finish(mut self) -> Result<Landed, LandingError> {
        self.gate.finish()?;
        let temporary = self.temporary();
        // Nothing is noted any more once the file may get its name.
        self.out = None;
        let failed = |doing| LandingError::io(doing, &temporary);
        let file = self.writer.finish().map_err(failed("complete"))?;
        let source = OpenFile::of(&file).map_err(failed("examine"))?;
        self.gate.check(&source)?;
        file.sync_all().map_err(failed("write out"))?;
        let metadata = file.metadata().map_err(failed("examine"))?;
        let hashed = self.hasher.finish();
        Ok(Landed {
            dir: self.dir,
            name: self.gate.name().to_owned(),
            size: hashed.size,
            sha256: hashed.sha256,
            data: self.data.finish(),
            mtime_ns: mtime_ns(&metadata),
            _lock: file,
        })
    }

    /// Stops for now: what was taken is on the disk, and that is noted.
    ///
    /// # Errors
    /// [`LandingError::Io`].
    pub fn park(mut self) -> Result<(), LandingError> {
        let temporary = self.temporary();
        let mark = self.mark();
        self.out = None;
        let file = self
            .writer
            .finish()
            .map_err(LandingError::io("complete", &temporary))?;
        let Some(ledger) = self.ledger.filter(|ledger| ledger.is_kept()) else {
            return Ok(());
        };
        file.sync_data()
            .map_err(LandingError::io("write out", &temporary))?;
        ledger.note(mark, true)
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
                        name: self.gate.name().to_owned(),
                        source,
                    });
                }
            }
        }
        self.finish()
    }

    fn temporary(&self) -> PathBuf {
        temporary_of(&self.dir, self.gate.name())
    }

    /// How far it has come.
    fn mark(&self) -> Mark {
        let hashed = self.hasher.clone().finish();
        Mark {
            bytes: hashed.size,
            sha256: hashed.sha256,
        }
    }

    fn rewind(&mut self) {
        self.hasher = Hasher::default();
        self.data = DataHasher::default();
        self.gate.rewind();
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
            // A link would lead to somebody else's file.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
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
