//! How far new images are in the rings of their orders.

use super::catalog;
use super::exposition::Exposition;
use crate::conclude::Status;
use crate::model::RingName;

pub(super) fn add(to: &mut Exposition, status: &Status) {
    for line in &status.rollouts {
        let planned = &line.planned;
        let (order, version) = (planned.order.as_str(), planned.version.to_string());
        for ring in &planned.rings {
            // Without a value, as the ring is without a name.
            let name = ring.name.as_ref().map_or("", RingName::as_str);
            let labels = [order, &version, planned.release.as_str(), name];
            to.set(&catalog::RING_NODES, labels, ring.nodes.len() as u64);
            to.set(&catalog::RING_BEHIND, labels, ring.out_of_sync.len() as u64);
            let [order, version, release, name] = labels;
            let labels = [order, version, release, name, ring.state.as_str()];
            to.set(&catalog::RING_STATE, labels, 1);
        }
    }
    let mut last = None;
    for line in &status.rollouts {
        let order = line.planned.order.as_str();
        // An order may have several images in rings, and all are paused at once.
        if last.replace(order) != Some(order) {
            to.set_true(&catalog::ROLLOUT_PAUSED, [order], line.is_paused);
        }
    }
}
