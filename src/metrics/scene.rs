//! What the numbers are made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::conclude::alerts::DeliveryNumbers;
use crate::conclude::{FleetAnswer, Report, Status};
use crate::facts::{Memory, SourceUse, StepKind, UpstreamUse};
use crate::io::process::ProcessUse;

/// What the numbers are made from.
pub(crate) struct MetricsScene<'a> {
    /// How things are, with the counters of all runs.
    pub status: &'a Status,
    /// The last run of this process that could look; `None` before it.
    pub last: Option<LastLook<'a>>,
    /// What only a process knows that stays; `None` for a single run, which is gone when
    /// its numbers are read.
    pub live: Option<LiveNumbers>,
    /// How much the upstreams were asked.
    pub upstream: &'a UpstreamUse,
    /// How the repository of the orders answered.
    pub source: SourceUse,
    /// How well people are told, by the name of the provider in the configuration.
    pub notifications: &'a BTreeMap<String, DeliveryNumbers>,
}

/// What the last run saw and did.
pub(crate) struct LastLook<'a> {
    pub report: &'a Report,
    /// What is remembered after it.
    pub memory: &'a Memory,
}

/// What only a process knows that stays.
#[derive(Debug, Default)]
pub(crate) struct LiveNumbers {
    /// The run in progress.
    pub running: Option<RunningNumbers>,
    /// Requests that wait for a run.
    pub waiting: usize,
    /// Calls by the name of the hook in the configuration.
    pub hooks: BTreeMap<String, HookNumbers>,
    pub process: Option<ProcessUse>,
    /// The sites of the fleet; `None` for a single controller.
    pub fleet: Option<Arc<FleetAnswer>>,
}

/// How often a hook was called.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HookNumbers {
    /// The caller proved itself.
    pub accepted: u64,
    /// It did not.
    pub refused: u64,
    /// It proved itself, and called too often.
    pub limited: u64,
}

/// A run in progress.
#[derive(Debug)]
pub(crate) struct RunningNumbers {
    pub since: Timestamp,
    /// Its steps in progress.
    pub active: BTreeMap<StepKind, u64>,
}
