//! A case in a profile, and how both ways do it.

use std::fmt;

use anyhow::Result;

use crate::bench::Bench;
use crate::cases::Case;
use crate::images::Image;
use crate::measure::Cost;
use crate::net::Profile;
use crate::ours::Ours;
use crate::sequential::Ran;

/// How often what takes no time is measured in each round.
const REPEATS: usize = 5;

/// A case, and where it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    pub profile: Profile,
    pub case: Case,
}

/// Bytes of one run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bytes {
    /// On the wire to the node that got the most.
    pub sent: u64,
    /// Over the uplink of a site.
    pub uplink: Option<u64>,
    /// On the disk of one node.
    pub allocated: u64,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.profile, self.case)
    }
}

impl Job {
    /// All of them; those of a profile stand together.
    pub fn all(most: usize) -> Vec<Self> {
        use Profile::{Crowd, Homelab, Lan, Link, Loopback, Site, SiteRelay};
        let profiles = [
            Loopback,
            Crowd,
            Lan,
            Homelab,
            Site,
            SiteRelay,
            Link(20),
            Link(100),
            Link(1000),
        ];
        let jobs = profiles.into_iter().flat_map(|profile| {
            let cases = Case::of(profile, most).into_iter();
            cases.map(move |case| Self { profile, case })
        });
        jobs.collect()
    }

    /// What it is, for the user.
    pub fn about(self) -> String {
        let about = self.case.about();
        match self.profile {
            Profile::Loopback | Profile::Crowd => about,
            Profile::Lan => format!("LAN: {about}"),
            Profile::Homelab => format!("homelab: {about}"),
            Profile::Site => format!("site: {about}"),
            Profile::SiteRelay => format!("site with relay: {about}"),
            Profile::Link(mbits) => format!("{mbits} Mbit/s: {about}"),
        }
    }

    /// What takes minutes is done in the sequential way once, and what takes longer is
    /// left out: it sends every zero of every image over the uplink of a site. A running
    /// controller is a second run there, which has a case of its own.
    pub fn sequential_in(self, round: u32) -> bool {
        match (self.profile, self.case) {
            (Profile::Site | Profile::SiteRelay | Profile::Link(_), _) => false,
            (_, Case::Resident(_) | Case::Siblings) => false,
            (Profile::Lan | Profile::Homelab | Profile::Crowd, _) => round == 0,
            (Profile::Loopback, Case::Many | Case::Different(_)) => round == 0,
            (Profile::Loopback, _) => true,
        }
    }

    /// True where the bytes alone are measured, too: a download and a push of one
    /// image.
    pub fn has_limit(self) -> bool {
        matches!(self.case, Case::Cold(_) | Case::Iso(_)) && self.profile != Profile::Crowd
    }

