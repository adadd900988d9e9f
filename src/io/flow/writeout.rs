//! Puts a file on the disk while it is still being written.
//!
//! Otherwise everything waits in memory until the end, and then the end waits for
//! the disk: with an image that has its data at the front, the disk idles while the
//! zeros behind are hashed.
//!
//! For a download it also notes how far that has come, so that the next process
//! knows what it may build upon; see [`ResumeLog`].

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::io::flow::resume::{Checkpoint, ResumeLog};

/// How much may gather before the disk gets it, in bytes.
const GATHER: u64 = 16 << 20;

/// How far apart the notes are of what is on the disk, in bytes. Each costs one
/// small file, written by the thread that writes out.
const NOTE: u64 = 64 << 20;

/// How long nothing has to come until what came is noted.
const QUIET: Duration = Duration::from_millis(250);

/// How much time may pass between two notes while something comes.
const EVERY: Duration = Duration::from_secs(5);

/// Works beside whoever writes. It is a help only: nothing is on the disk for sure
/// before the writer's own sync, which also reports what went wrong.
///
/// Dropping it waits until nothing more is written and noted.
#[derive(Debug)]
pub(super) struct WriteOut {
    gathered: u64,
    go: Option<SyncSender<()>>,
    written: Arc<Mutex<Option<Checkpoint>>>,
    thread: Option<JoinHandle<()>>,
}

impl WriteOut {
    /// For a file that is there, with where to note how far it has come. `None` where
    /// it cannot help.
    pub(super) fn of(path: &Path, log: Option<Arc<ResumeLog>>) -> Option<Self> {
        // Opened anew: an error is reported once to each who has the file open, and must
        // be left for the writer.
        let file = File::open(path).ok()?;
        let (go, turns) = sync_channel(1);
        let written = Arc::new(Mutex::new(None));
        let progress = Arc::clone(&written);
        let thread = thread::Builder::new()
            .name("write-out".to_owned())
            .spawn(move || match log {
                None => turns.iter().for_each(|()| drop(file.sync_data())),
                Some(log) => follow(&file, &turns, &progress, &log),
            })
            .ok()?;
        Some(Self {
            gathered: 0,
            go: Some(go),
            written,
            thread: Some(thread),
        })
    }

    /// So many bytes more were written, which makes so many in all.
    pub(super) fn more(&mut self, bytes: u64, written: Option<Checkpoint>) {
        if written.is_some() {
            *lock(&self.written) = written;
        }
        self.gathered += bytes;
        let go = self.go.as_ref();
        if self.gathered >= GATHER && go.is_some_and(|go| go.try_send(()).is_ok()) {
            self.gathered = 0;
        }
    }
}

impl Drop for WriteOut {
    fn drop(&mut self) {
        self.go = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was printed.
            let _ = thread.join();
        }
    }
}

fn follow(file: &File, turns: &Receiver<()>, written: &Mutex<Option<Checkpoint>>, log: &ResumeLog) {
    let mut synced = 0;
    let mut noted = None;
    let mut noted_at = Instant::now();
    let mut seen = None;
    loop {
        let turn = turns.recv_timeout(QUIET);
        let now = *lock(written);
        let mut is_synced = false;
        match turn {
            Ok(()) => is_synced = file.sync_data().is_ok(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(checkpoint) = now else { continue };
        let is_far = is_synced && checkpoint.bytes >= synced + NOTE;
        let is_quiet = turn.is_err() && now == seen;
        let is_due = now != noted && (is_quiet || noted_at.elapsed() >= EVERY);
        if is_far || is_due {
            // The next note says more, and without any the download starts over.
            let _ = log.note(checkpoint, is_synced);
            noted = now;
            noted_at = Instant::now();
            if is_synced {
                synced = checkpoint.bytes;
            }
        }
        seen = now;
    }
}

/// A panic elsewhere cannot leave a checkpoint half changed.
fn lock(checkpoint: &Mutex<Option<Checkpoint>>) -> MutexGuard<'_, Option<Checkpoint>> {
    checkpoint.lock().unwrap_or_else(PoisonError::into_inner)
}
