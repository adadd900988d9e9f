//! The steps of a delivery.

use std::sync::Arc;
use std::time::Instant;

use super::prepared::{MissingFile, PrepareAnswer, PreparedDelivery};
use super::{rsync, stream};
use crate::facts::RecordEntry;
use crate::model::{Method, Reach};
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Delivered, Delivery};
use crate::nodes::lease::Operation;
use crate::nodes::local::copy::copy_local;
use crate::nodes::protocol::script::Script;
use crate::nodes::session::node_session::NodeSession;
use crate::nodes::session::timeouts;

pub(crate) async fn deliver(
    session: &NodeSession<'_>,
    delivery: &Delivery,
) -> Result<Delivered, NodeError> {
    delivery.meter.set_total(delivery.size);
    let timeout = timeouts::for_file(delivery.size);
    let operation = Operation::begin(session, &delivery.dir, &delivery.file, timeout).await;
    let prepared = PreparedDelivery::new(operation, delivery);
    let mut args = prepared.args();
    args.extend(match &delivery.method {
        Method::Stream => ["stream", ""],
        Method::Copy | Method::Rsync { basis: None } => ["other", ""],
        Method::Rsync { basis: Some(file) } => ["other", file.as_str()],
    });
    args.push(session.vm_configs());
    let operation = &prepared.operation;
    let ready = operation.ask_first(Script::Prepare, &args, |answer| prepared.read_ready(answer));
    let begun = Instant::now();
    let (copied, (entry, wire_bytes)) = match ready.await?? {
        PrepareAnswer::Placed(entry) => (false, (*entry, None)),
        PrepareAnswer::Missing(missing) => {
            match operation.renew_while(send(&prepared, &missing)).await {
                Ok(arrived) => (true, arrived),
                Err(error) => return Err(operation.release_after(error).await),
            }
        }
    };
    delivery.meter.set_done(delivery.size);
    Ok(Delivered {
        copied,
        wire_bytes,
        took: begun.elapsed(),
        entry,
    })
}

/// Brings the file there under its name. Gives what was recorded, and the bytes that were
/// sent where they are known.
async fn send(
    prepared: &PreparedDelivery<'_>,
    missing: &MissingFile,
) -> Result<(RecordEntry, Option<u64>), NodeError> {
    let (delivery, operation) = (prepared.delivery, &prepared.operation);
    let node = operation.session.node;
    let need = prepared.need(missing.part.map_or(0, |(_, on_disk)| on_disk));
    if need > missing.free {
        return Err(prepared.no_space(need, missing.free, String::new()));
    }
    if delivery.relay.is_none() {
        prepared.check_source()?;
    }
    let sent = match (&delivery.method, &node.reach) {
        (Method::Stream, _) => {
            return match stream::send(prepared, missing.begun).await {
                Ok(arrived) => Ok(arrived),
                Err(error) => Err(prepared.after_failure(error).await),
            };
        }
        (Method::Copy | Method::Rsync { .. }, Reach::Local) => {
            let (source, meter) = (delivery.source.clone(), Arc::clone(&delivery.meter));
            let copied = copy_local(source, prepared.copy_target(), meter);
            copied.await.map(|()| None)
        }
        (Method::Copy | Method::Rsync { .. }, Reach::Ssh { .. }) if !missing.rsync => {
            Err(NodeError::MissingTool {
                node: node.id.clone(),
                tool: "rsync",
            })
        }
        (Method::Copy | Method::Rsync { .. }, Reach::Ssh { host, user, port }) => {
            let part = missing.part.map_or(0, |(length, _)| length);
            rsync::send(prepared, host, user.as_ref(), *port, part).await
        }
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => return Err(prepared.after_failure(error).await),
    };
    let args = prepared.args();
    let placed = operation.ask(Script::Place, &args, |answer| prepared.read_checked(answer));
    Ok((placed.await??, sent))
}
