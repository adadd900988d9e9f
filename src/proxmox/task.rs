//! Tasks: work that goes on after the answer.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;

use super::api::PveApi;
use super::call::PveCall;
use super::error::{PveError, TaskFailure};
use super::failures::task_failure;
use super::lenient::number;
use super::upid::Upid;

/// The first pause between two looks at a task; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How many looks in a row may fail before the follower gives up: an endpoint that
/// restarts must not end a transfer of an hour.
const FAILED_LOOKS: u32 = 5;

/// Whether a task has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Not yet.
    Running,
    /// How.
    Finished(TaskResult),
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskResult {
    /// It did its work.
    Done,
    /// It did its work, with so many warnings in its log.
    Warnings(u32),
    /// It did not.
    Failed(TaskFailure),
}

/// A line of a task's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct TaskLogLine {
    /// Its number, from 1.
    #[serde(rename = "n", deserialize_with = "number")]
    pub number: u64,
    /// Its text.
    #[serde(rename = "t")]
    pub text: String,
}

#[derive(Debug, Deserialize)]
struct TaskStatusAnswer {
    status: String,
    #[serde(default)]
    exitstatus: Option<String>,
}

impl TaskResult {
    /// A failure as an error.
    ///
    /// # Errors
    /// Where the task failed.
    pub fn check(self, upid: &Upid) -> Result<(), PveError> {
        match self {
            Self::Done | Self::Warnings(_) => Ok(()),
            Self::Failed(source) => Err(PveError::Task {
                upid: Box::new(upid.clone()),
                source,
            }),
        }
    }
}

fn read(answer: &TaskStatusAnswer) -> TaskState {
    if answer.status != "stopped" {
        return TaskState::Running;
    }
    // A task that died without a word has "unexpected status".
    let text = answer.exitstatus.as_deref().unwrap_or("unexpected status");
    let warnings = text
        .strip_prefix("WARNINGS: ")
        .and_then(|count| count.trim().parse().ok());
    TaskState::Finished(match (text, warnings) {
        ("OK", _) => TaskResult::Done,
        (_, Some(count)) => TaskResult::Warnings(count),
        (text, None) => TaskResult::Failed(task_failure(text)),
    })
}

impl PveApi {
    /// The state of a task, asked of the node that it runs on.
    ///
    /// # Errors
    /// As for every call.
    pub async fn task(&self, upid: &Upid) -> Result<TaskState, PveError> {
        let id = upid.to_string();
        let call = PveCall::get(&["nodes", &upid.node, "tasks", &id, "status"]);
        let answer: TaskStatusAnswer = self.ask(&call).await?;
        Ok(read(&answer))
    }

    /// Lines of a task's log from a number on, counted from 0, at most `limit`.
    ///
    /// # Errors
    /// As for every call.
    pub async fn task_log(
        &self,
        upid: &Upid,
        start: u64,
        limit: u64,
    ) -> Result<Vec<TaskLogLine>, PveError> {
        let id = upid.to_string();
        let call = PveCall::get(&["nodes", &upid.node, "tasks", &id, "log"])
            .query("start", start.to_string())
            .query("limit", limit.to_string());
        let mut lines: Vec<TaskLogLine> = self.ask(&call).await?;
        lines.sort();
        Ok(lines)
    }

    /// Stops a task; it may still end well. No permission is needed: whoever lost it has to
    /// stop what it began.
    ///
    /// # Errors
    /// As for every call.
    pub async fn stop_task(&self, upid: &Upid) -> Result<(), PveError> {
        let id = upid.to_string();
        let call = PveCall::new(Method::DELETE, &["nodes", &upid.node, "tasks", &id]);
        self.unbound().send(&call).await.map(|_| ())
    }

    /// Waits for the end of a task. Where the future is dropped before, the task is
    /// stopped.
    ///
    /// # Errors
    /// Where the task fails, or cannot be looked at several times in a row; then it may
    /// still run.
    pub async fn follow(&self, upid: &Upid) -> Result<(), PveError> {
        let mut guard = StopWhenDropped {
            task: Some((self.clone(), upid.clone())),
        };
        let result = self.until_finished(upid).await;
        guard.task = None;
        result?.check(upid)
    }

    /// Waits for the end of a task, and leaves it alone where the future is dropped.
    pub(super) async fn until_finished(&self, upid: &Upid) -> Result<TaskResult, PveError> {
        let longest = self.limits().poll;
        let mut pause = FIRST_PAUSE.min(longest);
        let mut failed = 0;
        loop {
            match self.task(upid).await {
                Ok(TaskState::Finished(result)) => return Ok(result),
                Ok(TaskState::Running) => failed = 0,
                Err(error) if error.is_transient() && failed < FAILED_LOOKS => failed += 1,
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
}

/// Stops a task that nobody waits for any more.
#[derive(Debug)]
struct StopWhenDropped {
    task: Option<(PveApi, Upid)>,
}

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        let Some((api, upid)) = self.task.take() else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Nobody is left who could be told of a failure.
            runtime.spawn(async move { api.stop_task(&upid).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_task_is_read() {
        let state = |status: &str, exit: Option<&str>| {
            read(&TaskStatusAnswer {
                status: status.to_owned(),
                exitstatus: exit.map(str::to_owned),
            })
        };
        let failed = |failure| TaskState::Finished(TaskResult::Failed(failure));
        assert_eq!(state("running", None), TaskState::Running);
        assert_eq!(
            state("stopped", Some("OK")),
            TaskState::Finished(TaskResult::Done)
        );
        assert_eq!(
            state("stopped", Some("WARNINGS: 2")),
            TaskState::Finished(TaskResult::Warnings(2))
        );
        let text = "checksum mismatch: got 'aa' != expect 'bb', aborting";
        let mismatch = TaskFailure::Checksum {
            found: "aa".to_owned(),
            expected: "bb".to_owned(),
        };
        assert_eq!(state("stopped", Some(text)), failed(mismatch));
        assert_eq!(
            state("stopped", Some("refusing to override existing file 'x'")),
            failed(TaskFailure::Exists)
        );
        assert_eq!(
            state("stopped", None),
            failed(TaskFailure::Other("unexpected status".to_owned()))
        );
    }
}
