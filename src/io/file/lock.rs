//! One worker at a time in a directory.
//!
//! The lock is the kernel's (`flock`), so a crash releases it; the file it is
//! taken on says who holds it. The file stays when the lock goes: removing it
//! would let two waiters lock two different files of one name.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::io::file::make_way;

/// How long to wait between two tries; a lock is held for seconds to minutes.
const AGAIN: Duration = Duration::from_millis(50);

/// What a file says of its holder is shorter, in bytes: the longest part is a command line.
const HOLDER_MAX: u64 = 1 << 20;

/// A lock on a directory, held until it is dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    file: File,
}

/// Who holds a lock, as written into its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
    /// The machine's name; the directory may be shared.
    pub host: String,
    /// Since when it holds the lock.
    pub since: Timestamp,
    /// Its command line.
    pub command: String,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Someone else holds it, and went on holding it.
    #[error("{} is locked by {}", dir.display(), whom(holder.as_deref()))]
    Taken {
        /// The directory.
        dir: PathBuf,
        /// The holder, where the file said it.
        holder: Option<Box<Holder>>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl LockError {
    /// True if waiting may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Taken { .. })
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => Some("wait longer with --lock-timeout, or stop that process"),
            Self::Io { .. } => None,
        }
    }
}

fn whom(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            host,
            since,
            command,
        } = self;
        write!(
            f,
            "process {pid} on {host} since {since:.0} (`{}`)",
            command.escape_debug()
        )
    }
}

impl Holder {
    fn this_process() -> Self {
        let words: Vec<String> = std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        Self {
            pid: std::process::id(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            since: Timestamp::now(),
            command: words.join(" "),
        }
    }
}

impl DirLock {
    /// Locks a directory by the file of the given name in it, waiting for up to
    /// `wait` while another process holds it. The directory must exist.
    ///
    /// # Errors
    /// [`LockError::Taken`] with who holds it, after that time.
    pub(crate) async fn acquire(dir: &Path, name: &str, wait: Duration) -> Result<Self, LockError> {
        let path = dir.join(name);
        let failed = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = open(&path).map_err(failed)?;
        let deadline = Instant::now().checked_add(wait);
        loop {
            match file.try_lock() {
                Ok(()) if !is_at(&file, &path) => {
                    file = open(&path).map_err(failed)?;
                    continue;
                }
                Ok(()) => {
                    sign(&mut file).map_err(failed)?;
                    return Ok(Self { file });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(LockError::Taken {
                    dir: dir.to_owned(),
                    holder: read_holder(&mut file).map(Box::new),
                });
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// True if somebody holds the lock of a directory now. Nothing is created.
///
/// The test takes the lock for a moment, shared: who waits for it asks again.
///
/// # Errors
/// When the file is there and cannot be opened.
pub(crate) fn is_held(dir: &Path, name: &str) -> io::Result<bool> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(dir.join(name));
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // An empty file names nobody. If that fails, the next holder overwrites.
        let _ = self.file.set_len(0);
    }
}

/// Opens the file to lock, and makes it if need be. Whatever else has the name (a link
/// that leads elsewhere or nowhere, a pipe, a directory) is set aside.
fn open(path: &Path) -> io::Result<File> {
    make_way(path)?;
    // Never truncated on opening: its content belongs to whoever holds it.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
}

/// True if the file is still the one of that name: who waits for a lock on another one
/// locks nobody out.
fn is_at(file: &File, path: &Path) -> bool {
    let at = |facts: &fs::Metadata| (facts.dev(), facts.ino());
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    at(&ours) == at(&there)
}

fn sign(file: &mut File) -> io::Result<()> {
    let mut text = serde_json::to_vec(&Holder::this_process())?;
    text.push(b'\n');
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&text)
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(HOLDER_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_learns_who_holds_it_and_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path(), ".lock", Duration::ZERO)
            .await
            .unwrap();
        assert!(is_held(dir.path(), ".lock").unwrap());
        assert!(!is_held(dir.path(), ".other").unwrap());
        let refused = DirLock::acquire(dir.path(), ".lock", Duration::ZERO)
            .await
            .unwrap_err();
        assert!(refused.is_transient());
        let text = refused.to_string();
        assert!(
            text.contains(&format!("process {}", std::process::id())),
            "{text}"
        );

        let waiter = DirLock::acquire(dir.path(), ".lock", Duration::from_secs(60));
        let (second, ()) = tokio::join!(waiter, async { drop(first) });
        drop(second.unwrap());
        assert!(!is_held(dir.path(), ".lock").unwrap());
    }

    #[tokio::test]
    async fn what_cannot_be_locked_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        type Obstacle = fn(&Path);
        let obstacles: [(&str, Obstacle); 4] = [
            ("a directory", |path| fs::create_dir(path).unwrap()),
            ("a link that leads nowhere", |path| {
                std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap();
            }),
            ("a link that leads elsewhere", |path| {
                let elsewhere = path.with_file_name("precious");
                fs::write(&elsewhere, "precious").unwrap();
                std::os::unix::fs::symlink(elsewhere, path).unwrap();
            }),
            ("a pipe", |path| {
                rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
            }),
        ];
        for (what, make) in obstacles {
            make(&path);
            let lock = DirLock::acquire(dir.path(), ".lock", Duration::ZERO).await;
            drop(lock.unwrap_or_else(|error| panic!("{what}: {error:?}")));
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(
            fs::read_to_string(dir.path().join("precious")).unwrap(),
            "precious"
        );
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            4,
            "three are kept: an empty directory is no loss"
        );
    }

    #[tokio::test]
    async fn a_lock_file_that_was_replaced_locks_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let first = DirLock::acquire(dir.path(), ".lock", Duration::ZERO)
            .await
            .unwrap();
        let waiter = DirLock::acquire(dir.path(), ".lock", Duration::from_secs(60));
        let (second, ()) = tokio::join!(waiter, async {
            tokio::time::sleep(AGAIN * 2).await;
            fs::remove_file(&path).unwrap();
            drop(first);
        });
        let second = second.unwrap();
        assert!(is_at(&second.file, &path));
    }
}
