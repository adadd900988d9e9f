//! The sites that this controller serves in a fleet, and the nodes of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{App, StartError};
use crate::bucket::Bucket;
use crate::facts::StorePurpose;
use crate::fleet::{ControllerName, Leaderships};
use crate::model::{AwaitedNodes, NodeId, OrderDefaults, OrderSet, SiteName};
use crate::nodes::Authority;

/// The nodes of some sites.
pub(crate) struct SiteNodes<'a> {
    sites: &'a BTreeSet<SiteName>,
    known: Arc<OrderDefaults>,
}

impl SiteNodes<'_> {
    /// True for a node of one of the sites. What has no site is of none.
    pub(crate) fn covers(&self, node: &NodeId) -> bool {
        let entry = self.known.inventory.by_name(node);
        let site = entry.and_then(|entry| entry.site.as_ref());
        site.is_some_and(|site| self.sites.contains(site))
    }

    /// What the orders want on them.
    pub(crate) fn of_orders(&self, orders: &OrderSet) -> OrderSet {
        let discovered = &self.known.inventory.discovered;
        let awaits = |awaited: &AwaitedNodes| {
            let sites = awaited.clusters.iter();
            let mut sites = sites.filter_map(|name| discovered.get(name)?.site.as_ref());
            sites.any(|site| self.sites.contains(site))
        };
        orders.covering(|node| self.covers(node), awaits)
    }
}

impl App {
    /// The sites that this controller serves; `None` for a single one, which serves all
    /// nodes.
    pub(crate) fn served_sites(&self) -> Option<&BTreeSet<SiteName>> {
        self.settings.fleet.as_ref().map(|fleet| &fleet.sites)
    }

    /// The nodes of some sites, as far as they are known now.
    pub(crate) fn site_nodes<'a>(&self, sites: &'a BTreeSet<SiteName>) -> SiteNodes<'a> {
        SiteNodes {
            sites,
            known: self.defaults(),
        }
    }

    /// The authority over the nodes of each site that is served.
    pub(crate) fn authorities(&self) -> &BTreeMap<SiteName, Authority> {
        &self.authorities
    }

    /// Begins to keep the leaderships of the sites that are served; `None` for a single
    /// controller.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(crate) fn keep_leaderships(&self) -> Result<Option<Leaderships>, StartError> {
        let settings = &self.settings;
        let (Some(fleet), Some(store)) = (&settings.fleet, &settings.store) else {
            return Ok(None);
        };
        let requests = self.tally.store_requests(StorePurpose::Leaders);
        let bucket = Bucket::open_counting(&store.bucket, requests).map_err(StartError::Store)?;
        let uname = rustix::system::uname();
        let host = uname.nodename().to_string_lossy();
        let me = ControllerName::new(&host, &self.instance());
        let sites = &self.authorities;
        Ok(Some(Leaderships::keep(&bucket, sites, &me, fleet.ttl)))
    }
}
