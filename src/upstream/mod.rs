//! Where images come from: the Image Factory, and who knows the versions.
//!
//! [`Factory`] is the whole outside as a pass sees it; [`HttpFactory`] speaks to
//! the real one. Its hand-written twin for tests is [`fake::FakeFactory`].
//!
//! Three rules hold for everything in here. Credentials go to the origin they
//! belong to and to no other, whatever a redirect says, and never into a message.
//! Time is limited by silence, not by duration: an image may take minutes to be
//! built and hours to arrive. And what is already in a [`Sink`] is continued only
//! where the server proves that it is the same file.

#![expect(
    clippy::disallowed_methods,
    reason = "speaks HTTP and remembers what it heard"
)]

mod client;
mod config;
mod error;
mod factory;
pub mod fake;
mod known;
mod memory;
mod retry;
#[cfg(test)]
mod tests;
mod text;
mod transfer;
mod versions;

use std::collections::BTreeMap;
use std::future::Future;

use crate::io::Sink;
use crate::model::{SchematicId, Sha256};
use crate::plan::{Registration, VersionKnowledge};

pub use config::{Authorization, UpstreamConfig, VersionsFrom};
pub use error::UpstreamError;
pub use factory::HttpFactory;

/// Everything a pass asks of the outside, besides the nodes.
pub trait Factory: Send + Sync + 'static {
    /// The released versions from the first configured source that answers, or
    /// the last good list on disk with its age.
    fn versions(&self) -> impl Future<Output = VersionKnowledge> + Send;

    /// The size in bytes that the factory gives for an image, asked with HEAD
    /// within a short time; `None` where it does not say in that time.
    fn size(&self, url: &str) -> impl Future<Output = Option<u64>> + Send;

    /// The ids that the factory gave to schematics, by the computed ones, where
    /// the two are known to differ.
    fn known_ids(&self) -> BTreeMap<SchematicId, Registration>;

    /// Makes a schematic known; the id in the answer is the authority, and is
    /// remembered where it is not the computed one.
    fn register(
        &self,
        computed: SchematicId,
        document: &str,
    ) -> impl Future<Output = Result<SchematicId, UpstreamError>> + Send;

    /// The digest that the factory publishes for an image (`<url>.sha256`);
    /// `None` where it does not offer one (402, 404).
    fn checksum(
        &self,
        url: &str,
    ) -> impl Future<Output = Result<Option<Sha256>, UpstreamError>> + Send;

    /// Streams an image into a sink: retries, resumes and starts over as the
    /// server allows. Returns when every byte of the image is in the sink.
    fn download<S: Sink>(
        &self,
        url: &str,
        sink: &mut S,
    ) -> impl Future<Output = Result<Transferred, UpstreamError>> + Send;
}

/// How a download went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes that came over the wire in this call, repeats included.
    pub wire_bytes: u64,
    /// The entity tag of the answer, where there was one.
    pub etag: Option<String>,
    /// How many times the transfer was taken up again or started over.
    pub retries: u32,
}
