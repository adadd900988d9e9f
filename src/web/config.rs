//! What the web server is told.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Hook, Network, OrderId, WebToken};

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
    /// Which nodes are near each other.
    pub network: Network,
    /// Bytes that stay free on nodes.
    pub node_reserve: u64,
    /// Where manifests are.
    pub manifests: Option<ManifestPaths>,
}

/// Where the manifest of an order is, by its id and customer.
#[derive(Clone)]
pub(crate) struct ManifestPaths(Arc<ManifestPathOf>);

type ManifestPathOf = dyn Fn(&OrderId, Option<&str>) -> PathBuf + Send + Sync;

impl ManifestPaths {
    pub(crate) fn new(
        path: impl Fn(&OrderId, Option<&str>) -> PathBuf + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(path))
    }

    pub(super) fn path(&self, id: &OrderId, customer: Option<&str>) -> PathBuf {
        (self.0)(id, customer)
    }
}

impl fmt::Debug for ManifestPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManifestPaths")
    }
}
