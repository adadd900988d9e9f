//! `object_store`, as the settings say.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, RetryConfig};

use super::clock::ServerClock;
use super::wire::Wire;
use super::{BucketAnswer, BucketError, BucketSettings};

/// Reading may be repeated: so often, for so long altogether.
const READ_RETRIES: usize = 3;
const READ_PATIENCE: Duration = Duration::from_secs(20);

/// How long the server may be silent about something small. A leader has to have time for a
/// second request before it must not lead any more.
const SMALL_IDLE: Duration = Duration::from_secs(7);

/// The clients of one server, which share their connections and count their requests
/// together.
pub(super) struct BucketClients {
    /// Repeats what fails on the way.
    pub patient: Arc<dyn ObjectStore>,
    /// Sends each request once.
    pub once: Arc<dyn ObjectStore>,
    /// For images: is patient, and waits as long as the settings say.
    pub heavy: Arc<dyn ObjectStore>,
}

impl BucketClients {
    pub(super) fn new(
        settings: &BucketSettings,
        requests: Arc<AtomicU64>,
        clock: ServerClock,
    ) -> Result<Self, BucketError> {
        let unusable = |error: &(dyn std::error::Error + 'static)| BucketError::Unusable {
            name: settings.name(),
            source: BucketAnswer::of(error),
        };
        let wire = Wire::new(settings, requests, clock).map_err(|error| unusable(&error))?;
        let client = |retries, idle| -> Result<Arc<dyn ObjectStore>, BucketError> {
            let built = builder(settings, retries).with_http_connector(wire.waiting(idle));
            Ok(Arc::new(built.build().map_err(|error| unusable(&error))?))
        };
        let idle = settings.idle.min(SMALL_IDLE);
        Ok(Self {
            patient: client(READ_RETRIES, idle)?,
            once: client(0, idle)?,
            heavy: client(READ_RETRIES, settings.idle)?,
        })
    }
}

fn builder(settings: &BucketSettings, retries: usize) -> AmazonS3Builder {
    let retry = RetryConfig {
        max_retries: retries,
        retry_timeout: READ_PATIENCE,
        ..RetryConfig::default()
    };
    let builder = match &settings.credentials {
        Some(credentials) => credentials.give(AmazonS3Builder::new()),
        None => AmazonS3Builder::from_env(),
    };
    let builder = builder
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        // The request for several at once is none that every server knows.
        .with_disable_bulk_delete(true)
        .with_retry(retry);
    match &settings.endpoint {
        // Servers beside AWS have one name, and no bucket in it.
        Some(endpoint) => builder
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_allow_http(settings.is_plain())
            .with_virtual_hosted_style_request(false),
        None => builder,
    }
}
