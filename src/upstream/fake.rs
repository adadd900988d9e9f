//! A factory in memory, for tests of whatever stands above this room.
//!
//! It keeps the contract of [`Factory`] without a network: what it is given it
//! serves, what it is told to fail at it fails at, and it remembers what it was
//! asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use sha2::Digest;

use super::{Factory, Transferred, UpstreamError};
use crate::facts::{Registration, VersionKnowledge, VersionSource};
use crate::io::flow::{Sink, Validator};
use crate::model::{ArtifactId, SchematicId, Sha256};

/// Bytes that are handed to a sink at once.
const PIECE: usize = 64 << 10;

/// What was asked of a [`FakeFactory`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// The versions.
    Versions,
    /// A schematic, by its document.
    Register(String),
    /// The digest of the image at a URL.
    Checksum(String),
    /// The image at a URL.
    Download(String),
}

/// A factory in memory.
#[derive(Debug, Default)]
pub struct FakeFactory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    versions: VersionKnowledge,
    images: BTreeMap<String, Bytes>,
    checksums: BTreeMap<String, Sha256>,
    ids: BTreeMap<String, SchematicId>,
    known: BTreeMap<SchematicId, Registration>,
    sizes: BTreeMap<String, u64>,
    failures: VecDeque<(String, Failure)>,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Failure {
    /// Bytes of the image that are written before it.
    after: usize,
    error: UpstreamError,
}

impl FakeFactory {
    /// A factory that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows these versions, as of the given time.
    ///
    /// # Panics
    /// If one of them is not a version: tests write them as literals.
    #[must_use]
    pub fn with_versions(self, versions: &[&str], fetched_at: Timestamp) -> Self {
        let parse = |text: &&str| text.parse().expect("a test names versions that exist");
        self.with_knowledge(VersionKnowledge::Known {
            versions: versions.iter().map(parse).collect(),
            source: VersionSource::Factory,
            fetched_at,
            failures: Vec::new(),
        })
    }

    /// Knows of versions what is given here.
    #[must_use]
    pub fn with_knowledge(self, versions: VersionKnowledge) -> Self {
        self.lock().versions = versions;
        self
    }

    /// Serves an image.
    #[must_use]
    pub fn with_image(self, url: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        self.set_image(url, bytes);
        self
    }

    /// Offers a checksum for an image, right or wrong.
    #[must_use]
    pub fn with_checksum(self, url: impl Into<String>, digest: Sha256) -> Self {
        self.lock().checksums.insert(url.into(), digest);
        self
    }

    /// Answers a document with this id instead of its own SHA-256.
    #[must_use]
    pub fn with_id(self, document: impl Into<String>, id: SchematicId) -> Self {
        self.lock().ids.insert(document.into(), id);
        self
    }

    /// Serves other bytes for an image from now on.
    pub fn set_image(&self, url: impl Into<String>, bytes: impl Into<Bytes>) {
        self.lock().images.insert(url.into(), bytes.into());
    }

    /// Fails the next registration, checksum or download whose document or URL
    /// contains a text.
    pub fn fail(&self, what: impl Into<String>, error: UpstreamError) {
        self.fail_after(what, 0, error);
    }

    /// Fails the next download of a URL that contains a text, after some bytes.
    pub fn fail_after(&self, what: impl Into<String>, bytes: usize, error: UpstreamError) {
        let failure = Failure {
            after: bytes,
            error,
        };
        self.lock().failures.push_back((what.into(), failure));
    }

    /// What was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Notes a call; gives the failure that is meant for it.
    fn called(&self, call: Call) -> Option<Failure> {
        let mut state = self.lock();
        let index = match &call {
            Call::Versions => None,
            Call::Register(what) | Call::Checksum(what) | Call::Download(what) => state
                .failures
                .iter()
                .position(|(text, _)| what.contains(text.as_str())),
        };
        state.calls.push(call);
        index
            .and_then(|index| state.failures.remove(index))
            .map(|(_, failure)| failure)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(method: &'static str, url: &str) -> UpstreamError {
    UpstreamError::Status {
        method,
        url: url.to_owned(),
        status: 404,
        text: Some("not found".into()),
        retry_after: None,
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

impl Factory for FakeFactory {
    async fn versions(&self) -> VersionKnowledge {
        self.called(Call::Versions);
        self.lock().versions.clone()
    }

    fn seen_size(&self, artifact: &ArtifactId) -> Option<u64> {
        let kind = format!("{}/{}", artifact.version, artifact.factory_file());
        self.lock().sizes.get(&kind).copied()
    }

    fn remember_size(&self, artifact: &ArtifactId, bytes: u64) {
        let kind = format!("{}/{}", artifact.version, artifact.factory_file());
        self.lock().sizes.insert(kind, bytes);
    }

    fn known_ids(&self) -> BTreeMap<SchematicId, Registration> {
        self.lock().known.clone()
    }

    async fn register(
        &self,
        computed: SchematicId,
        document: &str,
    ) -> Result<SchematicId, UpstreamError> {
        if let Some(failure) = self.called(Call::Register(document.to_owned())) {
            return Err(failure.error);
        }
        let own = SchematicId::from_bytes(sha256(document.as_bytes()));
        let mut state = self.lock();
        let id = state.ids.get(document).copied().unwrap_or(own);
        if id != computed {
            state.known.insert(computed, Registration { id });
        }
        Ok(id)
    }

    async fn checksum(&self, url: &str) -> Result<Option<Sha256>, UpstreamError> {
        match self.called(Call::Checksum(url.to_owned())) {
            Some(failure) => Err(failure.error),
            None => Ok(self.lock().checksums.get(url).copied()),
        }
    }

    async fn download<S: Sink>(
        &self,
        url: &str,
        sink: &mut S,
    ) -> Result<Transferred, UpstreamError> {
        let failure = self.called(Call::Download(url.to_owned()));
        let image = self.lock().images.get(url).cloned();
        let (image, failure) = match (image, failure) {
            (_, Some(Failure { after: 0, error })) => return Err(error),
            (None, _) => return Err(not_found("GET", url)),
            (Some(image), failure) => (image, failure),
        };
        let put = |source| UpstreamError::Sink {
            url: url.to_owned(),
            source,
        };
        let etag = format!("\"{}\"", Sha256::from_bytes(sha256(&image)));
        let validator = Validator {
            value: etag.clone(),
            total: Some(image.len() as u64),
        };
        let have = match sink.position() {
            (0, _) => 0,
            (have, Some(known)) if known == validator && have <= image.len() as u64 => {
                have as usize
            }
            _ => {
                sink.restart().await.map_err(put)?;
                0
            }
        };
        sink.expect(validator.total, Some(validator))
            .await
            .map_err(put)?;
        let end = failure.as_ref().map_or(image.len(), |failure| {
            (have + failure.after).min(image.len())
        });
        let mut rest = image.slice(have..end);
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE));
            sink.write(piece).await.map_err(put)?;
        }
        match failure {
            Some(failure) => Err(failure.error),
            None => Ok(Transferred {
                wire_bytes: (end - have) as u64,
                etag: Some(etag),
                retries: 0,
            }),
        }
    }
}
