//! One look at a node: its storages, and what is in directories.

use std::collections::BTreeSet;

use super::protocol::script::NodeScript;
use super::protocol::{listing, storages as described};
use super::session::node_session::NodeSession;
use crate::facts::{NodeState, NodeStorages};
use crate::model::Dir;

/// Where Proxmox VE keeps its configuration.
const PVE_DIR: &str = "/etc/pve";

/// The state of the directories, in one round trip.
pub(super) async fn observe(session: &NodeSession<'_>, dirs: &BTreeSet<Dir>) -> NodeState {
    let mut args = vec![session.vm_configs()];
    args.extend(dirs.iter().map(Dir::as_str));
    let timeout = session.config.look;
    let asked = session.ask(NodeScript::Observe, &args, timeout, |answer| {
        listing::read(answer, dirs)
    });
    asked.await.unwrap_or_else(|error| NodeState::Unreachable {
        why: error.sentence(),
        lasting: error.lasting(),
    })
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
