//! What of a plan or of a status is shown: a filter by order and by node.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::str::FromStr;

use super::blocked::{Blocked, BlockedReason};
use super::step::{Plan, Step};
use super::wanted::WantedBy;
use crate::facts::StepId;

/// A name in which `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// True if the whole name fits.
    pub fn fits(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(start) else {
            return false;
        };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let end = parts.pop().unwrap_or_default();
        for part in parts {
            match name.find(part) {
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        name.ends_with(end)
    }
}

impl FromStr for NamePattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// A filter of what is shown; a plan is always made of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Orders by their id; none means all.
    pub orders: Vec<NamePattern>,
    /// Nodes by their name; none means all.
    pub nodes: Vec<NamePattern>,
}

impl Selection {
    /// True if nothing is left out.
    pub fn is_all(&self) -> bool {
        self.orders.is_empty() && self.nodes.is_empty()
    }

    /// True if the order is one that was asked for.
    pub fn has_order(&self, id: &str) -> bool {
        self.orders.is_empty() || self.orders.iter().any(|pattern| pattern.fits(id))
    }

    /// True if the node is one that was asked for.
    pub fn has_node(&self, name: &str) -> bool {
        self.nodes.is_empty() || self.nodes.iter().any(|pattern| pattern.fits(name))
    }

    /// What of the plan was asked for. A step of this machine belongs to a node if a
    /// step there needs it. Which orders want what is in sync is not part of a plan, so
    /// nothing of that is left where orders are named.
    pub fn of<'a>(&self, plan: &'a Plan) -> Cow<'a, Plan> {
        if self.is_all() {
            return Cow::Borrowed(plan);
        }
        let mut needed: BTreeSet<&StepId> = BTreeSet::new();
        let mut blocked: Vec<&Blocked> = Vec::new();
        for item in &plan.blocked {
            if self.concerns(&item.id, &item.wanted_by) {
                if let BlockedReason::SourceBlocked { source } = &item.reason {
                    needed.insert(source);
                }
                blocked.push(item);
            }
        }
        blocked.extend(plan.blocked.iter().filter(|item| needed.contains(&item.id)));
        blocked.sort_by(|a, b| a.id.cmp(&b.id));
        blocked.dedup_by(|a, b| a.id == b.id);
        // What a step needs stands before it.
        let mut steps: Vec<&Step> = Vec::new();
        for step in plan.steps.iter().rev() {
            if self.concerns(&step.id, &step.wanted_by) || needed.contains(&step.id) {
                needed.extend(&step.needs);
                steps.push(step);
            }
        }
        let in_sync = plan.in_sync.iter().filter(|id| {
            let node = id.node();
            self.orders.is_empty() && node.is_some_and(|node| self.has_node(node.as_str()))
        });
        let hints = plan.hints.iter();
        Cow::Owned(Plan {
            steps: steps.into_iter().rev().cloned().collect(),
            blocked: blocked.into_iter().cloned().collect(),
            in_sync: in_sync.cloned().collect(),
            shared: plan.shared.clone(),
            hints: hints
                .filter(|hint| self.has_order(hint.about.order.as_str()))
                .cloned()
                .collect(),
        })
    }

    fn concerns(&self, id: &StepId, wanted_by: &WantedBy) -> bool {
        let order = self.orders.is_empty()
            || wanted_by
                .iter()
                .any(|position| self.has_order(position.order.as_str()));
        let node =
            self.nodes.is_empty() || id.node().is_some_and(|node| self.has_node(node.as_str()));
        order && node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileName, PositionRef, PushTarget};
    use crate::plan::action::Action;
    use crate::plan::step::Why;

    fn step(node: &str, order: &str, needs: Vec<StepId>) -> Step {
        let file: FileName = "a.iso".parse().unwrap();
        let action = Action::VerifyNode {
            target: PushTarget {
                node: node.parse().unwrap(),
                dir: "/iso".parse().unwrap(),
            },
            file,
            bytes: 1,
            sha256: crate::model::Sha256::from_bytes([1; 32]),
        };
        Step {
            id: action.step_id(),
            action,
            why: Why::Unverified { hours: None },
            needs,
            wanted_by: WantedBy::one(PositionRef {
                order: order.parse().unwrap(),
                index: 0,
                name: "x".to_owned(),
            }),
        }
    }

    #[test]
    fn what_a_step_needs_is_shown_with_it() {
        let first = step("pve-01", "a", Vec::new());
        let second = step("pve-02", "b", vec![first.id.clone()]);
        let third = step("pve-03", "b", Vec::new());
        let plan = Plan {
            steps: vec![first, second, third],
            ..Plan::default()
        };
        let shown = |orders: &[&str], nodes: &[&str]| {
            let patterns =
                |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
            let selection = Selection {
                orders: patterns(orders),
                nodes: patterns(nodes),
            };
            let shown = selection.of(&plan);
            let nodes = shown.steps.iter().filter_map(|step| step.id.node());
            nodes.map(|node| node.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(shown(&[], &[]), ["pve-01", "pve-02", "pve-03"]);
        assert_eq!(shown(&["a"], &[]), ["pve-01"]);
        assert_eq!(shown(&["b"], &["*-02"]), ["pve-01", "pve-02"]);
        assert_eq!(shown(&[], &["pve-03", "pve-01"]), ["pve-01", "pve-03"]);
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("pve-01", "pve-01", true),
            ("pve-01", "pve-011", false),
            ("pve-*", "pve-01", true),
            ("*", "", true),
            ("*-01", "pve-01", true),
            ("p*-*1", "pve-01", true),
            ("p*e*e", "pve", false),
            ("a*a", "a", false),
            ("", "a", false),
        ] {
            let pattern: NamePattern = pattern.parse().unwrap();
            assert_eq!(pattern.fits(name), fits, "{pattern:?} {name}");
        }
    }
}
