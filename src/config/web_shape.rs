//! The status page as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// The status page.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Web")]
#[serde(deny_unknown_fields)]
pub(super) struct WebShape {
    /// The file with the tokens that allow actions (suspend, resume, reconcile, approve):
    /// one line each, the name of whoever has it and the token. Default: none, the page
    /// is read-only
    pub token_file: Option<At<String>>,
    /// Host names under which the page may be asked for, besides IP addresses, localhost
    /// and the name of this machine. Default: none
    pub hosts: Option<Vec<At<String>>>,
    /// The URL under which people reach the page, for links in notifications, such as
    /// https://images.example.org. Its host name is one of hosts. Default: none
    pub external_url: Option<At<String>>,
}
