//! What a plan comes to, in numbers.

use crate::model::Method;
use crate::plan::bytes::Bytes;
use crate::plan::step::{Action, Plan};
use crate::plan::transport::Transport;

/// What a plan comes to, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// Schematics to register.
    pub register: usize,
    /// Files to download.
    pub fetch: usize,
    /// Bytes to download, as far as they are known.
    pub fetch_bytes: u64,
    /// Downloads of unknown size.
    pub fetch_unknown: usize,
    /// Some of the bytes to download are those of similar images.
    pub fetch_about: bool,
    /// Files to unpack from the cache.
    pub unpack: usize,
    /// Files to deliver.
    pub push: usize,
    /// Bytes to deliver, as far as they are known.
    pub push_bytes: u64,
    /// Deliveries of unknown size.
    pub push_unknown: usize,
    /// Some of the bytes to deliver are those of similar images.
    pub push_about: bool,
    /// Bytes that go from this machine over links, as far as they are known.
    pub link_bytes: u64,
    /// Deliveries over links of which that is not known.
    pub link_unknown: usize,
    /// Bytes that relays send on to their neighbours, as far as they are known.
    pub relay_bytes: u64,
    /// Files to read back.
    pub verify: usize,
    /// Bytes to read back.
    pub verify_bytes: u64,
    /// Files to remove.
    pub remove: usize,
    /// Bytes that removing frees.
    pub remove_bytes: u64,
}

impl PlanTotals {
    /// Counts a plan's steps.
    pub fn of(plan: &Plan) -> Self {
        let mut totals = Self::default();
        for step in &plan.steps {
            match &step.action {
                Action::Register { .. } => totals.register += 1,
                Action::Fetch { bytes, .. } => {
                    totals.fetch += 1;
                    totals.fetch_bytes += bytes.bytes().unwrap_or(0);
                    totals.fetch_unknown += usize::from(bytes.bytes().is_none());
                    totals.fetch_about |= bytes.is_about();
                }
                Action::Unpack { .. } => totals.unpack += 1,
                Action::Push {
                    bytes, transport, ..
                } => {
                    totals.push += 1;
                    totals.push_bytes += bytes.bytes().unwrap_or(0);
                    totals.push_unknown += usize::from(bytes.bytes().is_none());
                    totals.push_about |= bytes.is_about();
                    totals.add(transport);
                }
                Action::VerifyNode { bytes, .. } | Action::VerifyCache { bytes, .. } => {
                    totals.verify += 1;
                    totals.verify_bytes += bytes;
                }
                Action::PruneNode { .. }
                | Action::PruneCache { .. }
                | Action::ClearPartial { .. }
                | Action::ClearPart { .. } => {
                    totals.remove += 1;
                    totals.remove_bytes += step.action.removes().unwrap_or(0);
                }
            }
        }
        totals
    }

    fn add(&mut self, transport: &Transport) {
        match (&transport.method, &transport.via, transport.wire_bytes) {
            (Method::Copy, _, _) => {}
            (_, Some(_), bytes) => self.relay_bytes += bytes.unwrap_or(0),
            (_, None, Some(bytes)) => self.link_bytes += bytes,
            (_, None, None) => self.link_unknown += 1,
        }
    }

    /// What deliveries come to: the images, and where it is another number, what goes
    /// over links and within sites.
    pub(super) fn push_sizes(&self) -> String {
        let mut parts = Vec::new();
        let about = if self.push_about { "about " } else { "" };
        let mut add = |bytes: u64, unknown: usize, what: &str| {
            let more = if unknown > 0 { " and more" } else { "" };
            if bytes > 0 {
                parts.push(format!("{about}{}{more}{what}", Bytes(bytes)));
            }
        };
        add(self.push_bytes, self.push_unknown, "");
        let whole = (self.push_bytes, self.push_unknown) == (self.link_bytes, self.link_unknown);
        if !whole {
            add(self.link_bytes, self.link_unknown, " over links");
        }
        add(self.relay_bytes, 0, " sent on");
        match parts.is_empty() {
            true => String::new(),
            false => format!(" ({})", parts.join(", ")),
        }
    }
}
