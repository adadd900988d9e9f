//! What a file imports from other rooms.

use std::collections::BTreeSet;

use crate::source::{Source, branches};

/// One path into another room: `crate::facts::observed`.
pub struct Import {
    pub line: usize,
    pub room: String,
    /// The names taken from it, each the first segment below the room; empty where
    /// the room itself is meant.
    pub names: BTreeSet<String>,
}

/// Every `crate::…` path in a file (in `main.rs` also `talos_order::…`), whether in
/// a `use` or in the middle of an expression.
pub fn imports(source: &Source) -> Vec<Import> {
    let mut found = Vec::new();
    for root in ["crate::", "talos_order::"] {
        for (at, _) in source.code.match_indices(root) {
            let line = source.code[..at].matches('\n').count() + 1;
            for path in expand(&source.code[at + root.len()..]) {
                let mut segments = path.split("::").map(str::trim);
                let room = segments.next().unwrap_or_default().to_owned();
                let names = segments.next().map(str::to_owned).into_iter().collect();
                found.push(Import { line, room, names });
            }
        }
    }
    found
}

/// The paths that a use tree at the start of `text` stands for, two segments deep.
fn expand(text: &str) -> Vec<String> {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('{') {
        return branches(inside).into_iter().flat_map(expand).collect();
    }
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let (segment, rest) = text.split_at(end);
    match rest.strip_prefix("::") {
        Some(below) => {
            let below = expand_below(below);
            below
                .iter()
                .map(|name| format!("{segment}::{name}"))
                .collect()
        }
        None => vec![segment.to_owned()],
    }
}

/// The first segments of the paths at the start of `text`.
fn expand_below(text: &str) -> Vec<String> {
    let text = text.trim_start();
    let first = |path: &str| {
        let path = path.trim_start();
        let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*'));
        path[..end.unwrap_or(path.len())].to_owned()
    };
    match text.strip_prefix('{') {
        Some(inside) => branches(inside).into_iter().map(first).collect(),
        None => vec![first(text)],
    }
}
