//! From what is granted to what is missing.

use std::collections::BTreeMap;

use super::needed::NeededRights;
use super::setup::{PveRole, grant, role_of};

/// The privileges that a token has, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    by_path: BTreeMap<String, BTreeMap<String, bool>>,
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

impl Granted {
    /// Notes what `/access/permissions?path=PATH` answered: each privilege with whether
    /// it holds for everything below as well.
    pub fn insert(&mut self, path: &str, privileges: BTreeMap<String, bool>) {
        self.by_path.insert(path.to_owned(), privileges);
    }

    /// True if the token has a privilege on a path that was asked for; on `/vms` and
    /// `/nodes`, which stand for what is below them, only if it holds there, too. What
    /// was not asked for is not granted.
    pub fn has(&self, path: &str, privilege: &str) -> bool {
        let privileges = self.by_path.get(path);
        let found = privileges.and_then(|privileges| privileges.get(privilege));
        let stands_for_more = matches!(path, "/vms" | "/nodes");
        found.is_some_and(|holds_below| *holds_below || !stands_for_more)
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
                let role = role_of(path, privileges[0]);
                missing.push(MissingRight {
                    path: path.to_owned(),
                    commands: vec![role.command(), grant(path, role, token)],
                    role,
                    privileges,
                });
            }
        }
        missing
    }
}
