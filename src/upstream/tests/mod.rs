//! The client against the factory stub: real connections that go wrong on purpose.

mod credentials;
mod download;
mod pace;
mod requests;
mod resumed;
mod signatures;
mod tls;
mod versions;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::factory_stub::{FactoryStub, Redirect, StubFault, StubOptions, StubRequest};
use crate::facts::VersionKnowledge;
use crate::io::flow::{Sink, Validator};
use crate::model::{Credentials, ImageTrust, ListSource, SchematicId, Sha256};

/// A computed id, where it does not matter which.
const ANY: SchematicId = SchematicId::from_bytes([0; 32]);

/// The last parts of URLs of images.
const ISO: &str = "nocloud-amd64.iso";
const XZ: &str = "nocloud-amd64.raw.xz";

/// The id of the schematic that every factory knows.
const EMPTY: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";

/// A factory stub, a client of it, and a directory for the client's memory.
struct World {
    stub: FactoryStub,
    config: UpstreamConfig,
    dir: TempDir,
}

impl World {
    async fn redirecting(redirect: Redirect) -> Self {
        Self::new(StubOptions {
            redirect,
            ..StubOptions::default()
        })
        .await
    }

    async fn new(options: StubOptions) -> Self {
        let stub = FactoryStub::start(options).await.unwrap();
        let dir = TempDir::new().unwrap();
        let url = Url::parse(&stub.url()).unwrap();
        let config = UpstreamConfig {
            first_byte: Duration::from_secs(20),
            idle: Duration::from_secs(10),
            retries: 3,
            backoff: Duration::from_millis(10),
            ..UpstreamConfig::new(url.clone(), url, dir.path().join("state"))
        };
        Self { stub, config, dir }
    }

    fn client(&self) -> HttpFactory {
        HttpFactory::new(&self.config).unwrap()
    }

    fn image(&self, file: &str) -> String {
        format!("{}image/{EMPTY}/v1.11.3/{file}", self.stub.url())
    }

    /// The requests for images, in the form `METHOD origin status range`.
    fn story(&self) -> Vec<String> {
        let line = |request: StubRequest| {
            format!(
                "{} {} {}{}",
                request.method,
                if request.path.starts_with("/blob/") {
                    "blob"
                } else {
                    "image"
                },
                request.status,
                request
                    .header("range")
                    .map(|range| format!(" {range}"))
                    .unwrap_or_default()
            )
        };
        self.stub.requests().into_iter().map(line).collect()
    }
}

use url::Url;

/// A sink in memory that keeps to the contract and counts.
#[derive(Debug, Default)]
struct MemorySink {
    bytes: Vec<u8>,
    validator: Option<Validator>,
    total: Option<u64>,
    restarts: u32,
    /// Fails when it is to hold more than this.
    room: Option<usize>,
}

impl Sink for MemorySink {
    fn position(&self) -> (u64, Option<Validator>) {
        (self.bytes.len() as u64, self.validator.clone())
    }

    async fn restart(&mut self) -> io::Result<()> {
        self.bytes.clear();
        self.validator = None;
        self.restarts += 1;
        Ok(())
    }

    async fn expect(&mut self, total: Option<u64>, validator: Option<Validator>) -> io::Result<()> {
        self.total = total;
        self.validator = validator;
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        if self
            .room
            .is_some_and(|room| self.bytes.len() + bytes.len() > room)
        {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}

/// The bytes that the factory stub serves for a file, made without it.
fn built(file: &str, generation: u64) -> Vec<u8> {
    let artifact = crate::factory_stub::image::parse(
        EMPTY.parse().unwrap(),
        &"v1.11.3".parse().unwrap(),
        file,
    );
    let size = StubOptions::default().disk_bytes;
    crate::factory_stub::image::build(&artifact.unwrap(), size, generation).unwrap()
}
