//! Sending a file as a stream: only its data, over the connection that is open
//! already, into a sparse file.
//!
//! The bytes come from this machine, or from another node that has the file; the
//! node that gets them runs the same script either way. Perl receives them, because
//! each Proxmox node has it. The other way that was tried is a sparse archive for
//! `tar`: as fast, but it can neither go on where it was nor hash what comes.
//! `dd` for each part starts a process for each.

use std::sync::Arc;

use super::Relay;
use super::error::NodeError;
use super::patience;
use super::push::{Begun, Task};
use super::quote::for_shell;
use super::script::{self, Answer, Script};
use super::ssh::login;
use super::system::SystemNodes;
use crate::facts::RecordEntry;
use crate::io::flow::outflow::Outflow;
use crate::io::flow::pace::Pace;
use crate::io::hash::data::hash_data;
use crate::io::process::{Program, task};
use crate::model::{Node, NodeId, Proof, Reach};

/// How fast may be sent, to all nodes and to each.
#[derive(Debug)]
pub(super) struct Paces {
    all: Option<Arc<Pace>>,
    of: std::collections::BTreeMap<NodeId, Arc<Pace>>,
}

impl Paces {
    pub fn new(config: &super::NodesConfig) -> Self {
        let of = config.bandwidth_of.iter();
        Self {
            all: config.bandwidth.map(|rate| Arc::new(Pace::new(rate))),
            of: of
                .map(|(id, &rate)| (id.clone(), Arc::new(Pace::new(rate))))
                .collect(),
        }
    }

    fn to(&self, node: &NodeId) -> Vec<Arc<Pace>> {
        let both = self.all.iter().chain(self.of.get(node));
        both.cloned().collect()
    }
}

impl SystemNodes {
    /// Sends what is missing and has it checked, named and recorded, in one session.
    /// Gives the bytes that were sent as well.
    pub(super) async fn stream(
        &self,
        task: &Task<'_>,
        begun: Option<Begun>,
    ) -> Result<(RecordEntry, Option<u64>), NodeError> {
        let delivery = task.delivery;
        let from = match begun {
            Some(begun) if task.agrees(begun).await? => begun.length,
            _ => 0,
        };
        let inline = delivery.proof == Proof::Inline && delivery.data.is_some() && from == 0;
        let nonce = script::nonce();
        let from_text = from.to_string();
        let mut words = task.operation.words();
        words.extend(task.words());
        words.extend([from_text.as_str(), if inline { "yes" } else { "no" }]);
        let line = Script::Receive.line(&nonce, &words);
        let node = task.operation.node;
        let read = |answer: &Answer<'_>| task.read_checked(answer);
        let read = task.operation.unlocked(read);
        let wire = delivery.data.map_or(delivery.size, |data| data.bytes);
        let patience = patience::for_transfer(wire, delivery.size, self.share_of(&node.id));
        match &delivery.relay {
            Some(relay) => {
                let command = self.relayed(node, relay, from, &line)?;
                let entry = self
                    .converse(node, command, &nonce, patience, read)
                    .await???;
                Ok((entry, delivery.data.map(|data| data.bytes)))
            }
            None => {
                let (to, pieces) = Outflow::channel();
                let outflow = Outflow {
                    path: delivery.source.clone(),
                    from,
                    paces: self.paces.to(&node.id),
                    meter: Arc::clone(&delivery.meter),
                };
                let command = self.shell(node, &line).feed(pieces);
                let answer = self.converse(node, command, &nonce, patience, read);
                let (sent, entry) = tokio::join!(outflow.send(to), answer);
                // A source that cannot be read is why the node got no end.
                let sent = sent.map_err(|source| task.source_error(source))?;
                Ok((entry???, sent))
            }
        }
    }

    /// A command that runs a line in the login shell of a node.
    pub(super) fn shell(&self, node: &Node, line: &str) -> Program {
        match &node.reach {
            Reach::Local => Program::new("sh").args(["-c", line]),
            Reach::Ssh { host, user, port } => self.ssh.command(host, user.as_ref(), *port, line),
        }
    }

    /// A command that has a node send its file to another one, and gives what that
    /// one answers.
    fn relayed(
        &self,
        node: &Node,
        relay: &Relay,
        from: u64,
        line: &str,
    ) -> Result<Program, NodeError> {
        let Reach::Ssh { host, user, port } = &node.reach else {
            return Err(NodeError::Refused {
                node: node.id.clone(),
                what: "being served by another node",
                message: "it is a directory of this machine".to_owned(),
            });
        };
        let mut ssh = login(user.as_ref(), *port);
        ssh.extend(relay.ssh_opts.iter().cloned());
        ssh.extend(["--".to_owned(), host.to_string(), line.to_owned()]);
        let ssh: Vec<String> = ssh.iter().map(|word| for_shell(word)).collect();
        let pipe = format!("{} | {}", script::sender(&relay.path, from), ssh.join(" "));
        Ok(self.shell(&relay.node, &pipe))
    }
}

impl Task<'_> {
    /// True if what a node has of a file is the beginning of this one. It is read here
    /// for that; a relay's file is the same as ours.
    async fn agrees(&self, begun: Begun) -> Result<bool, NodeError> {
        let source = self.delivery.source.clone();
        if begun.length > self.delivery.size {
            return Ok(false);
        }
        let ours = task::on_thread("prefix", move || hash_data(&source, begun.length)).await;
        match ours.and_then(|found| found) {
            Ok(ours) => Ok(ours.sha256 == begun.sha256),
            Err(source) => Err(self.source_error(source)),
        }
    }
}
