//! The sites that this controller serves in a fleet, and the nodes of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::{App, StartError, shared};
use crate::bucket::Bucket;
use crate::facts::{FleetView, Memory, StorePurpose};
use crate::fleet::{ControllerName, FleetKey, Leaderships, SiteReports, StoreCollector};
use crate::model::{
    AwaitedNodes, ClusterName, NodeId, OrderDefaults, OrderSet, SiteName, UnknownNode,
};
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

    /// What their clusters call their nodes, of those that were asked for them.
    pub(crate) fn members(&self) -> BTreeMap<ClusterName, BTreeSet<String>> {
        let discovered = self.known.inventory.discovered.iter();
        let own = discovered.filter(|(_, cluster)| {
            let site = cluster.site.as_ref();
            site.is_some_and(|site| self.sites.contains(site))
        });
        let own = own.filter_map(|(name, cluster)| Some((name.clone(), cluster.members.clone()?)));
        own.collect()
    }
}

impl App {
    /// True for a cluster that this controller asks for its nodes: those of other sites their
    /// controllers ask.
    pub(crate) fn is_asked(&self, cluster: &ClusterName) -> bool {
        let known = self.settings.orders.inventory.discovered.get(cluster);
        let site = known.and_then(|known| known.site.as_ref());
        match (self.served_sites(), site) {
            (Some(served), Some(site)) => served.contains(site),
            _ => true,
        }
    }

    /// The nodes that orders name and that only clusters of sites can know that this
    /// controller does not serve; none for a single controller.
    pub(crate) fn unknown_nodes(&self, orders: &OrderSet) -> Vec<UnknownNode> {
        let Some(served) = self.served_sites() else {
            return Vec::new();
        };
        orders.unknown_nodes(&self.defaults().inventory.discovered, served)
    }

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

    /// Who removes from the store what no site wants; `None` where nobody does.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(crate) fn store_collector(&self) -> Result<Option<StoreCollector>, StartError> {
        shared::collector(&self.settings, &self.tally).map_err(StartError::Store)
    }

    /// The same for some of them.
    pub(crate) fn authorities_over(
        &self,
        sites: &BTreeSet<SiteName>,
    ) -> impl Iterator<Item = (&SiteName, &Authority)> {
        let all = self.authorities.iter();
        all.filter(|(site, _)| sites.contains(*site))
    }

    /// What is remembered, as far as a run for these sites can go by it under the epochs
    /// under which they are led now.
    pub(crate) fn known_by(&self, sites: Option<&BTreeSet<SiteName>>, memory: Memory) -> Memory {
        let led = sites.into_iter().flat_map(|led| self.authorities_over(led));
        let epochs = led.filter_map(|(site, authority)| {
            let fence = authority.fence().ok()??;
            Some((site.clone(), fence.epoch))
        });
        memory.led_under(epochs.collect())
    }

    /// What the sites of the fleet say of themselves; `None` for a single controller, also
    /// for one that only shares images. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(crate) fn site_reports(&self) -> Result<Option<&SiteReports>, StartError> {
        match self.settings.fleet {
            Some(_) => self.reports_in_store(),
            None => Ok(None),
        }
    }

    fn reports_in_store(&self) -> Result<Option<&SiteReports>, StartError> {
        let Some(store) = &self.settings.store else {
            return Ok(None);
        };
        if let Some(reports) = self.site_reports.get() {
            return Ok(Some(reports));
        }
        let requests = self.tally.store_requests(StorePurpose::Sites);
        let bucket = Bucket::open_counting(&store.bucket, requests).map_err(StartError::Store)?;
        let key = FleetKey::new(store.key.expose_secret().as_bytes());
        let made = SiteReports::new(bucket, key);
        made.remember_instructions(self.state().memory().instructions_read);
        Ok(Some(self.site_reports.get_or_init(|| made)))
    }

    /// What the other sites say, for a run that is for these; `None` for a single controller.
    /// That the store does not answer is part of what is known.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(crate) async fn fleet_view(
        &self,
        sites: Option<&BTreeSet<SiteName>>,
    ) -> Result<Option<FleetView>, StartError> {
        let (Some(reports), Some(sites)) = (self.site_reports()?, sites) else {
            return Ok(None);
        };
        Ok(Some(reports.view(sites).await))
    }

    /// What all sites say, as far as anybody with the store can see: this machine need not be
    /// of the fleet. `None` without a store.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(crate) async fn whole_fleet(&self) -> Result<Option<FleetView>, StartError> {
        match self.reports_in_store()? {
            Some(reports) => Ok(Some(reports.view(&BTreeSet::new()).await)),
            None => Ok(None),
        }
    }

    /// All sites of the fleet, as they are configured here.
    pub(crate) fn fleet_sites(&self) -> Vec<SiteName> {
        self.settings.network.sites.keys().cloned().collect()
    }

    /// The name of this machine, as other controllers tell it to people.
    pub(crate) fn host(&self) -> String {
        let uname = rustix::system::uname();
        uname.nodename().to_string_lossy().into_owned()
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
        let me = ControllerName::new(&self.host(), &self.instance());
        let sites = &self.authorities;
        Ok(Some(Leaderships::keep(&bucket, sites, &me, fleet.ttl)))
    }
}
