//! One look at a node: its storages, and what is in directories.

use std::collections::BTreeSet;

use super::error::NodeError;
use super::protocol::script::NodeScript;
use super::protocol::{listing, storages as described};
use super::session::node_session::NodeSession;
use super::ssh::diagnosis;
use crate::facts::{NodeState, NodeStorages};
use crate::model::Dir;

/// Where Proxmox VE keeps its configuration.
const PVE_DIR: &str = "/etc/pve";

/// Opens the connection to the node, unless it is open.
pub(super) async fn connect(session: &NodeSession<'_>) -> Option<NodeState> {
    let host = session.ssh_host()?;
    if !session.ssh.is_shared() {
        return None;
    }
    // That it is open is known without the node.
    let open = session.ssh.check(host).total(session.config.look);
    if open.run().await.is_ok_and(|check| check.status.success()) {
        return None;
    }
    let greeting = session.shell("exec true");
    let greeting = greeting
        .idle(session.config.idle)
        .total(session.config.look);
    let error = match greeting.run().await {
        Ok(output) if output.status.code() == Some(255) => diagnosis::unreachable(output.stderr),
        // What its shell thinks of the command is of no interest.
        Ok(_) => return None,
        Err(error) => NodeError::remote_command(error),
    };
    Some(silent(&error))
}

/// The state of a node that does not answer.
fn silent(error: &NodeError) -> NodeState {
    NodeState::Unreachable {
        why: error.sentence(),
        lasting: error.lasting(),
    }
}

/// The state of the directories, in one round trip.
pub(super) async fn observe(session: &NodeSession<'_>, dirs: &BTreeSet<Dir>) -> NodeState {
    let mut args = vec![session.vm_configs()];
    args.extend(dirs.iter().map(Dir::as_str));
    let timeout = session.config.look;
    let asked = session.ask(NodeScript::Observe, &args, timeout, |answer| {
        listing::read(answer, dirs)
    });
    asked.await.unwrap_or_else(|error| silent(&error))
}

/// How the node describes its storages.
pub(super) async fn storages(session: &NodeSession<'_>) -> NodeStorages {
    let configs = session.vm_configs();
    // Where no machines are, the node may have storages all the same.
    let dir = configs.rsplit_once('/').map_or(PVE_DIR, |(dir, _)| dir);
    let timeout = session.config.look;
    session
        .ask(NodeScript::Storages, &[dir], timeout, described::read)
        .await
        .unwrap_or_else(|error| NodeStorages::Unreachable {
            why: error.sentence(),
            lasting: error.lasting(),
            last: None,
        })
}
