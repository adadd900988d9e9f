//! What the controllers of a fleet share through a store.
//!
//! A single controller needs nothing of this room, and nothing here runs without a store.
//! The store only ever saves work: whoever cannot reach it does that work itself.

#![expect(
    clippy::disallowed_methods,
    reason = "waits for other controllers, with jitter, by a clock of its own"
)]

mod deliveries;
mod images;
mod layout;
mod leadership;
mod seal;
mod sites;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use deliveries::{SharedDeliveries, SiteDeliveries};
pub(crate) use images::{
    CollectError, Collected, FleetUpstream, FleetWants, KeepTimes, ShareSettings, SharedImages,
    StoreCollector, WantsDoubt, index_name,
};
pub(crate) use leadership::{
    ControllerName, KeeperAnswer, Leaderships, LedEpochs, OutrankedSites, ShownStandings,
    SiteStanding, SiteStandings,
};
pub(crate) use seal::FleetKey;
pub(crate) use sites::{
    FleetError, InvalidInstruction, Publication, RENEWED, RolloutNews, SiteReports,
};
