//! *When* a run is in progress, never what it does.
//!
//! Whatever requests a run (a change of the orders, a schedule, a retry, a
//! signal) does one thing: it wakes the loop in [`run()`]. A wake-up carries no
//! payload, so any number of them during a run come to exactly one more, and
//! a lost or a spare one does no harm: each run looks at everything anyway.
//!
//! What a run *is* stands behind [`Work`]; nothing in this room knows. Calendar
//! times are computed as values in `schedule` and waited for in `clock`;
//! `watch` looks after the orders, `systemd` tells the service manager.

#![expect(
    clippy::disallowed_methods,
    reason = "waiting, clocks, signals and the watched directory are this room"
)]

mod clock;
mod cron;
mod error;
mod pulse;
mod retry;
mod run;
mod schedule;
mod signals;
mod systemd;
mod wake;
mod watch;
mod work;

#[cfg(test)]
mod tests;

pub use cron::{Cron, CronError};
pub use error::DaemonError;
pub use pulse::Pulse;
pub use run::{Ended, run};
pub use schedule::{LoopRequest, LoopSchedule};
pub use wake::{Triggers, Waker};
pub use watch::Watching;
pub use work::{Heartbeat, NextRun, Options, RunContext, RunResult, Work};
