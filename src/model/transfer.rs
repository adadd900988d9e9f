//! How the bytes of a delivery travel: as asked for, and as chosen.

use std::fmt;
use std::str::FromStr;

use super::{Dir, FileName, Invalid, NodeId, SiteName, text_form};

/// How the user wants images sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PushMethod {
    /// As is best for what is at the destination and for the link.
    #[default]
    Auto,
    /// Only the parts of a file that hold data, over the open connection.
    Stream,
    /// With rsync and its own options.
    Rsync,
}

/// How it is proven that what arrived is what was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// What is on the node is read back.
    #[default]
    Readback,
    /// What arrives is hashed before it is written; the node's disk is trusted.
    Inline,
}

/// How a node of a cluster is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeTransport {
    /// Over ssh.
    #[default]
    Ssh,
    /// Through the Proxmox VE API.
    Api,
}

/// Whether images are sent to a node that is reached through the API. That takes the space
/// of the image once more on the root file system of the node that is asked, so it is no
/// silent substitute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UploadUse {
    /// The node loads them, or they do not arrive.
    #[default]
    Never,
    /// Where the node cannot load them from this machine, or may not.
    Fallback,
    /// Always.
    Always,
}

/// From where a node loads images that is reached through the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoadFrom {
    /// From this machine, which has verified them.
    #[default]
    Controller,
    /// From the Image Factory, with the digest of what this machine has.
    Factory,
}

/// What a raw image is stored as by a node that is reached through the API: its zeros
/// travel and take space, unless the format leaves them out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImportFormat {
    /// As a qcow2, which is made from it.
    #[default]
    Qcow2,
    /// As it is.
    Raw,
}

/// How images reach the nodes of a cluster through its API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApiTransport {
    /// Whether they are uploaded.
    pub upload: UploadUse,
    /// From where they are loaded.
    pub load_from: LoadFrom,
    /// What raw images are stored as.
    pub import_format: ImportFormat,
}

/// The way of an image to a node that is reached through the API.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ApiRoute {
    /// The node loads it from this machine.
    FileServer,
    /// It is uploaded where the node cannot load it from this machine.
    FileServerOrUpload,
    /// It is uploaded.
    Upload,
    /// The node loads it from the Image Factory.
    Factory,
}

/// The form in which a node stores an image.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum StoredForm {
    /// As it is in the cache.
    #[default]
    Same,
    /// As a qcow2 that is made from the raw image in the cache.
    Qcow2,
}

impl StoredForm {
    /// True for that of the cache.
    pub const fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }
}

/// How a delivery's bytes travel, as chosen.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Method {
    /// Copied within this machine.
    Copy,
    /// Uploaded into a bucket, with all that is in the file.
    Put,
    /// Through the Proxmox VE API, with all that is in the file.
    Api {
        /// By which way.
        route: ApiRoute,
    },
    /// Only the parts that hold data, over ssh.
    Stream,
    /// With rsync over ssh.
    Rsync {
        /// A file in the same directory that shares much with the wanted one: what
        /// it has need not be sent.
        basis: Option<FileName>,
    },
}

/// A file on another node that a delivery is made from.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
pub struct Via {
    /// The node that has it and sends it on.
    pub node: NodeId,
    /// Its directory there.
    pub dir: Dir,
    /// Its name there.
    pub file: FileName,
    /// The site that both belong to.
    pub site: SiteName,
}

macro_rules! words {
    ($type:ident, $what:literal, $accepted:literal, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word as it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Invalid::new(format!(
                        concat!("{:?} is not ", $what, "; expected ", $accepted),
                        text
                    ))),
                }
            }
        }
        text_form!($type);
    };
}

words!(
    PushMethod,
    "a way to push",
    "auto, stream or rsync",
    Auto = "auto",
    Stream = "stream",
    Rsync = "rsync"
);
words!(
    Proof,
    "a way to verify",
    "readback or inline",
    Readback = "readback",
    Inline = "inline"
);
words!(
    NodeTransport,
    "a transport",
    "ssh and api",
    Ssh = "ssh",
    Api = "api"
);
words!(
    LoadFrom,
    "a source of images",
    "controller and factory",
    Controller = "controller",
    Factory = "factory"
);
words!(
    ImportFormat,
    "a format for imports",
    "qcow2 and raw",
    Qcow2 = "qcow2",
    Raw = "raw"
);
words!(
    UploadUse,
    "a use of uploads",
    "never, fallback and always",
    Never = "never",
    Fallback = "fallback",
    Always = "always"
);
