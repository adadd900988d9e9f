//! What is done to files that are there: removing them and reading them back.
//!
//! Each is one script under the lease of the directory; the node decides by the
//! digest that it computes itself, whatever was seen when this was planned.

use crate::model::{Node, Sha256};
use crate::nodes::error::NodeError;
use crate::nodes::lease::Operation;
use crate::nodes::protocol::script::{Answer, Script};
use crate::nodes::session::timeouts as patience;
use crate::nodes::system::SystemNodes;
use crate::nodes::{Cleared, Leftover, Removal, Removed, Verified};

impl SystemNodes {
    pub(super) async fn take_away(
        &self,
        node: &Node,
        removal: &Removal,
    ) -> Result<Removed, NodeError> {
        let patience = patience::for_file(removal.size);
        let operation = Operation::begin(self, node, &removal.dir, &removal.file, patience).await;
        let sha256 = removal.sha256.to_string();
        operation
            .ask_first(Script::Remove, &[&sha256], |answer| {
                if let Some(refusal) = operation.refusal(answer) {
                    return Some(Err(refusal));
                }
                Some(Ok(match answer.first("gone") {
                    Some(_) => Removed::Gone,
                    None => Removed::Differs(differs(answer)?),
                }))
            })
            .await?
    }

    pub(super) async fn clear_away(
        &self,
        node: &Node,
        leftover: &Leftover,
    ) -> Result<Cleared, NodeError> {
        let file = leftover.part.file();
        // Nothing is read, however large it is.
        let patience = patience::for_file(0);
        let operation = Operation::begin(self, node, &leftover.dir, file, patience).await;
        let (part, idle) = (leftover.part.inside(), leftover.idle.as_secs().to_string());
        operation
            .ask_first(Script::Clear, &[&part, &idle], |answer| {
                if let Some(refusal) = operation.refusal(answer) {
                    return Some(Err(refusal));
                }
                let cleared = answer.first("cleared").map(|_| Cleared::Gone);
                let unfinished = answer.first("unfinished").map(|_| Cleared::Unfinished);
                Some(Ok(cleared.or(unfinished)?))
            })
            .await?
    }

    pub(super) async fn read_back(
        &self,
        node: &Node,
        check: &Removal,
    ) -> Result<Verified, NodeError> {
        let patience = patience::for_gentle_read(check.size, self.config.verify_rate);
        let operation = Operation::begin(self, node, &check.dir, &check.file, patience).await;
        let sha256 = check.sha256.to_string();
        let rate = self.config.verify_rate.unwrap_or(0).to_string();
        operation
            .ask_first(Script::Verify, &[&sha256, &rate], |answer| {
                if let Some(refusal) = operation.refusal(answer) {
                    return Some(Err(refusal));
                }
                if answer.first("missing").is_some() {
                    return Some(Ok(Verified::Missing));
                }
                Some(Ok(match answer.first("same") {
                    Some(_) => Verified::Same,
                    None => Verified::Differs(differs(answer)?),
                }))
            })
            .await?
    }
}

/// The digest that the node found instead.
pub(super) fn differs(answer: &Answer<'_>) -> Option<Sha256> {
    let found = std::str::from_utf8(answer.first("differs")?).ok()?;
    found.parse().ok()
}
