//! Whole downloads of several controllers: caches on disks, a factory over HTTP, and a store.

use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::*;
use crate::factory_stub::{FactoryStub, StubFault, StubOptions, image};
use crate::facts::{Meta, Provenance};
use crate::fleet::tests::disturbed::{DisturbedStore, StoreFault};
use crate::fleet::{FleetKey, FleetUpstream, ShareSettings, SharedImages};
use crate::model::{ArtifactId, Format, ImageTrust, Sha256};
use crate::upstream::{HttpFactory, UpstreamConfig};

/// The id of the schematic that every factory knows.
const EMPTY: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";

struct Controller {
    factory: Arc<FleetUpstream<HttpFactory>>,
    cache: Arc<Cache>,
    _dir: TempDir,
}

fn controller(stub: &FactoryStub, store: &DisturbedStore) -> Controller {
    let dir = TempDir::new().unwrap();
    let url = Url::parse(&stub.url()).unwrap();
    let config = UpstreamConfig {
        retries: 0,
        ..UpstreamConfig::new(url.clone(), url, dir.path().join("state"))
    };
    let settings = ShareSettings {
        ttl: Duration::from_secs(3),
        poll: (Duration::from_millis(5), Duration::from_millis(10)),
        ..ShareSettings::new("one".to_owned(), ImageTrust::Offered)
    };
    let shared = SharedImages::new(store.bucket(), FleetKey::new(&[1; 32]), settings);
    let factory = HttpFactory::new(&config).unwrap();
    Controller {
        factory: Arc::new(FleetUpstream::new(factory, Some(shared))),
        cache: Arc::new(Cache::new(dir.path().join("cache"))),
        _dir: dir,
    }
}

fn artifact(format: Format) -> ArtifactId {
    let file = format!("nocloud-amd64.{format}");
    let version = "v1.11.3".parse().unwrap();
    image::parse(EMPTY.parse().unwrap(), &version, &file).unwrap()
}

impl Controller {
    /// Downloads a disk, packed, and unpacks it on the way.
    async fn fetch(&self, stub: &FactoryStub) -> Result<(Meta, Meta), Failure> {
        let download = artifact(Format::RawXz);
        let receive = Receive {
            url: format!("{}{}", stub.url(), download.factory_path()),
            download,
            file: "a.raw.xz".parse().unwrap(),
            unpack: Some((artifact(Format::Raw), "a.raw".parse().unwrap())),
            pinned: None,
            upstream: None,
            stored: None,
            meter: Arc::default(),
            growing: GrowingImage::default(),
        };
        let (factory, cache) = (Arc::clone(&self.factory), Arc::clone(&self.cache));
        let fact = super::download(factory, cache, receive, Timestamp::UNIX_EPOCH).await?;
        match fact {
            Fact::Fetched {
                download,
                unpacked: Some(unpacked),
                ..
            } => Ok((*download, *unpacked)),
            other => panic!("{other:?}"),
        }
    }

    async fn settle(&self) {
        self.factory.settle(&CancellationToken::new()).await;
    }
}

/// How often the bytes of the image were asked for.
fn downloads(stub: &FactoryStub) -> usize {
    let requests = stub.requests();
    let bodies = requests.iter();
    bodies
        .filter(|request| request.method == "GET" && request.path.starts_with("/blob/"))
        .count()
}

fn truth(format: Format) -> Sha256 {
    let bytes = image::build(&artifact(format), StubOptions::default().disk_bytes, 0).unwrap();
    let mut hasher = crate::io::hash::Hasher::default();
    hasher.update(&bytes);
    hasher.finish().sha256
}

#[tokio::test]
async fn controllers_that_begin_at_once_ask_the_factory_once() {
    let options = StubOptions {
        checksums: true,
        ..StubOptions::default()
    };
    let stub = FactoryStub::start(options).await.unwrap();
    let store = DisturbedStore::default();
    let all: Vec<_> = (0..4).map(|_| controller(&stub, &store)).collect();
    let fetched = all.iter().map(async |one| {
        let fetched = one.fetch(&stub).await;
        one.settle().await;
        fetched
    });
    for fetched in futures_util::future::join_all(fetched).await {
        let (download, unpacked) = fetched.unwrap();
        assert_eq!(download.sha256, truth(Format::RawXz));
        assert_eq!(unpacked.sha256, truth(Format::Raw));
        // What the factory said to one of them counts for all.
        assert_eq!(download.provenance, Provenance::Upstream);
    }
    assert_eq!(downloads(&stub), 1);
    let checksums = stub.requests();
    let checksums = checksums.iter();
    let checksums = checksums.filter(|request| request.path.ends_with(".sha256"));
    assert_eq!(checksums.count(), 1);
}

#[tokio::test]
async fn wrong_bytes_of_the_store_come_from_the_factory_in_the_same_step() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    let store = DisturbedStore::default();
    let [left, right, third] = [(); 3].map(|()| controller(&stub, &store));
    left.fetch(&stub).await.unwrap();
    left.settle().await;
    for (at, downloaded) in [(0, 2), (100_000, 3), (usize::MAX, 4)] {
        store.inject("get", "v1/blobs", StoreFault::Changes(at), 1);
        let (download, unpacked) = right.fetch(&stub).await.unwrap();
        right.settle().await;
        assert_eq!(download.sha256, truth(Format::RawXz), "{at}");
        assert_eq!(unpacked.sha256, truth(Format::Raw), "{at}");
        assert_eq!(downloads(&stub), downloaded, "{at}");
        // Whoever found it has replaced it.
        third.fetch(&stub).await.unwrap();
        assert_eq!(downloads(&stub), downloaded, "{at}");
    }
}

#[tokio::test]
async fn a_store_that_breaks_off_leaves_the_rest_to_the_factory() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    let store = DisturbedStore::default();
    let [left, right] = [(); 2].map(|()| controller(&stub, &store));
    left.fetch(&stub).await.unwrap();
    left.settle().await;
    store.inject("get", "v1/blobs", StoreFault::Cuts(70_000), 1);
    store.inject("get", "v1/blobs", StoreFault::Fails, usize::MAX);
    let (download, _) = right.fetch(&stub).await.unwrap();
    assert_eq!(download.sha256, truth(Format::RawXz));
    // Bytes of the store are never the beginning of a file of the factory.
    let ranges = stub.requests();
    assert!(
        ranges
            .iter()
            .all(|request| request.header("range").is_none())
    );
}

#[tokio::test]
async fn a_download_that_the_factory_refuses_is_left_to_others() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    let store = DisturbedStore::default();
    let [left, right] = [(); 2].map(|()| controller(&stub, &store));
    stub.inject("GET /blob/", StubFault::Page(500));
    let (one, other) = tokio::join!(left.fetch(&stub), right.fetch(&stub));
    let failed = [&one, &other].into_iter().filter(|end| end.is_err());
    assert_eq!(failed.count(), 1, "{one:?} {other:?}");
}
