//! What a client of the upstreams is told: plain values.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::tally::RequestTally;
use crate::model::{Credentials, ImageTrust, ListSource};

/// Everything that [`HttpFactory`](super::HttpFactory) needs to know.
///
/// The configuration's settings are mapped to this where the program is put
/// together, so that this room does not import the configuration.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamConfig {
    /// The factory's base URL, with a trailing slash.
    pub factory: Url,
    /// How requests to the factory are authorised.
    pub authorization: Credentials,
    /// Certificates that are trusted besides the system's.
    pub ca: Option<CaFile>,
    /// What has to vouch for an image.
    pub verify: ImageTrust,
    /// The base URL of GitHub's API, with a trailing slash.
    pub github: Url,
    /// A token for GitHub, which raises the rate limit.
    pub github_token: Option<SecretString>,
    /// Who is asked for versions, in this order.
    pub versions: Vec<ListSource>,
    /// Where the last good lists of versions are kept; made when it is needed.
    pub state_dir: PathBuf,
    /// Nothing is written to disk.
    pub read_only: bool,
    /// How long to wait for a connection.
    pub connect: Duration,
    /// How long to wait for the first byte of an image, which may have to be built.
    pub first_byte: Duration,
    /// How long a transfer may make no progress.
    pub idle: Duration,
    /// Bytes per second that an image comes with at least, on average over
    /// [`rate_window`](Self::rate_window); 0 for no such limit.
    pub least_rate: u64,
    /// The time over which the rate is measured.
    pub rate_window: Duration,
    /// How many images may be waited for at once until their first byte comes: what
    /// the factory has to build at once.
    pub builds: usize,
    /// How many times a request is tried again before it fails; for a download:
    /// how many times in a row without progress.
    pub retries: u32,
    /// How long to wait before the first retry; doubles with each.
    pub backoff: Duration,
    /// Where requests are counted.
    pub tally: RequestTally,
}

/// Certificates of authorities, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaFile {
    /// The file that they are from, for messages.
    pub path: PathBuf,
    pub pem: Vec<u8>,
}

#[cfg(test)]
impl UpstreamConfig {
    /// A configuration with the usual limits: the factory first, GitHub second.
    pub(crate) fn new(factory: Url, github: Url, state_dir: PathBuf) -> Self {
        Self {
            factory,
            authorization: Credentials::None,
            ca: None,
            verify: ImageTrust::default(),
            github,
            github_token: None,
            versions: vec![ListSource::Factory, ListSource::Github],
            state_dir,
            read_only: false,
            connect: Duration::from_secs(10),
            // Building an image that nobody asked for before takes minutes.
            first_byte: Duration::from_secs(600),
            idle: Duration::from_secs(60),
            least_rate: 10 << 10,
            rate_window: Duration::from_secs(60),
            builds: 2,
            retries: 5,
            backoff: Duration::from_secs(1),
            tally: RequestTally::default(),
        }
    }
}
