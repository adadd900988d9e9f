//! The `fleet:` of the configuration as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// Several controllers that share a store, and the sites that this one serves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fleet")]
pub(super) struct FleetShape {
    /// The site whose nodes this controller works on, one of sites, or a list of sites.
    /// Of the controllers of a site one leads, the others take over.
    #[schemars(required)]
    pub site: Option<At<SitesShape>>,
    /// How long a leader leads without renewing that in the store, 10s to 5m; another
    /// one takes over after one and a quarter of it. Default: 30s
    pub ttl: Option<At<String>>,
}

/// One site, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub(super) enum SitesShape {
    /// One.
    #[serde(rename = "@text")]
    One(String),
    /// Several.
    #[serde(rename = "@list")]
    Several(Vec<At<String>>),
}
