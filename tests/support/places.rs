//! The places of a scenario, as a run observes them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use talos_order::facts::{
    CacheState, CachedFile, ClusterLook, DirState, EndingCertificate, Link, Meta, MissingPrivilege,
    NodeState, NodeStorages, Provenance, References, RemoteFile, StoppedWork, VersionKnowledge,
    VersionSource,
};
use talos_order::model::{ArtifactId, DataDigest, FileName, NameTemplate, NodeId, Sha256};

use crate::{ClusterWorld, FACTORY, NodeWorld, World, now};

fn all_tools() -> BTreeSet<String> {
    let tools = ["rsync", "perl", "xz", "zstd", "sha256sum", "flock"];
    tools.map(str::to_owned).into()
}

impl ClusterWorld {
    pub(crate) fn look(&self) -> ClusterLook {
        let missing = |path: &str, privilege: &str, role: &str, stops| MissingPrivilege {
            token: "talos-order@pve!ctl".to_owned(),
            path: path.to_owned(),
            privileges: vec![privilege.to_owned()],
            role: role.to_owned(),
            command: format!("pveum acl modify {path} --roles {role}"),
            stops,
        };
        let fetch = StoppedWork::Deliveries(None);
        let fetch = missing("/nodes", "Sys.AccessNetwork", "TalosOrderFetch", fetch);
        let vms = missing("/vms", "VM.Audit", "TalosOrderUsage", StoppedWork::Pruning);
        let missing = [(self.no_fetch, fetch), (self.no_vms, vms)].into_iter();
        ClusterLook {
            members: self.members.clone(),
            failure: self.silent.clone(),
            is_named: self.named,
            missing: missing
                .filter(|(lacks, _)| *lacks)
                .map(|(_, one)| one)
                .collect(),
            ending: self
                .ending
                .iter()
                .map(|(node, days)| EndingCertificate {
                    node: node.clone(),
                    until: now() + SignedDuration::from_hours(24 * days + 1),
                    is_pinned: false,
                })
                .collect(),
            ..ClusterLook::default()
        }
    }
}

impl NodeWorld {
    pub(crate) fn storages(&self) -> Option<NodeStorages> {
        let last = self.described.clone();
        match (&self.down, &self.undescribed) {
            (Some(why), _) => Some(NodeStorages::Unreachable {
                why: why.clone(),
                lasting: None,
                last,
            }),
            (None, Some(why)) => Some(NodeStorages::Unreadable { why: why.clone() }),
            (None, None) => last.map(NodeStorages::Known),
        }
    }
}

impl World {
    pub(crate) fn artifact(&self, name: &FileName) -> ArtifactId {
        let parts = NameTemplate::default()
            .read(name.as_str())
            .unwrap_or_else(|| panic!("{name} is not an image's name"));
        let schematic = self
            .schematics
            .iter()
            .find(|id| id.to_string().starts_with(&parts.schematic))
            .unwrap_or_else(|| panic!("the full schematic of {name} is not listed"));
        ArtifactId {
            version: parts.version,
            platform: parts.platform,
            arch: parts.arch,
            secureboot: parts.secureboot,
            schematic: *schematic,
            format: parts.format,
        }
    }

    pub(crate) fn links(&self) -> BTreeMap<NodeId, Link> {
        let link = |bytes_per_second: u64| Link {
            bytes_per_second,
            measured_at: now(),
        };
        let links = self.links.iter();
        links
            .map(|(node, &speed)| (node.clone(), link(speed)))
            .collect()
    }

    pub(crate) fn knowledge(&self) -> VersionKnowledge {
        match &self.versions {
            Some(versions) => VersionKnowledge::Known {
                versions: versions.clone(),
                source: VersionSource::Factory,
                fetched_at: now(),
                failures: Vec::new(),
            },
            None => VersionKnowledge::Unknown {
                failures: vec!["factory: connection refused".to_owned()],
            },
        }
    }

    pub(crate) fn cache(&self) -> CacheState {
        let files = self.cache.iter().map(|(name, cached)| {
            let artifact = self.artifact(name);
            let url = cached
                .url
                .clone()
                .unwrap_or_else(|| format!("{FACTORY}{}", artifact.factory_path()));
            let file = CachedFile {
                meta: Meta {
                    size: cached.size,
                    sha256: Sha256::from_bytes([cached.digest; 32]),
                    url,
                    data: cached.data.map(|bytes| DataDigest {
                        sha256: Sha256::from_bytes([cached.digest; 32]),
                        bytes,
                    }),
                    unpacked_from: None,
                    provenance: Provenance::FirstSeen,
                    etag: None,
                    completed_at: now(),
                    mtime_ns: 0,
                    last_wanted: now() - SignedDuration::from_hours(24 * cached.days_unwanted),
                    whole: None,
                    refuted: cached
                        .refuted
                        .iter()
                        .map(|byte| Sha256::from_bytes([*byte; 32]))
                        .collect(),
                    artifact,
                },
                size: (!cached.gone).then_some(cached.found.unwrap_or(cached.size)),
                untouched: !cached.touched,
                fault: cached.fault.clone(),
            };
            (name.clone(), file)
        });
        CacheState {
            files: files.collect(),
            foreign: self.foreign.clone(),
            partial: self.partial.clone(),
            free_bytes: self.cache_free,
        }
    }

    pub(crate) fn node(&self, node: &NodeWorld) -> NodeState {
        if let Some(why) = &node.down {
            return NodeState::Unreachable {
                why: why.clone(),
                lasting: None,
            };
        }
        let dirs = node.dirs.iter().map(|(dir, world)| {
            let mut state = DirState {
                exists: world.nearest.is_none(),
                free_bytes: world.free,
                mount_point: world.mount.clone(),
                nearest: world.nearest.clone(),
                root: world.root.clone(),
                is_proxmox: world.proxmox,
                is_silent: world.silent,
                inodes_full: world.inodes_full,
                parts: world.parts.clone(),
                unread: world.unread.clone(),
                ..DirState::default()
            };
            for (name, found) in &world.files {
                let file = RemoteFile {
                    size: found.size,
                    mtime: i64::from(found.touched),
                    inode: 1,
                };
                state.files.insert(name.clone(), file);
                if !found.foreign {
                    let name: FileName = name.parse().expect("a name of ours");
                    let entry = self.entry(&name, found);
                    state.record.insert(name, entry);
                }
            }
            (dir.clone(), state)
        });
        NodeState::Listed {
            dirs: dirs.collect(),
            tools: node.tools.clone().unwrap_or_else(all_tools),
            references: match &node.use_unknown {
                Some(why) => References::Unknown { why: why.clone() },
                None => References::Known(node.used.clone()),
            },
        }
    }
}
