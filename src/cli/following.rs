//! Following the files of the controller until they change or the time is over.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

/// From one look at the files to the next. What did not change is not read again. An
/// instance of inotify would see changes sooner, but not those of a network file system.
pub(super) const AGAIN: Duration = Duration::from_millis(500);

/// How long something is followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        let now = Instant::now();
        // What does not fit is longer than anybody waits.
        Self(now.checked_add(timeout).unwrap_or(now + YEAR))
    }

    /// Waits until it is time to look again; false where the time is over.
    pub(super) async fn pause(&self) -> bool {
        let now = Instant::now();
        if now >= self.0 {
            return false;
        }
        tokio::time::sleep_until(self.0.min(now + AGAIN)).await;
        true
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The state of a file, by which a change is seen.
pub(super) type FileState = Option<(u64, i64, i64, u64)>;

pub(super) fn file_state(path: &Path) -> FileState {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
}
