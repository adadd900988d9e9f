//! Links as slow as real ones: the factory, the controller and the nodes in network
//! namespaces of their own, joined by bridges, with a token bucket in each direction
//! of each link.

mod network;
mod profile;
mod rate;
mod space;

pub use network::{Network, clear_leftovers};
pub use profile::Profile;
pub use rate::{Reached, verify};
