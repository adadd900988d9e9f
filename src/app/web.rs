//! What the web server is told, from the settings.

use super::App;
use crate::web::WebConfig;

impl App {
    /// What the web server is told.
    pub(crate) fn web(&self) -> WebConfig {
        let web = &self.settings().web;
        WebConfig {
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
