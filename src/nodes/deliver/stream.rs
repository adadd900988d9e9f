//! Sending a file as a stream: only its data, over the connection that is open
//! already, into a sparse file.
//!
//! The bytes come from this machine, or from another node that has the file; the
//! node that gets them runs the same script either way. Perl receives them, because
//! each Proxmox node has it. A sparse archive for `tar` was tried instead: as fast,
//! but it can neither go on where it was nor hash what comes. `dd` for each piece
//! starts a process for each.

use std::sync::Arc;

use super::prepared::{Begun, PreparedDelivery};
use crate::facts::RecordEntry;
use crate::io::flow::outflow::{Outflow, OutflowSource};
use crate::io::hash::data::hash_data;
use crate::io::process::{Program, task};
use crate::model::{Node, Proof};
use crate::nodes::error::NodeError;
use crate::nodes::protocol::script::{self, NodeScript};
use crate::nodes::session::node_session::NodeSession;
use crate::nodes::session::timeouts;
use crate::nodes::ssh::quote::for_shell;

/// Sends what is missing and has it checked, named and recorded, by one script. Gives
/// the bytes that were sent as well.
pub(super) async fn send(
    prepared: &PreparedDelivery<'_>,
    begun: Option<Begun>,
) -> Result<(RecordEntry, Option<u64>), NodeError> {
    let (delivery, operation) = (prepared.delivery, &prepared.operation);
    let session = operation.session;
    let from = match begun {
        Some(begun) if agrees(prepared, begun).await? => begun.length,
        _ => 0,
    };
    let nonce = script::nonce();
    let mut args = operation.args();
    args.extend(prepared.args());
    args.push(proof(delivery.proof));
    let line = NodeScript::Receive.line(&nonce, &args);
    let read = operation.unlocked(|answer| prepared.read_checked(answer));
    let wire = delivery.data.map_or(delivery.size, |data| data.bytes);
    let timeout = timeouts::for_transfer(wire, delivery.size, session.share());
    match &delivery.relay {
        Some(relay) => {
            let sender = script::sender(&relay.path, from);
            let command = relayed(session, &relay.node, &relay.ssh_opts, &sender, &line)?;
            let entry = session.run(command, &nonce, timeout, read).await???;
            Ok((entry, delivery.data.map(|data| data.bytes)))
        }
        None => {
            let (to, pieces) = Outflow::channel();
            let outflow = Outflow {
                source: OutflowSource::File(delivery.source.clone()),
                from,
                paces: session.paces(),
                meter: Arc::clone(&delivery.meter),
            };
            let command = session.shell(&line).feed(pieces);
            let answer = session.run(command, &nonce, timeout, read);
            let (sent, entry) = tokio::join!(outflow.send(to), answer);
            // A source that cannot be read is why the node got no end.
            let sent = sent.map_err(|source| prepared.source_error(source))?;
            Ok((entry???, sent))
        }
    }
}

/// How the node makes the digest of the data, as receive.pl takes it.
pub(super) fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Inline => "inline",
        Proof::Readback => "readback",
    }
}

/// A command that has another node run a sender whose output goes to the node of the
/// session, and gives what that one answers. The sender's text ends where the words of the
/// command follow that reads its output.
pub(super) fn relayed(
    session: &NodeSession<'_>,
    relay: &Node,
    ssh_opts: &[String],
    sender: &str,
    line: &str,
) -> Result<Program, NodeError> {
    let Some(host) = session.ssh_host() else {
        return Err(NodeError::Refused {
            node: session.node.id.clone(),
            what: "being served by another node",
            message: "it is a directory of this machine".to_owned(),
        });
    };
    let mut ssh = host.login();
    ssh.extend(ssh_opts.iter().cloned());
    ssh.extend(["--".to_owned(), host.host.to_string(), line.to_owned()]);
    let ssh: Vec<String> = ssh.iter().map(|arg| for_shell(arg)).collect();
    Ok(session.shell_of(relay, &format!("{sender} {}", ssh.join(" "))))
}

/// True if what a node has of a file is the beginning of this one. It is read here
/// for that; a relay's file is the same as ours.
async fn agrees(prepared: &PreparedDelivery<'_>, begun: Begun) -> Result<bool, NodeError> {
    if begun.length > prepared.delivery.size {
        return Ok(false);
    }
    let source = prepared.delivery.source.clone();
    let ours = task::on_thread("prefix", move || hash_data(&source, begun.length)).await;
    match ours.and_then(|found| found) {
        Ok(ours) => Ok(ours.sha256 == begun.sha256),
        Err(source) => Err(prepared.source_error(source)),
    }
}
