//! The record of deliveries to nodes of the API, which the leaders of a site share.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::{App, DELIVERED};
use crate::bucket::{Bucket, BucketError};
use crate::config::StoreSettings;
use crate::error::chain;
use crate::facts::StorePurpose;
use crate::fleet::{FleetKey, SharedDeliveries, SiteDeliveries};
use crate::model::{NodeId, SiteName};
use crate::store::FileRecords;

/// When records are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordsMoment {
    /// What another leader did is to be known in the run.
    BeforeRun,
    /// What the run did is to be known to others.
    AfterRun,
}

impl App {
    /// The record of this controller: one value, since runs have to know when it is in doubt.
    pub(super) fn records(&self) -> Arc<FileRecords> {
        let made = || Arc::new(FileRecords::new(self.settings.state_dir.join(DELIVERED)));
        Arc::clone(self.records.get_or_init(made))
    }

    /// The records in the store.
    fn shared_records(&self, store: &StoreSettings) -> Result<&SharedDeliveries, BucketError> {
        if let Some(shared) = self.shared_records.get() {
            return Ok(shared);
        }
        let requests = self.tally.store_requests(StorePurpose::Sites);
        let bucket = Bucket::open_counting(&store.bucket, requests)?;
        let key = FleetKey::new(store.key.expose_secret().as_bytes());
        let made = SharedDeliveries::new(bucket, key);
        Ok(self.shared_records.get_or_init(|| made))
    }

    /// Compares the record with those of the sites in the store. While it is not known what
    /// other leaders delivered, nothing is removed through the API.
    pub(crate) async fn share_deliveries(
        &self,
        sites: Option<&BTreeSet<SiteName>>,
        moment: RecordsMoment,
    ) {
        // Nodes of the API are those of clusters.
        let (Some(sites), Some(store)) = (sites, &self.settings.store) else {
            return;
        };
        if self.settings.clusters.is_empty() {
            return;
        }
        let shared = self.shared_records(store);
        let inventory = self.defaults();
        let inventory = &inventory.inventory;
        let records = self.records();
        let mut doubt = None;
        for (site, authority) in &self.authorities {
            // Who does not lead changes nothing.
            if !sites.contains(site) || authority.fence().is_err() {
                continue;
            }
            let settled = async {
                let shared = shared.as_ref().map_err(|error| chain(error))?;
                let only = BTreeSet::from([site.clone()]);
                let nodes = self.site_nodes(&only);
                let covers = |node: &NodeId| nodes.covers(node);
                let is_elsewhere = |node: &NodeId| {
                    let entry = inventory.by_name(node);
                    let of = entry.and_then(|entry| entry.site.as_ref());
                    of.is_some_and(|of| of != site)
                };
                let take_over = |now: SiteDeliveries| {
                    let SiteDeliveries { entries, editions } = now;
                    records.take_over(site, covers, is_elsewhere, entries, editions)
                };
                let (entries, editions) = records.of_site(site, covers);
                let own = SiteDeliveries { entries, editions };
                let remember = |attempt: &SiteDeliveries| take_over(attempt.clone());
                let settled = shared.settle(authority, &own, covers, remember);
                let settled = Box::pin(settled).await;
                match settled.map_err(|error| chain(&error))? {
                    now if now == own => Ok(()),
                    now => take_over(now).map_err(|error| chain(&error)),
                }
            };
            if let Err(reason) = settled.await {
                tracing::warn!(
                    %site,
                    reason,
                    "the record of deliveries cannot be compared with the store"
                );
                doubt = Some(reason);
            }
        }
        if moment == RecordsMoment::BeforeRun {
            records.set_doubt(doubt);
        }
    }
}
