//! What a site tells of a run.

use super::*;
use crate::conclude::site_report;
use crate::facts::{NodeCounts, SiteReport};

fn told(status: &Status, report: &Report, nodes: &[&str]) -> SiteReport {
    let wanted = BTreeSet::from(["metal/x.json".to_owned()]);
    let covers = |node: &NodeId| nodes.contains(&node.as_str());
    site_report(status, report, &memory(), at(101), wanted, covers)
}

fn counts(all: usize, in_sync: usize, silent: usize) -> NodeCounts {
    NodeCounts {
        all,
        in_sync,
        silent,
    }
}

#[test]
fn a_site_tells_of_its_own_nodes_and_of_what_orders_have_besides() {
    let orders = orders();
    let report = report(&orders, full);
    let status = Status::default().finished(&occasion(100), &orders, &report, &memory());
    let both = told(&status, &report, &["pve-01", "pve-02"]);
    assert_eq!(both.nodes, counts(2, 0, 1));
    assert_eq!(both.revision.as_deref(), Some("main@sha1:abc"));
    // A version is not known, and an order is invalid: what is unwanted is not known.
    assert!(!both.is_complete);
    assert_eq!(both.wanted.len(), 1);
    let begins = |told: &SiteReport| -> Vec<String> {
        let troubles = told.troubles.iter();
        let begin = |line: &String| line.split(':').next().unwrap().to_owned();
        troubles.map(begin).collect()
    };
    // What stays as it is without an operator comes first.
    let expected = [
        "alpha on pve-02",
        "broken",
        "gamma",
        "alpha on pve-01",
        "beta",
    ];
    assert_eq!(begins(&both), expected);
    // The other node is no matter of this site.
    let second = told(&status, &report, &["pve-02"]);
    assert_eq!(second.nodes, counts(1, 0, 0));
    assert_eq!(
        begins(&second),
        ["alpha on pve-02", "broken", "gamma", "beta"]
    );
    // alpha, beta, broken and gamma are behind, delta is suspended.
    assert_eq!((second.orders.all, second.orders.in_sync), (5, 1));
}

#[test]
fn a_site_whose_orders_are_all_known_and_done_says_so() {
    let orders = orders();
    let mut report = report(&orders, full);
    report.look.desired.complete = true;
    report
        .look
        .desired
        .positions
        .retain(|want| want.outcome.is_ok());
    let fine = Status::default();
    let told = told(&fine, &report, &["pve-02"]);
    assert!(told.is_complete && told.troubles.is_empty());
    assert_eq!((told.nodes, told.orders.all), (counts(1, 1, 0), 0));
    report.look.desired.doubt = Some("the repository does not answer".to_owned());
    let told = self::told(&fine, &report, &[]);
    assert!(!told.is_complete);
}
