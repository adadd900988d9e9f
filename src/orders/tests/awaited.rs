//! Nodes that only a cluster knows.

use super::*;

/// What only a cluster can know is kept with the place it goes to, and nothing else.
#[test]
fn nodes_that_only_a_cluster_knows_are_awaited() {
    let config = "clusters: [{name: lab, endpoints: [\"https://a:8006\"], token_id: u@pve!t, \
                  token_env: T, transport: api}]\nnodes: [{name: nas, labels: [old]}]\n";
    let keys = "image_format: qcow2, version: v1.11.3, push: {enabled: true, hosts: \
                [{group: lab}, {node: pve-01, storage: nas}, {group: old}]}";
    let offline = |config: &str, keys: &str| {
        let defaults = crate::config::parse("config.yaml", config, &|_| Some("s".to_owned()));
        let text = format!("- orderid: a\n  positions:\n    - {{{keys}}}\n");
        (defaults.expect("a valid configuration").orders, text)
    };
    let (defaults, text) = offline(config, keys);
    let set = parse("orders.yaml", &text, &defaults);
    assert!(set.is_complete());
    let awaited: Vec<String> = set
        .awaited()
        .map(|one| format!("{} {} {:?}", one.name, one.source.line, one.place))
        .collect();
    let storage = |name: &str| format!("Storage(StorageName({name:?}), Import)");
    assert_eq!(
        awaited,
        [
            format!("group lab 3 {}", storage("local")),
            format!("node pve-01 3 {}", storage("nas"))
        ]
    );
    assert_eq!(
        targets(&set.orders[0].positions[0]),
        ["nas:/var/lib/vz/template/iso"]
    );
    // As soon as the cluster was asked, it is an error.
    let members = [("lab".parse().unwrap(), ["pve-02".to_owned()].into())];
    let known = OrderDefaults {
        inventory: defaults.inventory.discovering(&members.into()),
        ..defaults
    };
    let set = parse("orders.yaml", &text, &known);
    assert_eq!(set.awaited().count(), 0);
    let problems: Vec<String> = set.problems().map(|one| one.message.clone()).collect();
    assert_eq!(
        problems,
        ["node \"pve-01\" is not known; known: nas, pve-02"]
    );
}

/// Where only clusters of other sites can know a node, nobody here finds out.
#[test]
fn a_node_that_only_another_site_can_know_is_told() {
    let cluster = |name: &str, site: &str| {
        format!(
            "- {{name: {name}, site: {site}, endpoints: [\"https://{name}:8006\"], token_id: \
             u@pve!t, token_env: T, transport: api}}\n"
        )
    };
    let config = format!(
        "sites: [{{name: brno}}, {{name: prague}}]\nclusters:\n{}{}{}",
        cluster("lab", "brno"),
        cluster("mill", "brno"),
        cluster("own", "prague")
    );
    let defaults = crate::config::parse("config.yaml", &config, &|_| Some("s".to_owned()));
    let defaults = defaults.expect("a valid configuration").orders;
    let text = "- orderid: a\n  positions:\n    - {image_format: qcow2, version: v1.11.3, push: \
                {enabled: true, hosts: [{group: lab}, {node: pve-7}, {node: pve-1}]}}\n    - \
                {image_format: iso, version: v1.11.3, push: {enabled: true, hosts: [{node: \
                pve-7}]}}\n";
    let unknown = |members: &[(&str, &str)], served: &str| {
        let members = members.iter();
        let members =
            members.map(|(name, node)| (name.parse().unwrap(), [(*node).to_owned()].into()));
        let inventory = defaults.inventory.discovering(&members.collect());
        let known = OrderDefaults {
            inventory,
            ..defaults.clone()
        };
        let set = parse("orders.yaml", text, &known);
        assert!(set.is_complete(), "{:?}", set.problems().next());
        let served = [served.parse().unwrap()].into();
        let unknown = set.unknown_nodes(&known.inventory.discovered, &served);
        let told = unknown.iter().map(|one| {
            let clusters = one.clusters.iter();
            let clusters: Vec<String> = clusters
                .map(|(name, site)| format!("{name}/{site}"))
                .collect();
            format!("{} {} {}", one.node, one.source.line, clusters.join(" "))
        });
        told.collect::<Vec<_>>()
    };
    // Its own cluster was not asked yet, and may have both.
    assert_eq!(unknown(&[], "prague"), [""; 0]);
    let told = ["pve-7 3 lab/brno mill/brno"];
    assert_eq!(unknown(&[("own", "pve-1")], "prague"), told);
    assert_eq!(
        unknown(&[("own", "pve-1")], "brno"),
        [""; 0],
        "these are asked here"
    );
}
