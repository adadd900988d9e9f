//! Puts a file on the disk while it is still being written.
//!
//! Otherwise everything waits in memory until the end, and then the end waits for
//! the disk: with an image that has its data at the front, the disk idles while the
//! zeros behind are hashed.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// How much may gather before the disk gets it, in bytes.
const GATHER: u64 = 16 << 20;

/// Works beside whoever writes. It is a help only: nothing is on the disk for sure
/// before the writer's own sync, and that also tells what went wrong.
#[derive(Debug)]
pub struct WriteOut {
    gathered: u64,
    go: SyncSender<()>,
}

impl WriteOut {
    /// For a file that is there. `None` where it cannot help.
    pub fn of(path: &Path) -> Option<Self> {
        // Opened anew: an error is told once to each who has the file open, and must
        // be left for the writer.
        let file = File::open(path).ok()?;
        let (go, turns) = sync_channel(1);
        thread::Builder::new()
            .name("write-out".to_owned())
            .spawn(move || turns.iter().for_each(|()| drop(file.sync_data())))
            .ok()?;
        Some(Self { gathered: 0, go })
    }

    /// So many bytes more were written.
    pub fn more(&mut self, bytes: u64) {
        self.gathered += bytes;
        if self.gathered >= GATHER && self.go.try_send(()).is_ok() {
            self.gathered = 0;
        }
    }
}
