//! What the web server is told.

use crate::model::{Hook, WebToken};

/// What the web server is told, and can be told anew while it runs.
#[derive(Debug, Default)]
pub(crate) struct WebConfig {
    /// Who may act; `None` where the page is read-only.
    pub tokens: Option<Vec<WebToken>>,
    /// Host names under which it may be asked for, in lower case, besides IP addresses,
    /// localhost and the name of this machine.
    pub hosts: Vec<String>,
    /// What can be called to make the controller look.
    pub hooks: Vec<Hook>,
    /// People reach it over HTTPS.
    pub is_https: bool,
}
