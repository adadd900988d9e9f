//! Tasks: work that goes on after the answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::acl::KnownToken;
use super::answer::Denied;

/// Every task so far, by ID.
#[derive(Debug)]
pub(super) struct Tasks {
    entries: Mutex<BTreeMap<String, TaskEntry>>,
    stop: CancellationToken,
}

/// A task.
#[derive(Debug, Clone)]
pub(super) struct TaskEntry {
    pub node: String,
    pub kind: String,
    pub id: String,
    pub user: String,
    pub pid: usize,
    pub start: u64,
    pub exit: Option<String>,
    pub log: Vec<String>,
    pub cancel: CancellationToken,
}

/// What a task is told, and tells.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    tasks: Arc<Tasks>,
    upid: String,
    pub pid: usize,
    pub cancel: CancellationToken,
}

impl Tasks {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            entries: Mutex::default(),
            stop,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, TaskEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, upid: &str) -> Result<TaskEntry, Denied> {
        let found = self.lock().get(upid).cloned();
        found.ok_or_else(|| Denied::died("no such task"))
    }

    /// Kind, ID and result of every task, in the order of their start.
    pub(super) fn list(&self) -> Vec<(String, String, Option<String>)> {
        let mut entries: Vec<TaskEntry> = self.lock().values().cloned().collect();
        entries.sort_by_key(|entry| entry.pid);
        entries
            .into_iter()
            .map(|entry| (entry.kind, entry.id, entry.exit))
            .collect()
    }
}

impl Worker {
    pub(super) fn log(&self, line: impl Into<String>) {
        if let Some(entry) = self.tasks.lock().get_mut(&self.upid) {
            entry.log.push(line.into());
        }
    }
}

/// Starts a task and gives its ID. `work` ends with the text of an error, if any.
pub(super) fn start<F, W>(
    table: &Arc<Tasks>,
    token: &KnownToken,
    node: &str,
    (kind, id): (&str, &str),
    work: W,
) -> (String, tokio::task::JoinHandle<()>)
where
    W: FnOnce(Worker) -> F,
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let start = SystemTime::now().duration_since(UNIX_EPOCH);
    let start = start.unwrap_or_default().as_secs();
    let mut tasks = table.lock();
    let pid = 4096 + tasks.len();
    let upid = format!(
        "UPID:{node}:{pid:08X}:{pid:08X}:{start:08X}:{kind}:{id}:{}:",
        token.id
    );
    let cancel = table.stop.child_token();
    tasks.insert(
        upid.clone(),
        TaskEntry {
            node: node.to_owned(),
            kind: kind.to_owned(),
            id: id.to_owned(),
            user: token.id.clone(),
            pid,
            start,
            exit: None,
            log: Vec::new(),
            cancel: cancel.clone(),
        },
    );
    drop(tasks);
    let worker = Worker {
        tasks: Arc::clone(table),
        upid: upid.clone(),
        pid,
        cancel,
    };
    let work = work(worker.clone());
    let running = tokio::spawn(async move {
        let result = work.await;
        let exit = match &result {
            Ok(()) => "OK".to_owned(),
            Err(text) => text.clone(),
        };
        worker.log(match result {
            Ok(()) => "TASK OK".to_owned(),
            Err(text) => format!("TASK ERROR: {text}"),
        });
        if let Some(entry) = worker.tasks.lock().get_mut(&worker.upid) {
            entry.exit = Some(exit);
        }
    });
    (upid, running)
}
