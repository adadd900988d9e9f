//! Reading what other sites say.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::age::is_fresh;
use super::error::FleetError;
use super::keys;
use super::reports::{SiteReports, answer};
use crate::error::chain;
use crate::facts::{FleetView, SiteView};
use crate::model::SiteName;

/// How many objects are read at once.
pub(super) const AT_ONCE: usize = 8;

impl SiteReports {
    /// What all sites say but these: asks the store for what has changed. Where it does not
    /// answer, the view has what it said last.
    pub(crate) async fn view(&self, without: &BTreeSet<SiteName>) -> FleetView {
        let trouble = self.refresh().await.err().map(|error| chain(&error));
        let known = self.known();
        let sites = known.sites.iter();
        let sites = sites.filter(|(site, _)| !without.contains(*site));
        let views = sites.filter_map(|(site, known_report)| {
            let report = known_report.report.clone()?;
            let age_seconds = known.age(site);
            let is_current = trouble.is_none() && known_report.fault.is_none();
            let view = SiteView {
                age_seconds,
                is_fresh: is_current && is_fresh(&report, age_seconds),
                report,
            };
            Some((site.clone(), view))
        });
        let invalid = known.sites.iter().filter_map(|(site, known_report)| {
            let why = known_report.fault.clone()?;
            (!without.contains(site)).then(|| (site.clone(), why))
        });
        FleetView {
            sites: views.collect(),
            invalid: invalid.collect(),
            trouble,
        }
    }

    async fn refresh(&self) -> Result<(), FleetError> {
        let listed = answer(self.bucket.list(&keys::sites()?)).await?;
        let (mut there, mut changed) = (BTreeSet::new(), Vec::new());
        {
            let mut known = self.known();
            let told = self.bucket.server_time();
            for object in listed {
                known.hear(told, object.modified);
                let Some(site) = keys::site_of(&object.key) else {
                    continue;
                };
                if !known.has(&site, &object) {
                    changed.push((site.clone(), object.key));
                }
                there.insert(site);
            }
            // A site without an object has none any more, or never had one.
            known.sites.retain(|site, _| there.contains(site));
        }
        let read = stream::iter(changed).map(|(site, key)| async move {
            let object = answer(self.bucket.get(&key)).await?;
            Ok::<_, FleetError>(object.map(|object| (site, object)))
        });
        let read: Vec<_> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut known = self.known();
        for (site, object) in read.into_iter().flatten() {
            known.note(site, &object, &self.key);
        }
        Ok(())
    }

    /// Reads the report of one site again.
    pub(super) async fn reread(&self, site: &SiteName) -> Result<(), FleetError> {
        let object = answer(self.bucket.get(&keys::report(site)?)).await?;
        let mut known = self.known();
        match object {
            Some(object) => {
                known.hear(self.bucket.server_time(), object.modified);
                known.note(site.clone(), &object, &self.key);
                // Whatever it says, it is what is to be replaced.
                if let Some(known) = known.sites.get_mut(site) {
                    known.tag = object.tag;
                }
            }
            None => {
                known.sites.remove(site);
            }
        }
        Ok(())
    }
}
