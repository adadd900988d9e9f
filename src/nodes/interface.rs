//! What `execute` and `observe` ask of nodes, and what they get.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::error::NodeError;
use super::receipt::EarlyReceipt;
use super::templates::Templates;
use crate::facts::{NodeState, NodeStorages, RecordEntry};
use crate::io::Meter;
use crate::io::flow::growing::GrowingFile;
use crate::model::{
    ArtifactId, DataDigest, Deletion, Dir, FileName, Method, Node, OrderId, PartName, Proof,
    Sha256, StorageName, StoredForm,
};

/// Everything a reconciliation asks of nodes.
pub trait Nodes: Templates {
    /// Opens the connection that the other calls use, where one can be kept open; changes
    /// nothing. `None` if the node can be asked, its state otherwise.
    fn connect(&self, node: &Node) -> impl Future<Output = Option<NodeState>> + Send {
        // Where each call opens its own.
        let _ = node;
        std::future::ready(None)
    }

    /// The state of the given directories, in one round trip. Failing is a
    /// state, not an error: unknown is not empty.
    fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> impl Future<Output = NodeState> + Send;

    /// How the node describes its storages, in one round trip; these are of interest.
    /// Failing is a state here, too.
    fn storages(
        &self,
        node: &Node,
        wanted: &BTreeSet<StorageName>,
    ) -> impl Future<Output = NodeStorages> + Send;

    /// Puts a file at its path with the right digest, and records it.
    ///
    /// The final name appears only when the digest was checked on the node. A
    /// file that is there already with the right size and digest is adopted
    /// instead of copied; where the record says that another owner placed it, its
    /// entry stays as it is and is the answer.
    ///
    /// # Errors
    /// [`NodeError::NotOurs`] for wrong bytes that another owner placed,
    /// [`NodeError::Foreign`] for wrong bytes that nobody recorded, unless they
    /// are to be replaced and that can be done in one step, [`NodeError::Locked`] while another owner works in the
    /// directory, or another controller of the same owner for longer than a lease
    /// stands. Another node of the same controller is waited for.
    /// [`NodeError::Fenced`] where the lease was lost meanwhile, and
    /// [`NodeError::Hostile`] where another user of the node has something in the
    /// directory under a name of ours; the same for the others below.
    fn deliver(
        &self,
        node: &Node,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<Delivered, NodeError>> + Send;

    /// Like [`Self::deliver`], for a file that is still being written: its data go to the
    /// node as they come, under a hidden name. `verified` is resolved when the whole file
    /// has been verified, with everything that a delivery needs; it gets its final name
    /// after that. With `None` it was not verified.
    ///
    /// The answer is `None` where the file was not delivered, for whatever reason. That is
    /// no error: what was sent stays hidden, and the usual delivery builds upon it.
    fn deliver_early(
        &self,
        node: &Node,
        early: &EarlyDelivery,
        verified: impl Future<Output = Option<Delivery>> + Send,
    ) -> impl Future<Output = Option<Delivered>> + Send {
        // What a way of reaching nodes does that cannot send early.
        let _ = (node, early, verified);
        std::future::ready(None)
    }

    /// Removes a file that we placed, if it still has its digest, and its line in
    /// the record. That it is gone already is fine, and so is something that is no
    /// plain file under its name, which stays.
    ///
    /// # Errors
    /// [`NodeError::NotOurs`] where another owner placed it,
    /// [`NodeError::Foreign`] where nobody recorded it, [`NodeError::Locked`].
    fn remove(
        &self,
        node: &Node,
        removal: &Removal,
    ) -> impl Future<Output = Result<Removed, NodeError>> + Send;

    /// Removes what arrived so far of a file that nobody wants any more. That it is gone
    /// already is fine.
    ///
    /// # Errors
    /// [`NodeError::Locked`] while another controller works in the directory.
    fn clear(
        &self,
        node: &Node,
        leftover: &Leftover,
    ) -> impl Future<Output = Result<Cleared, NodeError>> + Send;

    /// Reads a file back whole, gently, and compares it. Where it differs its line
    /// in the record describes nothing any more (modification time and inode
    /// number 0), so that the next look has it replaced and it is still known to
    /// be ours; the line of a missing one is dropped.
    ///
    /// # Errors
    /// [`NodeError::NotOurs`] where another owner placed it, [`NodeError::Locked`].
    fn verify(
        &self,
        node: &Node,
        check: &Removal,
    ) -> impl Future<Output = Result<Verified, NodeError>> + Send;
}

/// One file on a node, with what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The directory on the node.
    pub dir: Dir,
    /// The name there.
    pub file: FileName,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
}

