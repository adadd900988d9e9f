//! The record of deliveries to nodes of the API, which the leaders of a site share.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{App, DELIVERED};
use crate::bucket::Bucket;
use crate::error::chain;
use crate::facts::StorePurpose;
use crate::fleet::{DeliveriesError, SharedDeliveries, SiteDeliveries};
use crate::model::SiteName;
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
        let requests = self.tally.store_requests(StorePurpose::Sites);
        let shared = Bucket::open_counting(&store.bucket, requests).map(SharedDeliveries::new);
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
                let covers = |node: &_| nodes.covers(node);
                let (entries, edition) = records.of_site(site, covers);
                let own = SiteDeliveries { entries, edition };
                let now = match shared.settle(authority, &own, covers).await {
                    Ok(now) => now,
                    // Nobody else can know more.
                    Err(error @ DeliveriesError::TooLarge(_)) => {
                        let reason = chain(&error);
                        tracing::warn!(%site, reason, "deliveries are not told to other controllers");
                        return Ok(());
                    }
                    Err(error) => return Err(chain(&error)),
                };
                match now == own {
                    true => Ok(()),
                    false => records
                        .take_over(site, covers, now.entries, now.edition)
                        .map_err(|error| chain(&error)),
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
            records.doubt(doubt);
        }
    }
}
