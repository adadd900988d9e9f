//! Nodes as they are: the system's ssh, rsync and sh.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::NodeError;
use super::lease::Turns;
use super::listing;
use super::script::{self, Answer, NoAnswer, Script};
use super::ssh::Ssh;
use super::stream::Paces;
use super::{Cleared, Delivered, Delivery, Leftover, Nodes, Removal, Removed, Verified};
use crate::facts::NodeState;
use crate::io::process::Program;
use crate::model::{Dir, Node, NodeId, Reach};

/// How nodes are spoken to; plain values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodesConfig {
    /// Words for ssh, as the user wrote them.
    pub ssh_opts: Vec<String>,
    /// Words for rsync, as the user wrote them.
    pub rsync_opts: Vec<String>,
    /// How long a connection may take; at least a second for ssh.
    pub connect: Duration,
    /// How long a session may stand still. Scripts give a sign of life every
    /// five seconds, so less than ten would be rash.
    pub idle: Duration,
    /// How long a look at a node may take altogether.
    pub look: Duration,
    /// Where the sockets of shared connections go; a private temporary
    /// directory if it is not given or too long for a socket's path.
    pub control_dir: Option<PathBuf>,
    /// How many nodes are spoken to at once; at least one.
    pub sessions: usize,
    /// The controller, as leases and records name it: one name for one
    /// controller, and the same one for as long as it lives.
    pub owner: String,
    /// Which of the controllers that may have this owner: one for each cache, which
    /// one process at a time has ([`Cache::instance`](crate::cache::Cache::instance)).
    /// Letters, digits and `-`. A lease that the same instance left behind is taken
    /// over at once.
    pub instance: String,
    /// How long a directory stays locked without a sign of life, in whole
    /// seconds: [`LEASE`](super::LEASE).
    pub lease: Duration,
    /// How fast files are read back, in bytes per second; `None` for as fast as
    /// the disk has nothing else to do.
    pub verify_rate: Option<u64>,
    /// Where the configurations of virtual machines are, usually
    /// [`VM_CONFIGS`](super::VM_CONFIGS); `None` says that there are none.
    pub vm_configs: Option<String>,
    /// The same for single nodes that keep them elsewhere.
    pub vm_configs_of: BTreeMap<NodeId, Option<String>>,
    /// How many bytes are sent in a second to all nodes together; `None` for no
    /// limit.
    pub bandwidth: Option<u64>,
    /// The same for single nodes.
    pub bandwidth_of: BTreeMap<NodeId, u64>,
}

/// The largest answer accepted, in bytes: a record as long as one is read (see
/// `observe.sh`), and the files that it names.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Nodes behind the system's ssh and rsync, and directories of this machine.
#[derive(Debug)]
pub struct SystemNodes {
    pub(super) config: NodesConfig,
    pub(super) ssh: Ssh,
    pub(super) turns: Turns,
    pub(super) paces: Paces,
    sessions: Semaphore,
}

impl SystemNodes {
    /// Makes the directory for sockets and touches nothing else.
    pub fn new(config: NodesConfig) -> Result<Self, NodeError> {
        let ssh = Ssh::new(
            config.ssh_opts.clone(),
            config.connect,
            config.control_dir.as_deref(),
        )?;
        Ok(Self {
            ssh,
            turns: Turns::default(),
            paces: Paces::new(&config),
            sessions: Semaphore::new(config.sessions.clamp(1, Semaphore::MAX_PERMITS)),
            config,
        })
    }

