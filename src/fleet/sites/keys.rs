//! Where the reports of sites are in the store, and the instructions on rollouts.

use crate::bucket::{ObjectKey, ObjectPrefix};
use crate::model::{Invalid, OrderId, SiteName};

const SITES: &str = "v1/sites/";
const REPORT: &str = "/report.json";
const ROLLOUTS: &str = "v1/rollouts/";
const JSON: &str = ".json";

/// Before everything of sites.
pub(super) fn sites() -> Result<ObjectPrefix, Invalid> {
    SITES.parse()
}

/// The report of a site.
pub(super) fn report(site: &SiteName) -> Result<ObjectKey, Invalid> {
    format!("{SITES}{site}{REPORT}").parse()
}

/// Whose report this is; `None` for something else.
pub(super) fn site_of(key: &ObjectKey) -> Option<SiteName> {
    let rest = key.as_str().strip_prefix(SITES)?;
    rest.strip_suffix(REPORT)?.parse().ok()
}

/// Before all instructions.
pub(super) fn rollouts() -> Result<ObjectPrefix, Invalid> {
    ROLLOUTS.parse()
}

/// The instruction on the rollouts of an order.
pub(super) fn instruction(order: &OrderId) -> Result<ObjectKey, Invalid> {
    format!("{ROLLOUTS}{order}{JSON}").parse()
}

/// For which order this instruction is; `None` for something else.
pub(super) fn order_of(key: &ObjectKey) -> Option<OrderId> {
    let rest = key.as_str().strip_prefix(ROLLOUTS)?;
    rest.strip_suffix(JSON)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_key_are_one() {
        let site: SiteName = "prague".parse().unwrap();
        let key = report(&site).unwrap();
        assert_eq!(key.as_str(), "v1/sites/prague/report.json");
        assert_eq!(site_of(&key), Some(site));
        for other in ["v1/sites/prague/delivered.json", "v1/sites/a/b/report.json"] {
            assert_eq!(site_of(&other.parse().unwrap()), None, "{other}");
        }
        let order: OrderId = "web.example-1_a".parse().unwrap();
        let key = instruction(&order).unwrap();
        assert_eq!(key.as_str(), "v1/rollouts/web.example-1_a.json");
        assert_eq!(order_of(&key), Some(order));
        assert_eq!(order_of(&"v1/rollouts/a/b.json".parse().unwrap()), None);
    }
}
