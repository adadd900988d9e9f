//! What the web server is told, from the settings.

use super::App;
use crate::web::{ManifestPaths, WebConfig};

impl App {
    /// What the web server is told.
    pub(crate) fn web(&self) -> WebConfig {
        let web = &self.settings().web;
        let manifest = self.settings().manifest.clone();
        WebConfig {
            network: self.settings().network.clone(),
            node_reserve: crate::nodes::RESERVE,
            manifests: Some(ManifestPaths::new(move |id, customer| {
                manifest.path(id, customer)
            })),
            tokens: web.tokens.clone(),
            hosts: web.hosts.clone(),
            hooks: web.hooks.clone(),
            is_https: web
                .external_url
                .as_ref()
                .is_some_and(|url| url.scheme() == "https"),
        }
    }
}
