//! The examples for monitoring ask for metrics that exist, with labels that those have.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::family;
use crate::metrics::catalog::ALL;

/// Labels that Prometheus adds to what it scrapes, and the one of a histogram's buckets.
const ADDED: [&str; 3] = ["instance", "job", "le"];

fn dashboard() -> Value {
    let text = std::fs::read_to_string("examples/monitoring/grafana-dashboard.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The texts under a key, at any depth.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == key => found.push(text),
                    field => texts(field, key, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, key, found)),
        _ => {}
    }
}

/// What an expression asks for that is not there.
fn unknown(expression: &str) -> Vec<String> {
    let selector = Regex::new(r"((?:talos_order|process)_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*""#).unwrap();
    let mut unknown = Vec::new();
    for found in selector.captures_iter(expression) {
        let name = family(&found[1]);
        let Some(def) = ALL.iter().find(|def| def.name == name) else {
            unknown.push(found[1].to_owned());
            continue;
        };
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        for used in label.captures_iter(labels) {
            if !def.labels.contains(&&used[1]) && !ADDED.contains(&&used[1]) {
                unknown.push(format!("{name}{{{}}}", &used[1]));
            }
        }
    }
    unknown
}

#[test]
fn every_query_of_the_dashboard_exists() {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for key in ["expr", "definition", "query"] {
        texts(&dashboard, key, &mut queries);
    }
    assert!(queries.len() > 50, "{}", queries.len());
    for query in &queries {
        assert_eq!(unknown(query), [""; 0], "{query}");
    }
    // What has no panel is of no use to whoever imports it.
    let all = queries.join(" ");
    let shown = |name: &str| ALL.iter().any(|def| def.name == name) && all.contains(name);
    for name in [
        "talos_order_orders",
        "talos_order_pushed_bytes_total",
        "talos_order_run_duration_seconds",
        "talos_order_upstream_requests_total",
        "talos_order_node_free_bytes",
    ] {
        assert!(shown(name), "{name}");
    }
    assert_eq!(unknown("talos_order_nothing > 1"), ["talos_order_nothing"]);
    let wrong = unknown(r#"talos_order_running{node="a"}"#);
    assert_eq!(wrong, ["talos_order_running{node}"]);
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "talos-order");
    assert!(dashboard["schemaVersion"].as_u64() >= Some(36));
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().filter_map(|p| p["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let side = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(x < 24 && taken.insert((x, y)), "{}", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
        }
    }
}

#[test]
fn every_alert_asks_for_what_exists_and_is_tested() {
    let read = |name: &str| std::fs::read_to_string(format!("examples/monitoring/{name}")).unwrap();
    let (alerts, tests) = (read("alerts.yaml"), read("alerts.test.yaml"));
    assert_eq!(unknown(&alerts), [""; 0]);
    assert_eq!(unknown(&tests), [""; 0]);
    let names = Regex::new(r"- alert: (\w+)").unwrap();
    let names: Vec<_> = names
        .captures_iter(&alerts)
        .map(|found| found[1].to_owned())
        .collect();
    assert!(names.len() > 15);
    for name in names {
        let fires = format!("alertname: {name}\n        exp_alerts:\n          - ");
        assert!(tests.contains(&fires), "{name} is never seen to fire");
    }
}
