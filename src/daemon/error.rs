//! Why the loop cannot run. What goes wrong inside a run is the run's own affair.

use std::io;

use tokio_cron_scheduler::JobSchedulerError;

/// Why the loop did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The handlers of signals could not be installed.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// The thread that watches the orders could not be started.
    #[error("cannot start watching the orders")]
    Watch(#[source] io::Error),
    /// The thread that watches the orders ended.
    #[error("watching the orders stopped unexpectedly")]
    WatchGone,
    /// The scheduler refused a job.
    #[error("the scheduler failed")]
    Scheduler(#[from] JobSchedulerError),
}

impl DaemonError {
    /// A hint for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Signals(_) | Self::Watch(_) => Some(
                "the limits of threads and open files may be too low (TasksMax=, LimitNOFILE=)",
            ),
            Self::WatchGone | Self::Scheduler(_) => None,
        }
    }
}
