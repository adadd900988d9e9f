//! The orders and nodes that somebody asks for, by name.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{NamePattern, visible};

/// The orders and nodes that a run is for, or that an answer shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Checks that every pattern fits something: one that fits nothing is a mistake in
    /// writing, and would look like an answer.
    ///
    /// # Errors
    /// The first pattern that fits none of these orders or nodes.
    pub fn check(
        &self,
        orders: &BTreeSet<&str>,
        nodes: &BTreeSet<&str>,
    ) -> Result<(), UnmatchedPattern> {
        let checks = [
            ("order", &self.orders, orders),
            ("node", &self.nodes, nodes),
        ];
        for (kind, patterns, known) in checks {
            for pattern in patterns {
                if !known.iter().any(|name| pattern.fits(name)) {
                    return Err(UnmatchedPattern {
                        kind,
                        pattern: pattern.to_string(),
                        known: known.iter().map(|name| (*name).to_owned()).collect(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// `everything`, `order web, order db on node pve-01`
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |kind: &str, patterns: &[NamePattern]| {
            let named = patterns.iter().map(|pattern| format!("{kind} {pattern}"));
            named.collect::<Vec<_>>().join(", ")
        };
        let (orders, nodes) = (named("order", &self.orders), named("node", &self.nodes));
        match (orders.as_str(), nodes.as_str()) {
            ("", "") => f.write_str("everything"),
            (orders, "") => f.write_str(orders),
            ("", nodes) => f.write_str(nodes),
            (orders, nodes) => write!(f, "{orders} on {nodes}"),
        }
    }
}

/// A pattern that fits no order or no node.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {kind} matches {}", visible(pattern))]
pub struct UnmatchedPattern {
    kind: &'static str,
    pattern: String,
    known: Vec<String>,
}

impl UnmatchedPattern {
    /// What there is instead.
    pub fn hint(&self) -> String {
        let kind = self.kind;
        let more = self.known.len().saturating_sub(KNOWN_SHOWN);
        match (self.known.as_slice(), more) {
            ([], _) => format!("there are no {kind}s"),
            (known, 0) => format!("known {kind}s: {}", known.join(", ")),
            (known, more) => {
                let known = known[..KNOWN_SHOWN].join(", ");
                format!("known {kind}s: {known} and {more} more")
            }
        }
    }
}

/// A hint names so many orders or nodes.
const KNOWN_SHOWN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_fits_nothing_is_an_error_that_names_what_there_is() {
        let (orders, nodes) = (BTreeSet::from(["a", "b"]), BTreeSet::new());
        let selection = |orders: &[&str], nodes: &[&str]| {
            let patterns =
                |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
            Selection {
                orders: patterns(orders),
                nodes: patterns(nodes),
            }
        };
        assert_eq!(selection(&["*", "a"], &[]).check(&orders, &nodes), Ok(()));
        let error = selection(&["a", "c*"], &[]).check(&orders, &nodes);
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "no order matches c*");
        assert_eq!(error.hint(), "known orders: a, b");
        let error = selection(&[], &["*"]).check(&orders, &nodes).unwrap_err();
        assert_eq!(error.hint(), "there are no nodes");
        assert_eq!(selection(&[], &[]).to_string(), "everything");
        let several = selection(&["a", "b*"], &["c"]);
        assert_eq!(several.to_string(), "order a, order b* on node c");
    }
}
