//! Copying to a directory of this machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

use crate::io::Meter;
use crate::io::file::sparse;
use crate::nodes::error::NodeError;

/// Where a copy goes: a file in the private directory of another one.
#[derive(Debug)]
pub(crate) struct CopyTarget {
    /// The private directory.
    pub(crate) dir: PathBuf,
    /// Its device and inode number, as the script that made it ready wrote them.
    pub(crate) inside: String,
    pub(crate) name: String,
}

impl CopyTarget {
    /// Opens the directory and the file, and keeps others from writing to it. Both
    /// are what they were when they were checked, or this fails: whoever may write to
    /// the directory above could exchange them.
    fn open(&self) -> io::Result<(File, File)> {
        let follow = |flags| {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(flags);
            options
        };
        let directory = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).bits();
        let dir = follow(directory.cast_signed()).open(&self.dir)?;
        let facts = dir.metadata()?;
        if format!("{}:{}", facts.dev(), facts.ino()) != self.inside {
            return Err(io::Error::other("the private directory was replaced"));
        }
        let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
        let part = follow(nofollow)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.under(&dir))?;
        match part.try_lock() {
            Err(TryLockError::WouldBlock) => Err(io::Error::other(
                "another process is still writing to the delivered file",
            )),
            // A file system that cannot lock is no error.
            Ok(()) | Err(TryLockError::Error(_)) => Ok((dir, part)),
        }
    }

    /// The path of the file through the open directory.
    fn under(&self, dir: &File) -> PathBuf {
        Path::new("/proc/self/fd")
            .join(dir.as_raw_fd().to_string())
            .join(&self.name)
    }
}

/// Copies a file to a part, which is written anew. Dropping the future stops
/// the copy at the next block and leaves what was written.
///
/// The digest is not taken here: the file is read back afterwards, as on any
/// other node, because what counts is what is there.
pub(crate) async fn copy_local(
    source: PathBuf,
    part: CopyTarget,
    meter: Arc<Meter>,
) -> Result<(), NodeError> {
    let stop = StopOnDrop(Arc::default());
    let stopped = Arc::clone(&stop.0);
    let copy = tokio::task::spawn_blocking(move || copy(&source, &part, &meter, &stopped));
    match copy.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Copies data extents only: what is a hole here is one there.
fn copy(
    source: &Path,
    part: &CopyTarget,
    meter: &Meter,
    stop: &AtomicBool,
) -> Result<(), NodeError> {
    // Opened here as well, so that a missing source is told from a full target.
    File::open(source).map_err(|error| NodeError::Source {
        path: source.to_owned(),
        source: error,
    })?;
    let failed = |error| NodeError::Copy {
        path: part.dir.join(&part.name),
        source: error,
    };
    let (dir, _locked) = part.open().map_err(failed)?;
    sparse::copy_sparse(source, &part.under(&dir), meter, stop)
        .map(drop)
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_from_other_errors() {
        let source = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(source.path(), "bytes").unwrap();
        let copy = |source: &Path, dir: &Path, name: &str| {
            let facts = std::fs::metadata(dir).unwrap();
            let part = CopyTarget {
                dir: dir.to_owned(),
                inside: format!("{}:{}", facts.dev(), facts.ino()),
                name: name.to_owned(),
            };
            copy_local(source.to_owned(), part, Arc::default())
        };
        let dev = Path::new("/dev");
        match copy(source.path(), dev, "full").await.unwrap_err() {
            NodeError::Copy { source, .. } => {
                assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            }
            error => panic!("{error:?}"),
        }
        let absent = copy(Path::new("/no/such/file"), dev, "null").await;
        assert!(matches!(absent, Err(NodeError::Source { .. })));
    }

    #[tokio::test]
    async fn a_copy_goes_where_it_was_checked_or_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::write(path("source"), "bytes").unwrap();
        std::fs::write(path("secret"), "kept").unwrap();
        std::fs::create_dir(path("parts")).unwrap();
        let facts = std::fs::metadata(path("parts")).unwrap();
        let copy = |name: &str| {
            let part = CopyTarget {
                dir: path("parts"),
                inside: format!("{}:{}", facts.dev(), facts.ino()),
                name: name.to_owned(),
            };
            copy_local(path("source"), part, Arc::default())
        };
        copy("a").await.unwrap();
        assert_eq!(std::fs::read(path("parts/a")).unwrap(), b"bytes");
        std::os::unix::fs::symlink(path("secret"), path("parts/link")).unwrap();
        copy("link").await.unwrap_err();
        // Another directory of that name, and a link to one.
        std::fs::rename(path("parts"), path("old")).unwrap();
        std::fs::create_dir(path("parts")).unwrap();
        copy("a").await.unwrap_err();
        std::fs::remove_dir(path("parts")).unwrap();
        std::os::unix::fs::symlink(path("old"), path("parts")).unwrap();
        copy("a").await.unwrap_err();
        assert_eq!(std::fs::read(path("secret")).unwrap(), b"kept");
    }
}
