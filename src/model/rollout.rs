//! Rollouts: the rings by which a new image reaches the nodes of an order.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::label::label;
use super::{ArtifactId, Invalid, SiteName, text_form};

label! {
    /// The name of a ring.
    RingName, "a ring"
}

/// The rings of an order, in the order in which an image goes through them. A node is in
/// the first ring that covers it; nodes that no ring covers come last, as a ring of their
/// own without a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollout {
    /// The rings; none where images go everywhere at once.
    pub rings: Vec<Ring>,
}

/// Nodes that get a new image at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// Its name, unique in its rollout.
    pub name: RingName,
    /// The nodes that it covers.
    pub covers: RingNodes,
    /// How many of its nodes may be out of sync while it counts as in sync.
    pub max_unavailable: MaxUnavailable,
    /// How long, in seconds, it must have been in sync before the next ring begins.
    pub soak_seconds: u64,
    /// It begins only when an operator promotes the image to it.
    pub is_manual: bool,
}

/// The nodes that a ring covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingNodes {
    /// Those of these sites.
    Sites(BTreeSet<SiteName>),
    /// Those with one of these labels.
    Labels(BTreeSet<String>),
}

/// How many nodes of a ring may be out of sync; of a ring over several sites, in each site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxUnavailable {
    /// This many.
    Count(u32),
    /// This share, from 0 to 100, rounded down.
    Percent(u8),
}

impl MaxUnavailable {
    /// How many of so many nodes.
    pub const fn of(self, nodes: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => nodes * percent as usize / 100,
        }
    }
}

/// What the configuration says of a node that rings go by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeTraits {
    /// The site it belongs to, where it names one.
    pub site: Option<SiteName>,
    /// Its labels.
    pub labels: BTreeSet<String>,
}

impl Rollout {
    /// The index of the ring that a node is in: `rings.len()` for one that no ring covers.
    pub fn ring_of(&self, node: &NodeTraits) -> usize {
        let covers = |ring: &Ring| match &ring.covers {
            RingNodes::Sites(sites) => node.site.as_ref().is_some_and(|site| sites.contains(site)),
            RingNodes::Labels(labels) => !labels.is_disjoint(&node.labels),
        };
        let found = self.rings.iter().position(covers);
        found.unwrap_or(self.rings.len())
    }
}

/// What a position brings to its nodes at the moment, as rollouts tell one image from
/// another: the path of the download on the factory, `image/<schematic>/<version>/<file>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(String);

impl Release {
    /// The release that a download is.
    pub fn of(download: &ArtifactId) -> Self {
        Self(download.factory_path())
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the path, such as `nocloud-amd64.iso`.
    pub fn file(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The first 12 characters of the schematic, as names of files have them; `None` where
    /// there are not so many.
    pub fn short_schematic(&self) -> Option<&str> {
        self.0.split('/').nth(1)?.get(..12)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Release {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_path = text.starts_with("image/")
            && text.len() <= 1024
            && text.chars().all(|c| c.is_ascii_graphic());
        if is_path {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(format!(
                "{text:?} is not a release; expected image/SCHEMATIC/VERSION/FILE"
            )))
        }
    }
}

text_form!(Release);
