//! All sites of a fleet, as they told last.

use super::catalog;
use super::exposition::Exposition;
use crate::conclude::{FleetAnswer, ReportState};

pub(super) fn add(to: &mut Exposition, fleet: &FleetAnswer) {
    to.set_true(&catalog::STORE_ANSWERS, [], fleet.trouble.is_none());
    for (name, site) in &fleet.sites {
        let name = [name.as_str()];
        to.set_true(
            &catalog::SITE_FRESH,
            name,
            site.report == ReportState::Fresh,
        );
        // Nothing is known of a site without a report that counts, or counted before.
        let Some(age) = site.age_seconds else {
            continue;
        };
        to.set(&catalog::SITE_AGE, name, age);
        if let Some(epoch) = site.epoch {
            to.set(&catalog::SITE_EPOCH, name, epoch.number());
        }
        to.set(&catalog::SITE_NODES, name, count(site.nodes.all));
        to.set(
            &catalog::SITE_NODES_IN_SYNC,
            name,
            count(site.nodes.in_sync),
        );
        to.set(
            &catalog::SITE_NODES_UNREACHABLE,
            name,
            count(site.nodes.silent),
        );
        to.set(&catalog::SITE_ORDERS, name, count(site.orders.all));
        to.set(
            &catalog::SITE_ORDERS_IN_SYNC,
            name,
            count(site.orders.in_sync),
        );
    }
}

fn count(count: usize) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}
