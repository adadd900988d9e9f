//! Reading a file back and comparing it, by one script under the lease of its directory.

use super::error::NodeError;
use super::interface::{Removal, Verified};
use super::lease::Operation;
use super::mandate::Mandate;
use super::protocol::script::NodeScript;
use super::session::node_session::NodeSession;
use super::session::timeouts;

pub(super) async fn verify(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    check: &Removal,
) -> Result<Verified, NodeError> {
    let rate = session.config.verify_rate;
    let timeout = timeouts::for_gentle_read(check.size, rate);
    let operation = Operation::begin(session, mandate, &check.dir, &check.file, timeout).await;
    let sha256 = check.sha256.to_string();
    let rate = rate.unwrap_or(0).to_string();
    let args = [&*sha256, &*rate];
    let verified = operation.ask_first(NodeScript::Verify, &args, |answer| {
        if let Some(refusal) = operation.refusal(answer) {
            return Some(Err(refusal));
        }
        if answer.first("missing").is_some() {
            return Some(Ok(Verified::Missing));
        }
        Some(Ok(match answer.first("same") {
            Some(_) => Verified::Same,
            None => Verified::Differs(answer.digest("differs")?),
        }))
    });
    verified.await?
}
