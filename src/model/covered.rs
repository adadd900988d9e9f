//! The part of the orders that is about some nodes.

use super::{AwaitedNodes, NodeId, Order, OrderSet, Position};

impl OrderSet {
    /// What the orders want on some nodes only. A position that is for other nodes alone is
    /// put aside, and an order of such positions is left out, and counted. Positions for no
    /// node at all stay: their images are wanted in the cache.
    #[must_use]
    pub fn covering(
        &self,
        covers: impl Fn(&NodeId) -> bool,
        awaits: impl Fn(&AwaitedNodes) -> bool,
    ) -> Self {
        let mut covered = self.clone();
        covered.nodes.retain(|node, _| covers(node));
        for order in &mut covered.orders {
            for mut position in std::mem::take(&mut order.positions) {
                let is_placed = has_places(&position);
                let others = nodes_of(&position).filter(|node| !covers(node));
                let others: Vec<NodeId> = others.cloned().collect();
                position.elsewhere.extend(others);
                let awaited = position.awaited.iter().filter(|awaited| !awaits(awaited));
                let clusters = awaited.flat_map(|awaited| awaited.clusters.iter().cloned());
                position.elsewhere_awaited.extend(clusters);
                position.targets.retain(|target| covers(&target.node));
                position.storages.retain(|target| covers(&target.node));
                position.awaited.retain(&awaits);
                match is_placed && !has_places(&position) {
                    true => order.elsewhere.push(position),
                    false => order.positions.push(position),
                }
            }
        }
        let had_positions = |order: &Order| {
            let before = self.orders.iter().find(|known| known.id == order.id);
            before.is_some_and(|known| !known.positions.is_empty())
        };
        let before = covered.orders.len();
        covered.orders.retain(|order| {
            !order.positions.is_empty() || !order.rejected.is_empty() || !had_positions(order)
        });
        covered.left_out += before - covered.orders.len();
        covered
    }

    /// What the orders want in the cache only: the same images for no node.
    #[must_use]
    pub fn images_only(mut self) -> Self {
        self.nodes.clear();
        for position in self
            .orders
            .iter_mut()
            .flat_map(|order| &mut order.positions)
        {
            position.targets.clear();
            position.storages.clear();
            position.awaited.clear();
        }
        self
    }
}

fn nodes_of(position: &Position) -> impl Iterator<Item = &NodeId> {
    let by_dir = position.targets.iter().map(|target| &target.node);
    let by_storage = position.storages.iter().map(|target| &target.node);
    by_dir.chain(by_storage)
}

fn has_places(position: &Position) -> bool {
    !(position.targets.is_empty() && position.storages.is_empty() && position.awaited.is_empty())
}