    /// What is ordered in the end.
    fn ordered<'a>(self, bench: &Bench<'a>) -> Vec<&'a Image> {
        match self.case {
            Case::Different(_) => bench.stock.different.iter().collect(),
            Case::Many => bench.stock.same.iter().collect(),
            Case::New(_) => vec![&bench.stock.new],
            Case::Siblings => Vec::new(),
            Case::Iso(_) => bench.stock.iso.iter().collect(),
            Case::Cold(_) | Case::Nothing(_) | Case::Resident(_) | Case::Lost(_) => {
                vec![bench.image()]
            }
        }
    }

    /// The image whose bytes alone are measured.
    pub fn image<'a>(self, bench: &Bench<'a>) -> &'a Image {
        self.ordered(bench)
            .first()
            .copied()
            .unwrap_or(bench.image())
    }

    /// What a node gets of compressed bytes where it has nothing.
    pub fn served_bytes(self, bench: &Bench<'_>) -> u64 {
        let images = self.ordered(bench);
        images.iter().map(|image| image.served_bytes).sum()
    }

    /// Does it once in the sequential way.
    pub fn sequential(self, bench: &Bench<'_>) -> Result<(Ran, u64)> {
        let way = &bench.sequential;
        let images = self.ordered(bench);
        let nodes = self.case.nodes();
        way.wipe()?;
        match self.case {
            Case::Cold(_) | Case::Iso(_) | Case::Different(_) | Case::Siblings => {}
            Case::Nothing(_) | Case::Resident(_) | Case::Many => {
                images
                    .iter()
                    .try_for_each(|image| way.place(image, nodes))?;
            }
            Case::Lost(_) => {
                way.place(bench.image(), nodes)?;
                way.lose(bench.image(), self.case.looked_at())?;
            }
            Case::New(_) => way.place(&bench.stock.old, nodes)?,
        }
        bench.settle(&images)?;
        let before = way.allocated(self.case.looked_at());
        let ran = way.run(&images, &bench.url, nodes)?;
        let allocated = way.allocated(self.case.looked_at()).saturating_sub(before);
        way.wipe()?;
        Ok((ran, allocated))
    }

    /// Has everything as it is before the case, and returns who does it.
    fn prepare<'a>(self, bench: &'a Bench<'a>) -> Result<&'a Ours<'a>> {
        let way = match self.case {
            Case::Many => &bench.many,
            _ => &bench.ours,
        };
        let images = self.ordered(bench);
        way.configure(self.case.nodes(), None, None)?;
        match self.case {
            Case::Cold(_) | Case::Iso(_) | Case::Different(_) | Case::Siblings => {
                way.wipe()?;
                way.order(&images)?;
            }
            Case::Nothing(_) | Case::Resident(_) | Case::Many => {
                way.order(&images)?;
                way.apply()?;
            }
            Case::Lost(_) => {
                way.order(&images)?;
                way.apply()?;
                way.lose(bench.image(), self.case.looked_at())?;
            }
            Case::New(_) => {
                way.wipe()?;
                way.order(&[&bench.stock.old])?;
                way.apply()?;
                way.order(&images)?;
            }
        }
        bench.settle(&images)?;
        Ok(way)
    }

    /// Does it with talos-order; more than once where it takes no time.
    pub fn ours(self, bench: &Bench<'_>) -> Result<Vec<Cost>> {
        let way = self.prepare(bench)?;
        match self.case {
            Case::Nothing(_) | Case::Many => (0..REPEATS).map(|_| way.apply()).collect(),
            Case::Resident(_) => {
                let controller = way.controller()?;
                (0..REPEATS).map(|_| controller.reconcile()).collect()
            }
            _ => Ok(vec![way.apply()?]),
        }
    }

    /// Does it once and counts. On loopback the bytes pass through doors that count,
    /// and over links the devices do, with the headers.
    pub fn bytes(self, bench: &Bench<'_>) -> Result<Bytes> {
        let way = self.prepare(bench)?;
        if let Some(wire) = &bench.wire {
            way.configure(self.case.nodes(), Some(&wire.ports()), None)?;
        }
        let before = way.allocated(self.case.looked_at());
        let wire = if matches!(self.case, Case::Resident(_)) {
            let controller = way.controller()?;
            let counted = bench.counted()?;
            controller.reconcile()?;
            bench.counted()?.since(&counted)
        } else {
            let counted = bench.counted()?;
            way.apply()?;
            bench.counted()?.since(&counted)
        };
        let allocated = way.allocated(self.case.looked_at()).saturating_sub(before);
        for image in self.left(bench) {
            way.check(image, self.case.nodes())?;
        }
        Ok(Bytes {
            sent: wire.most(),
            uplink: wire.uplink,
            allocated,
        })
    }

    /// What is on the nodes in the end. Of many images one is looked at.
    fn left<'a>(self, bench: &Bench<'a>) -> Vec<&'a Image> {
        let mut images = self.ordered(bench);
        match self.case {
            Case::New(_) => images.push(&bench.stock.old),
            Case::Many => images.truncate(1),
            _ => {}
        }
        images
    }
}
