//! As written: where the orders are.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// Where the orders are: a path of this machine, or a git repository.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Orders", extend("oneOf" = [{"required": ["path"]}, {"required": ["git"]}]))]
#[serde(deny_unknown_fields)]
pub(super) struct OrdersShape {
    /// A file, or a directory of *.yaml and *.yml files.
    pub path: Option<At<String>>,
    /// A repository that talos-order fetches the orders from.
    pub git: Option<At<GitShape>>,
}

/// A git repository with orders.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Git")]
#[serde(deny_unknown_fields)]
pub(super) struct GitShape {
    /// The address of the repository, by https, http, ssh or a path: without a login.
    #[schemars(required)]
    pub url: Option<At<String>>,
    /// The branch that is followed. Of branch, tag and semver one is given. Default: main
    pub branch: Option<At<String>>,
    /// The tag that is used.
    pub tag: Option<At<String>>,
    /// The range of versions of which the highest tag is used, such as 1.x.
    pub semver: Option<At<String>>,
    /// The file or directory with the orders in the repository. Default: all of it
    pub path: Option<At<String>>,
    /// How often the remote is asked whether there is something new, at least 5s. Default: 1m
    pub interval: Option<At<String>>,
    /// How long one request to the remote may take, 1s to 1h. Default: 1m
    pub timeout: Option<At<String>>,
    /// How the server knows who asks.
    pub auth: Option<At<GitAuthShape>>,
    /// What has to vouch for a commit.
    pub verify: Option<At<GitVerifyShape>>,
    /// A branch that was rewound or force-pushed, and a tag that was moved, are followed
    /// instead of refused. Default: false
    pub allow_rewind: Option<bool>,
}

/// How the server knows who asks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "GitAuth")]
#[serde(deny_unknown_fields)]
pub(super) struct GitAuthShape {
    /// The file with the private key for ssh. Default: the keys of the user
    pub ssh_key_file: Option<At<String>>,
    /// The file with the host keys that are accepted. Default: those that the user knows
    pub known_hosts_file: Option<At<String>>,
    /// The user for HTTP, with a token. Default: git
    pub username: Option<At<String>>,
    /// The file that holds the token for HTTP; it is read before each request.
    pub token_file: Option<At<String>>,
    /// The environment variable that holds the token for HTTP.
    pub token_env: Option<At<String>>,
}

/// What `verify.mode` can be.
pub(super) const VERIFY_MODES: [&str; 2] = ["none", "head"];

/// What has to vouch for a commit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "GitVerify")]
#[serde(deny_unknown_fields)]
pub(super) struct GitVerifyShape {
    /// Nothing (none), or a signature of the newest commit, or of the tag where one is
    /// asked for (head). Default: head
    #[schemars(extend("enum" = VERIFY_MODES))]
    pub mode: Option<At<String>>,
    /// A file with the ssh keys whose signatures count (ALLOWED SIGNERS of ssh-keygen).
    pub ssh_allowed_signers: Option<At<String>>,
    /// A file with the OpenPGP public keys whose signatures count.
    pub gpg_keys: Option<At<String>>,
}
