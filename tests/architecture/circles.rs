//! Which file of a room imports which, and where that runs in a circle.
//!
//! A name that a module hands on (`pub use`) counts as an import of the file that defines
//! it, so that a face is no knot.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, branches, is_test};

/// A path of modules and a name at its end.
type ItemPath = Vec<String>;

/// The files of the library by module, with what each hands on and what it imports.
#[derive(Default)]
struct Modules {
    /// By module: the names that it hands on, with where they come from.
    handed_on: BTreeMap<ItemPath, BTreeMap<String, ItemPath>>,
    /// By module: every path that its code mentions.
    mentioned: BTreeMap<ItemPath, Vec<ItemPath>>,
}

/// Every circle, as one line.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let mut modules = Modules::default();
    let sources: Vec<&Source> = sources.iter().filter(|source| !is_aside(source)).collect();
    for source in &sources {
        modules.mentioned.insert(module(source), Vec::new());
    }
    for source in &sources {
        modules.read(source);
    }
    let arrows = modules.arrows();
    let mut findings = BTreeSet::new();
    for start in arrows.keys() {
        let reached = reachable(start, &arrows);
        let back = |other: &&&ItemPath| reachable(other, &arrows).contains(start);
        let knot: Vec<String> = reached
            .iter()
            .filter(back)
            .map(|at| at.join("::"))
            .collect();
        if !knot.is_empty() {
            findings.insert(knot.join(" <-> "));
        }
    }
    findings.into_iter().collect()
}

/// True for what exists for tests and fuzzers only.
fn is_aside(source: &Source) -> bool {
    let mut parts = source.path.iter().skip(2);
    is_test(source, 0) || parts.any(|part| part == "fuzz" || part == "fuzz.rs")
}

/// The module that a file is.
fn module(source: &Source) -> ItemPath {
    let path = source.path.with_extension("");
    let parts = path
        .iter()
        .skip(1)
        .map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| part != "mod").collect()
}

fn reachable<'a>(
    start: &ItemPath,
    arrows: &'a BTreeMap<ItemPath, BTreeSet<ItemPath>>,
) -> BTreeSet<&'a ItemPath> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&ItemPath> = arrows.get(start).into_iter().flatten().collect();
    while let Some(at) = open.pop() {
        if found.insert(at) {
            open.extend(arrows.get(at).into_iter().flatten());
        }
    }
    found
}

impl Modules {
    fn read(&mut self, source: &Source) {
        let module = module(source);
        let lines = (1..).zip(source.code.lines());
        let code: Vec<&str> = lines
            .filter(|(number, _)| !is_test(source, *number))
            .map(|(_, line)| line)
            .collect();
        let code = code.join("\n");
        let mut rest = String::new();
        for statement in code.split_inclusive(';') {
            let Some((before, tree)) = import(statement) else {
                rest.push_str(statement);
                continue;
            };
            rest.push_str(before);
            let is_handed_on =
                before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
            for path in leaves(tree) {
                let Some(path) = self.absolute(&module, &path) else {
                    continue;
                };
                if is_handed_on {
                    let name = path.last().cloned().unwrap_or_default();
                    let handed_on = self.handed_on.entry(module.clone()).or_default();
                    handed_on.insert(name, path);
                } else {
                    self.mention(&module, path);
                }
            }
        }
        for path in paths(&rest) {
            if let Some(path) = self.absolute(&module, &path) {
                self.mention(&module, path);
            }
        }
    }

    fn mention(&mut self, module: &ItemPath, path: ItemPath) {
        self.mentioned.entry(module.clone()).or_default().push(path);
    }

    /// The path from the root of the library; `None` for one into another crate.
    fn absolute(&self, module: &ItemPath, path: &[String]) -> Option<ItemPath> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let first = path.get(supers)?.as_str();
        let base = match first {
            _ if supers > 0 => &module[..module.len().checked_sub(supers)?],
            "crate" => return Some(path[1..].to_vec()),
            "self" => return Some([module, &path[1..]].concat()),
            _ => {
                let child = [module, &path[..1]].concat();
                self.mentioned.contains_key(&child).then_some(&module[..])?
            }
        };
        Some([base, &path[supers..]].concat())
    }

    /// The file that defines what a path names.
    fn definition(&self, path: &[String], depth: usize) -> Option<ItemPath> {
        let file = (1..=path.len())
            .rev()
            .map(|length| &path[..length])
            .find(|prefix| self.mentioned.contains_key(*prefix))?;
        let handed_on = self.handed_on.get(file);
        let from = path.get(file.len()).and_then(|name| handed_on?.get(name));
        match from.filter(|_| depth < 5) {
            Some(from) => self.definition(from, depth + 1),
            None => Some(file.to_vec()),
        }
    }

    /// Which file imports which, within one room.
    fn arrows(&self) -> BTreeMap<ItemPath, BTreeSet<ItemPath>> {
        let mut arrows: BTreeMap<ItemPath, BTreeSet<ItemPath>> = BTreeMap::new();
        for (module, mentioned) in &self.mentioned {
            let defined = mentioned.iter().filter_map(|path| self.definition(path, 0));
            let others = defined.filter(|at| at.first() == module.first() && at != module);
            arrows.insert(module.clone(), others.collect());
        }
        arrows
    }
}

/// What stands before `use` in a statement, and the tree of names behind it.
fn import(statement: &str) -> Option<(&str, &str)> {
    let at = statement
        .match_indices("use ")
        .map(|(at, _)| at)
        .find(|at| {
            let line = statement[..*at]
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .trim_start();
            line.is_empty() || line.starts_with("pub")
        })?;
    let tree = statement[at + "use ".len()..].trim_end_matches(';');
    Some((&statement[..at], tree))
}

/// Every path of a tree of names.
fn leaves(tree: &str) -> Vec<ItemPath> {
    let tree = tree.trim();
    let Some((head, inside)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        let parts = name.split("::").map(|part| part.trim().to_owned());
        return vec![parts.collect()];
    };
    let head: ItemPath = head
        .split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let below = branches(inside).into_iter().flat_map(leaves);
    below
        .map(|mut path| {
            path.retain(|part| part != "self");
            [head.clone(), path].concat()
        })
        .collect()
}

/// Every path in code outside of imports.
fn paths(code: &str) -> Vec<ItemPath> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    // Who may use an item is no import.
    let code = code.replace("(in crate::", "(in ");
    let words = code.split(|c: char| !is_word(c));
    let paths = words.filter(|word| word.contains("::"));
    paths
        .map(|path| path.split("::").map(str::to_owned).collect())
        .collect()
}
