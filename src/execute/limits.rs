//! The limits on what happens at once.

use std::collections::BTreeMap;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::context::ExecutionContext;
use crate::model::{Network, NodeId, SiteName, Via};

/// How many neighbours a relay serves at once. While one of them proves what it got,
/// the other receives; more would only share the relay's link.
const SERVED_AT_ONCE: usize = 2;

/// How many it serves at once with what it still receives: that comes over the slow link,
/// so they share the fast one well.
const SERVED_EARLY: usize = 16;

/// The limits on what happens at once.
pub(super) struct ConcurrencyLimits {
    /// What is unpacked or read back here. Not the limit of downloads: what is in the
    /// cache does not wait for what is still to come.
    pub disk: Semaphore,
    /// Work on nodes with what is in the cache.
    pub usual: NodeLimits,
    /// Early deliveries. They go as slowly as their download comes, perhaps for hours, so
    /// they are counted apart: what is in the cache already does not wait for them.
    pub early: NodeLimits,
}

/// The limits of work on nodes.
pub(super) struct NodeLimits {
    nodes: Semaphore,
    /// One delivery at a time per node: they share its disk and its link.
    node: BTreeMap<NodeId, Semaphore>,
    /// What a relay sends on. It is not the node's own limit: over a slow link a relay
    /// receives for long, and its neighbours need not wait for that.
    relay: BTreeMap<NodeId, Semaphore>,
    /// What goes from here into a site.
    site: BTreeMap<SiteName, Semaphore>,
}

impl ConcurrencyLimits {
    pub(super) fn new<F, N>(world: &ExecutionContext<F, N>) -> Self {
        Self {
            disk: Semaphore::new(world.downloads.at_once()),
            usual: NodeLimits::new(world, SERVED_AT_ONCE),
            early: NodeLimits::new(world, SERVED_EARLY),
        }
    }
}

impl NodeLimits {
    /// A relay serves so many at once.
    fn new<F, N>(world: &ExecutionContext<F, N>, served: usize) -> Self {
        let node = world.specs.keys();
        let sites = &world.network.sites;
        let relays = sites.values().filter_map(|site| site.relay.clone());
        let limits = sites.iter().filter_map(|(name, site)| {
            let limit = Semaphore::new(site.at_once?.max(1));
            Some((name.clone(), limit))
        });
        Self {
            nodes: Semaphore::new(world.nodes_at_once.max(1)),
            node: node.map(|id| (id.clone(), Semaphore::new(1))).collect(),
            relay: relays.map(|id| (id, Semaphore::new(served))).collect(),
            site: limits.collect(),
        }
    }

    /// Lets a delivery begin when there is room for it everywhere.
    ///
    /// Permits are always taken in this order (the node's own, its relay's or its
    /// site's, that of all nodes), so nobody waits in a circle. A place that many
    /// share is taken late: whoever waits for a busy node takes none from others.
    pub(super) async fn delivery(
        &self,
        network: &Network,
        node: &NodeId,
        via: Option<&Via>,
    ) -> NodePermits<'_> {
        let own = permit(&self.node[node]).await;
        let between = match via {
            Some(via) => self.relay.get(&via.node),
            None => {
                let site = network.site_of.get(node);
                site.and_then(|site| self.site.get(site))
            }
        };
        let between = match between {
            Some(limit) => Some(permit(limit).await),
            None => None,
        };
        NodePermits {
            _held: (own, between, permit(&self.nodes).await),
        }
    }

    /// Lets other work on a node begin: it shares the node's disk with deliveries, and no
    /// link into its site. The order is that of `delivery`.
    pub(super) async fn on_node(&self, node: &NodeId) -> NodePermits<'_> {
        let own = permit(&self.node[node]).await;
        NodePermits {
            _held: (own, None, permit(&self.nodes).await),
        }
    }
}

/// The permits of work on a node, given back when this goes.
pub(super) struct NodePermits<'a> {
    _held: (Permit<'a>, Option<Permit<'a>>, Permit<'a>),
}

