//! How the bytes of a delivery travel, and why so: part of the step that delivers.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::bytes::Bytes;
use crate::facts::StepId;
use crate::model::{ApiRoute, Method, NodeId, Proof, StoredForm, Via};

/// The program on a node that receives a stream.
pub(super) const RECEIVER: &str = "perl";

/// How a delivery's bytes travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Transport {
    /// By which means.
    pub method: Method,
    /// Why by these.
    pub because: TransportReason,
    /// The bytes that go over the link to the node, as far as that can be told.
    pub wire_bytes: Option<u64>,
    /// The node that sends it on, where it is not this machine.
    pub via: Option<Via>,
    /// Why the relay of its site does not send it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrelayed: Option<Unrelayed>,
    /// The download during which it is sent: as the bytes come, and under a hidden name
    /// until all of them are verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub while_fetching: Option<StepId>,
    /// How it is proven that it arrived.
    pub proof: Proof,
}

/// Why a way was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum TransportReason {
    /// It is a directory of this machine.
    Local,
    /// The node is reached through the Proxmox VE API.
    Api,
    /// It is a bucket.
    Bucket,
    /// It was asked for.
    Asked {
        /// By whom.
        by: RequestedBy,
    },
    /// The node has no perl, which receives a stream.
    NoPerl,
    /// The user chose options for rsync, so it is to be used.
    OptionsSet,
    /// Nothing there shares much with it, or the link is fast, so only data is
    /// sent.
    DataOnly,
    /// Over a slow link sending the differences to a file that is there is faster.
    SlowLink {
        /// What was measured in earlier runs.
        bytes_per_second: u64,
        /// What would be sent without that file.
        data_bytes: u64,
    },
}

/// Who asks for a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestedBy {
    /// An order that wants the file there.
    Order,
    /// The node's description.
    Node,
    /// The configuration, for all nodes.
    Defaults,
}

/// A delivery that a relay could make and does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unrelayed {
    /// The relay.
    pub relay: NodeId,
    /// Why not.
    #[serde(flatten)]
    pub why: RelayUnfit,
}

/// Why a relay does not send an image on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum RelayUnfit {
    /// No order wants the image there.
    NotWanted,
    /// It does not answer.
    Unreachable,
    /// It has nothing to send with.
    NoPerl,
    /// Suspended by an operator.
    Suspended,
    /// Its own delivery is blocked.
    #[serde(rename = "held")]
    Blocked,
    /// Its own delivery is made by another node of the same storage.
    Shared,
    /// The bytes that it has of the image are not those of the cache.
    OtherBytes,
    /// It failed before.
    Failed {
        /// Until when it is left out.
        until: Timestamp,
        /// What went wrong.
        error: String,
    },
}

/// How an image gets to a node through the API, as a clause. An upload is told apart, since
/// Proxmox VE copies what came to its final name, and does not rename it.
pub(super) fn route_clause(route: ApiRoute, form: StoredForm) -> String {
    let form = match form {
        StoredForm::Same => "",
        StoredForm::Qcow2 => " as a qcow2",
    };
    match route {
        ApiRoute::FileServer => format!("loaded by the node from this machine{form}"),
        ApiRoute::FileServerOrUpload => {
            format!("loaded by the node from this machine{form}, or uploaded")
        }
        ApiRoute::Factory => format!("loaded by the node from the factory{form}"),
        ApiRoute::Upload => format!("uploaded{form}, then copied to its name"),
    }
}

impl fmt::Display for TransportReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("a directory of this machine"),
            Self::Api => f.write_str("the transport is api"),
            Self::Bucket => f.write_str("a bucket"),
            Self::Asked {
                by: RequestedBy::Order,
            } => f.write_str("set by the order"),
            Self::Asked {
                by: RequestedBy::Node,
            } => f.write_str("push_method of the node"),
            Self::Asked {
                by: RequestedBy::Defaults,
            } => f.write_str("defaults.push.method"),
            Self::NoPerl => write!(f, "the node has no {RECEIVER}"),
            Self::OptionsSet => f.write_str("rsync_opts are set"),
            Self::DataOnly => f.write_str("only data is sent"),
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

impl fmt::Display for RelayUnfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWanted => f.write_str("not wanted there"),
            Self::Unreachable => f.write_str("it does not answer"),
            Self::NoPerl => write!(f, "it has no {RECEIVER}"),
            Self::Suspended => f.write_str("it is suspended"),
            Self::Blocked => f.write_str("its own delivery is blocked"),
            Self::Shared => f.write_str("another node delivers to its storage"),
            Self::OtherBytes => f.write_str("it has other bytes of this image"),
            Self::Failed { until, error } => write!(f, "backing off until {until:.0}: {error}"),
        }
    }
}
