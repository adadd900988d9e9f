//! Sites: nodes that are near each other and far from this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Invalid, NodeId, text_form};

/// The name of a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteName(String);

impl SiteName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SiteName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = (1..=64).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(format!(
                "{text:?} is not a name for a site; expected 1 to 64 letters, digits and . _ -"
            )))
        }
    }
}

text_form!(SiteName);

/// What is common to the nodes of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// The node that receives over the slow link and serves its neighbours.
    pub relay: Option<NodeId>,
    /// Words for ssh on the relay, for reaching its neighbours.
    pub ssh_opts: Vec<String>,
    /// How many deliveries into the site run at once; `None` for no limit of its own.
    pub at_once: Option<usize>,
}

/// Which nodes are near each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// The sites.
    pub sites: BTreeMap<SiteName, Site>,
    /// The site of each node that has one; every site named here is in `sites`.
    pub site_of: BTreeMap<NodeId, SiteName>,
}

impl Network {
    /// The node that serves this one, with the site of both; `None` for a node
    /// without one, and for the relay itself.
    pub fn relay_of(&self, node: &NodeId) -> Option<(&NodeId, &SiteName)> {
        let name = self.site_of.get(node)?;
        let relay = self.sites.get(name)?.relay.as_ref()?;
        (relay != node).then_some((relay, name))
    }
}