/// How a removal went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Gone,
    /// It has another digest and stays.
    Differs(Sha256),
}

/// What arrived so far of a file, on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The directory that the file was for.
    pub dir: Dir,
    /// Its name there.
    pub part: PartName,
    /// It stays if it was written to within this time.
    pub idle: Duration,
}

/// How removing a part went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// It is gone.
    Gone,
    /// Somebody writes to it, or did so a moment ago: it stays.
    Unfinished,
}

/// How reading back went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// It is what the record says.
    Same,
    /// It is not.
    Differs(Sha256),
    /// It is not there.
    Missing,
}

/// One file to deliver.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The directory on the node; made if it is missing.
    pub dir: Dir,
    /// The name there.
    pub file: FileName,
    /// The file to send.
    pub source: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
    /// What it is.
    pub artifact: ArtifactId,
    /// Replace a file that is there with other bytes and that nobody recorded: it
    /// may be a user's own.
    pub replace: bool,
    /// What an order says becomes of it, for the record.
    pub deletion: Option<Deletion>,
    /// The revision of the orders, for the record.
    pub revision: Option<String>,
    /// The orders that want it, for the record.
    pub orders: BTreeSet<OrderId>,
    /// The time of the run, for the record.
    pub now: Timestamp,
    /// The form in which the node stores it; size and digest are those of the source.
    /// Only nodes of the API store another one.
    pub form: StoredForm,
    /// Where the source is from.
    pub url: String,
    /// How its bytes travel.
    pub method: Method,
    /// How it is proven that they arrived.
    pub proof: Proof,
    /// The digest of its data, where it is known.
    pub data: Option<DataDigest>,
    /// The file on another node that is sent on instead, and how that node reaches
    /// this one.
    pub relay: Option<Relay>,
    /// Counts the bytes as they go.
    pub meter: Arc<Meter>,
}

/// A file to deliver while it is still being written.
#[derive(Debug, Clone)]
pub struct EarlyDelivery {
    /// The directory on the node; made if it is missing.
    pub dir: Dir,
    /// The name there.
    pub file: FileName,
    /// The file as it grows.
    pub source: GrowingFile,
    /// What it is.
    pub artifact: ArtifactId,
    /// How it is proven that the bytes arrived.
    pub proof: Proof,
    /// Another node that sends on what it receives itself, in place of this machine.
    pub relay: Option<EarlyRelay>,
    /// Tells others how far this delivery is: the `receipt` of the [`EarlyRelay`] of those
    /// that its node sends the file on to.
    pub receipt: EarlyReceipt,
    /// Counts the bytes as they go.
    pub meter: Arc<Meter>,
}

/// A node that gets the same file in an early delivery of its own, and sends it on
/// meanwhile. While that one has not begun, nothing is sent; where it fails, this one comes
/// to nothing as well.
#[derive(Debug, Clone)]
pub struct EarlyRelay {
    /// The node.
    pub node: Node,
    /// The directory on it.
    pub dir: Dir,
    /// The name there.
    pub file: FileName,
    /// How far it is.
    pub receipt: EarlyReceipt,
    /// Arguments for ssh on that node, beside how the destination is reached.
    pub ssh_opts: Vec<String>,
}

/// A file on another node that a delivery is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The node that has the file.
    pub node: Node,
    /// Its path there.
    pub path: String,
    /// Arguments for ssh on that node, beside how the destination is reached.
    pub ssh_opts: Vec<String>,
}

/// How a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// False if the right file was there already.
    pub copied: bool,
    /// Bytes that were sent to the node, where that is known: from this machine, or
    /// from the one that sent it on.
    pub wire_bytes: Option<u64>,
    /// How long sending took.
    pub took: Duration,
    /// What was recorded on the node.
    pub entry: RecordEntry,
}
