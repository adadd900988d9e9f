//! The nouns of the domain, as plain validated values.
//!
//! Everything here is parsed once at the edge and correct by construction
//! afterwards: a [`FileName`] cannot escape its directory, a [`Host`] cannot be
//! read as an option by ssh, a [`TalosVersion`] is a semantic version. Nothing
//! in this room touches the file system, the network, the clock or the
//! environment, and it imports nothing else of this crate.

mod artifact;
mod cluster;
mod covered;
mod defaults;
mod digest;
mod epoch;
mod factory;
mod git;
mod hardware;
mod hook;
mod label;
mod members;
mod name;
mod named;
mod order;
mod part;
mod pattern;
mod place;
mod problem;
mod provider;
mod rollout;
mod schematic;
mod serving;
mod site;
mod storage;
mod template;
mod transfer;
mod trigger;
mod unknown_node;
mod url_part;
mod version;
mod visible;
mod window;

pub use artifact::{Arch, ArtifactId, Codec, Family, Format, Platform};
pub use cluster::{ClusterName, Fingerprint, TokenId};
pub use defaults::{
    DiscoveredCluster, Inventory, InventoryNode, OrderDefaults, Storage, VmConfigs,
};
pub use digest::{DataDigest, Sha256};
pub use epoch::LeaderEpoch;
pub use factory::{Credentials, ImageTrust, ListSource};
pub use git::{
    GitAuth, GitCommit, GitLogin, GitPath, GitProtocol, GitRange, GitRefName, GitReference,
    GitSource, GitToken, GitUrl, GitVerify,
};
pub use hardware::{Bios, Hardware, NetworkInterface};
pub use hook::{Hook, HookKind, HookName};
pub use members::ClusterGroup;
pub use name::{FileName, NameParts, NameTemplate};
pub use order::{
    AwaitedNodes, Deletion, Order, OrderId, OrderSet, Position, PositionRef, PushTarget,
    RejectedFile, RejectedOrder, RejectedPosition, SchematicSource, Skipped, SourceRef,
    VersionPolicy,
};
pub use part::{PARTS_DIR, PartName};
pub use pattern::NamePattern;
pub use place::{Dir, Host, Login, Node, NodeId, Reach, User};
pub use problem::{Excerpt, Problem};
pub use provider::{
    MailTarget, MailTls, Provider, ProviderName, ProviderTarget, SecretUrl, mail_parts,
};
pub use rollout::{MaxUnavailable, NodeTraits, Release, Ring, RingName, RingNodes, Rollout};
pub use schematic::{
    Bootloader, Customization, DiskImage, EnrollKeys, MetaValue, Overlay, Schematic, SchematicId,
    SecureBootOptions,
};
pub use serving::{ListenAddress, WebToken};
pub use site::{Network, Site, SiteName};
pub use storage::{DeliveryPlace, ImageContent, StorageName, StorageTarget};
pub use template::{TagPattern, Template, TemplateName, VmId, VmIds};
pub use transfer::{
    ApiRoute, ApiTransport, ImportFormat, LoadFrom, Method, NodeTransport, Proof, PushMethod,
    StoredForm, UploadUse, Via,
};
pub use trigger::Trigger;
pub use unknown_node::UnknownNode;
pub use url_part::url_part;
pub use version::{Channel, Minor, TalosVersion};
pub use visible::{is_invisible, visible, visible_lines, visible_path};
pub use window::{TimeOfDay, WeeklyWindow, WindowDays, WindowKind, Windows};

/// Why a text is not a value of one of the model's types.
///
/// The message says what was found and what is accepted; the place (file, line,
/// key path) is known only by whoever read the text, and is added there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// What was found and what is accepted, one sentence, no full stop.
    pub message: String,
    /// A hint for the user, where there is one.
    pub hint: Option<String>,
}

impl Invalid {
    /// A refusal without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The same refusal with a hint for the person who wrote the text.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Implements `Serialize`, `Deserialize` and `JsonSchema` for a type through its
/// text form (`as_text` and `FromStr`), so that every way in is validated.
macro_rules! text_form {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string"})
            }
        }
    };
}
pub(crate) use text_form;
