//! The commands that make a token with what it needs, and nothing else.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::needed::{
    DeliveryWay, FetchRight, Need, NeededRights, StorageNeed, TEMPLATE, TemplateNeed,
};

/// A role: privileges under a name.
#[derive(Debug, PartialEq, Eq)]
pub struct PveRole {
    /// Its name.
    pub name: &'static str,
    /// Its privileges.
    pub privileges: &'static [&'static str],
    /// What it is for, as a comment.
    pub purpose: &'static str,
}

/// Each in a role of its own, so that a strong one can be left out. The names do not
/// begin with `PVE`, which Proxmox VE keeps for its own.
const ROLES: [PveRole; 9] = [
    PveRole {
        name: "TalosOrder",
        privileges: &["Datastore.Audit", "Datastore.AllocateTemplate"],
        purpose: "look at a storage and put images on it",
    },
    PveRole {
        name: "TalosOrderPrune",
        privileges: &["Datastore.Allocate"],
        purpose: "remove images; a strong privilege: it covers every volume of the storage",
    },
    PveRole {
        name: "TalosOrderUsage",
        privileges: &["VM.Audit"],
        purpose: "see all virtual machines: which use an image, which are templates",
    },
    PveRole {
        name: "TalosOrderFetch",
        privileges: &["Sys.AccessNetwork"],
        purpose: "let a node load an image from a URL (Proxmox VE 8.2 and newer)",
    },
    PveRole {
        name: "TalosOrderDiscover",
        privileges: &["Sys.Audit"],
        purpose: "see the space for uploads on the root file system",
    },
    PveRole {
        name: "TalosOrderFetchOld",
        privileges: &["Sys.Audit", "Sys.Modify"],
        purpose: "let a node load an image from a URL (before Proxmox VE 8.2)",
    },
    PveRole {
        name: "TalosOrderTemplate",
        privileges: &TEMPLATE,
        purpose: "make, change and remove templates; a strong privilege: it covers every virtual \
                  machine",
    },
    PveRole {
        name: "TalosOrderDisk",
        privileges: &["Datastore.AllocateSpace"],
        purpose: "make the disks of templates on a storage",
    },
    PveRole {
        name: "TalosOrderNetwork",
        privileges: &["SDN.Use"],
        purpose: "connect templates with a bridge",
    },
];

/// The role that grants a privilege on a path.
pub fn role_of(path: &str, privilege: &str) -> &'static PveRole {
    let fits = |role: &&PveRole| {
        role.privileges.contains(&privilege)
            // On the root, one role with less is not mixed with one with more.
            && (path == "/" || role.name != "TalosOrderFetchOld")
    };
    ROLES.iter().find(fits).unwrap_or(&ROLES[0])
}

impl PveRole {
    /// Makes the role, or sets its privileges where it exists.
    pub(super) fn command(&self) -> String {
        let privileges = self.privileges.join(" ");
        format!(
            "pveum role add {0} --privs \"{privileges}\" || pveum role modify {0} --privs \
             \"{privileges}\"",
            self.name
        )
    }
}

/// Gives a role on a path to the token and to its user.
pub(super) fn grant(path: &str, role: &PveRole, token: &str) -> String {
    let user = token.split('!').next().unwrap_or_default();
    format!(
        "pveum acl modify {path} --roles {} --users '{user}' --tokens '{token}'",
        role.name
    )
}

/// What `pve-setup` prints commands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PveSetup {
    /// The user, such as `talos-order@pve`.
    pub user: String,
    /// The name of its token.
    pub token: String,
    /// The storages that images are put on.
    pub storages: Vec<String>,
    /// How images get there; `None` where they get there over ssh.
    pub delivery: Option<DeliveryWay>,
    /// Files are read back.
    pub read_back: bool,
    /// Images are removed, too.
    pub prune: bool,
    /// Where they are not in general: the storages that images are removed from.
    pub pruned: BTreeSet<String>,
    /// The privilege for loading a URL.
    pub fetch_right: FetchRight,
    /// The templates that are made.
    pub templates: Vec<TemplateNeed>,
}

impl PveSetup {
    /// What is done with the token.
    pub fn need(&self) -> Need {
        let storages: BTreeSet<&String> = self.storages.iter().collect();
        let storages = storages.into_iter().map(|storage| StorageNeed {
            storage: storage.clone(),
            delivery: self.delivery,
            prune: self.prune || self.pruned.contains(storage),
        });
        Need {
            storages: storages.collect(),
            usage: self.prune || !self.pruned.is_empty(),
            read_back: self.read_back,
            nodes: Vec::new(),
            fetch_right: self.fetch_right,
            templates: self.templates.clone(),
        }
    }

    /// The ID of the token.
    pub fn token_id(&self) -> String {
        format!("{}!{}", self.user, self.token)
    }

    /// The commands, as a script for root on one node of the cluster. Running it twice
    /// is the same as running it once.
    pub fn script(&self) -> String {
        let rights = NeededRights::of(&self.need());
        let mut grants: Vec<(&str, &'static PveRole)> = Vec::new();
        for (path, privileges) in rights.iter() {
            for role in roles_on(path, privileges) {
                grants.push((path, role));
            }
        }
        let (user, token) = (&self.user, &self.token);
        let mut text = String::from(
            "#!/bin/sh\n\
             # Run this as root on one node of the cluster. It can be run again: what exists\n\
             # is reported, and changed to what is written here.\n\
             set -eu\n\n\
             # Roles.\n",
        );
        let mut line = |line: &str| {
            // A String takes everything.
            let _ = writeln!(text, "{line}");
        };
        for role in &ROLES {
            if grants.iter().any(|(_, granted)| granted == &role) {
                line(&format!("# {}: {}", role.name, role.purpose));
                line(&role.command());
            }
        }
        line("");
        line("# The user, and its token. The secret is shown once: keep it.");
        line(&format!(
            "pveum user add '{user}' --comment 'talos-order' || pveum user modify '{user}' \
             --enable 1"
        ));
        line(&format!(
            "pveum user token add '{user}' '{token}' --privsep 1 || pveum user token modify \
             '{user}' '{token}' --privsep 1"
        ));
        line("");
        line("# A token has what both the user and the token were given.");
        for (path, role) in &grants {
            line(&grant(path, role, &self.token_id()));
        }
        if !self.prune && self.pruned.is_empty() {
            line("");
            line(
                "# Images are not removed: --prune adds what that requires. Where it was granted before,",
            );
            line("# this takes it back:");
            for storage in &self.need().storages {
                line(&format!(
                    "#   pveum acl delete /storage/{} --roles TalosOrderPrune --users '{user}' \
                     --tokens '{}'",
                    storage.storage,
                    self.token_id()
                ));
            }
        }
        text
    }
}

/// The fewest roles that have these privileges.
fn roles_on(path: &str, privileges: &BTreeSet<&'static str>) -> Vec<&'static PveRole> {
    let old = &ROLES[5];
    if path == "/" && old.privileges.iter().all(|one| privileges.contains(one)) {
        return vec![old];
    }
    let mut roles: Vec<&'static PveRole> = Vec::new();
    for privilege in privileges {
        let role = role_of(path, privilege);
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}