    /// Runs a script on a node and hands its answer to `read`, which gives
    /// `None` for an answer that the script does not write. After `patience` it is
    /// ended, whatever it still sends.
    pub(super) async fn ask<T>(
        &self,
        node: &Node,
        script: Script,
        words: &[&str],
        patience: Duration,
        read: impl FnOnce(&Answer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let nonce = script::nonce();
        let text = script.text(&nonce, words);
        let command = self.shell(node, "exec sh -s").stdin(text);
        self.converse(node, command, &nonce, patience, read).await
    }

    /// Runs a command that answers as a script does, and hands its answer to `read`.
    pub(super) async fn converse<T>(
        &self,
        node: &Node,
        command: Program,
        nonce: &str,
        patience: Duration,
        read: impl FnOnce(&Answer<'_>) -> Option<T>,
    ) -> Result<T, NodeError> {
        let output = command
            .idle(self.config.idle)
            .total(patience)
            .stdout_limit(ANSWER_MAX)
            .run()
            .await
            .map_err(|error| match node.reach {
                Reach::Local => NodeError::from(error),
                Reach::Ssh { .. } => NodeError::of_remote_command(error),
            })?;
        let stderr = output.stderr;
        let answer = match script::answer(&output.stdout, nonce) {
            Ok(answer) => answer,
            Err(NoAnswer::CutShort) => return Err(NodeError::CutShort { stderr }),
            Err(NoAnswer::NotBegun(_))
                if output.status.code() == Some(255) && node.reach != Reach::Local =>
            {
                return Err(NodeError::of_ssh(stderr));
            }
            Err(NoAnswer::NotBegun(text)) => {
                let found = if text.is_empty() { &stderr } else { &text };
                let found = script::excerpt(found.as_bytes());
                return Err(NodeError::Unintelligible { found, stderr });
            }
        };
        if !answer.noise.is_empty() {
            return Err(NodeError::NoisyShell {
                node: node.id.clone(),
                text: answer.noise,
                stderr,
            });
        }
        if let Some(failure) = answer.first("fail") {
            return Err(refused(node, failure, &stderr));
        }
        read(&answer).ok_or_else(|| NodeError::Unintelligible {
            found: script::excerpt(&output.stdout),
            stderr,
        })
    }

    /// Where Proxmox keeps the configurations of a node's cluster, beside its
    /// `storage.cfg`; empty where they are not to be read.
    pub(super) fn vm_configs(&self, node: &Node) -> &str {
        let own = self.config.vm_configs_of.get(&node.id);
        let configs = own.unwrap_or(&self.config.vm_configs);
        configs.as_deref().unwrap_or_default()
    }

    async fn session(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.sessions
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }
}

impl Nodes for SystemNodes {
    async fn observe(&self, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
        let _session = self.session().await;
        let mut words = vec![self.vm_configs(node)];
        words.extend(dirs.iter().map(Dir::as_str));
        let read = |answer: &Answer<'_>| listing::read(answer, dirs);
        match self
            .ask(node, Script::Observe, &words, self.config.look, read)
            .await
        {
            Ok(state) => state,
            Err(error) => NodeState::Unreachable {
                why: error.sentence(),
            },
        }
    }

    async fn deliver(&self, node: &Node, delivery: &Delivery) -> Result<Delivered, NodeError> {
        let _session = self.session().await;
        Box::pin(self.push(node, delivery)).await
    }

    async fn remove(&self, node: &Node, removal: &Removal) -> Result<Removed, NodeError> {
        let _session = self.session().await;
        self.take_away(node, removal).await
    }

    async fn verify(&self, node: &Node, check: &Removal) -> Result<Verified, NodeError> {
        let _session = self.session().await;
        self.read_back(node, check).await
    }

    async fn clear(&self, node: &Node, leftover: &Leftover) -> Result<Cleared, NodeError> {
        self.clear_away(node, leftover).await
    }
}

/// A script's own word for what went wrong, in a person's words.
fn refused(node: &Node, failure: &[u8], stderr: &str) -> NodeError {
    let text = crate::io::process::printable(failure);
    let (stage, message) = text.split_once(' ').unwrap_or((text.as_str(), ""));
    let message = match message {
        // What stopped the other end of a pipe is on standard error.
        "" if stage == "cut" && stderr.is_empty() => "the stream ended early".to_owned(),
        "" => stderr.to_owned(),
        message => message.to_owned(),
    };
    if stage == "hostile" {
        return NodeError::Hostile {
            node: node.id.clone(),
            message,
        };
    }
    NodeError::Refused {
        node: node.id.clone(),
        what: match stage {
            "list" => "listing the directory",
            "recall" => "reading the record of earlier deliveries",
            "record" => "writing the record",
            "lock" => "locking the directory",
            "remove" => "removing the file",
            "taken" => "taking the final name",
            "mkdir" => "making the directory",
            "space" => "asking for free space",
            "digest" => "reading the file",
            "chmod" => "setting the file's mode",
            "sync" => "writing the file to disk",
            "receive" => "receiving the file",
            "cut" => "receiving the file whole",
            "rename" => "giving the file its final name",
            "gone" => "finding what was sent",
            "busy" => "keeping others from what was sent",
            "aside" => "setting aside what cannot be used",
            _ => "a step",
        },
        message,
    }
}
