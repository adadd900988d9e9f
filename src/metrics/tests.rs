//! The names, the text and its bounds.

#![expect(
    clippy::disallowed_methods,
    reason = "reads the documentation and the examples, and measures"
)]

mod dashboard;
mod known;
mod world;

use std::collections::BTreeSet;

use self::world::{FILE, World, at, node, read_orders};
use super::catalog::ALL;
use super::orders::PAIRS_MAX;
use super::*;
use crate::conclude::{Condition, ConditionState, Reason};
use crate::facts::Memory;
use crate::model::NodeId;

/// The samples of a text, by name and labels as they are written.
fn samples(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap()).collect()
}

/// The name of a sample, without what a histogram adds.
fn family(series: &str) -> &str {
    let name = series.split('{').next().unwrap();
    let ends = ["_bucket", "_sum", "_count"];
    let of = ends.iter().find_map(|end| name.strip_suffix(end));
    of.filter(|of| ALL.iter().any(|def| def.name == *of))
        .unwrap_or(name)
}

#[test]
fn the_whole_text_is_as_expected() {
    let world = World::new();
    let text = text(&world.scene());
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let text = text.replace(&version, "version=\"[VERSION]\"");
    snapbox::assert_data_eq!(text, snapbox::file!["tests/golden.prom"].raw());
}

#[test]
fn every_metric_is_exported_with_help_and_type_and_no_number_twice() {
    let world = World::new();
    let text = text(&world.scene());
    let samples = samples(&text);
    let series: BTreeSet<&str> = samples.iter().map(|(series, _)| *series).collect();
    assert_eq!(series.len(), samples.len());
    let exported: BTreeSet<&str> = series.iter().map(|series| family(series)).collect();
    let defined: BTreeSet<&str> = ALL.iter().map(|def| def.name).collect();
    assert_eq!(exported, defined);
    assert_eq!(defined.len(), ALL.len());
    for def in ALL {
        let help = format!("# HELP {} {}\n", def.name, def.help);
        let kind = format!("# TYPE {} {}\n", def.name, def.kind.as_str());
        assert_eq!(text.matches(&help).count(), 1, "{help}");
        assert_eq!(text.matches(&kind).count(), 1, "{kind}");
    }
    for (series, number) in samples {
        let number: f64 = number.parse().unwrap();
        assert!(number.is_finite() && number >= 0.0, "{series} {number}");
    }
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    for def in ALL {
        let name = def.name;
        let is_own = name.starts_with("talos_order_") || name.starts_with("process_");
        assert!(is_own, "{name}");
        let is_counter = def.kind == definition::MetricKind::Counter;
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        assert!(!def.help.ends_with('.') && !def.help.is_empty(), "{name}");
        let words = [name].into_iter().chain(def.labels.iter().copied());
        for word in words {
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(word.chars().all(is_plain), "{word}");
        }
    }
}

/// The table of the documentation and what is exported, both ways.
#[test]
fn the_documentation_lists_what_is_exported() {
    let page = std::fs::read_to_string("docs/metrics.md").unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `talos_order_") || line.starts_with("| `process_"));
    let documented: Vec<&str> = rows.collect();
    let expected: Vec<String> = ALL
        .iter()
        .map(|def| {
            let labels = def.labels.iter().map(|label| format!("`{label}`"));
            let labels: Vec<String> = labels.collect();
            let (name, kind) = (def.name, def.kind.as_str());
            format!(
                "| `{name}` | {kind} | {} | {} |",
                labels.join(", "),
                def.help
            )
        })
        .collect();
    let text: String = expected.iter().map(|row| format!("{row}\n")).collect();
    assert_eq!(documented, expected, "expected these rows:\n{text}");
}

#[test]
fn labels_are_escaped() {
    let world = World::new();
    let text = text(&world.scene());
    assert!(
        world
            .status
            .conditions
            .iter()
            .any(|c| c.order.as_deref() == Some(FILE))
    );
    let line = r#"talos_order_order_ready{order="quo\"te\\back\nline.yaml"} 0"#;
    assert!(text.lines().any(|found| found == line), "{text}");
    // Whatever is in a label, a line remains a line.
    for hostile in [
        "\r",
        "\u{2028}",
        "} 1\nevil 1",
        "\0",
        "{}",
        "\\n",
        "é\"",
        "",
    ] {
        let mut world = World::new();
        let mut conditions = world.status.conditions.iter_mut();
        let alpha = conditions.find(|c| c.order.is_some() && c.node.is_none());
        alpha.unwrap().order = Some(hostile.to_owned());
        let hostile_text = super::text(&world.scene());
        assert_eq!(
            hostile_text.matches('\n').count(),
            text.matches('\n').count(),
            "{hostile:?}"
        );
    }
}

