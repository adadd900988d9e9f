//! One profile as a whole: the nodes, the factory, and both ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use talos_order::factory_stub::StubOptions;

use crate::factory::Factory;
use crate::images::Image;
use crate::measure;
use crate::net::{Network, Profile};
use crate::ours::Ours;
use crate::sequential::Sequential;
use crate::sshd::{Lab, SshNode};
use crate::stock::Stock;
use crate::wire::Wire;

/// Everything that a case uses.
pub struct Bench<'a> {
    pub profile: Profile,
    pub stock: &'a Stock,
    pub network: Option<&'a Network>,
    pub lab: &'a Lab,
    pub nodes: &'a [SshNode],
    pub url: String,
    pub sequential: Sequential<'a>,
    pub ours: Ours<'a>,
    pub many: Ours<'a>,
    /// Where no device counts.
    pub wire: Option<Wire>,
    pub dir: PathBuf,
    _factory: Factory,
}

/// Bytes that came to nodes so far, or between two looks.
pub struct Counted {
    nodes: Vec<u64>,
    pub uplink: Option<u64>,
}

impl Counted {
    pub fn since(&self, before: &Self) -> Self {
        let nodes = self.nodes.iter().zip(&before.nodes);
        Self {
            nodes: nodes.map(|(now, then)| now.saturating_sub(*then)).collect(),
            uplink: self.uplink.zip(before.uplink).map(|(now, then)| now - then),
        }
    }

    /// Those of the node that got the most.
    pub fn most(&self) -> u64 {
        self.nodes.iter().copied().max().unwrap_or(0)
    }
}

/// Makes a schematic known, as a user has done before.
fn register(url: &str, image: &Image, dir: &Path) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["-fsS", "--data-binary", &image.document()]);
    curl.args(["-H", "Content-Type: application/yaml"]);
    curl.arg(format!("{url}schematics"));
    crate::without_proxies(&mut curl);
    measure::checked(&mut curl, &dir.join("curl.log"))
}

/// The nodes of a profile, each in its namespace.
pub fn start_nodes(lab: &Lab, network: Option<&Network>, count: usize) -> Result<Vec<SshNode>> {
    let start = |number: usize| match network {
        None => Ok(lab.node()),
        Some(network) => {
            let address = Network::node_address(number);
            network.nodes[number].inside(|| lab.node_at(address))
        }
    };
    (0..count).map(start).collect()
}

impl<'a> Bench<'a> {
    /// Puts up whatever delivers the images to the nodes.
    pub fn build(
        profile: Profile,
        stock: &'a Stock,
        network: Option<&'a Network>,
        dir: &Path,
        lab: &'a Lab,
        nodes: &'a [SshNode],
    ) -> Result<Self> {
        let files = stock
            .all()
            .map(|image| (image.artifact.clone(), image.served.clone()));
        let mut options = StubOptions {
            files: files.collect::<BTreeMap<_, _>>(),
            ..StubOptions::default()
        };
        let factory = match network {
            None => Factory::start(options),
            Some(network) => {
                options.address = Network::factory_address();
                network.factory.inside(|| Factory::start(options))?
            }
        };
        let url = factory.url();
        for image in stock.all() {
            register(&url, image, dir)?;
        }
        for way in ["sequential", "ours", "many"] {
            crate::remove(&dir.join(way))?;
            std::fs::create_dir_all(dir.join(way))?;
        }
        let wire = match network {
            None => Some(Wire::open(lab, nodes)?),
            Some(_) => None,
        };
        let relay = profile.has_relay();
        Ok(Self {
            profile,
            stock,
            network,
            lab,
            nodes,
            sequential: Sequential::new(dir.join("sequential"), lab, nodes),
            ours: Ours::new(dir.join("ours"), lab, &url, nodes, relay)?,
            many: Ours::new(dir.join("many"), lab, &url, nodes, relay)?,
            wire,
            dir: dir.to_owned(),
            url,
            _factory: factory,
        })
    }

    /// The image of most cases.
    pub fn image(&self) -> &'a Image {
        match (self.profile, &self.stock.tiny) {
            (Profile::Crowd, Some(tiny)) => tiny,
            _ => &self.stock.old,
        }
    }

    /// What was written before is on the disk, and the factory has read its files: no
    /// case pays for the one before it.
    pub fn settle(&self, images: &[&Image]) -> Result<()> {
        let log = self.dir.join("settle.log");
        measure::checked(Command::new("sync").arg("-f").arg(&self.dir), &log)?;
        for image in images {
            let mut curl = Command::new("curl");
            curl.args(["-fsS", "-I", &self.url_of(image)]);
            crate::without_proxies(&mut curl);
            measure::checked(&mut curl, &log)?;
        }
        Ok(())
    }

    pub fn url_of(&self, image: &Image) -> String {
        let path = image.artifact.factory_path();
        format!("{}{}", self.url, path.trim_start_matches('/'))
    }

    pub fn counted(&self) -> Result<Counted> {
        Ok(match (self.network, &self.wire) {
            (Some(network), _) => Counted {
                nodes: network.received()?,
                uplink: network.over_uplink()?,
            },
            (None, wire) => Counted {
                nodes: wire.as_ref().map(Wire::passed).unwrap_or_default(),
                uplink: None,
            },
        })
    }
}
