//! What a factory stub can be told before it starts.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::ArtifactId;

/// How a factory stub behaves.
#[derive(Debug, Clone)]
pub struct StubOptions {
    /// The address of both origins, 127.0.0.1 by default.
    pub address: Ipv4Addr,
    /// The port there; 0 takes a free one.
    pub port: u16,
    /// The versions that exist, as `/versions` lists them. Anything can be put in
    /// here, also what is not a version.
    pub versions: Vec<String>,
    /// What GitHub knows as tags; the same as `versions` where not given.
    pub tags: Option<Vec<String>>,
    /// Where images are sent from.
    pub redirect: Redirect,
    /// The size of an unpacked disk in bytes; an ISO has a 32nd of it. Images are
    /// held in memory.
    pub disk_bytes: u64,
    /// Images that are read from a file when they are first asked for, instead of
    /// being built.
    pub files: BTreeMap<ArtifactId, PathBuf>,
    /// Bytes per second and connection that images are sent with; `None` is as
    /// fast as it goes.
    pub rate: Option<u64>,
    /// How long building an image takes, which happens on the first HEAD or GET of it,
    /// or of its checksum where those are offered.
    pub build_time: Duration,
    /// Offers `.sha256` and `.sha512`, as an Enterprise factory does.
    pub checksums: bool,
    /// Signs images with this key for `.sigstore.json`: PKCS #8 in DER, ECDSA on the
    /// curve P-256.
    pub signing_key: Option<Vec<u8>>,
    /// The value of `Authorization` without which the factory answers 401.
    pub authorization: Option<String>,
    /// The owner that an Enterprise factory adds to every schematic, which gives
    /// it another id than the computed one.
    pub owner: Option<String>,
}

/// Where images are sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirect {
    /// From the factory: a plain stream, without entity tag and ranges.
    Never,
    /// From another path of the same server, with entity tag and ranges.
    SameOrigin,
    /// From another server, with entity tag and ranges.
    OtherOrigin,
}

/// A release history of the form that the real one has: two stable minors whose
/// patches go on in parallel, and pre-releases of the next.
const VERSIONS: [&str; 11] = [
    "v1.10.7",
    "v1.10.8",
    "v1.11.0",
    "v1.11.1",
    "v1.11.2",
    "v1.11.3",
    "v1.12.0",
    "v1.12.1",
    "v1.13.0-alpha.0",
    "v1.13.0-alpha.1",
    "v1.13.0-beta.0",
];

impl Default for StubOptions {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            port: 0,
            versions: VERSIONS.map(str::to_owned).to_vec(),
            tags: None,
            redirect: Redirect::OtherOrigin,
            disk_bytes: 8 << 20,
            files: BTreeMap::new(),
            rate: None,
            build_time: Duration::ZERO,
            checksums: false,
            signing_key: None,
            authorization: None,
            owner: None,
        }
    }
}
