//! The cases: what is there before each, and what is then measured.

use std::fmt;

use crate::net::Profile;

/// Images of the cases with many of them.
pub const MANY: usize = 20;

/// Nodes of the cases with many of them.
pub const CROWD: usize = 100;

/// One situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Nothing is anywhere; one image for so many nodes.
    Cold(usize),
    /// The same with an ISO image, which no compression makes smaller.
    Iso(usize),
    /// The same with many images that have nothing in common.
    Different(usize),
    /// Everything is everywhere.
    Nothing(usize),
    /// The same, asked of a controller that runs.
    Resident(usize),
    /// One of the nodes lost its file.
    Lost(usize),
    /// The older version is everywhere, the newer one is ordered.
    New(usize),
    /// Many images are cached and on one node.
    Many,
    /// The node has the same version with another schematic.
    Siblings,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cold(nodes) => write!(f, "cold-{nodes}"),
            Self::Iso(nodes) => write!(f, "iso-{nodes}"),
            Self::Different(nodes) => write!(f, "{MANY}-images-cold-{nodes}"),
            Self::Nothing(nodes) => write!(f, "nothing-{nodes}"),
            Self::Resident(nodes) => write!(f, "resident-{nodes}"),
            Self::Lost(nodes) => write!(f, "lost-{nodes}"),
            Self::New(nodes) => write!(f, "new-{nodes}"),
            Self::Many => write!(f, "nothing-{MANY}-images"),
            Self::Siblings => write!(f, "siblings"),
        }
    }
}

impl Case {
    /// Those of a profile, in an order in which each finds much of what it needs.
    pub fn of(profile: Profile, most: usize) -> Vec<Self> {
        match profile {
            Profile::Loopback => {
                let cold = [1, 2, 4, 8].into_iter().filter(|&nodes| nodes <= most);
                let mut all: Vec<Self> = cold.map(Self::Cold).collect();
                all.extend([Self::Nothing(most), Self::Resident(most), Self::Lost(most)]);
                all.extend([Self::New(1), Self::New(most), Self::Many]);
                all.extend([Self::Iso(1), Self::Iso(most), Self::Different(most)]);
                all
            }
            Profile::Crowd => vec![Self::Cold(CROWD), Self::Nothing(CROWD)],
            Profile::Lan => vec![Self::Cold(most), Self::Iso(most)],
            Profile::Homelab | Profile::Site | Profile::SiteRelay => vec![Self::Cold(most)],
            Profile::Link(_) => vec![Self::Siblings],
        }
    }

    /// What it is, for the user.
    pub fn about(self) -> String {
        let of = |nodes: usize| match nodes {
            1 => "1 node".to_owned(),
            nodes => format!("{nodes} nodes"),
        };
        match self {
            Self::Cold(nodes) => format!("cold, {}", of(nodes)),
            Self::Iso(nodes) => format!("cold, ISO, {}", of(nodes)),
            Self::Different(nodes) => format!("cold, {MANY} different images, {}", of(nodes)),
            Self::Nothing(nodes) => format!("nothing to do, {}", of(nodes)),
            Self::Resident(nodes) => format!("the same in a running controller, {}", of(nodes)),
            Self::Lost(nodes) => format!("1 of {} lost its file", of(nodes)),
            Self::New(nodes) => format!("new version beside the old one, {}", of(nodes)),
            Self::Many => format!("nothing to do, {MANY} images cached and on 1 node"),
            Self::Siblings => "another schematic of the same version".to_owned(),
        }
    }

    pub fn nodes(self) -> usize {
        match self {
            Self::Cold(n)
            | Self::Iso(n)
            | Self::Different(n)
            | Self::Nothing(n)
            | Self::Resident(n)
            | Self::Lost(n)
            | Self::New(n) => n,
            Self::Many | Self::Siblings => 1,
        }
    }

    /// The node that is looked at: the one that lost its file, or any.
    pub fn looked_at(self) -> usize {
        match self {
            Self::Lost(nodes) => nodes / 2,
            _ => 0,
        }
    }
}
