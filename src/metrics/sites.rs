//! Who leads the sites of a fleet.

use super::catalog;
use super::exposition::Exposition;
use crate::conclude::{SiteRole, Status};

pub(super) fn add(to: &mut Exposition, status: &Status) {
    for (site, line) in &status.sites {
        let site = site.as_str();
        to.set_true(&catalog::LEADER, [site], line.state == SiteRole::Leader);
        if let Some(epoch) = line.epoch {
            to.set(&catalog::EPOCH, [site], epoch.number());
        }
    }
}