#[test]
fn what_is_gone_has_no_number() {
    let mut world = World::new();
    assert!(text(&world.scene()).contains("node=\"pve-02\""));
    let orders = read_orders("- {orderid: alpha, positions: []}");
    let occasion = crate::conclude::record::Occasion {
        owner: "homelab".to_owned(),
        started: at(300),
        finished: at(301),
        trigger: crate::model::Trigger::Manual,
        revision: None,
        source: None,
        requests: world.upstream.requests.clone(),
        source_use: world.source_use,
    };
    let mut report = World::of(&orders).report;
    report.look.observed.nodes.clear();
    report.look.observed.vms.clear();
    report.look.observed.catalog.clusters.clear();
    world.memory = Memory::default();
    world.status = world
        .status
        .finished(&occasion, &orders, &report, &world.memory);
    world.report = report;
    let text = text(&world.scene());
    for gone in ["pve-01", "pve-02", "beta", "yaml", "lab\""] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert!(
        text.contains("talos_order_order_ready{order=\"alpha\"} 1\n"),
        "{text}"
    );
}

#[test]
fn a_single_run_says_nothing_of_its_process() {
    let world = World::new();
    let scene = MetricsScene {
        live: None,
        ..world.scene()
    };
    let text = text(&scene);
    // The collector that reads the file has these names for itself.
    assert!(
        !text.contains("process_") && !text.contains("talos_order_running"),
        "{text}"
    );
}

#[test]
fn what_was_last_ready_is_remembered() {
    let world = World::new();
    let text = text(&world.scene());
    let find = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found
            .and_then(|line| line.rsplit_once(' '))
            .map(|(_, number)| number)
    };
    // The last run failed before planning: what it did not see is as old as the run before.
    let name = "talos_order_order_node_last_success_timestamp_seconds";
    let ready = format!("{name}{{order=\"alpha\",node=\"pve-02\"}}");
    assert_eq!(find(&ready), Some("1760000103.0"), "{text}");
    let silent = format!("{name}{{order=\"alpha\",node=\"pve-01\"}}");
    assert_eq!(find(&silent), None);
}

/// 1,000 orders on 100 nodes.
fn crowd(state: impl Fn(usize) -> ConditionState) -> World {
    let mut world = World::new();
    let nodes: Vec<NodeId> = (0..100).map(|n| node(&format!("pve-{n:03}"))).collect();
    world.status.conditions.clear();
    let lines = nodes.iter().map(|id| {
        let line = world.status.nodes.values().next().unwrap().clone();
        (id.clone(), line)
    });
    world.status.nodes = lines.collect();
    for order in 0..1000 {
        for id in [None].into_iter().chain(nodes.iter().map(Some)) {
            let state = state(world.status.conditions.len());
            let is_ready = state == ConditionState::Ready;
            world.status.conditions.push(Condition {
                order: Some(format!("customer-{order:04}")),
                node: id.cloned(),
                state,
                reason: (!is_ready).then_some(Reason::TargetUnreachable),
                message: String::new(),
                since: at(0),
                last_ready: Some(at(0)),
                images: Vec::new(),
            });
        }
    }
    world
}

#[test]
fn a_large_fleet_is_bounded() {
    let all_fine = crowd(|_| ConditionState::Ready);
    let one_in_fifty = crowd(|n| match n % 50 {
        0 => ConditionState::Stalled,
        _ => ConditionState::Ready,
    });
    let all_bad = crowd(|_| ConditionState::Reconciling);
    for (world, pairs) in [(all_fine, 0), (one_in_fifty, 1990), (all_bad, PAIRS_MAX)] {
        let began = std::time::Instant::now();
        let text = text(&world.scene());
        let took = began.elapsed();
        eprintln!(
            "{} bytes, {} lines, {took:?}",
            text.len(),
            text.lines().count()
        );
        let exported = text.matches("\ntalos_order_order_node_ready{").count();
        assert!(exported.abs_diff(pairs) < 50, "{exported} for {pairs}");
        let omitted = format!("\ntalos_order_order_nodes_omitted {}\n", 100_000 - exported);
        assert!(text.contains(&omitted));
        assert!(text.len() < 5_000_000, "{} bytes", text.len());
        // The sums are whole all the same.
        let sum: u64 = samples(&text)
            .iter()
            .filter(|(series, _)| series.starts_with("talos_order_node_orders{"))
            .map(|(_, number)| number.parse::<u64>().unwrap())
            .sum();
        assert_eq!(sum, 100_000);
    }
}
