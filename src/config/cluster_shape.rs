//! A cluster as written in the configuration; see `file.rs` for the rest of it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// A cluster of Proxmox VE, reached through its API.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterShape {
    /// Its name; nodes say by it that they belong there (cluster: NAME).
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// The URLs of its nodes, in the order of preference, such as
    /// `https://pve-01.lan:8006`. One is enough; with more, one of them may be down.
    #[schemars(required)]
    pub endpoints: Option<At<Vec<At<String>>>>,
    /// The ID of the API token: USER@REALM!TOKENID.
    #[schemars(required)]
    pub token_id: Option<At<String>>,
    /// The environment variable that holds the secret of the token.
    pub token_env: Option<At<String>>,
    /// The file that holds the secret of the token.
    pub token_file: Option<At<String>>,
    /// A file with the certificates (PEM) of the authorities that are trusted, such as a
    /// copy of /etc/pve/pve-root-ca.pem. Default: the system's authorities
    pub ca_file: Option<At<String>>,
    /// The SHA-256 fingerprint of a certificate that is trusted, as `pvenode cert info`
    /// shows it; it changes when the certificate is renewed. The node that has it tells of
    /// those of the other nodes.
    pub fingerprint: Option<At<String>>,
    /// How images reach its nodes, where a node does not say: over ssh, or through the
    /// API (api). Default: ssh
    #[schemars(extend("enum" = crate::model::NodeTransport::ALL))]
    pub transport: Option<At<String>>,
    /// The cluster is asked for its nodes, so that orders can name them without a
    /// description under nodes. Default: true where nodes describes none of them
    pub discover: Option<bool>,
    /// The site of its nodes, where a node does not say, one of sites.
    pub site: Option<At<String>>,
    /// With transport: api, whether images are uploaded: never, where a node cannot load
    /// them from this machine (fallback), or always. Default: never
    #[schemars(extend("enum" = crate::model::UploadUse::ALL))]
    pub upload: Option<At<String>>,
    /// With transport: api, from where nodes load images: from this machine (controller),
    /// or from the Image Factory (factory). Default: controller
    #[schemars(extend("enum" = crate::model::LoadFrom::ALL))]
    pub load_from: Option<At<String>>,
    /// With transport: api, what raw images are stored as: qcow2, which leaves out their
    /// zeros, or raw. Default: qcow2
    #[schemars(extend("enum" = crate::model::ImportFormat::ALL))]
    pub import_format: Option<At<String>>,
}

/// Where nodes that are reached through the API load images from: this process.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileServerShape {
    /// The IP address to listen at. Default: the local address of the route to the cluster
    pub address: Option<At<String>>,
    /// The port to listen at; 0 for any. Default: 0
    pub port: Option<At<u16>>,
    /// The URL under which nodes reach it, where that is another, such as
    /// http://controller.lan:8080. Default: http://ADDRESS:PORT
    pub url: Option<At<String>>,
}
