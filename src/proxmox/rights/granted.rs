//! From what is granted to what is missing.

use std::collections::BTreeMap;

use super::needed::NeededRights;
use super::setup::{PveRole, grant, role_of};

/// The privileges that a token has, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    by_path: BTreeMap<String, BTreeMap<String, bool>>,
    /// What is not listed has what it inherits, and not nothing.
    inherits: bool,
}

/// Privileges of one role that are missing on one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// The path, such as `/storage/local`.
    pub path: String,
    /// The privileges, in order.
    pub privileges: Vec<&'static str>,
    /// The role that has them.
    pub role: &'static PveRole,
    /// The commands that grant the role there, to be run on a node as root.
    pub commands: Vec<String>,
}

impl MissingRight {
    fn new(path: &str, privileges: Vec<&'static str>, token: &str) -> Self {
        let role = role_of(path, privileges[0]);
        Self {
            path: path.to_owned(),
            commands: vec![role.command(), grant(path, role, token)],
            role,
            privileges,
        }
    }

    /// The same privileges for all nodes together, where each of several lacks them.
    #[must_use]
    pub fn over_nodes(missing: Vec<Self>, nodes: usize, token: &str) -> Vec<Self> {
        let mut counts: BTreeMap<Vec<&'static str>, usize> = BTreeMap::new();
        for one in missing.iter().filter(|one| one.is_of_node()) {
            *counts.entry(one.privileges.clone()).or_default() += 1;
        }
        let mut all = Vec::new();
        for one in missing {
            let is_of_all = one.is_of_node() && counts.get(&one.privileges) == Some(&nodes);
            let one = match is_of_all {
                true => Self::new("/nodes", one.privileges, token),
                false => one,
            };
            if !all.contains(&one) {
                all.push(one);
            }
        }
        all
    }

    fn is_of_node(&self) -> bool {
        self.path.starts_with("/nodes/")
    }
}

impl Granted {
    /// Notes what `/access/permissions?path=PATH` answered: each privilege with whether
    /// it holds for everything below as well.
    pub fn insert(&mut self, path: &str, privileges: BTreeMap<String, bool>) {
        self.by_path.insert(path.to_owned(), privileges);
    }

    /// What `/access/permissions` answers without a path: each path that somebody has an
    /// entry for. Others inherit. A path that `NoAccess` was given for is not listed either,
    /// so it looks as if it inherited: to be sure of one, ask for it by its name.
    pub fn of_list(by_path: BTreeMap<String, BTreeMap<String, bool>>) -> Self {
        Self {
            by_path,
            inherits: true,
        }
    }

    /// True if the token has a privilege on a path that was asked for; on `/vms` and
    /// `/nodes`, which stand for what is below them, only if it holds there, too. What
    /// was not asked for is not granted.
    pub fn has(&self, path: &str, privilege: &str) -> bool {
        let stands_for_more = matches!(path, "/vms" | "/nodes");
        if let Some(privileges) = self.by_path.get(path) {
            let found = privileges.get(privilege);
            return found.is_some_and(|holds_below| *holds_below || !stands_for_more);
        }
        let inherited = || {
            let above = above(path).find_map(|above| self.by_path.get(above))?;
            above.get(privilege).copied()
        };
        self.inherits && inherited().unwrap_or(false)
    }

    /// What is missing for a use, by path and role. `token` is its ID, such as
    /// `talos-order@pve!ctl`.
    pub fn missing(&self, needed: &NeededRights, token: &str) -> Vec<MissingRight> {
        let mut missing: Vec<MissingRight> = Vec::new();
        for (path, privileges) in needed.iter() {
            let mut open: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
            for &privilege in privileges {
                if !self.has(path, privilege) {
                    let role = role_of(path, privilege);
                    open.entry(role.name).or_default().push(privilege);
                }
            }
            for privileges in open.into_values() {
                missing.push(MissingRight::new(path, privileges, token));
            }
        }
        missing
    }
}

/// The paths above a path, from the nearest on.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        let at = rest.rfind('/').filter(|_| rest != "/")?;
        rest = if at == 0 { "/" } else { &rest[..at] };
        Some(rest)
    })
}
