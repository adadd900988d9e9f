//! The sites of a fleet, on the overview.

use crate::conclude::{FleetAnswer, FleetSite, ReportState};

/// All sites.
pub(super) struct FleetSection<'a> {
    pub trouble: Option<&'a str>,
    pub sites: Vec<FleetRow<'a>>,
}

/// One of them.
pub(super) struct FleetRow<'a> {
    pub name: &'a str,
    pub leader: String,
    pub report: String,
    pub nodes: String,
    pub orders: String,
    pub revision: Option<&'a str>,
    pub troubles: &'a [String],
}

impl<'a> FleetSection<'a> {
    pub(super) fn of(fleet: &'a FleetAnswer) -> Self {
        let sites = fleet.sites.iter();
        Self {
            trouble: fleet.trouble.as_deref(),
            sites: sites.map(|(site, line)| row(site.as_str(), line)).collect(),
        }
    }
}

fn row<'a>(name: &'a str, site: &'a FleetSite) -> FleetRow<'a> {
    let minutes = site.age_seconds.unwrap_or(0) / 60;
    let in_sync = |in_sync: usize, all: usize| match site.age_seconds {
        None => "–".to_owned(),
        Some(_) => format!("{in_sync} of {all} in sync"),
    };
    let mut nodes = in_sync(site.nodes.in_sync, site.nodes.all);
    if site.nodes.silent > 0 {
        nodes.push_str(&format!(", {} unreachable", site.nodes.silent));
    }
    FleetRow {
        name,
        leader: match (&site.leader, site.epoch) {
            (Some(leader), Some(epoch)) => format!("{leader} (epoch {epoch})"),
            (Some(leader), None) => leader.clone(),
            (None, _) => "–".to_owned(),
        },
        report: match site.report {
            ReportState::Fresh if minutes == 0 => "now".to_owned(),
            ReportState::Fresh => format!("{minutes} min ago"),
            ReportState::Old => format!("{minutes} min ago: its leader is gone"),
            ReportState::Invalid => "not valid".to_owned(),
            ReportState::None => "none yet".to_owned(),
        },
        nodes,
        orders: in_sync(site.orders.in_sync, site.orders.all),
        revision: site.revision.as_deref(),
        troubles: &site.troubles,
    }
}
