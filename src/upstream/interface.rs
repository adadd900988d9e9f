//! What a run asks of the upstreams, whoever answers.

use std::collections::BTreeMap;
use std::future::Future;

use crate::facts::{Registration, VersionKnowledge};
use crate::io::flow::Sink;
use crate::model::{ArtifactId, SchematicId, Sha256};

use super::error::UpstreamError;

/// Everything a run asks of the outside, besides the nodes.
pub(crate) trait Upstream: Send + Sync + 'static {
    /// The released versions from the first configured source that answers, or
    /// the last good list on disk with its age.
    fn versions(&self) -> impl Future<Output = VersionKnowledge> + Send;

    /// The size in bytes that a similar image had (of the same version, platform,
    /// architecture and format, whatever its schematic), as far as one was fetched.
    /// Nobody is asked.
    fn seen_size(&self, artifact: &ArtifactId) -> Option<u64>;

    /// Remembers the size of an image that was fetched, or unpacked from one.
    fn remember_size(&self, artifact: &ArtifactId, bytes: u64);

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

    /// The digest that the factory vouches for: published (`<url>.sha256`) or signed
    /// (`<url>.sigstore.json`), as the configuration says; `None` where none is offered
    /// (402, 404) and none is demanded. To be asked as a part of the image's own fetch,
    /// since the image may be built for it.
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
pub(crate) struct Transferred {
    /// Bytes that came over the wire in this call, repeats included.
    pub wire_bytes: u64,
    /// The entity tag of the answer, where there was one.
    pub etag: Option<String>,
    /// How many times the transfer was resumed or started over.
    pub retries: u32,
}
