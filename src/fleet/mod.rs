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
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use deliveries::{DeliveriesError, SharedDeliveries, SiteDeliveries};
#[cfg_attr(
    not(test),
    expect(unused_imports, reason = "no controller collects yet")
)]
pub(crate) use images::{
    CollectError, Collected, FleetWants, KeepTimes, StoreCollector, WantsDoubt,
};
pub(crate) use images::{FleetKey, FleetUpstream, ShareSettings, SharedImages};
pub(crate) use leadership::{
    ControllerName, Leaderships, ShownStandings, SiteStanding, SiteStandings,
};
