//! Who may do what: entries on paths, inherited downwards.

use std::collections::{BTreeMap, BTreeSet};

/// One entry: these privileges for a user or a token on a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEntry {
    /// The path, such as `/storage/local`.
    pub path: String,
    /// A user, or the ID of a token.
    pub who: String,
    /// The privileges of the role; none are what `NoAccess` has.
    pub privileges: BTreeSet<String>,
    /// True if the entry holds for everything below, too.
    pub propagate: bool,
}

impl AclEntry {
    /// An entry that holds for everything below, too. Privileges are separated by
    /// blanks.
    pub fn new(path: &str, who: &str, privileges: &str) -> Self {
        Self {
            path: path.to_owned(),
            who: who.to_owned(),
            privileges: privileges.split_whitespace().map(str::to_owned).collect(),
            propagate: true,
        }
    }
}

/// Privileges, each with whether it is inherited below.
pub(super) type Privileges = BTreeMap<String, bool>;

/// A token as the cluster knows it.
#[derive(Debug, Clone)]
pub(super) struct KnownToken {
    pub id: String,
    pub secret: String,
    /// True if it has only what it was given itself, too.
    pub is_separated: bool,
}

/// The paths that exist without an entry.
const ALWAYS: [&str; 8] = [
    "/",
    "/access",
    "/access/groups",
    "/nodes",
    "/pool",
    "/sdn",
    "/storage",
    "/vms",
];

/// Everything a superuser has that is of use here.
const ALL: [&str; 18] = [
    "Datastore.Allocate",
    "Datastore.AllocateSpace",
    "Datastore.AllocateTemplate",
    "Datastore.Audit",
    "Sys.AccessNetwork",
    "Sys.Audit",
    "Sys.Modify",
    "SDN.Use",
    "VM.Allocate",
    "VM.Audit",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
];

/// What a token may do on a path.
pub(super) fn effective(entries: &[AclEntry], token: &KnownToken, path: &str) -> Privileges {
    let user = token.id.split('!').next().unwrap_or_default();
    let of_user = match user {
        "root@pam" => ALL.iter().map(|name| ((*name).to_owned(), true)).collect(),
        user => of(entries, user, path),
    };
    if !token.is_separated {
        return of_user;
    }
    let of_token = of(entries, &token.id, path);
    of_token
        .into_iter()
        .filter_map(|(name, below)| {
            let user_below = of_user.get(&name)?;
            Some((name, below && *user_below))
        })
        .collect()
}

/// An entry replaces what comes from above.
fn of(entries: &[AclEntry], who: &str, path: &str) -> Privileges {
    let mut found = Privileges::new();
    for at in ancestors(path) {
        let here: Vec<&AclEntry> = entries
            .iter()
            .filter(|entry| entry.who == who && entry.path == at)
            .filter(|entry| at == path || entry.propagate)
            .collect();
        if here.is_empty() {
            continue;
        }
        found.clear();
        for entry in here {
            for name in &entry.privileges {
                found.insert(name.clone(), entry.propagate);
            }
        }
    }
    found
}

/// The path and everything above it, from the root down.
fn ancestors(path: &str) -> Vec<&str> {
    let mut all = vec!["/"];
    let ends = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
    all.extend(ends);
    if path != "/" {
        all.push(path);
    }
    all
}

/// Each path that the token has a privilege on, as `/access/permissions` tells without
/// a path: those without any are left out.
pub(super) fn everywhere(entries: &[AclEntry], token: &KnownToken) -> BTreeMap<String, Privileges> {
    let named = entries.iter().map(|entry| entry.path.as_str());
    let paths: BTreeSet<&str> = ALWAYS.into_iter().chain(named).collect();
    paths
        .into_iter()
        .map(|path| (path.to_owned(), effective(entries, token, path)))
        .filter(|(_, privileges)| !privileges.is_empty())
        .collect()
}
