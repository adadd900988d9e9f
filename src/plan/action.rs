//! What a step does, and the questions that everyone asks of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::size::Size;
use super::transport::Transport;
use crate::facts::{CachedFile, StepId};
use crate::model::{
    ArtifactId, Deletion, FileName, NodeId, PartName, PushTarget, SchematicId, Sha256, StorageName,
    StoredForm, TemplateName, VmId,
};

/// What a step does. Executing one takes no decision that is not written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Action {
    /// Make a schematic known to the factory.
    Register {
        /// The id computed from the canonical form.
        schematic: SchematicId,
        /// The id that the plan counts on: another one where the factory is known
        /// to give one of its own.
        expected: SchematicId,
        /// The document to send.
        #[serde(skip)]
        document: String,
    },
    /// Download a file into the cache, unpacking it on the way where wanted.
    Fetch {
        /// From where.
        url: String,
        /// What is downloaded.
        download: ArtifactId,
        /// Its name in the cache.
        file: FileName,
        /// What is unpacked from it, with its name in the cache.
        unpack: Option<(ArtifactId, FileName)>,
        /// The digest the download must have.
        pinned: Option<Sha256>,
        /// The size of the download, as far as it is known before.
        #[serde(flatten)]
        bytes: Size,
        /// True if the store of the fleet has it. Where it does not any more, the image
        /// comes from the URL after all.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        stored: bool,
    },
    /// Unpack a file that the cache already holds.
    Unpack {
        /// What is unpacked.
        from: ArtifactId,
        /// Its name in the cache.
        from_file: FileName,
        /// What it becomes.
        to: ArtifactId,
        /// The name of that in the cache.
        file: FileName,
        /// The size of the compressed file in bytes.
        bytes: u64,
    },
    /// Deliver a file from the cache to a directory of a node.
    Push {
        /// Where to.
        target: PushTarget,
        /// What is delivered.
        artifact: ArtifactId,
        /// Its name in the cache.
        cache_file: FileName,
        /// Its name on the node.
        file: FileName,
        /// Its size on the node: that of the file in the cache, or what is known before
        /// it is fetched, or converted.
        #[serde(flatten)]
        bytes: Size,
        /// The form in which the node stores it.
        #[serde(skip_serializing_if = "StoredForm::is_same")]
        form: StoredForm,
        /// A file of this name that we have no record of may be replaced.
        replace: bool,
        /// What an order says becomes of it later.
        deletion: Option<Deletion>,
        /// How its bytes travel.
        #[serde(rename = "way")]
        transport: Transport,
    },
    /// Remove a file of ours from the cache.
    PruneCache {
        /// Its name.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Remove a file of ours from a node.
    PruneNode {
        /// Where it is.
        target: PushTarget,
        /// Its name there.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
        /// The digest it must still have.
        sha256: Sha256,
    },
    /// Remove what an interrupted delivery left on a node.
    ClearPart {
        /// Where it is.
        target: PushTarget,
        /// Its name there.
        part: PartName,
        /// The space that it takes, in bytes.
        bytes: u64,
        /// For how many seconds nobody must have written to it.
        idle_seconds: u64,
    },
    /// Read a delivered file back and compare it with its record.
    VerifyNode {
        /// Where it is.
        target: PushTarget,
        /// Its name there.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
        /// The digest on record.
        sha256: Sha256,
    },
    /// Read a cached file back and compare it with its record.
    VerifyCache {
        /// Its name.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Remove what an interrupted download left in the cache.
    ClearPartial {
        /// The name it was to have.
        file: FileName,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Make a template from an image on the node, beside the one that is there.
    CreateTemplate(Box<CreateTemplate>),
    /// Give a template its name and its tags, then take them from those before it.
    SwitchTemplate(Box<SwitchTemplate>),
    /// Remove a template of ours with its disks.
    RemoveTemplate {
        /// Where it is.
        node: NodeId,
        /// Its number.
        vmid: VmId,
        /// Its name now.
        name: String,
        /// What its notes must hold.
        #[serde(skip)]
        mark: String,
    },
}

/// A template that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CreateTemplate {
    /// Where.
    pub node: NodeId,
    /// Under which name it will be found.
    pub name: TemplateName,
    /// Its number.
    pub vmid: VmId,
    /// The directory of the image on the node.
    pub image: PushTarget,
    /// The name of the image there.
    pub file: FileName,
    /// The directory that the image is delivered to: of the nodes of a shared storage,
    /// another one may get it.
    #[serde(skip)]
    pub delivered: PushTarget,
    /// What the image is.
    pub artifact: ArtifactId,
    /// The digest of the image; `None` where the image is delivered in the same run.
    pub sha256: Option<Sha256>,
    /// The storage for its disks.
    pub storage: StorageName,
    /// The drive that is made from the image.
    pub disk: String,
    /// Options of that drive.
    pub disk_options: String,
    /// Everything else of its configuration.
    pub config: BTreeMap<String, String>,
    /// What an order says becomes of it later.
    pub deletion: Option<Deletion>,
}

/// A template that takes the place of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SwitchTemplate {
    /// Where.
    pub node: NodeId,
    /// The name that it gets.
    pub name: TemplateName,
    /// Its number.
    pub vmid: VmId,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// Its notes now; `None` where it is made in the same run.
    #[serde(skip)]
    pub notes: Option<String>,
    /// What an order says becomes of it later.
    pub deletion: Option<Deletion>,
    /// Those that lose the name.
    pub retired: Vec<RetiredTemplate>,
}

