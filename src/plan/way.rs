//! How a delivery's bytes travel, and why so.
//!
//! What is chosen here is measured: images are zeros for nine parts in ten, so
//! sending only their data beats everything over a fast link. rsync can leave out
//! even most of those where the directory holds the same version with another
//! customization, but reads both files for it, so it wins over slow links only.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::bytes::Bytes;
use super::desired::{Origin, Placed};
use super::diff::Planner;
use super::relay::Unrelayed;
use crate::facts::{DirState, NodeState, RecordEntry};
use crate::model::{
    ArtifactId, FileName, Format, Method, Network, NodeId, Proof, PushMethod, PushTarget, Reach,
    Via,
};

/// How images are sent, as far as it is the same for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfer {
    /// What is asked for where neither order nor node say anything.
    pub default: PushMethod,
    /// What is asked for of single nodes.
    pub nodes: BTreeMap<NodeId, PushMethod>,
    /// How it is proven that bytes arrived.
    pub proof: Proof,
    /// A person chose options for rsync.
    pub rsync_opts_set: bool,
    /// Which nodes are near each other.
    pub network: Network,
}

/// How a delivery's bytes travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// By which means.
    pub method: Method,
    /// Why by these.
    pub because: WayReason,
    /// The bytes that go over the link to the node, as far as that can be told.
    pub wire_bytes: Option<u64>,
    /// The node that sends it on, where it is not this machine.
    pub via: Option<Via>,
    /// Why the relay of its site does not send it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrelayed: Option<Unrelayed>,
    /// How it is proven that it arrived.
    pub proof: Proof,
}

/// Why a way was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum WayReason {
    /// It is a directory of this machine.
    Local,
    /// It was asked for.
    Asked {
        /// By whom.
        by: Asker,
    },
    /// The node has no perl, which receives a stream.
    NoPerl,
    /// A person chose options for rsync, so it is to be used.
    OptionsSet,
    /// Nothing there shares much with it, or the link is fast, so only its data are
    /// sent.
    DataOnly,
    /// Over a slow link sending the differences to a file that is there is faster.
    SlowLink {
        /// What was measured in earlier passes.
        bytes_per_second: u64,
        /// What would be sent without that file.
        data_bytes: u64,
    },
}

/// Who asks for a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    /// An order that wants the file there.
    Order,
    /// The node's description.
    Node,
    /// The configuration, for all nodes.
    Defaults,
}

/// What an image's data come to where nobody knows yet: the part of a Talos image
/// that is not zeros.
const USUAL_DATA: u64 = 96 << 20;

/// What reading a file at both ends costs rsync before anything is sent, in seconds.
const READING_SECONDS: u64 = 3;

/// What a file of the same version with another customization leaves to be sent: one
/// part in a hundred.
const DIFFERENCE: u64 = 100;

/// The program on a node that receives a stream.
pub(super) const RECEIVER: &str = "perl";

