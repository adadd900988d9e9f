//! The store of a fleet as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// A bucket of an S3-compatible server.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[schemars(rename = "Bucket")]
#[serde(deny_unknown_fields)]
pub(super) struct BucketShape {
    /// The bucket, with a prefix where it has other uses: s3://BUCKET/PREFIX
    #[schemars(required)]
    pub url: Option<At<String>>,
    /// The URL of the server, such as <https://s3.lan:8333>. Default: that of AWS for the
    /// region
    pub endpoint: Option<At<String>>,
    /// What the server calls its region. Default: us-east-1
    pub region: Option<At<String>>,
    /// The environment variable that holds the ID of the access key. Without any access
    /// key and without an endpoint, that of the machine is used, as AWS defines it
    pub access_key_id_env: Option<At<String>>,
    /// The file that holds the ID of the access key
    pub access_key_id_file: Option<At<String>>,
    /// The environment variable that holds the secret of the access key
    pub secret_access_key_env: Option<At<String>>,
    /// The file that holds the secret of the access key
    pub secret_access_key_file: Option<At<String>>,
    /// A file with the certificates (PEM) of authorities that are trusted besides the
    /// system's. Default: none
    pub ca_file: Option<At<String>>,
    /// The endpoint may be http:// beyond this machine: whoever is on the way reads and
    /// changes what is sent. Default: false
    pub insecure: Option<At<bool>>,
}

/// The bucket that the controllers of a fleet share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Store")]
#[serde(deny_unknown_fields)]
pub(super) struct StoreShape {
    /// The bucket, with a prefix where it has other uses: s3://BUCKET/PREFIX
    #[schemars(required)]
    pub url: Option<At<String>>,
    /// The URL of the server, such as <https://s3.lan:8333>. Default: that of AWS for the
    /// region
    pub endpoint: Option<At<String>>,
    /// What the server calls its region. Default: us-east-1
    pub region: Option<At<String>>,
    /// The environment variable that holds the ID of the access key. Without any access
    /// key and without an endpoint, that of the machine is used, as AWS defines it
    pub access_key_id_env: Option<At<String>>,
    /// The file that holds the ID of the access key
    pub access_key_id_file: Option<At<String>>,
    /// The environment variable that holds the secret of the access key
    pub secret_access_key_env: Option<At<String>>,
    /// The file that holds the secret of the access key
    pub secret_access_key_file: Option<At<String>>,
    /// A file with the certificates (PEM) of authorities that are trusted besides the
    /// system's. Default: none
    pub ca_file: Option<At<String>>,
    /// The endpoint may be http:// beyond this machine: whoever is on the way reads and
    /// changes what is sent. Default: false
    pub insecure: Option<At<bool>>,
    /// The file that holds the key of the fleet, at least 32 bytes, the same for all
    /// controllers. It authenticates what the store says of images
    pub key_file: Option<At<String>>,
    /// The environment variable that holds the key of the fleet
    pub key_env: Option<At<String>>,
    /// How long an image stays in the store after the last site stopped wanting it, or
    /// `never` to remove none. Default: 7d
    pub keep: Option<At<String>>,
}

impl StoreShape {
    /// What it says of the bucket.
    pub(super) fn bucket(&self) -> BucketShape {
        BucketShape {
            url: self.url.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key_id_env: self.access_key_id_env.clone(),
            access_key_id_file: self.access_key_id_file.clone(),
            secret_access_key_env: self.secret_access_key_env.clone(),
            secret_access_key_file: self.secret_access_key_file.clone(),
            ca_file: self.ca_file.clone(),
            insecure: self.insecure.clone(),
        }
    }
}
