//! Room on a file system: a reserve that stays free, and inodes, which run out
//! under the same error as bytes do.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// What downloads leave free for everything else there, in bytes. On a small file
/// system it is the twentieth part.
const RESERVE: u64 = 64 << 20;
const SHARE: u64 = 20;

/// How much is written between two looks, in bytes.
const DISTANCE: u64 = 16 << 20;

/// Why there is no room, where the system's own message does not say.
#[derive(Debug, thiserror::Error)]
enum NoRoom {
    #[error("{free} bytes are free on the file system, and {kept} of them are reserved")]
    Reserved { free: u64, kept: u64 },
    #[error(
        "no inodes are left on the file system: all {inodes} are taken, though {free} bytes are \
         free"
    )]
    Inodes { inodes: u64, free: u64 },
}

/// Looks now and then whether the reserve is still free.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    /// Bytes that may be written before the next look.
    until_look: u64,
}

impl Reserve {
    /// So many bytes are about to be written to a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], with the numbers, before the disk is full.
    pub(crate) fn ask(&mut self, file: impl AsFd, bytes: u64) -> io::Result<()> {
        if bytes <= self.until_look {
            self.until_look -= bytes;
            return Ok(());
        }
        // Where the file system does not say, its own errors have to do.
        let Ok(stat) = rustix::fs::fstatvfs(file) else {
            self.until_look = DISTANCE;
            return Ok(());
        };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let kept = kept(stat.f_blocks.saturating_mul(stat.f_frsize));
        let full = NoRoom::Reserved { free, kept };
        self.until_look = grant(free, kept, bytes)
            .ok_or_else(|| io::Error::new(io::ErrorKind::StorageFull, full))?;
        Ok(())
    }
}

/// How much may follow these bytes without another look; `None` if they would go into
/// what is kept.
fn grant(free: u64, kept: u64, bytes: u64) -> Option<u64> {
    let room = free.checked_sub(kept)?.checked_sub(bytes)?;
    Some(room.min(DISTANCE))
}

/// What is kept free of a file system of so many bytes.
fn kept(size: u64) -> u64 {
    RESERVE.min(size / SHARE)
}

/// An error of the file system with what it does not say: that "no space left" is
/// about inodes, and how many there are.
pub(crate) fn explain(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::StorageFull || error.get_ref().is_some() {
        return error;
    }
    let place = path.ancestors().map(|place| match place {
        place if place.as_os_str().is_empty() => Path::new("."),
        place => place,
    });
    let stat = place
        .into_iter()
        .find_map(|place| rustix::fs::statvfs(place).ok());
    match stat {
        // File systems that make inodes as they go say that they have none at all.
        Some(stat) if stat.f_files > 0 && stat.f_favail == 0 => {
            let full = NoRoom::Inodes {
                inodes: stat.f_files,
                free: stat.f_bavail.saturating_mul(stat.f_frsize),
            };
            io::Error::new(io::ErrorKind::StorageFull, full)
        }
        _ => error,
    }
}

/// True for an error that [`explain`] found to be about inodes.
pub(crate) fn is_out_of_inodes(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(NoRoom::Inodes { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_a_share_of_a_small_file_system() {
        assert_eq!(kept(20 << 20), 1 << 20);
        assert_eq!(kept(1 << 40), RESERVE);
        assert_eq!(grant(1 << 30, RESERVE, 1 << 20), Some(DISTANCE));
        assert_eq!(grant(RESERVE + 100, RESERVE, 60), Some(40));
        assert_eq!(grant(RESERVE + 100, RESERVE, 101), None);
        assert_eq!(grant(0, RESERVE, 1), None);
    }

    #[test]
    fn only_a_full_file_system_is_explained_and_only_once() {
        let refused = explain(
            Path::new("/"),
            io::Error::from(io::ErrorKind::PermissionDenied),
        );
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let full = NoRoom::Inodes {
            inodes: 128,
            free: 5 << 30,
        };
        let known = explain(
            Path::new("/"),
            io::Error::new(io::ErrorKind::StorageFull, full),
        );
        assert!(is_out_of_inodes(&known));
        assert_eq!(
            known.to_string(),
            "no inodes are left on the file system: all 128 are taken, though 5368709120 bytes \
             are free"
        );
    }
}