/// A template that loses its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RetiredTemplate {
    /// Where: of the nodes of a shared storage, another one may have it.
    pub node: NodeId,
    /// Its number.
    pub vmid: VmId,
    /// Its notes now.
    #[serde(skip)]
    pub notes: String,
}

impl Action {
    /// The removal of a file from the cache.
    pub(in crate::plan) fn prune_cache(file: &FileName, cached: &CachedFile) -> Self {
        Self::PruneCache {
            file: file.clone(),
            bytes: cached.size.unwrap_or(0),
        }
    }

    /// The identity of a step with this action.
    pub fn step_id(&self) -> StepId {
        match self {
            Self::Register { schematic, .. } => StepId::register(schematic),
            Self::Fetch { file, .. } => StepId::fetch(file),
            Self::Unpack { file, .. } => StepId::unpack(file),
            Self::Push { target, file, .. } => StepId::push(target, file),
            Self::PruneCache { file, .. } => StepId::prune_cache(file),
            Self::ClearPartial { file, .. } => StepId::clear_partial(file),
            Self::PruneNode { target, file, .. } => StepId::prune_node(target, file),
            Self::ClearPart { target, part, .. } => StepId::clear_part(target, part),
            Self::VerifyNode { target, file, .. } => StepId::verify_node(target, file),
            Self::VerifyCache { file, .. } => StepId::verify_cache(file),
            Self::CreateTemplate(create) => StepId::create_template(&create.node, &create.name),
            Self::SwitchTemplate(switch) => StepId::switch_template(&switch.node, &switch.name),
            Self::RemoveTemplate { node, vmid, .. } => StepId::remove_template(node, *vmid),
        }
    }

    /// The directory on a node in which something is done; `None` for what is done on
    /// this machine.
    pub const fn target(&self) -> Option<&PushTarget> {
        match self {
            Self::Push { target, .. }
            | Self::PruneNode { target, .. }
            | Self::ClearPart { target, .. }
            | Self::VerifyNode { target, .. } => Some(target),
            Self::Register { .. }
            | Self::Fetch { .. }
            | Self::Unpack { .. }
            | Self::PruneCache { .. }
            | Self::ClearPartial { .. }
            | Self::VerifyCache { .. }
            | Self::CreateTemplate(_)
            | Self::SwitchTemplate(_)
            | Self::RemoveTemplate { .. } => None,
        }
    }

    /// The node on which something is done; `None` for what is done on this machine.
    pub fn node(&self) -> Option<&NodeId> {
        match self {
            Self::CreateTemplate(create) => Some(&create.node),
            Self::SwitchTemplate(switch) => Some(&switch.node),
            Self::RemoveTemplate { node, .. } => Some(node),
            other => other.target().map(|target| &target.node),
        }
    }

    /// The nodes on which something is changed: a template may take the name of one that is
    /// on another node.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        let retired = match self {
            Self::SwitchTemplate(switch) => switch.retired.as_slice(),
            _ => &[],
        };
        let own = self.node().into_iter();
        own.chain(retired.iter().map(|retired| &retired.node))
    }

    /// The bytes that go with it, in the cache or on a node, if it removes something.
    pub const fn removes(&self) -> Option<u64> {
        match self {
            Self::PruneCache { bytes, .. }
            | Self::ClearPartial { bytes, .. }
            | Self::PruneNode { bytes, .. }
            | Self::ClearPart { bytes, .. } => Some(*bytes),
            Self::Register { .. }
            | Self::Fetch { .. }
            | Self::Unpack { .. }
            | Self::Push { .. }
            | Self::VerifyNode { .. }
            | Self::VerifyCache { .. }
            | Self::CreateTemplate(_)
            | Self::SwitchTemplate(_)
            | Self::RemoveTemplate { .. } => None,
        }
    }

    /// True if it brings bytes to where they were not: into the cache or to a node.
    pub const fn brings(&self) -> bool {
        matches!(
            self,
            Self::Fetch { .. } | Self::Unpack { .. } | Self::Push { .. }
        )
    }
}
