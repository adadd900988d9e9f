//! How the upstreams are asked, and how much they and the repository of the orders were.

use std::sync::Arc;

use super::{App, Mode, places};
use crate::conclude::counters::RunCounters;
use crate::source::SourceTally;
use crate::upstream::{RequestTally, UpstreamConfig};

impl App {
    pub(super) fn upstream(&self) -> UpstreamConfig {
        let is_read_only = self.mode == Mode::ReadOnly;
        places::upstream(&self.settings, is_read_only, &self.tally)
    }

    /// Where requests to the upstreams are counted.
    pub(crate) fn tally(&self) -> &RequestTally {
        &self.tally
    }

    /// Where questions to the repository of the orders are counted.
    pub(crate) fn asked(&self) -> &SourceTally {
        &self.asked
    }

    /// Goes on from the numbers of earlier runs.
    pub(crate) fn count_on(&self, counters: &RunCounters) {
        self.tally.raise(&counters.requests);
        self.asked.raise(&counters.source);
    }

    /// True in a fleet if its store is another one than that of `other`.
    pub(crate) fn uses_another_store(&self, other: &Self) -> bool {
        let is_same = match (&self.settings.store, &other.settings.store) {
            (Some(own), Some(other)) => own.is_same_store(other),
            (own, other) => own.is_none() && other.is_none(),
        };
        self.settings.fleet.is_some() && !is_same
    }

    /// The same program, which counts where another did.
    pub(crate) fn counting_with(mut self, other: &Self) -> Self {
        // Nobody else has it yet.
        if let Some(git) = self.source.as_mut().and_then(Arc::get_mut) {
            git.count_in(other.asked.clone());
        }
        Self {
            tally: other.tally.clone(),
            asked: other.asked.clone(),
            // Sites that are new take effect with a restart.
            authorities: other.authorities.clone(),
            // In a fleet so does another store: who leads is settled at the start.
            site_reports: other.site_reports.clone(),
            ..self
        }
    }
}
