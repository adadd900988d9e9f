//! Templates as text: under which number one is found from now on, and which ones lose
//! the name.

use std::collections::BTreeSet;

use super::names;
use super::sheet::Sheet;
use super::steps::sign;
use super::why;
use crate::plan::step::{Action, Plan, SwitchTemplate};

/// `VM 9001; VM 9000 is retired`.
pub(super) fn switch(switch: &SwitchTemplate) -> String {
    let retired: BTreeSet<String> = switch
        .retired
        .iter()
        .map(|retired| retired.vmid.to_string())
        .collect();
    let names = || names::list(retired.iter().map(String::as_str));
    let after = match retired.len() {
        0 => String::new(),
        1 => format!("; VM {} is retired", names()),
        _ => format!("; VMs {} are retired", names()),
    };
    format!("VM {}{after}", switch.vmid)
}

/// Writes what happens to templates, a line for each.
pub(super) fn write(sheet: &mut Sheet, plan: &Plan) {
    let mut lines = Vec::new();
    for step in &plan.steps {
        let because = why::because(&step.why);
        let line = match &step.action {
            Action::CreateTemplate(create) => (
                "create",
                format!(
                    "{} on {} as VM {} in {}{because}",
                    create.name, create.node, create.vmid, create.storage
                ),
            ),
            Action::SwitchTemplate(one) => (
                "switch",
                format!("{} on {} to {}", one.name, one.node, switch(one)),
            ),
            Action::RemoveTemplate {
                node, vmid, name, ..
            } => ("prune", format!("VM {vmid}, {name}, from {node}{because}")),
            _ => continue,
        };
        lines.push((sign(&step.action, &step.why), line));
    }
    if lines.is_empty() {
        return;
    }
    sheet.gap();
    sheet.line("Templates");
    for (sign, (word, text)) in lines {
        sheet.item(sign, word, &text);
    }
}
