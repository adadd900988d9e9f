//! Downloads under way. They may outlive the pass that began them.
//!
//! An image may take hours over a slow link, and a pass that waited for it to the end
//! would keep every other order waiting for the next one. So a pass that is told to hand
//! over leaves its downloads running and ends; the next one finds them here and goes on
//! waiting where it wants the same, and ends them where it does not. No pass waits for
//! nothing but a download that an earlier one began: it ends, and the download's own end
//! calls for another pass.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::facts::{Fact, Failure};
use crate::io::Meter;
use crate::model::{ArtifactId, FileName, Sha256};

/// What a download step says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetch {
    pub url: String,
    pub download: ArtifactId,
    pub file: FileName,
    pub unpack: Option<(ArtifactId, FileName)>,
    pub pinned: Option<Sha256>,
}

type End = Option<Result<Fact, Failure>>;

/// The downloads under way, by the file that each becomes.
#[derive(Debug)]
pub struct Downloads {
    at_once: usize,
    gate: Arc<Semaphore>,
    /// Rung when a download ends that no pass waits for.
    bell: Arc<Notify>,
    running: Mutex<BTreeMap<FileName, Running>>,
}

/// A download under way, or over and not yet asked for.
#[derive(Debug)]
struct Running {
    fetch: Fetch,
    task: JoinHandle<()>,
    end: watch::Receiver<End>,
    meter: Arc<Meter>,
}

/// A download that is waited for.
pub(super) struct Ticket {
    pub meter: Arc<Meter>,
    end: watch::Receiver<End>,
}

impl Ticket {
    /// What came of it; `None` if it was ended before.
    pub async fn end(mut self) -> End {
        let end = self.end.wait_for(Option::is_some).await.ok()?;
        end.clone()
    }
}

impl Downloads {
    /// So many downloads at once.
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            at_once,
            gate: Arc::new(Semaphore::new(at_once)),
            bell: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// How many there may be at once.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Rung when a download ends that no pass waits for.
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }

    /// True while any is under way.
    pub fn is_busy(&self) -> bool {
        self.lock().values().any(Running::is_under_way)
    }

    /// The names in the cache that downloads are being written for.
    pub fn files(&self) -> BTreeSet<FileName> {
        let running = self.lock();
        let under_way = running.values().filter(|running| running.is_under_way());
        under_way
            .flat_map(|running| {
                let unpacked = running.fetch.unpack.as_ref().map(|(_, file)| file.clone());
                [Some(running.fetch.file.clone()), unpacked]
            })
            .flatten()
            .collect()
    }

    /// Ends every download but these, and waits until they have ended.
    pub(super) async fn keep_only(&self, wanted: &[Fetch]) {
        let unwanted: Vec<Running> = {
            let mut running = self.lock();
            let files = running.iter().filter_map(|(file, running)| {
                let keep = wanted.contains(&running.fetch) && !running.is_done();
                (!keep).then(|| file.clone())
            });
            let files: Vec<FileName> = files.collect();
            files
                .into_iter()
                .filter_map(|file| running.remove(&file))
                .collect()
        };
        for running in &unwanted {
            running.task.abort();
        }
        for running in unwanted {
            // That it was aborted is what was wanted.
            let _ = running.task.await;
        }
    }

    /// The download of this kind that is under way, or failed since somebody waited.
    pub(super) fn find(&self, fetch: &Fetch) -> Option<Ticket> {
        let running = self.lock();
        let found = running.get(&fetch.file)?;
        (found.fetch == *fetch).then(|| found.ticket())
    }

    /// Waits for a place among the downloads.
    pub(super) async fn place(&self) -> OwnedSemaphorePermit {
        let gate = Arc::clone(&self.gate);
        gate.acquire_owned().await.expect("gates are never closed")
    }

    /// Begins a download, which goes on whether anybody waits for it or not.
    pub(super) fn begin(
        &self,
        fetch: Fetch,
        meter: Arc<Meter>,
        place: OwnedSemaphorePermit,
        work: impl Future<Output = Result<Fact, Failure>> + Send + 'static,
    ) -> Ticket {
        let (tell, end) = watch::channel(None);
        let bell = self.bell();
        let task = tokio::spawn(async move {
            let ended = work.await;
            drop(place);
            let _ = tell.send(Some(ended));
            // One receiver is kept here; every other is somebody who waits.
            if tell.receiver_count() <= 1 {
                bell.notify_one();
            }
        });
        let running = Running {
            fetch,
            task,
            end,
            meter,
        };
        let ticket = running.ticket();
        let file = running.fetch.file.clone();
        if let Some(old) = self.lock().insert(file, running) {
            old.task.abort();
        }
        ticket
    }

    /// Forgets a download whose end somebody has heard.
    pub(super) fn forget(&self, file: &FileName) {
        let mut running = self.lock();
        if running
            .get(file)
            .is_some_and(|running| !running.is_under_way())
        {
            running.remove(file);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FileName, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        for running in self.lock().values() {
            running.task.abort();
        }
    }
}

impl Running {
    fn is_under_way(&self) -> bool {
        self.end.borrow().is_none()
    }

    fn is_done(&self) -> bool {
        matches!(&*self.end.borrow(), Some(Ok(_)))
    }

    fn ticket(&self) -> Ticket {
        Ticket {
            meter: Arc::clone(&self.meter),
            end: self.end.clone(),
        }
    }
}
