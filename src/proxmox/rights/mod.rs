//! Privileges: which are needed, which are missing, and the commands that grant them.
//! Everything here is a function of its input.
//!
//! A token with separated privileges has what both the user and the token were given,
//! so each entry is made for both.

mod granted;
mod needed;
mod setup;
#[cfg(test)]
mod tests;

pub use granted::{Granted, MissingRight};
pub use needed::{DeliveryWay, FetchRight, Need, NeededRights, StorageNeed, TemplateNeed};
pub use setup::{PveRole, PveSetup, role_of};
