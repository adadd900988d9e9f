//! What clusters keep from being done, and what is to be said of them.

use std::collections::BTreeSet;

use crate::facts::{ClusterLook, MissingPrivilege, NodeStorages, StoppedWork};
use crate::model::{ClusterName, Format, ImageContent, PushTarget, Reach, StorageName};
use crate::plan::blocked::BlockedReason;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Notice, Step};

/// Adds what is to be said of clusters. What blocks a step is said there.
pub(in crate::plan) fn clusters(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let blocked = draft.plan.blocked.iter();
    let told: BTreeSet<(ClusterName, String, String)> = blocked
        .filter_map(|blocked| match &blocked.reason {
            BlockedReason::PrivilegeMissing {
                cluster,
                path,
                role,
                ..
            } => Some((cluster.clone(), path.clone(), role.clone())),
            _ => None,
        })
        .collect();
    for (name, cluster) in &input.observed.catalog.clusters {
        let mut say = |topic: String, is_retried: bool, text: String| {
            draft.plan.notices.push(Notice {
                cluster: name.clone(),
                topic,
                is_retried,
                is_only_shown: false,
                text,
            });
        };
        if let (Some(why), Some(_), true) = (&cluster.failure, &cluster.members, cluster.is_named) {
            let text = format!(
                "it could not be asked; its nodes are those of its last answer, and nothing is \
                 pruned: {why}"
            );
            say("failure".to_owned(), true, text);
        }
        if let Some(why) = &cluster.rights_unknown {
            let text = format!("what the API token may do is not known: {why}");
            say("rights".to_owned(), true, text);
        }
        let is_new = |missing: &&MissingPrivilege| {
            let one = (name.clone(), missing.path.clone(), missing.role.clone());
            !told.contains(&one)
        };
        let missing = cluster.missing.iter().filter(is_new);
        missing.for_each(|missing| {
            let topic = format!("privilege/{}{}", missing.role, missing.path);
            say(topic, false, lacks(missing));
        });
        for ending in &cluster.ending {
            let days = ending.until.duration_since(input.observed.now).as_hours();
            let days = days.div_euclid(24);
            let when = match days {
                ..0 => "has expired".to_owned(),
                0 => "expires in less than a day".to_owned(),
                1 => "expires in 1 day".to_owned(),
                days => format!("expires in {days} days"),
            };
            let pinned = match ending.is_pinned {
                true => "; its `fingerprint` in the configuration ends with it",
                false => "",
            };
            let text = format!(
                "the certificate of {} {when}{pinned}; hint: `pvecm updatecerts --force` on the \
                 node renews the cluster's own",
                ending.node
            );
            say(format!("certificate/{}", ending.node), false, text);
        }
    }
}

fn lacks(missing: &MissingPrivilege) -> String {
    let MissingPrivilege {
        token,
        path,
        privileges,
        role,
        command,
        ..
    } = missing;
    format!(
        "the API token {token} lacks {} on {path} (role {role}); hint: `{command}`; `talos-order \
         pve-setup` makes the role",
        privileges.join(", ")
    )
}

/// Why the nodes that only these clusters know are not known.
pub(super) fn silence(names: &[ClusterName], input: &StageInput<'_>) -> Option<String> {
    let known = |name: &ClusterName| {
        let cluster = input.observed.catalog.clusters.get(name)?;
        let why = cluster.failure.as_ref()?;
        Some(format!("cluster {name} could not be asked: {why}"))
    };
    let whys: Vec<String> = names.iter().filter_map(known).collect();
    (!whys.is_empty()).then(|| whys.join("; "))
}

/// What its cluster lacks for a step on a node of the API: a version, or a privilege of the
/// token.
pub(super) fn forbidden(step: &Step, input: &StageInput<'_>) -> Option<BlockedReason> {
    let id = step.action.node()?;
    let node = input.desired.nodes.get(id)?;
    let Reach::Api {
        cluster: name,
        node,
    } = &node.reach
    else {
        return None;
    };
    let cluster: &ClusterLook = input.observed.catalog.clusters.get(name)?;
    if let (Some(version), Action::Push { artifact, .. }) = (&cluster.no_disks, &step.action)
        && matches!(artifact.format, Format::Raw | Format::Qcow2)
    {
        return Some(BlockedReason::VersionTooOld {
            node: id.clone(),
            version: version.clone(),
        });
    }
    // What is read back is read as for a delivery.
    let delivers = matches!(step.action, Action::Push { .. } | Action::VerifyNode { .. });
    let prunes = matches!(step.action, Action::PruneNode { .. });
    let makes = matches!(
        step.action,
        Action::CreateTemplate(_) | Action::SwitchTemplate(_) | Action::RemoveTemplate { .. }
    );
    let target = step.action.target();
    let storage = target.and_then(|target| storage_of(target, input));
    let stops = |missing: &&MissingPrivilege| match &missing.stops {
        StoppedWork::Nothing => false,
        StoppedWork::DeliveriesTo(name) => delivers && storage == Some(name),
        StoppedWork::Deliveries(of) => delivers && of.as_ref().is_none_or(|of| of == node),
        StoppedWork::PruningFrom(name) => prunes && storage == Some(name),
        StoppedWork::Pruning => prunes,
        StoppedWork::Templates => makes,
    };
    let missing = cluster.missing.iter().find(stops)?;
    Some(BlockedReason::PrivilegeMissing {
        cluster: name.clone(),
        token: missing.token.clone(),
        path: missing.path.clone(),
        privileges: missing.privileges.clone(),
        role: missing.role.clone(),
        command: missing.command.clone(),
    })
}

/// The storage that a directory of a node is of.
fn storage_of<'a>(target: &PushTarget, input: &StageInput<'a>) -> Option<&'a StorageName> {
    let storages = input.observed.catalog.storages.get(&target.node)?;
    let config = NodeStorages::config(storages)?;
    let mut storages = config.storages.iter();
    let found = storages.find(|(_, storage)| {
        let contents = [ImageContent::Iso, ImageContent::Import].into_iter();
        let mut dirs = contents.filter_map(|content| storage.dir_for(content)?.ok());
        dirs.any(|dir| dir == target.dir)
    });
    found.map(|(name, _)| name)
}
