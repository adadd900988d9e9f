//! Why something is blocked, as one sentence for people, with what helps.

use std::fmt;

use super::BlockedReason;
use crate::facts::FailureKind;
use crate::model::ClusterName;
use crate::plan::bytes::Bytes;

impl fmt::Display for BlockedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeUnreachable {
                node,
                why,
                lasting: Some(FailureKind::PermissionDenied),
            } => write!(f, "permission denied on {node}: {why}"),
            Self::NodeUnreachable { node, why, .. } => {
                write!(f, "{node} does not answer: {why}")
            }
            Self::Unresolved { why } => why.fmt(f),
            Self::NodesUnknown {
                names,
                clusters,
                why,
            } => {
                let clusters: Vec<&str> = clusters.iter().map(ClusterName::as_str).collect();
                let (names, clusters) = (names.join(", "), clusters.join(", "));
                match why {
                    Some(why) => write!(f, "{names} is not known: {why}"),
                    None => write!(f, "{names} is not known, only to the cluster {clusters}"),
                }
            }
            Self::VersionTooOld { node, version } => write!(
                f,
                "Proxmox VE {version} on {node} takes no disk images through the API, 8.4 does; \
                 hint: upgrade it, use `image_format: iso`, or set `transport: ssh`"
            ),
            Self::PrivilegeMissing {
                token,
                path,
                privileges,
                role,
                command,
                cluster: _,
            } => write!(
                f,
                "the API token {token} lacks {} on {path} (role {role}); hint: `{command}`; \
                 `talos-order pve-setup` makes the role",
                privileges.join(", ")
            ),
            Self::PruneBlocked { why } => write!(f, "nothing is pruned: {why}"),
            Self::ForeignFile { file } => {
                write!(f, "{file} in the cache was not written by talos-order")
            }
            Self::SourceBlocked { source } => write!(f, "{} is blocked", source.text()),
            Self::Suspended { what, why: None } => write!(f, "{what} is suspended"),
            Self::Suspended {
                what,
                why: Some(why),
            } => write!(f, "{what} is suspended: {why}"),
            Self::BackingOff {
                failures,
                until,
                error,
                lasting: _,
            } => write!(
                f,
                "failed {failures} {}, next attempt at {until:.0}: {error}",
                if *failures == 1 { "time" } else { "times" }
            ),
            Self::OutsideWindow { local, until: _ } => {
                write!(f, "waits for the window until {local}")
            }
            Self::WaitsForRing {
                ring,
                why,
                until,
                needs_promotion: _,
            } => {
                match ring {
                    Some(ring) => write!(f, "ring {ring} waits: {why}")?,
                    None => write!(f, "nodes without a ring wait: {why}")?,
                }
                match until {
                    Some(until) => write!(f, " until {}", until.strftime("%Y-%m-%d %H:%M UTC")),
                    None => Ok(()),
                }
            }
            Self::StorageUnfit { storage, why, .. } => why.write(storage, f),
            Self::NotMounted { place, why: None } => write!(f, "{place} is not mounted"),
            Self::NotMounted {
                place,
                why: Some(why),
            } => write!(f, "{place}: {why}"),
            Self::DirMissing { place, dir } => write!(
                f,
                "{place} does not exist and is not below a known storage; \
                 hint: mount its storage, or `mkdir -p {dir}` on the node, or set \
                 `create: true` for the node in `nodes`, or in `defaults.push` for all"
            ),
            Self::DirSilent { place } => write!(
                f,
                "{place} did not answer within 10 s; \
                 hint: check the server of its storage on the node: `pvesm status`"
            ),
            Self::NoInodes { place } => write!(
                f,
                "{place}: its file system has no inodes left; \
                 hint: run `df -i` on the node"
            ),
            Self::InGrace { until } => write!(f, "no longer wanted, kept until {until:.0}"),
            Self::NotPlanned => {
                f.write_str("not in the first plan of this run; the next run prunes it")
            }
            Self::NotSelected { otherwise: None } => f.write_str("not selected"),
            Self::NotSelected {
                otherwise: Some(reason),
            } => write!(f, "not selected; otherwise blocked: {reason}"),
            Self::InUse { vms } => {
                let vms: Vec<String> = vms.iter().map(ToString::to_string).collect();
                write!(f, "in use by VM {}", vms.join(", "))
            }
            Self::UseUnknown { why } => write!(f, "the VMs that use it are unknown: {why}"),
            Self::RecordUnread { place, why } => write!(
                f,
                "nothing is pruned from {place}: its record cannot be read: \
                 {why}"
            ),
            Self::NotOurs { owner } => write!(f, "placed by {owner}"),
            Self::Changed => f.write_str("changed since talos-order placed it"),
            Self::OverBudget {
                files,
                limit: 0,
                approval,
            } => write!(
                f,
                "prune blocked: {files} {} approval; run `talos-order approve {}`",
                if *files == 1 {
                    "file needs"
                } else {
                    "files need"
                },
                approval.0
            ),
            Self::OverBudget {
                files,
                limit,
                approval,
            } => write!(
                f,
                "prune blocked: {files} {} the budget of {limit}; \
                 run `talos-order approve {}`",
                if *files == 1 {
                    "file exceeds"
                } else {
                    "files exceed"
                },
                approval.0
            ),
            Self::Template { why } => why.fmt(f),
            Self::NoSpace {
                place,
                need,
                free,
                parts,
            } => {
                write!(
                    f,
                    "{place} has {} free; {} needed, including the reserve",
                    Bytes(*free),
                    Bytes(*need)
                )?;
                match parts {
                    0 => Ok(()),
                    parts => write!(
                        f,
                        "; interrupted deliveries of other images use {} there",
                        Bytes(*parts)
                    ),
                }
            }
        }
    }
}
