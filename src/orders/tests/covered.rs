//! The part of the orders that is about the nodes of some sites.

use super::*;

#[test]
fn what_is_wanted_on_other_nodes_alone_is_left_out() {
    let text = "- orderid: both\n  positions:\n  - {name: two, push: {enabled: true, hosts: \
                [{node: a}, {node: b}]}}\n  - {name: other, push: {enabled: true, hosts: \
                [{node: b}]}}\n  - {name: cached}\n- orderid: elsewhere\n  positions:\n  - {push: \
                {enabled: true, hosts: [{node: b}]}}\n- orderid: empty\n  positions: []\n";
    let set = parse("o.yaml", text, &defaults("nodes: [{name: a}, {name: b}]"));
    assert!(set.is_complete());
    let here = set.covering(|node| node.as_str() == "a", |_| false);
    let left = here.orders.iter().flat_map(|order| {
        let names = order.positions.iter().map(|position| {
            let nodes = position
                .targets
                .iter()
                .map(|target| target.node.to_string());
            format!(
                "{}/{} {:?}",
                order.id,
                position.name,
                nodes.collect::<Vec<_>>()
            )
        });
        names.collect::<Vec<_>>()
    });
    let left: Vec<String> = left.collect();
    assert_eq!(left, ["both/two [\"a\"]", "both/cached []"]);
    let orders: Vec<&str> = here.orders.iter().map(|order| order.id.as_str()).collect();
    assert_eq!(orders, ["both", "empty"]);
    assert_eq!(here.nodes.len(), 1);
    assert_eq!(here.left_out, 1);
    // What is left out of a part counts as well.
    assert_eq!(here.covering(|_| false, |_| false).left_out, 1);
    let nowhere = set.covering(|_| false, |_| false);
    assert_eq!(
        nowhere.left_out, 1,
        "an image is wanted in the cache, and an order is empty"
    );
    // For all nodes it is the same.
    assert_eq!(set.covering(|_| true, |_| true), set);
}
