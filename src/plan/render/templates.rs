//! Templates as text: under which number one is found from now on, and which ones lose
//! the name.

use super::sheet::Sheet;
use super::steps::{sign, switch};
use super::why;
use crate::plan::step::{Action, Plan};

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
