//! The store of a fleet as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

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
}
