//! What the web server asks of the loop besides what is in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::notifier::Notifier;
use super::queue::RunQueue;
use crate::conclude::alerts::DeliveryNumbers;
use crate::daemon::Pulse;
use crate::facts::{SourceUse, UpstreamUse};
use crate::source::SourceTally;
use crate::upstream::RequestTally;
use crate::web::Vitals;

/// The parts of a controller that outlive each run.
pub(super) struct LoopVitals {
    pub queue: RunQueue,
    pub tally: RequestTally,
    pub asked: SourceTally,
    pub notifier: Notifier,
    pub pulse: Pulse,
}

impl Vitals for LoopVitals {
    fn is_alive(&self) -> Result<(), Duration> {
        self.pulse.is_alive()
    }

    fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    fn upstream(&self) -> UpstreamUse {
        self.tally.read()
    }

    fn source(&self) -> SourceUse {
        self.asked.read()
    }

    fn notifications(&self) -> BTreeMap<String, DeliveryNumbers> {
        self.notifier.numbers()
    }
}
