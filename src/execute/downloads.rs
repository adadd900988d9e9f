//! Downloads under way. They may outlive the run that began them.
//!
//! An image may take hours over a slow link, and a run that waited for it to the end
//! would keep every other order waiting for the next one. So a run that is told to hand
//! over leaves its downloads running and ends; the next one finds them here and goes on
//! waiting where it wants the same, and ends them where it does not. No run waits for
//! nothing but a download that an earlier one began: it ends, and the download's own end
//! calls for another run.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::facts::{Fact, Failure, Meta};
use crate::io::Meter;
use crate::io::flow::growing::{GrowingFile, GrowingImage};
use crate::model::{ArtifactId, FileName, Sha256};
use crate::plan::{Action, Step};

/// What a download step says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fetch {
    pub url: String,
    pub download: ArtifactId,
    pub file: FileName,
    pub unpack: Option<(ArtifactId, FileName)>,
    pub pinned: Option<Sha256>,
}

type DownloadEnd = Option<Result<Fact, Failure>>;

/// The downloads under way, by the file that each becomes.
#[derive(Debug)]
pub(crate) struct Downloads {
    at_once: usize,
    limit: Arc<Semaphore>,
    /// Notified when a download ends that no run waits for.
    unclaimed: Arc<Notify>,
    running: Mutex<BTreeMap<FileName, RunningDownload>>,
}

/// A download under way, or over and not yet asked for.
#[derive(Debug)]
struct RunningDownload {
    fetch: Fetch,
    task: JoinHandle<()>,
    end: watch::Receiver<DownloadEnd>,
    meter: Arc<Meter>,
    growing: GrowingImage,
}

/// A download that is waited for.
#[derive(Debug, Clone)]
pub(super) struct WaitingFor {
    pub fetch: Fetch,
    pub meter: Arc<Meter>,
    growing: GrowingImage,
    end: watch::Receiver<DownloadEnd>,
}

impl Fetch {
    /// What a step says, if it is a download.
    pub(super) fn of(step: &Step) -> Option<Self> {
        let Action::Fetch {
            url,
            download,
            file,
            unpack,
            pinned,
            bytes: _,
            stored: _,
        } = &step.action
        else {
            return None;
        };
        Some(Self {
            url: url.clone(),
            download: download.clone(),
            file: file.clone(),
            unpack: unpack.clone(),
            pinned: *pinned,
        })
    }
}

impl Fetch {
    /// What is recorded of one of the files that it became.
    pub(super) fn meta_of<'a>(&self, fact: &'a Fact, file: &FileName) -> Option<&'a Meta> {
        let Fact::Fetched {
            download, unpacked, ..
        } = fact
        else {
            return None;
        };
        match (self.file == *file, unpacked) {
            (true, _) => Some(download),
            (false, Some(unpacked)) => Some(unpacked),
            (false, None) => None,
        }
    }
}

impl WaitingFor {
    /// One of the files that it becomes, as it comes.
    pub(super) fn growing(&self, file: &FileName) -> GrowingFile {
        match self.fetch.file == *file {
            true => self.growing.download.clone(),
            false => self.growing.unpacked.clone(),
        }
    }

    /// True if it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// What came of it; `None` if it was ended before.
    pub(super) async fn end(mut self) -> DownloadEnd {
        let end = self.end.wait_for(Option::is_some).await.ok()?;
        end.clone()
    }
}

impl Downloads {
    /// So many downloads at once.
    pub(crate) fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            at_once,
            limit: Arc::new(Semaphore::new(at_once)),
            unclaimed: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// How many there may be at once.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    /// Notified when a download ends that no run waits for.
    pub(crate) fn unclaimed(&self) -> Arc<Notify> {
        Arc::clone(&self.unclaimed)
    }

    /// True while any is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().values().any(RunningDownload::is_under_way)
    }

    /// The names in the cache that downloads are being written for.
    pub(crate) fn files(&self) -> BTreeSet<FileName> {
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
        let unwanted: Vec<RunningDownload> = {
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
    pub(super) fn find(&self, fetch: &Fetch) -> Option<WaitingFor> {
        let running = self.lock();
        let found = running.get(&fetch.file)?;
        (found.fetch == *fetch).then(|| found.ticket())
    }

    /// Waits for a permit for one of the downloads.
    pub(super) async fn permit(&self) -> OwnedSemaphorePermit {
        let limit = Arc::clone(&self.limit);
        limit
            .acquire_owned()
            .await
            .expect("limits are never closed")
    }

    /// Begins a download, which goes on whether anybody waits for it or not.
    pub(super) fn begin(
        &self,
        fetch: Fetch,
        meter: Arc<Meter>,
        growing: GrowingImage,
        permit: OwnedSemaphorePermit,
        work: impl Future<Output = Result<Fact, Failure>> + Send + 'static,
    ) -> WaitingFor {
        let (tell, end) = watch::channel(None);
        let unclaimed = self.unclaimed();
        let task = tokio::spawn(async move {
            let ended = work.await;
            drop(permit);
            let _ = tell.send(Some(ended));
            // One receiver is kept here; every other is somebody who waits.
            if tell.receiver_count() <= 1 {
                unclaimed.notify_one();
            }
        });
        let running = RunningDownload {
            fetch,
            task,
            end,
            meter,
            growing,
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FileName, RunningDownload>> {
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

impl RunningDownload {
    fn is_under_way(&self) -> bool {
        self.end.borrow().is_none()
    }

    fn is_done(&self) -> bool {
        matches!(&*self.end.borrow(), Some(Ok(_)))
    }

    fn ticket(&self) -> WaitingFor {
        WaitingFor {
            fetch: self.fetch.clone(),
            meter: Arc::clone(&self.meter),
            growing: self.growing.clone(),
            end: self.end.clone(),
        }
    }
}
