//! How a delivery's bytes travel, and why so.
//!
//! What is chosen here is measured: images are zeros for nine parts in ten, so
//! sending only their data beats everything over a fast link. rsync can leave out
//! even most of those where the directory holds the same version with another
//! customization, but reads both files for it, so it wins over slow links only.

use std::collections::BTreeMap;

use crate::facts::{NodeState, RecordEntry, StepId};
use crate::model::{
    ApiRoute, ArtifactId, FileName, Format, LoadFrom, Method, PushMethod, PushTarget, Reach,
    StoredForm, UploadUse,
};
use crate::plan::desired::{Origin, Placed};
use crate::plan::stage::StageInput;
use crate::plan::transport::{RECEIVER, RequestedBy, Transport, TransportReason};

/// What an image's data come to where nobody knows yet: the part of a Talos image
/// that is not zeros.
const USUAL_DATA: u64 = 96 << 20;

/// What reading a file at both ends costs rsync before anything is sent, in seconds.
const READING_SECONDS: u64 = 3;

/// What a file of the same version with another customization leaves to be sent: one
/// part in a hundred.
const DIFFERENCE: u64 = 100;

/// A delivery whose method is to be chosen.
pub(super) struct MethodChoice<'a> {
    pub input: &'a StageInput<'a>,
    /// The steps that bring artifacts into the cache.
    pub incoming: &'a BTreeMap<ArtifactId, StepId>,
    pub target: &'a PushTarget,
    pub file: &'a FileName,
    pub placed: &'a Placed,
}

/// How the bytes of a delivery travel.
pub(super) fn choose(choice: &MethodChoice<'_>) -> Transport {
    choice.transport()
}

