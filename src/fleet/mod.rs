//! What the controllers of a fleet share through a store.
//!
//! A single controller needs nothing of this room, and nothing here runs without a store.

#![expect(
    clippy::disallowed_methods,
    reason = "waits for other controllers, with jitter, by a clock of its own"
)]

mod leadership;

pub(crate) use leadership::{
    ControllerName, Leaderships, ShownStandings, SiteStanding, SiteStandings,
};
