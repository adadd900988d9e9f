//! How the upstreams are asked, and how much they were.

use super::{App, Mode, places};
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

    /// The same program, which goes on counting where another left off.
    pub(crate) fn counting(self, tally: RequestTally) -> Self {
        Self { tally, ..self }
    }
}
