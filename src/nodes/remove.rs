//! Removing files, and what arrived of files that were never completed.
//!
//! Each is one script under the lease of the directory; the node decides by the
//! digest that it computes itself, whatever was seen when this was planned.

use super::error::NodeError;
use super::interface::{Cleared, Leftover, Removal, Removed};
use super::lease::Operation;
use super::mandate::Mandate;
use super::protocol::script::NodeScript;
use super::session::node_session::NodeSession;
use super::session::timeouts;

pub(super) async fn remove(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    removal: &Removal,
) -> Result<Removed, NodeError> {
    let timeout = timeouts::for_file(removal.size);
    let operation = Operation::begin(session, mandate, &removal.dir, &removal.file, timeout).await;
    let sha256 = removal.sha256.to_string();
    let args = [&*sha256];
    let removed = operation.ask_first(NodeScript::Remove, &args, |answer| {
        if let Some(refusal) = operation.refusal(answer) {
            return Some(Err(refusal));
        }
        Some(Ok(match answer.first("gone") {
            Some(_) => Removed::Gone,
            None => Removed::Differs(answer.digest("differs")?),
        }))
    });
    removed.await?
}

pub(super) async fn clear(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    leftover: &Leftover,
) -> Result<Cleared, NodeError> {
    let file = leftover.part.file();
    // Nothing is read, however large it is.
    let timeout = timeouts::for_file(0);
    let operation = Operation::begin(session, mandate, &leftover.dir, file, timeout).await;
    let (part, idle) = (leftover.part.inside(), leftover.idle.as_secs().to_string());
    let args = [&*part, &*idle];
    let cleared = operation.ask_first(NodeScript::Clear, &args, |answer| {
        if let Some(refusal) = operation.refusal(answer) {
            return Some(Err(refusal));
        }
        let cleared = answer.first("cleared").map(|_| Cleared::Gone);
        let unfinished = answer.first("unfinished").map(|_| Cleared::Unfinished);
        Some(Ok(cleared.or(unfinished)?))
    });
    cleared.await?
}
