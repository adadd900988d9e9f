//! Which bucket, and how it is reached.

use std::fmt;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// Which bucket, and how it is reached.
#[derive(Debug, Clone)]
pub struct BucketSettings {
    /// Its name.
    pub bucket: String,
    /// Stands in front of every key: empty, or words that end in a slash.
    pub prefix: String,
    /// The server; `None` for AWS.
    pub endpoint: Option<Url>,
    /// What the server calls its region.
    pub region: String,
    /// Who asks; `None` for whom the environment of AWS names.
    pub credentials: Option<BucketCredentials>,
    /// Certificates of authorities to believe beside those of the system, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long the server may be silent.
    pub idle: Duration,
}

/// Who asks.
#[derive(Clone)]
pub struct BucketCredentials {
    /// The name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: SecretString,
}

impl BucketSettings {
    /// The URL of the bucket with its prefix, for people.
    pub fn name(&self) -> String {
        let url = format!("s3://{}/{}", self.bucket, self.prefix);
        url.trim_end_matches('/').to_owned()
    }

    /// True if these are the same objects, and they are asked for in the same way. For how
    /// long is left out.
    pub(crate) fn is_same_store(&self, other: &Self) -> bool {
        let Self {
            bucket,
            prefix,
            endpoint,
            region,
            credentials,
            authorities,
            connect: _,
            idle: _,
        } = self;
        let is_same_login = match (credentials, &other.credentials) {
            (Some(own), Some(other)) => own.is_same(other),
            (own, other) => own.is_none() && other.is_none(),
        };
        is_same_login
            && (bucket, prefix, endpoint) == (&other.bucket, &other.prefix, &other.endpoint)
            && (region, authorities) == (&other.region, &other.authorities)
    }

    /// True where the server is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.endpoint.as_ref().and_then(Url::host);
        match host {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// True where the connection is not encrypted.
    pub(super) fn is_plain(&self) -> bool {
        let endpoint = self.endpoint.as_ref();
        endpoint.is_some_and(|endpoint| endpoint.scheme() == "http")
    }
}

impl BucketCredentials {
    fn is_same(&self, other: &Self) -> bool {
        let secret = |one: &Self| one.secret_access_key.expose_secret().to_owned();
        self.access_key_id == other.access_key_id && secret(self) == secret(other)
    }

    pub(super) fn give(&self, builder: AmazonS3Builder) -> AmazonS3Builder {
        builder
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(self.secret_access_key.expose_secret())
    }
}

impl fmt::Debug for BucketCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketCredentials({}, ..)", self.access_key_id)
    }
}
