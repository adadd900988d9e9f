//! The steps of a delivery.

use std::sync::Arc;
use std::time::Instant;

use super::prepared::{MissingFile, PrepareAnswer, PreparedDelivery};
use super::{rsync, stream};
use crate::facts::RecordEntry;
use crate::model::Method;
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Delivered, Delivery};
use crate::nodes::lease::Operation;
use crate::nodes::local::copy::copy_local;
use crate::nodes::mandate::Mandate;
use crate::nodes::protocol::script::NodeScript;
use crate::nodes::session::node_session::NodeSession;
use crate::nodes::session::timeouts;

pub(crate) async fn deliver(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    delivery: &Delivery,
) -> Result<Delivered, NodeError> {
    delivery.meter.set_total(delivery.size);
    let timeout = timeouts::for_file(delivery.size);
    let (dir, file) = (&delivery.dir, &delivery.file);
    let operation = Operation::begin(session, mandate, dir, file, timeout).await;
    let prepared = PreparedDelivery::new(operation, delivery);
    let mut args = prepared.args();
    args.extend(match &delivery.method {
        Method::Stream => ["stream", ""],
        Method::Copy | Method::Api { .. } | Method::Rsync { basis: None } => ["other", ""],
        Method::Rsync { basis: Some(file) } => ["other", file.as_str()],
    });
    args.push(session.vm_configs());
    let operation = &prepared.operation;
    let ready = operation.ask_first(NodeScript::Prepare, &args, |answer| {
        prepared.read_ready(answer)
    });
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
    let need = prepared.need(missing.part.map_or(0, |(_, on_disk)| on_disk));
    if need > missing.free {
        return Err(prepared.no_space(need, missing.free, String::new()));
    }
    if delivery.relay.is_none() {
        prepared.check_source()?;
    }
    if delivery.method == Method::Stream {
        return match stream::send(prepared, missing.begun).await {
            Ok(arrived) => Ok(arrived),
            Err(error) => Err(prepared.after_failure(error).await),
        };
    }
    let sent = match operation.session.ssh_host() {
        None => {
            let (source, meter) = (delivery.source.clone(), Arc::clone(&delivery.meter));
            let copied = copy_local(source, prepared.copy_target(), meter);
            copied.await.map(|()| None)
        }
        Some(_) if !missing.rsync => Err(NodeError::MissingTool {
            node: operation.session.node.id.clone(),
            tool: "rsync",
        }),
        Some(host) => {
            let part = missing.part.map_or(0, |(length, _)| length);
            rsync::send(prepared, host, part).await
        }
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => return Err(prepared.after_failure(error).await),
    };
    let args = prepared.args();
    let placed = operation.ask(NodeScript::Place, &args, |answer| {
        prepared.read_checked(answer)
    });
    Ok((placed.await??, sent))
}
