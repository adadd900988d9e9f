//! The configuration and the orders of the made-up fleet.

/// The nodes of the fleet in the screenshots.
pub(super) const CONFIG: &str = "
sites:
  - {name: fra, relay: fra-pve-01}
  - {name: ber, relay: ber-pve-01}
nodes:
  - {name: fra-pve-01, site: fra, labels: [fra, all]}
  - {name: fra-pve-02, site: fra, labels: [fra, all]}
  - {name: fra-pve-03, site: fra, labels: [fra, all]}
  - {name: fra-pve-04, site: fra, labels: [fra, all]}
  - {name: ber-pve-01, site: ber, labels: [ber, all]}
  - {name: ber-pve-02, site: ber, labels: [ber, all]}
  - {name: ber-pve-03, site: ber, labels: [ber, all]}
  - {name: edge-01, labels: [edge]}
  - {name: edge-02, labels: [edge]}
  - {name: lab-pve-01, labels: [lab, all]}
  - {name: lab-pve-02, labels: [lab, all]}
";

/// An order of one image for a group of nodes.
pub(super) fn order_text(id: &str, customer: &str, group: &str, more: &str) -> String {
    format!(
        "- orderid: {id}\n  customer: {customer}\n{more}  positions:\n    - name: iso\n      \
         version: latest\n      platform: nocloud\n      image_format: iso\n      \
         customization: {{extraKernelArgs: [net.ifnames=0, site={id}], systemExtensions: \
         {{officialExtensions: [siderolabs/qemu-guest-agent]}}}}\n      \
         push: {{enabled: true, hosts: [{{group: {group}}}]}}\n"
    )
}

/// The orders of the fleet in the screenshots.
pub(super) fn orders_text() -> String {
    let plain = [
        ("acme-prod", "ACME Corporation", "fra"),
        ("acme-stage", "ACME Corporation", "ber"),
        ("borealis", "Borealis Shipping", "all"),
        ("cobalt-edge", "Cobalt", "edge"),
        ("dune", "Dune Media", "fra"),
        ("ember-gpu", "Ember Research", "fra"),
        ("fjord", "Fjord", "ber"),
        ("harbor", "Harbor Clinics", "all"),
        ("indigo", "Indigo", "ber"),
        ("lab", "Internal", "lab"),
        ("nightly", "Internal", "lab"),
        ("orchid", "Orchid Retail", "all"),
    ];
    let orders = plain
        .iter()
        .map(|(id, customer, group)| order_text(id, customer, group, ""));
    let mut text: String = orders.collect();
    text.push_str(&order_text("paused", "Juniper", "fra", "  suspend: true\n"));
    text
}

/// Orders that are gone; more of them than a node may lose without approval.
pub(super) fn removed_text() -> String {
    let names = ["old-1", "old-2", "old-3", "old-4", "old-5", "old-6"];
    let orders = names.iter().map(|id| order_text(id, "Gone", "fra", ""));
    orders.collect()
}
