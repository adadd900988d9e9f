//! One look at a node.

use std::collections::BTreeSet;

use super::protocol::listing;
use super::protocol::script::NodeScript;
use super::session::node_session::NodeSession;
use crate::facts::NodeState;
use crate::model::Dir;

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
