//! Tasks on a node that end with whoever waits for them, and the one that reads back.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use url::Url;

use super::place::{PlaceOnNode, failed_with};
use crate::model::{FileName, Sha256};
use crate::nodes::error::NodeError;
use crate::proxmox::{FetchRequest, PveApi, PveError, TaskFailure, Upid};

/// Nobody answers here: a node that loads it says what it has already.
const DEAD_URL: &str = "http://127.0.0.1:1/";

/// Lines of a log that are read, and how many of them are told.
const LOG: u64 = 5000;
const TOLD: usize = 8;

/// How long a file is held for a task that was told to stop.
const STOPPING: Duration = Duration::from_secs(30);

/// A task that did not do its work, with the end of its log.
#[derive(Debug)]
pub(super) struct FailedTask {
    pub error: PveError,
    pub log: String,
}

/// What a node has under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadBack {
    Same,
    Differs(Sha256),
    Absent,
}

/// The end of the log of a task that failed. One that nobody can follow any more is
/// stopped as far as that is possible.
async fn after_failure(api: &PveApi, upid: &Upid, error: &PveError) -> String {
    if !matches!(error, PveError::Task { .. }) {
        // The first error says more.
        let _ = api.stop_task(upid).await;
        return String::new();
    }
    let lines = api.task_log(upid, 0, LOG).await.unwrap_or_default();
    let from = lines.len().saturating_sub(TOLD);
    let texts: Vec<&str> = lines[from..]
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    crate::io::process::printable(texts.join("\n").as_bytes())
}

/// Starts a task and waits for its end; `None` is one that is over already. Where the
/// future is dropped, the task is stopped, also where the node has only been asked to start
/// it and not answered yet; until then `held` is kept for this. Where it is dropped before, the
/// node is not asked.
pub(super) async fn run_task(
    api: PveApi,
    held: impl Send + 'static,
    start: impl Future<Output = Result<Option<Upid>, PveError>> + Send + 'static,
) -> Result<(), FailedTask> {
    let dropped = CancellationToken::new();
    let _guard = dropped.clone().drop_guard();
    let running = tokio::spawn(async move {
        let _held = held;
        if dropped.is_cancelled() {
            return Ok(());
        }
        let started = start.await.map_err(|error| FailedTask {
            error,
            log: String::new(),
        })?;
        let Some(upid) = started else {
            return Ok(());
        };
        let mut following = std::pin::pin!(api.follow(&upid));
        let followed = tokio::select! {
            followed = following.as_mut() => followed,
            () = dropped.cancelled() => {
                // Nobody is left who could be told of a failure.
                let _ = api.stop_task(&upid).await;
                let _ = tokio::time::timeout(STOPPING, following).await;
                return Ok(());
            }
        };
        match followed {
            Ok(()) => Ok(()),
            Err(error) => Err(FailedTask {
                log: after_failure(&api, &upid, &error).await,
                error,
            }),
        }
    });
    match running.await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends, and with it whoever waits here.
        Err(_) => std::future::pending().await,
    }
}

impl PlaceOnNode {
    /// The same for work on a file, which is held meanwhile.
    pub(super) async fn run(
        &self,
        start: impl Future<Output = Result<Upid, PveError>> + Send + 'static,
    ) -> Result<(), FailedTask> {
        let start = async move { start.await.map(Some) };
        run_task(self.api.clone(), self.clone(), start).await
    }

    pub(super) fn request(&self, file: &FileName, url: Url, sha256: Sha256) -> FetchRequest {
        FetchRequest {
            node: self.name.clone(),
            storage: self.place.storage.clone(),
            content: self.place.content,
            name: file.as_str().to_owned(),
            url,
            sha256,
        }
    }

    /// Has the node load an image, unless it has it already.
    pub(super) async fn fetch(&self, request: FetchRequest) -> Result<(), FailedTask> {
        let api = self.api.clone();
        self.run(async move { api.fetch(&request).await }).await
    }

    /// Has the node compare what it has with a digest.
    pub(super) async fn read_back(
        &self,
        file: &FileName,
        sha256: Sha256,
    ) -> Result<ReadBack, NodeError> {
        let dead = DEAD_URL.parse().expect("it is a URL");
        let error = match self.fetch(self.request(file, dead, sha256)).await {
            Ok(()) => return Ok(ReadBack::Same),
            Err(error) => error,
        };
        if let PveError::Task { source, .. } = &error.error {
            match source {
                TaskFailure::Checksum { found, .. } => {
                    if let Ok(found) = found.parse() {
                        return Ok(ReadBack::Differs(found));
                    }
                }
                TaskFailure::Download(_) => return Ok(ReadBack::Absent),
                _ => {}
            }
        }
        let FailedTask { error, log } = error;
        Err(failed_with(
            &self.node,
            "reading the image back",
            error,
            log,
        ))
    }
}