impl MethodChoice<'_> {
    fn transport(&self) -> Transport {
        let node = self.input.desired.nodes.get(&self.target.node);
        let is_local = node.is_some_and(|node| node.reach == Reach::Local);
        let is_api = node.is_some_and(|node| matches!(node.reach, Reach::Api { .. }));
        let is_bucket = node.is_some_and(|node| matches!(node.reach, Reach::Bucket { .. }));
        let data = self.data_bytes(&self.placed.artifact);
        let (asked, by) = self.asked();
        let (method, because) = match asked {
            _ if is_local => (Method::Copy, TransportReason::Local),
            _ if is_bucket => (Method::Put, TransportReason::Bucket),
            // Whatever is asked for: there is no other way.
            _ if is_api => {
                let route = self.api_route();
                (Method::Api { route }, TransportReason::Api)
            }
            PushMethod::Rsync => {
                let basis = self.sibling().or_else(|| self.earlier());
                (Method::Rsync { basis }, TransportReason::Asked { by })
            }
            PushMethod::Stream | PushMethod::Auto if !self.receives() => {
                let basis = self.sibling();
                (Method::Rsync { basis }, TransportReason::NoPerl)
            }
            PushMethod::Stream => (Method::Stream, TransportReason::Asked { by }),
            PushMethod::Auto if self.input.policy.transport.rsync_opts_set => {
                (Method::Rsync { basis: None }, TransportReason::OptionsSet)
            }
            PushMethod::Auto => self.quickest(data),
        };
        Transport {
            wire_bytes: self.wire_bytes(&method, data),
            method,
            because,
            via: None,
            unrelayed: None,
            while_fetching: None,
            proof: self.input.policy.transport.proof,
        }
    }

    /// The factory has no other form of an image than the one that was downloaded.
    fn api_route(&self) -> ApiRoute {
        let policy = &self.input.policy.transport;
        let node = self.input.desired.nodes.get(&self.target.node);
        let api = match node.map(|node| &node.reach) {
            Some(Reach::Api { cluster, .. }) => policy.api.get(cluster).copied(),
            Some(Reach::Ssh { .. } | Reach::Bucket { .. } | Reach::Local) | None => None,
        };
        let api = api.unwrap_or_default();
        let Placed { artifact, form, .. } = self.placed;
        let want = &self.input.desired.artifacts[artifact];
        let is_from_factory = form.is_same()
            && matches!(artifact.format, Format::Iso | Format::Qcow2)
            && matches!(want.origin, Origin::Download { .. });
        match (api.load_from, api.upload) {
            (LoadFrom::Factory, _) if is_from_factory => ApiRoute::Factory,
            (_, UploadUse::Never) => ApiRoute::FileServer,
            (_, UploadUse::Fallback) => ApiRoute::FileServerOrUpload,
            (_, UploadUse::Always) => ApiRoute::Upload,
        }
    }

    /// What is asked for, and by whom: the order's word counts before the node's, and
    /// that before the default.
    fn asked(&self) -> (PushMethod, RequestedBy) {
        let transport = &self.input.policy.transport;
        if let Some(method) = self.placed.method {
            return (method, RequestedBy::Order);
        }
        match transport.nodes.get(&self.target.node) {
            Some(method) => (*method, RequestedBy::Node),
            None => (transport.default, RequestedBy::Defaults),
        }
    }

    /// Stream, unless the differences to a file that is there are sent sooner.
    fn quickest(&self, data: Option<u64>) -> (Method, TransportReason) {
        let stream = (Method::Stream, TransportReason::DataOnly);
        let Some(link) = self.input.observed.memory.links.get(&self.target.node) else {
            return stream;
        };
        let data = data.unwrap_or(USUAL_DATA);
        // In bytes of the link, so that nothing is divided.
        let reading = link.bytes_per_second.saturating_mul(READING_SECONDS);
        if (data / DIFFERENCE).saturating_add(reading) >= data {
            return stream;
        }
        match self.sibling() {
            None => stream,
            basis => (
                Method::Rsync { basis },
                TransportReason::SlowLink {
                    bytes_per_second: link.bytes_per_second,
                    data_bytes: data,
                },
            ),
        }
    }

    /// True unless the node is known to lack what receives a stream.
    fn receives(&self) -> bool {
        match self.input.observed.nodes.get(&self.target.node) {
            Some(NodeState::Listed { tools, .. }) => tools.contains(RECEIVER),
            // Nothing is sent to it in this run.
            Some(NodeState::Unreachable { .. }) | None => true,
        }
    }

    /// A whole file of ours beside the wanted one that is the same version with
    /// another customization: they share all but a hundredth of their bytes.
    fn sibling(&self) -> Option<FileName> {
        let artifact = &self.placed.artifact;
        let like = |found: &ArtifactId| {
            let same = ArtifactId {
                schematic: artifact.schematic,
                ..found.clone()
            };
            same == *artifact && found.schematic != artifact.schematic
        };
        self.basis(like, |entry| (entry.placed_at, entry.name.clone()))
    }

    /// The newest other version of the wanted image: rsync finds little in it but
    /// zeros, which is more than in nothing.
    fn earlier(&self) -> Option<FileName> {
        let artifact = &self.placed.artifact;
        let like = |found: &ArtifactId| {
            found.family() == artifact.family() && found.version != artifact.version
        };
        self.basis(like, |entry| {
            let version = entry.artifact.version.clone();
            (version, entry.placed_at, entry.name.clone())
        })
    }

    /// The best file in the directory that is like this, recorded by us and not
    /// changed since. In compressed bytes nothing is found again.
    fn basis<K: Ord>(
        &self,
        like: impl Fn(&ArtifactId) -> bool,
        best: impl Fn(&RecordEntry) -> K,
    ) -> Option<FileName> {
        let dir = self.input.listing(self.target)?;
        if self.placed.artifact.format.codec().is_some() {
            return None;
        }
        let owner = &self.input.policy.prune.owner;
        dir.record
            .values()
            .filter(|entry| like(&entry.artifact) && entry.name != *self.file)
            .filter(|entry| entry.owner.is_empty() || entry.owner == *owner)
            .filter(|entry| {
                let found = dir.files.get(entry.name.as_str());
                found.is_some_and(|found| entry.describes(found))
            })
            .max_by_key(|entry| best(entry))
            .map(|entry| entry.name.clone())
    }

    /// How many bytes of an image are not zeros, as far as that can be told: from the
    /// cache, or else from the size of what it is downloaded as.
    fn data_bytes(&self, artifact: &ArtifactId) -> Option<u64> {
        let want = &self.input.desired.artifacts[artifact];
        let sizes = &self.input.observed.catalog.sizes;
        let compressed = || match &want.origin {
            Origin::Download { .. } => None,
            Origin::Unpack { from } => {
                let file = &self.input.desired.artifacts[from].file;
                let cached = self
                    .input
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
        let meta = &self.input.cached(&want.file)?.meta;
        match (meta.data, artifact.format) {
            (Some(data), _) => Some(data.bytes),
            // The length of a disk image says nothing of its data.
            (None, Format::Raw) => compressed(),
            (None, _) => Some(meta.size),
        }
    }

    /// The bytes that a delivery sends. rsync leaves zeros out and compresses, unless
    /// it is told other options.
    fn wire_bytes(&self, method: &Method, data: Option<u64>) -> Option<u64> {
        match method {
            Method::Copy => None,
            Method::Put => self.whole_bytes(),
            Method::Stream => data,
            Method::Rsync { basis: Some(basis) } if self.is_sibling(basis) => {
                data.map(|data| data / DIFFERENCE)
            }
            // Clusters of zeros are left out, and the tables of the others are small.
            Method::Api { .. } if self.placed.form == StoredForm::Qcow2 => data,
            Method::Api { .. } => self.whole_bytes(),
            Method::Rsync { .. } if self.input.policy.transport.rsync_opts_set => {
                self.whole_bytes()
            }
            Method::Rsync { .. } => data,
        }
    }

    /// The length of the file.
    fn whole_bytes(&self) -> Option<u64> {
        let want = &self.input.desired.artifacts[&self.placed.artifact];
        if self.incoming.contains_key(&self.placed.artifact) {
            let sizes = &self.input.observed.catalog.sizes;
            return sizes.get(&self.placed.artifact).copied();
        }
        self.input.cached(&want.file).map(|cached| cached.meta.size)
    }

    fn is_sibling(&self, basis: &FileName) -> bool {
        let entry = self
            .input
            .listing(self.target)
            .and_then(|dir| dir.record.get(basis));
        entry.is_some_and(|entry| entry.artifact.version == self.placed.artifact.version)
    }
}
