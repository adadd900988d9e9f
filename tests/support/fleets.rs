//! What a scenario says of the other sites of a fleet.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use talos_order::facts::{FleetView, SiteReport, SiteView};
use talos_order::model::SiteName;

/// What is known of other sites.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetWorld {
    /// Why the store does not answer.
    trouble: Option<String>,
    /// What the sites said last.
    sites: BTreeMap<SiteName, SiteReport>,
    /// Those whose report is too old.
    stale: BTreeSet<SiteName>,
    /// Those whose report is not believed, with the reason.
    invalid: BTreeMap<SiteName, String>,
}

impl FleetWorld {
    pub fn view(&self) -> FleetView {
        let view = |(name, report): (&SiteName, &SiteReport)| {
            let view = SiteView {
                age_seconds: 60,
                is_fresh: !self.stale.contains(name) && !self.invalid.contains_key(name),
                report: report.clone(),
            };
            (name.clone(), view)
        };
        FleetView {
            sites: self.sites.iter().map(view).collect(),
            invalid: self.invalid.clone(),
            trouble: self.trouble.clone(),
        }
    }
}
