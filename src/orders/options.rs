//! The options of an overlay: any YAML, with the values that the factory's own reader
//! gives them.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::schematic::plain_value;
use crate::yaml::{At, ProblemReport, YamlEntry, YamlKind, YamlNode, shown};

/// What to write where readers of YAML disagree.
const QUOTE: &str = "quote it if text is meant, otherwise write the full value";

/// The options below a place; what is refused is reported and left out.
pub(super) fn read(at: &At<IgnoredAny>, report: &mut ProblemReport<'_>) -> BTreeMap<String, Value> {
    let doc = report.document();
    let Some(node) = doc.node(at.place) else {
        return BTreeMap::new();
    };
    if !matches!(node.kind, YamlKind::Map { .. }) {
        let message = format!("expected a map, found {}", doc.describe(node));
        report.at(at.place, message);
        return BTreeMap::new();
    }
    map(node, true, report).into_iter().collect()
}

fn value(node: &YamlNode, report: &mut ProblemReport<'_>) -> Value {
    match &node.kind {
        YamlKind::List(elements) => elements
            .iter()
            .map(|element| value(element, report))
            .collect(),
        YamlKind::Map { .. } => Value::Object(map(node, false, report).into_iter().collect()),
        YamlKind::Null | YamlKind::Bool { .. } | YamlKind::Number { .. } | YamlKind::Text(_) => {
            let text = node.text().unwrap_or_default();
            if !report.document().is_plain(node.id) {
                return Value::String(text.to_owned());
            }
            match plain_value(text) {
                Ok(value) => value,
                Err(why) => {
                    report.at_with_hint(node.id, format!("{} {why}", shown(text)), QUOTE);
                    Value::Null
                }
            }
        }
    }
}

/// The entries of a map. The keys of the options themselves are text whatever they look
/// like; further down a number is a number, which is another key.
fn map(node: &YamlNode, is_top: bool, report: &mut ProblemReport<'_>) -> Vec<(String, Value)> {
    let YamlKind::Map { entries, bad_keys } = &node.kind else {
        return Vec::new();
    };
    for (place, message) in bad_keys {
        report.at(*place, message.clone());
    }
    let mut values = Vec::new();
    for entry in entries {
        // Merges are unfolded already, so this one stands in quotes; readers disagree
        // whether it merges all the same.
        if entry.key == "<<" {
            let problem = report
                .document()
                .key_problem(entry, "the key \"<<\" is not accepted in options");
            report.push(problem);
        }
        if !is_top {
            check_key(entry, report);
        }
        values.push((entry.key.clone(), value(&entry.value, report)));
    }
    values
}

fn check_key(entry: &YamlEntry, report: &mut ProblemReport<'_>) {
    let is_plain = report.document().is_plain_key(entry);
    let is_text = !is_plain || matches!(plain_value(&entry.key), Ok(Value::String(_)));
    if !is_text {
        let message = format!("the key {} is not text without quotes", shown(&entry.key));
        let problem = report.document().key_problem(entry, message).hint(QUOTE);
        report.push(problem);
    }
}
