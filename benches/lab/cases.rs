//! The cases: what is there before each, and what is then measured.

use std::fmt;

use anyhow::Result;

use crate::bench::{Bench, MANY};
use crate::images::Image;
use crate::measure::Cost;
use crate::ours::Ours;
use crate::sequential::Ran;

/// How often what takes no time is measured in each round.
const REPEATS: usize = 5;

/// One situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Nothing is anywhere; one image for so many nodes.
    Cold(usize),
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
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cold(nodes) => write!(f, "cold-{nodes}"),
            Self::Nothing(nodes) => write!(f, "nothing-{nodes}"),
            Self::Resident(nodes) => write!(f, "resident-{nodes}"),
            Self::Lost(nodes) => write!(f, "lost-{nodes}"),
            Self::New(nodes) => write!(f, "new-{nodes}"),
            Self::Many => write!(f, "nothing-{MANY}-images"),
        }
    }
}

impl Case {
    /// All of them, in an order in which each finds much of what it needs.
    pub fn all(most: usize) -> Vec<Self> {
        let cold = [1, 2, 4, 8].into_iter().filter(|&nodes| nodes <= most);
        let mut all: Vec<Self> = cold.map(Self::Cold).collect();
        all.extend([Self::Nothing(most), Self::Resident(most), Self::Lost(most)]);
        all.extend([Self::New(1), Self::New(most), Self::Many]);
        all
    }

    /// What it is, for the user.
    pub fn about(self) -> String {
        let of = |nodes: usize| match nodes {
            1 => "1 node".to_owned(),
            nodes => format!("{nodes} nodes"),
        };
        match self {
            Self::Cold(nodes) => format!("cold, {}", of(nodes)),
            Self::Nothing(nodes) => format!("nothing to do, {}", of(nodes)),
            Self::Resident(nodes) => format!("the same in a running controller, {}", of(nodes)),
            Self::Lost(nodes) => format!("1 of {} lost its file", of(nodes)),
            Self::New(nodes) => format!("new version beside the old one, {}", of(nodes)),
            Self::Many => format!("nothing to do, {MANY} images cached and on 1 node"),
        }
    }

    fn nodes(self) -> usize {
        match self {
            Self::Cold(n) | Self::Nothing(n) | Self::Resident(n) | Self::Lost(n) | Self::New(n) => {
                n
            }
            Self::Many => 1,
        }
    }

    /// The node that is looked at: the one that lost its file, or any.
    fn looked_at(self) -> usize {
        match self {
            Self::Lost(nodes) => nodes / 2,
            _ => 0,
        }
    }

    /// In the sequential way a running controller is a second run, which has a case
    /// of its own; and many images take so long that once is enough.
    pub fn sequential_in(self, round: u32) -> bool {
        match self {
            Self::Resident(_) => false,
            Self::Many => round == 0,
            _ => true,
        }
    }

    /// Does it once in the sequential way.
    pub fn sequential(self, bench: &Bench<'_>) -> Result<(Ran, u64)> {
        let way = &bench.sequential;
        let (old, new) = (&bench.old, &bench.new);
        way.wipe()?;
        let mut images = vec![old];
        match self {
            Self::Cold(_) => {}
            Self::Nothing(nodes) | Self::Resident(nodes) => way.place(old, nodes)?,
            Self::Lost(nodes) => {
                way.place(old, nodes)?;
                way.lose(old, self.looked_at())?;
            }
            Self::New(nodes) => {
                way.place(old, nodes)?;
                images = vec![new];
            }
            Self::Many => {
                images = bench.many_images.iter().collect();
                images.iter().try_for_each(|image| way.place(image, 1))?;
            }
        }
        bench.settle()?;
        let before = way.allocated(self.looked_at());
        let ran = way.run(&images, &bench.url, self.nodes())?;
        let allocated = way.allocated(self.looked_at()).saturating_sub(before);
        way.wipe()?;
        Ok((ran, allocated))
    }

    /// Has everything as it is before the case, and returns who does it.
    fn prepare<'a>(self, bench: &'a Bench<'a>) -> Result<&'a Ours<'a>> {
        let (old, new) = (&bench.old, &bench.new);
        let way = match self {
            Self::Many => &bench.many,
            _ => &bench.ours,
        };
        let nodes = self.nodes();
        way.configure(nodes, None)?;
        match self {
            Self::Cold(_) => {
                way.wipe()?;
                way.order(&[old])?;
            }
            Self::Nothing(_) | Self::Resident(_) => {
                way.order(&[old])?;
                way.apply()?;
            }
            Self::Lost(_) => {
                way.order(&[old])?;
                way.apply()?;
                way.lose(old, self.looked_at())?;
            }
            Self::New(_) => {
                way.wipe()?;
                way.order(&[old])?;
                way.apply()?;
                way.order(&[new])?;
            }
            Self::Many => {
                way.order(&bench.many_images.iter().collect::<Vec<_>>())?;
                way.apply()?;
            }
        }
        bench.settle()?;
        Ok(way)
    }

    /// Does it with talos-order; more than once where it takes no time.
    pub fn ours(self, bench: &Bench<'_>) -> Result<Vec<Cost>> {
        let way = self.prepare(bench)?;
        match self {
            Self::Cold(_) | Self::Lost(_) | Self::New(_) => Ok(vec![way.apply()?]),
            Self::Nothing(_) | Self::Many => (0..REPEATS).map(|_| way.apply()).collect(),
            Self::Resident(_) => {
                let controller = way.controller()?;
                (0..REPEATS).map(|_| controller.reconcile()).collect()
            }
        }
    }

    /// Does it once through doors that count, and looks at what came of it: bytes on
    /// the wire to the node that got the most, and bytes on the disk of one.
    pub fn bytes(self, bench: &Bench<'_>) -> Result<(u64, u64)> {
        let way = self.prepare(bench)?;
        way.configure(self.nodes(), Some(&bench.wire.ports()))?;
        bench.wire.most();
        let before = way.allocated(self.looked_at());
        match self {
            Self::Resident(_) => {
                let controller = way.controller()?;
                bench.wire.most();
                controller.reconcile()?;
            }
            _ => {
                way.apply()?;
            }
        }
        let wire = bench.wire.most();
        let allocated = way.allocated(self.looked_at()).saturating_sub(before);
        for image in self.left(bench) {
            way.check(image, self.nodes())?;
        }
        Ok((wire, allocated))
    }

    /// What is on the nodes in the end. Of many images one is looked at.
    fn left<'a>(self, bench: &'a Bench<'a>) -> Vec<&'a Image> {
        match self {
            Self::New(_) => vec![&bench.old, &bench.new],
            Self::Many => bench.many_images.iter().take(1).collect(),
            Self::Cold(_) | Self::Nothing(_) | Self::Resident(_) | Self::Lost(_) => {
                vec![&bench.old]
            }
        }
    }
}
