//! The virtual machines of a node, the VMIDs of its cluster, and linked clones.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::host::TemplateHost;
use super::seen::Taken;
use crate::facts::{NodeVms, VmConfig, VmInventory, VmSeat};
use crate::io::process::printable;
use crate::model::{Node, VmId};
use crate::nodes::api::error::ApiError;
use crate::nodes::api::shared::SharedParts;
use crate::nodes::error::NodeError;
use crate::proxmox::{PveError, PveVm};

/// The tag of a template that is being made, by which one is found that is none yet.
const NEW: &str = "talos-order-new";

/// Configurations that are asked for at the same time.
const AT_ONCE: usize = 4;

/// What a look says of a node.
pub(in crate::nodes::api) async fn vms(shared: &SharedParts, node: &Node) -> NodeVms {
    let host = match TemplateHost::of(shared, node) {
        Ok(host) => host,
        Err(error) => return unknown(&error),
    };
    let limit = shared.config.look;
    match tokio::time::timeout(limit, inventory(&host)).await {
        Ok(Ok(inventory)) => NodeVms::Known(inventory),
        Ok(Err(state)) => state,
        Err(_) => NodeVms::Unreachable {
            why: format!(
                "its virtual machines were not told within {} s",
                limit.as_secs_f32()
            ),
            lasting: None,
        },
    }
}

async fn inventory(host: &TemplateHost<'_>) -> Result<VmInventory, NodeVms> {
    let (shared, known) = (host.shared, &host.known);
    let age = shared.config.usage_age;
    let asked = shared
        .vms
        .look(&known.cluster, &host.node, age, taken(host));
    let mut taken = asked.await?;
    let own = known.api.node_vms(&known.name).await;
    let own = own.map_err(|error| unknown(&host.failed("listing virtual machines", error)))?;
    let mut marked = BTreeMap::new();
    let candidates: Vec<(VmId, PveVm)> = own
        .into_iter()
        .filter_map(|vm| Some((vmid(vm.vmid)?, vm)))
        .collect();
    for (id, vm) in &candidates {
        // The list of the cluster has names that are some seconds old.
        taken.insert(*id, seat(&known.name, vm.name.clone(), vm.template));
    }
    let may_be_ours = |vm: &PveVm| {
        let tags = vm.tags.as_deref().unwrap_or_default();
        vm.template || tags.split([';', ',', ' ']).any(|tag| tag == NEW)
    };
    let ids = candidates
        .into_iter()
        .filter(|(_, vm)| may_be_ours(vm))
        .map(|(id, _)| id);
    let configs = stream::iter(ids).map(async |id| Ok((id, host.config(id).await?)));
    let configs = configs.buffer_unordered(AT_ONCE).try_collect();
    let configs: Vec<(VmId, Option<(VmConfig, String)>)> =
        configs.await.map_err(|error: NodeError| unknown(&error))?;
    for (id, found) in configs {
        // One that is gone meanwhile is none of ours any more.
        if let Some((config, _)) = found
            && config.mark_line().is_some()
        {
            marked.insert(id, config);
        }
    }
    Ok(VmInventory {
        host: known.name.clone(),
        cluster: Some(known.cluster.clone()),
        taken,
        marked,
        clones: None,
        clones_unknown: None,
    })
}

/// Every VMID of the cluster.
async fn taken(host: &TemplateHost<'_>) -> Taken {
    let asked = async {
        host.ensure_all_seen().await?;
        let vms = host.api().vms().await;
        vms.map_err(|error| host.failed("listing the virtual machines of the cluster", error))
    };
    let vms = asked.await.map_err(|error| unknown(&error))?;
    let seats = vms.into_iter().filter_map(|vm| {
        let id = vmid(vm.vmid)?;
        Some((id, seat(&vm.node, vm.name, vm.template)))
    });
    Ok(seats.collect())
}

fn vmid(number: u64) -> Option<VmId> {
    u32::try_from(number).ok()?.try_into().ok()
}

fn seat(host: &str, name: Option<String>, is_template: bool) -> VmSeat {
    VmSeat {
        host: host.to_owned(),
        name,
        is_template,
    }
}

/// A node that does not answer, or one that answers and does not tell.
fn unknown(error: &NodeError) -> NodeVms {
    let why = printable(error.sentence().as_bytes());
    let is_of_node = match error {
        NodeError::Unreachable { .. } => true,
        NodeError::Api(ApiError::Call { source, .. }) => matches!(
            **source,
            PveError::NoSuchNode { .. }
                | PveError::Unauthorized { .. }
                | PveError::Pin { .. }
                | PveError::NoEndpoint
        ),
        _ => false,
    };
    match is_of_node {
        true => NodeVms::Unreachable {
            why,
            lasting: error.lasting(),
        },
        false => NodeVms::Unknown { why },
    }
}

/// The linked clones of some templates.
pub(in crate::nodes::api) async fn clones(
    host: &TemplateHost<'_>,
    templates: &BTreeSet<VmId>,
) -> Result<BTreeMap<VmId, BTreeSet<VmId>>, NodeError> {
    host.ensure_all_seen().await?;
    let numbers = templates.iter().map(|id| id.get()).collect();
    let found = host.api().linked_clones(&numbers).await;
    let found = found.map_err(|error| host.failed("looking for linked clones", error))?;
    let of = |id: &VmId| {
        let clones = found.get(&id.get()).into_iter().flatten();
        let clones = clones.filter_map(|number| VmId::try_from(*number).ok());
        (*id, clones.collect())
    };
    Ok(templates.iter().map(of).collect())
}
