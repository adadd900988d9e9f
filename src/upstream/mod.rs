//! Where images come from: the Image Factory, and who knows the versions.
//!
//! [`Upstream`] is all that a run asks for; [`HttpFactory`] is the one that asks over
//! HTTP. Tests let it ask the `factory_stub`.
//!
//! These rules hold for everything in here. Credentials go to the origin they
//! belong to and to no other, whatever a redirect says, and never into a message.
//! A small answer has a limit of time and of bytes for the whole of it; an image may
//! take minutes to be built and hours to arrive, but it has to come with a least
//! rate. What is already in a sink is continued only where the server proves that
//! it is the same file. And an image is asked for by its own fetch only: the factory
//! builds it on HEAD as on GET.

#![expect(
    clippy::disallowed_methods,
    reason = "sends HTTP requests and keeps what is remembered of the answers"
)]

mod client;
mod config;
mod download;
mod endpoint;
mod error;
mod factory;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod interface;
mod known;
mod lists;
mod memory;
mod range;
mod rate;
mod retry;
mod signature;
mod sizes;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod trust;
mod versions;

pub(crate) use config::{CaFile, UpstreamConfig};
pub(crate) use error::UpstreamError;
pub(crate) use factory::HttpFactory;
pub(crate) use interface::{
    ImageRequest, Located, RefusedImage, ShareableImage, StoreRefusal, StoredImage, Transferred,
    Upstream,
};
pub(crate) use memory::remembered_versions;
pub(crate) use rate::Rate;
pub(crate) use tally::RequestTally;
