//! All sites of a fleet, as they are told to people and programs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::facts::{FleetView, NodeCounts, OrderCounts, SiteReport, SiteView};
use crate::model::{LeaderEpoch, SiteName};

/// All sites of a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FleetAnswer {
    /// The sites of the configuration, and those that have ever reported.
    pub sites: BTreeMap<SiteName, FleetSite>,
    /// Why the store could not be asked. Then the sites are as it said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A site of a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FleetSite {
    /// How recent its report is.
    pub report: ReportState,
    /// How old the report is, in seconds, by the clock of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// The machine of its leader; of the last one where the report is old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The epoch of that leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<LeaderEpoch>,
    /// The revision of its orders, where they are under git.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The nodes that orders name there.
    pub nodes: NodeCounts,
    /// The orders that are for it.
    pub orders: OrderCounts,
    /// What is behind there, the worst first; not everything where that is much.
    pub troubles: Vec<String>,
}

/// How recent the report of a site is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// Its leader lives.
    Fresh,
    /// Nobody renews it: it is how things were.
    Old,
    /// The one that is there is not sealed with the key of the fleet, is older than one
    /// before it, or cannot be read: the rest is what the site said before, if anybody knows.
    Invalid,
    /// There is none.
    #[default]
    None,
}

impl FleetAnswer {
    /// What is known of the sites, and of those of the configuration that never reported.
    pub fn new<'a>(view: &FleetView, configured: impl IntoIterator<Item = &'a SiteName>) -> Self {
        let configured = configured.into_iter();
        let mut sites: BTreeMap<_, _> = configured
            .map(|site| (site.clone(), FleetSite::default()))
            .collect();
        let known = view.sites.iter();
        sites.extend(known.map(|(site, view)| (site.clone(), FleetSite::of(view))));
        for (site, why) in &view.invalid {
            let site = sites.entry(site.clone()).or_default();
            site.report = ReportState::Invalid;
            site.troubles = vec![format!("its report is not valid: {why}")];
        }
        Self {
            sites,
            trouble: view.trouble.clone(),
        }
    }

    /// True if every site has a leader that lives, and everything is as it should be there.
    pub fn is_fine(&self) -> bool {
        let mut sites = self.sites.values();
        self.trouble.is_none() && sites.all(FleetSite::is_fine)
    }
}

impl FleetSite {
    fn of(view: &SiteView) -> Self {
        let SiteReport {
            epoch,
            leader,
            revision,
            nodes,
            orders,
            troubles,
            ..
        } = view.report.clone();
        Self {
            report: match view.is_fresh {
                true => ReportState::Fresh,
                false => ReportState::Old,
            },
            age_seconds: Some(view.age_seconds),
            leader: Some(leader).filter(|leader| !leader.is_empty()),
            epoch,
            revision,
            nodes,
            orders,
            troubles,
        }
    }

    /// True if its leader lives, and everything is as it should be there.
    pub fn is_fine(&self) -> bool {
        self.report == ReportState::Fresh
            && self.troubles.is_empty()
            && self.nodes.in_sync == self.nodes.all
            && self.orders.in_sync == self.orders.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_without_a_report_is_shown_and_is_not_fine() {
        let site = |name: &str| name.parse::<SiteName>().unwrap();
        let (prague, brno) = (site("prague"), site("brno"));
        let seen = |is_fresh| SiteView {
            age_seconds: 7,
            is_fresh,
            report: SiteReport {
                leader: "ctl-1".to_owned(),
                ..SiteReport::default()
            },
        };
        let mut view = FleetView::default();
        view.sites.insert(prague.clone(), seen(true));
        assert!(FleetAnswer::new(&view, [&prague]).is_fine());
        let both = FleetAnswer::new(&view, [&brno, &prague]);
        assert!(!both.is_fine());
        assert_eq!(both.sites[&brno].report, ReportState::None);
        assert_eq!(both.sites[&prague].leader.as_deref(), Some("ctl-1"));
        view.invalid.insert(brno.clone(), "no seal".to_owned());
        let forged = FleetAnswer::new(&view, [&brno, &prague]);
        let site = &forged.sites[&brno];
        assert_eq!(
            (site.report, site.age_seconds),
            (ReportState::Invalid, None)
        );
        assert_eq!(site.troubles, ["its report is not valid: no seal"]);
        view.sites.insert(prague.clone(), seen(false));
        assert_eq!(
            FleetAnswer::new(&view, []).sites[&prague].report,
            ReportState::Old
        );
    }
}