impl Planner<'_> {
    /// How the bytes of a delivery travel.
    pub(super) fn way(&self, target: &PushTarget, file: &FileName, placed: &Placed) -> Way {
        let node = self.desired.nodes.get(&target.node);
        let is_local = node.is_some_and(|node| node.reach == Reach::Local);
        let data = self.data_bytes(&placed.artifact);
        let (asked, by) = self.asked(&target.node, placed);
        let (method, because) = match asked {
            _ if is_local => (Method::Copy, WayReason::Local),
            PushMethod::Rsync => {
                let basis = self
                    .sibling(target, file, &placed.artifact)
                    .or_else(|| self.earlier(target, file, &placed.artifact));
                (Method::Rsync { basis }, WayReason::Asked { by })
            }
            PushMethod::Stream | PushMethod::Auto if !self.receives(&target.node) => {
                let basis = self.sibling(target, file, &placed.artifact);
                (Method::Rsync { basis }, WayReason::NoPerl)
            }
            PushMethod::Stream => (Method::Stream, WayReason::Asked { by }),
            PushMethod::Auto if self.policy.transfer.rsync_opts_set => {
                (Method::Rsync { basis: None }, WayReason::OptionsSet)
            }
            PushMethod::Auto => self.quickest(target, file, &placed.artifact, data),
        };
        Way {
            wire_bytes: self.wire_bytes(&method, target, placed, data),
            method,
            because,
            via: None,
            unrelayed: None,
            proof: self.policy.transfer.proof,
        }
    }

    /// What is asked for, and by whom: the order's word counts before the node's, and
    /// that before the default.
    fn asked(&self, node: &NodeId, placed: &Placed) -> (PushMethod, Asker) {
        let transfer = &self.policy.transfer;
        if let Some(method) = placed.method {
            return (method, Asker::Order);
        }
        match transfer.nodes.get(node) {
            Some(method) => (*method, Asker::Node),
            None => (transfer.default, Asker::Defaults),
        }
    }

    /// Stream, unless the differences to a file that is there are sent sooner.
    fn quickest(
        &self,
        target: &PushTarget,
        file: &FileName,
        artifact: &ArtifactId,
        data: Option<u64>,
    ) -> (Method, WayReason) {
        let stream = (Method::Stream, WayReason::DataOnly);
        let Some(link) = self.observed.memory.links.get(&target.node) else {
            return stream;
        };
        let data = data.unwrap_or(USUAL_DATA);
        // In bytes of the link, so that nothing is divided.
        let reading = link.bytes_per_second.saturating_mul(READING_SECONDS);
        if (data / DIFFERENCE).saturating_add(reading) >= data {
            return stream;
        }
        match self.sibling(target, file, artifact) {
            None => stream,
            basis => (
                Method::Rsync { basis },
                WayReason::SlowLink {
                    bytes_per_second: link.bytes_per_second,
                    data_bytes: data,
                },
            ),
        }
    }

    /// True unless the node is known to lack what receives a stream.
    fn receives(&self, node: &NodeId) -> bool {
        match self.observed.nodes.get(node) {
            Some(NodeState::Listed { tools, .. }) => tools.contains(RECEIVER),
            // Nothing is sent to it in this pass.
            Some(NodeState::Unreachable { .. }) | None => true,
        }
    }

    /// A whole file of ours beside the wanted one that is the same version with
    /// another customization: they share all but a hundredth of their bytes.
    fn sibling(
        &self,
        target: &PushTarget,
        file: &FileName,
        artifact: &ArtifactId,
    ) -> Option<FileName> {
        let like = |found: &ArtifactId| {
            let same = ArtifactId {
                schematic: artifact.schematic,
                ..found.clone()
            };
            same == *artifact && found.schematic != artifact.schematic
        };
        self.basis(target, file, artifact, like, |entry| {
            (entry.placed_at, entry.name.clone())
        })
    }

    /// The newest other version of the wanted image: rsync finds little in it but
    /// zeros, which is more than in nothing.
    fn earlier(
        &self,
        target: &PushTarget,
        file: &FileName,
        artifact: &ArtifactId,
    ) -> Option<FileName> {
        let like = |found: &ArtifactId| {
            found.family() == artifact.family() && found.version != artifact.version
        };
        self.basis(target, file, artifact, like, |entry| {
            let version = entry.artifact.version.clone();
            (version, entry.placed_at, entry.name.clone())
        })
    }

    /// The best file in the directory that is like this, recorded by us and not
    /// changed since. In compressed bytes nothing is found again.
    fn basis<K: Ord>(
        &self,
        target: &PushTarget,
        file: &FileName,
        artifact: &ArtifactId,
        like: impl Fn(&ArtifactId) -> bool,
        best: impl Fn(&RecordEntry) -> K,
    ) -> Option<FileName> {
        let dir = self.dir(target)?;
        if artifact.format.codec().is_some() {
            return None;
        }
        let owner = &self.policy.prune.owner;
        dir.record
            .values()
            .filter(|entry| like(&entry.artifact) && entry.name != *file)
            .filter(|entry| entry.owner.is_empty() || entry.owner == *owner)
            .filter(|entry| {
                let found = dir.files.get(entry.name.as_str());
                found.is_some_and(|found| entry.describes(found))
            })
            .max_by_key(|entry| best(entry))
            .map(|entry| entry.name.clone())
    }

    fn dir(&self, target: &PushTarget) -> Option<&DirState> {
        match self.observed.nodes.get(&target.node)? {
            NodeState::Listed { dirs, .. } => dirs.get(&target.dir),
            NodeState::Unreachable { .. } => None,
        }
    }

    /// How many bytes of an image are not zeros, as far as that can be told: from the
    /// cache, or else from the size of what it is downloaded as.
    fn data_bytes(&self, artifact: &ArtifactId) -> Option<u64> {
        let want = &self.desired.artifacts[artifact];
        let sizes = &self.observed.catalog.sizes;
        let compressed = || match &want.origin {
            Origin::Download { .. } => None,
            Origin::Unpack { from } => {
                let file = &self.desired.artifacts[from].file;
                let cached = self
                    .cached(file)
                    .filter(|_| !self.incoming.contains_key(from));
                cached
                    .map(|cached| cached.meta.size)
                    .or_else(|| sizes.get(from).copied())
            }
        };
        if self.incoming.contains_key(artifact) {
            return compressed().or_else(|| sizes.get(artifact).copied());
        }
        let meta = &self.cached(&want.file)?.meta;
        match (meta.data, artifact.format) {
            (Some(data), _) => Some(data.bytes),
            // The length of a disk image says nothing of its data.
            (None, Format::Raw) => compressed(),
            (None, _) => Some(meta.size),
        }
    }

    /// The bytes that a delivery sends. rsync leaves zeros out and compresses, unless
    /// it is told other options.
    fn wire_bytes(
        &self,
        method: &Method,
        target: &PushTarget,
        placed: &Placed,
        data: Option<u64>,
    ) -> Option<u64> {
        match method {
            Method::Copy => None,
            Method::Stream => data,
            Method::Rsync { basis: Some(basis) } if self.is_sibling(target, basis, placed) => {
                data.map(|data| data / DIFFERENCE)
            }
            Method::Rsync { .. } if self.policy.transfer.rsync_opts_set => {
                let want = &self.desired.artifacts[&placed.artifact];
                if self.incoming.contains_key(&placed.artifact) {
                    return self.observed.catalog.sizes.get(&placed.artifact).copied();
                }
                self.cached(&want.file).map(|cached| cached.meta.size)
            }
            Method::Rsync { .. } => data,
        }
    }

    fn is_sibling(&self, target: &PushTarget, basis: &FileName, placed: &Placed) -> bool {
        let entry = self.dir(target).and_then(|dir| dir.record.get(basis));
        entry.is_some_and(|entry| entry.artifact.version == placed.artifact.version)
    }
}

impl fmt::Display for WayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("a directory of this machine"),
            Self::Asked { by: Asker::Order } => f.write_str("the order says so"),
            Self::Asked { by: Asker::Node } => f.write_str("push_method of the node"),
            Self::Asked {
                by: Asker::Defaults,
            } => f.write_str("defaults.push.method"),
            Self::NoPerl => write!(f, "the node has no {RECEIVER}"),
            Self::OptionsSet => f.write_str("rsync_opts are set"),
            Self::DataOnly => f.write_str("only its data are sent"),
            Self::SlowLink {
                bytes_per_second,
                data_bytes,
            } => write!(
                f,
                "its data are {} and the link takes {}/s",
                Bytes(*data_bytes),
                Bytes(*bytes_per_second)
            ),
        }
    }
}