type Permit<'a> = SemaphorePermit<'a>;

/// Waits for a place; the limits are never closed.
pub(super) async fn permit(limit: &Semaphore) -> Permit<'_> {
    limit.acquire().await.expect("limits are never closed")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::cache::Cache;
    use crate::execute::Downloads;
    use crate::model::{Node, Site};

    fn node(name: &str) -> NodeId {
        name.parse().expect("a node")
    }

    /// Four nodes; one delivery at a time into the site of the first three, which
    /// `pve-01` serves.
    fn limits() -> (NodeLimits, Network) {
        let names = ["pve-01", "pve-02", "pve-03", "pve-04"].map(node);
        let site: SiteName = "berlin".parse().expect("a site");
        let berlin = Site {
            relay: Some(names[0].clone()),
            at_once: Some(1),
            ..Site::default()
        };
        let network = Network {
            site_of: names[..3]
                .iter()
                .map(|name| (name.clone(), site.clone()))
                .collect(),
            sites: BTreeMap::from([(site, berlin)]),
        };
        let specs = names.map(|id| {
            let reach = crate::model::Reach::Local;
            (id.clone(), Node { id, reach })
        });
        let world: ExecutionContext<(), ()> = ExecutionContext {
            factory: Arc::new(()),
            cache: Arc::new(Cache::new(std::path::PathBuf::from("unused"))),
            nodes: Arc::new(()),
            specs: specs.into(),
            network: network.clone(),
            owner: "us".to_owned(),
            revision: None,
            now: Timestamp::UNIX_EPOCH,
            downloads: Arc::new(Downloads::new(1)),
            handover: CancellationToken::new(),
            recall: crate::execute::Recall::default(),
            nodes_at_once: 8,
        };
        (ConcurrencyLimits::new(&world).usual, network)
    }

    /// True if the delivery may begin at once; its places are kept in `held`.
    fn begins<'a>(
        limits: &'a NodeLimits,
        network: &Network,
        name: &str,
        via: Option<&Via>,
        held: &mut Vec<NodePermits<'a>>,
    ) -> bool {
        use std::future::Future;
        let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
        let name = node(name);
        let delivery = std::pin::pin!(limits.delivery(network, &name, via));
        match delivery.poll(&mut waker) {
            std::task::Poll::Ready(permits) => {
                held.push(permits);
                true
            }
            std::task::Poll::Pending => false,
        }
    }

    /// The relay of the site.
    fn via() -> Via {
        Via {
            node: node("pve-01"),
            dir: "/iso".parse().expect("a directory"),
            file: "a.iso".parse().expect("a name"),
            site: "berlin".parse().expect("a site"),
        }
    }

    #[test]
    fn a_site_takes_so_many_from_here_and_its_relay_serves_beside_that() {
        let (limits, network) = limits();
        let via = via();
        let mut held = Vec::new();
        assert!(begins(&limits, &network, "pve-01", None, &mut held));
        assert!(!begins(&limits, &network, "pve-02", None, &mut held));
        assert!(begins(&limits, &network, "pve-04", None, &mut held));
        // The relay receives and sends on at the same time.
        assert!(begins(&limits, &network, "pve-02", Some(&via), &mut held));
        assert!(!begins(&limits, &network, "pve-02", Some(&via), &mut held));
        assert!(begins(&limits, &network, "pve-03", Some(&via), &mut held));
        held.remove(0);
        assert!(begins(&limits, &network, "pve-01", None, &mut held));
    }

    #[test]
    fn a_relay_serves_two_at_once() {
        let (limits, network) = limits();
        let via = via();
        let mut held = Vec::new();
        for (name, begun) in [("pve-02", true), ("pve-03", true), ("pve-04", false)] {
            let begins = begins(&limits, &network, name, Some(&via), &mut held);
            assert_eq!(begins, begun, "{name}");
        }
    }
}
