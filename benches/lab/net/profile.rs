//! How fast the links are.

use std::fmt;

/// Where everything is, and how it is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// All on loopback addresses of this machine, as fast as that is.
    Loopback,
    /// The same with a hundred nodes and a tiny image.
    Crowd,
    /// Machines on one switch, the factory behind a fast line.
    Lan,
    /// The same, the factory behind a slow line.
    Homelab,
    /// Nodes behind one line that they share.
    Site,
    /// The same, and one of them serves the others.
    SiteRelay,
    /// One node behind a line of so many Mbit/s, the factory beside the controller.
    Link(u32),
}

/// Rates of links in Mbit/s, in each direction.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Of the controller, and of each node.
    pub machine: u32,
    pub factory: u32,
    /// Of the line that all nodes are behind.
    pub uplink: Option<u32>,
}

impl Profile {
    /// `None` where no link is limited.
    pub fn rates(self) -> Option<Rates> {
        let rates = |factory, uplink| Rates {
            machine: 1000,
            factory,
            uplink,
        };
        match self {
            Self::Loopback | Self::Crowd => None,
            Self::Lan => Some(rates(200, None)),
            Self::Homelab => Some(rates(50, None)),
            Self::Site | Self::SiteRelay => Some(rates(200, Some(100))),
            Self::Link(mbits) => Some(rates(1000, Some(mbits))),
        }
    }

    pub fn has_relay(self) -> bool {
        self == Self::SiteRelay
    }

    /// What it is, for the user.
    pub fn about(self) -> String {
        let Some(rates) = self.rates() else {
            return "on one machine".to_owned();
        };
        let Rates {
            machine, factory, ..
        } = rates;
        let uplink = match rates.uplink {
            Some(uplink) => format!(", {uplink} Mbit/s to the site of the nodes"),
            None => String::new(),
        };
        format!("{machine} Mbit/s, {factory} Mbit/s to the factory{uplink}")
    }
}

/// What stands before the names of its cases.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback | Self::Crowd => Ok(()),
            Self::Lan => f.write_str("lan-"),
            Self::Homelab => f.write_str("homelab-"),
            Self::Site => f.write_str("site-"),
            Self::SiteRelay => f.write_str("relay-"),
            Self::Link(mbits) => write!(f, "link-{mbits}-"),
        }
    }
}
