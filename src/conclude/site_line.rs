//! Who leads a site, as a status tells it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::LeaderEpoch;

/// Who leads a site that this controller serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteLine {
    /// The part of this controller.
    pub state: SiteRole,
    /// The machine of the controller that leads, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The epoch of the leader, or of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<LeaderEpoch>,
}

/// The part of a controller in a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SiteRole {
    /// It leads: its runs work on the nodes of the site.
    Leader,
    /// It takes over when the leader is gone.
    Standby,
    /// The store did not answer.
    Unknown,
}

impl fmt::Display for SiteLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.state, &self.leader) {
            (SiteRole::Leader, _) => f.write_str("leader")?,
            (SiteRole::Standby, Some(leader)) => write!(f, "standby, {leader} leads")?,
            (SiteRole::Standby, None) => f.write_str("standby, nobody leads")?,
            (SiteRole::Unknown, _) => f.write_str("unknown, the store does not answer")?,
        }
        match self.epoch {
            Some(epoch) => write!(f, " (epoch {epoch})"),
            None => Ok(()),
        }
    }
}
