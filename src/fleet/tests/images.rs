//! Claims, index entries and blobs, with a factory that only counts.

mod faults;
mod sharing;
mod waiting;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::disturbed::{DisturbedStore, StoreFault};
use crate::facts::{Meta, Provenance, Registration, VersionKnowledge};
use crate::fleet::{FleetKey, FleetUpstream, ShareSettings, SharedImages};
use crate::io::Meter;
use crate::io::flow::{Sink, Validator};
use crate::io::hash::Hasher;
use crate::model::{ArtifactId, ImageTrust, SchematicId, Sha256};
use crate::upstream::{
    ImageRequest, Located, ShareableImage, StoreRefusal, StoredImage, Transferred, Upstream,
    UpstreamError,
};

/// What the factory vouches for, and how often it was asked.
#[derive(Default)]
struct CountingFactory {
    vouched: Mutex<Option<Sha256>>,
    asked: AtomicUsize,
}

impl Upstream for CountingFactory {
    type Turn = ();

    async fn versions(&self) -> VersionKnowledge {
        VersionKnowledge::NotNeeded
    }

    fn seen_size(&self, _: &ArtifactId) -> Option<u64> {
        None
    }

    fn remember_size(&self, _: &ArtifactId, _: u64) {}

    fn known_ids(&self) -> BTreeMap<SchematicId, Registration> {
        BTreeMap::new()
    }

    async fn register(&self, id: SchematicId, _: &str) -> Result<SchematicId, UpstreamError> {
        Ok(id)
    }

    async fn checksum(&self, _: &str) -> Result<Option<Sha256>, UpstreamError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(*self.vouched.lock().unwrap())
    }

    async fn download<S: Sink>(&self, _: &str, _: &mut S) -> Result<Transferred, UpstreamError> {
        unreachable!("the tests download nothing from the factory")
    }

    async fn locate(
        &self,
        _: &ImageRequest,
        _: Option<crate::upstream::RefusedImage>,
    ) -> Located<()> {
        Located::Factory(())
    }
}

type Controller = FleetUpstream<CountingFactory>;

/// A file that everyone downloads, and the store.
struct Place {
    dir: TempDir,
    store: DisturbedStore,
    bytes: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("image"), &bytes).unwrap();
        Self {
            dir,
            store: DisturbedStore::default(),
            bytes,
        }
    }

    fn controller(&self, name: &str) -> Controller {
        self.controller_with(name, &self.store, ImageTrust::default())
    }

    fn controller_with(&self, name: &str, store: &DisturbedStore, trust: ImageTrust) -> Controller {
        let settings = ShareSettings::new(name.to_owned(), trust);
        let key = FleetKey::new(&[7; 32]);
        let shared = SharedImages::new(store.bucket(), key, settings);
        FleetUpstream::new(CountingFactory::default(), Some(shared))
    }

    fn sha256(&self) -> Sha256 {
        digest(&self.bytes)
    }

    /// What a controller has downloaded.
    fn downloaded(&self, vouched: Option<Sha256>) -> ShareableImage {
        let request = request();
        ShareableImage {
            meta: Meta {
                artifact: request.artifact,
                size: self.bytes.len() as u64,
                sha256: self.sha256(),
                data: None,
                url: request.url,
                unpacked_from: None,
                provenance: Provenance::FirstSeen,
                etag: None,
                completed_at: Timestamp::UNIX_EPOCH,
                mtime_ns: 0,
                last_wanted: Timestamp::UNIX_EPOCH,
                whole: None,
                refuted: Default::default(),
            },
            vouched,
            file: self.dir.path().join("image"),
        }
    }

    /// A controller downloads the image and shares it.
    async fn share(&self, controller: &Controller) {
        let Located::Factory(turn) = controller.locate(&request(), None).await else {
            panic!("it is shared already");
        };
        controller.share(turn, self.downloaded(None));
        settle(controller).await;
    }
}

fn digest(bytes: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish().sha256
}

fn request() -> ImageRequest {
    let artifact: ArtifactId = serde_json::from_value(serde_json::json!({
        "version": "v1.11.3", "platform": "nocloud", "arch": "amd64",
        "secureboot": false, "schematic": "ab".repeat(32), "format": "iso",
    }))
    .unwrap();
    ImageRequest {
        url: format!("https://factory.example.net/{}", artifact.factory_path()),
        artifact,
        pinned: None,
        meter: Arc::new(Meter::default()),
    }
}

async fn settle(controller: &Controller) {
    controller.settle(&CancellationToken::new()).await;
}

#[track_caller]
fn stored<T>(located: Located<T>) -> StoredImage {
    match located {
        Located::Stored(image) => image,
        Located::Factory(_) => panic!("the store does not have it"),
    }
}

#[track_caller]
fn at_factory<T>(located: Located<T>) -> T {
    match located {
        Located::Factory(turn) => turn,
        Located::Stored(image) => panic!("the store has it: {image:?}"),
    }
}

/// Keys of the store that begin so.
async fn keys(place: &Place, prefix: &str) -> Vec<String> {
    let listed = place.store.bucket().list(&prefix.parse().unwrap()).await;
    let keys = listed.unwrap().into_iter().map(|one| one.key.to_string());
    keys.collect()
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    validator: Option<Validator>,
    restarts: usize,
}

impl Sink for Kept {
    fn position(&self) -> (u64, Option<Validator>) {
        (self.bytes.len() as u64, self.validator.clone())
    }

    async fn restart(&mut self) -> io::Result<()> {
        self.restarts += 1;
        self.bytes.clear();
        self.validator = None;
        Ok(())
    }

    async fn expect(&mut self, _: Option<u64>, validator: Option<Validator>) -> io::Result<()> {
        self.validator = validator;
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

const SECOND: Duration = Duration::from_secs(1);
