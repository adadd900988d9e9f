//! One download for the fleet: images come from the cache, then from the store, then from the
//! factory, and whoever downloads one from there shares it.
//!
//! ```text
//! index entry?  --yes-->  blob, verified like any download
//!      | no
//! claim free?   --no--->  wait until it is gone, or its holder is
//!      | yes
//! factory -> cache -> blob -> index entry -> claim removed
//! ```
//!
//! The store is not trusted. What an index entry says is authenticated with the key of the
//! fleet, and a blob counts only when its bytes have the digest of the entry. A claim decides
//! who works and never what is right: where it fails, an image is downloaded twice.

mod blob;
mod claim;
mod collect;
mod entry;
mod interface;
mod keys;
mod seek;
mod share;
mod shared;
mod trouble;
mod unwanted;
mod wants;
mod watch;

pub(crate) use collect::{CollectError, Collected, StoreCollector};
pub(crate) use interface::FleetUpstream;
pub(crate) use keys::index_name;
pub(crate) use shared::{ShareSettings, SharedImages};
pub(crate) use unwanted::KeepTimes;
pub(crate) use wants::{FleetWants, WantsDoubt};
#[cfg(test)]
pub(in crate::fleet) use watch::ClaimWatch;
