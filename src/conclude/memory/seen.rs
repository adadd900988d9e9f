//! What was seen of nodes: where images were delivered to, how fast links are, and when
//! files were last read back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::ended::EndedRun;
use crate::conclude::links;
use crate::facts::{
    Fact, KnownCertificates, KnownNode, Link, NodeState, NodeVms, Outcome, StepId, StorageConfig,
};
use crate::model::{ClusterName, Dir, FileName, Node, NodeId, PushTarget};
use crate::plan::Action;

impl EndedRun<'_> {
    /// Where images were delivered to. A directory is forgotten once no order names
    /// it, the record there is empty, and no part of an image is there.
    pub(super) fn places(&self) -> BTreeMap<NodeId, KnownNode> {
        let specs = &self.look.desired.nodes;
        let mut places = self.memory.places.clone();
        for (id, place) in &mut places {
            if let Some(node) = specs.get(id) {
                place.node = node.clone();
            }
        }
        for target in self.look.desired.placed.keys() {
            let Some(node) = specs.get(&target.node) else {
                continue;
            };
            let place = places
                .entry(target.node.clone())
                .or_insert_with(|| KnownNode {
                    node: node.clone(),
                    dirs: BTreeSet::new(),
                });
            place.dirs.insert(target.dir.clone());
        }
        for (id, place) in &mut places {
            if let Some(NodeState::Listed { dirs, .. }) = self.look.observed.nodes.get(id) {
                for (dir, state) in dirs {
                    if !state.record.is_empty() || !state.parts.is_empty() {
                        place.dirs.insert(dir.clone());
                    }
                }
            }
            place.dirs.retain(|dir| self.is_in_use(id, dir));
        }
        let is_gone = |node: &Node| self.look.observed.catalog.has_gone(node);
        places.retain(|_, place| !place.dirs.is_empty() && !is_gone(&place.node));
        places
    }

    /// The nodes with templates of ours, or with wanted ones. One whose virtual machines
    /// are not known stays.
    pub(super) fn templates(&self) -> BTreeMap<NodeId, Node> {
        let look = self.look;
        let wanted = look.desired.templates.values();
        let wanted = wanted.flat_map(|template| template.nodes.keys());
        let known = self.memory.templates.keys().filter(|node| {
            let Some(NodeVms::Known(vms)) = look.observed.vms.get(*node) else {
                return true;
            };
            vms.marked.iter().any(|(vmid, config)| {
                let removal = StepId::remove_template(node, *vmid);
                let is_removed = self.outcome(&removal).is_some_and(Outcome::is_success);
                config.mark_of(*vmid).is_some() && !is_removed
            })
        });
        let nodes: BTreeSet<&NodeId> = wanted.chain(known).collect();
        let nodes = nodes.into_iter();
        nodes
            .filter_map(|id| {
                let node = look.desired.nodes.get(id);
                let node = node.or_else(|| self.memory.templates.get(id))?;
                Some((id.clone(), node.clone()))
            })
            .collect()
    }

    pub(super) fn is_in_use(&self, node: &NodeId, dir: &Dir) -> bool {
        let target = PushTarget {
            node: node.clone(),
            dir: dir.clone(),
        };
        if self.look.desired.placed.contains_key(&target) {
            return true;
        }
        // Unknown is not empty.
        let Some(NodeState::Listed { dirs, .. }) = self.look.observed.nodes.get(node) else {
            return true;
        };
        let Some(state) = dirs.get(dir) else {
            return true;
        };
        let removed = |file: &FileName| {
            self.outcome(&StepId::prune_node(&target, file))
                .is_some_and(Outcome::is_success)
        };
        !state.parts.is_empty()
            || state.unread.is_some()
            || state.record.keys().any(|file| !removed(file))
    }

    /// How nodes described their storages, for as long as anything of ours is there.
    pub(super) fn storages(
        &self,
        places: &BTreeMap<NodeId, KnownNode>,
    ) -> BTreeMap<NodeId, StorageConfig> {
        let storages = self.look.observed.catalog.storages.iter();
        storages
            .filter(|(node, _)| places.contains_key(*node))
            .filter_map(|(node, known)| {
                let last = self.memory.storages.get(node);
                Some((node.clone(), known.config().or(last)?.clone()))
            })
            .collect()
    }

    /// What clusters call their nodes; one that did not answer is as it was.
    pub(super) fn members(&self) -> BTreeMap<ClusterName, BTreeSet<String>> {
        let mut members = self.memory.members.clone();
        for (name, cluster) in &self.look.observed.catalog.clusters {
            if let Some(own) = &cluster.members {
                members.insert(name.clone(), own.clone());
            }
        }
        members
    }

    /// When certificates end; of a cluster that did not answer, as it was.
    pub(super) fn certificates(&self) -> BTreeMap<ClusterName, KnownCertificates> {
        let mut certificates = self.memory.certificates.clone();
        for (name, cluster) in &self.look.observed.catalog.clusters {
            if let Some(known) = &cluster.certificates {
                certificates.insert(name.clone(), known.clone());
            }
        }
        certificates
    }

    /// How fast links are; nodes that nobody looks at any more are forgotten.
    pub(super) fn links(&self, places: &BTreeMap<NodeId, KnownNode>) -> BTreeMap<NodeId, Link> {
        let steps = &self.look.plan.steps;
        let now = self.look.observed.now;
        let mut links = links::links(self.memory, steps, self.outcomes, now);
        links.retain(|node, _| places.contains_key(node));
        links
    }

    /// When files were last read back. That they were checked on arrival stands in
    /// their records, so what was never read back needs no place here.
    pub(super) fn verified(
        &self,
        places: &BTreeMap<NodeId, KnownNode>,
    ) -> BTreeMap<StepId, Timestamp> {
        let mut verified = self.memory.verified.clone();
        verified.retain(|id, _| self.may_be_there(id, places));
        let now = self.look.observed.now;
        for (step, fact) in self.done() {
            match (&step.action, fact) {
                (_, Fact::Verified { .. }) => {
                    verified.insert(step.id.clone(), now);
                }
                (Action::Push { target, file, .. }, Fact::Pushed { .. })
                | (Action::PruneNode { target, file, .. }, Fact::Removed { .. }) => {
                    verified.remove(&StepId::verify_node(target, file));
                }
                (Action::Fetch { file, unpack, .. }, Fact::Fetched { .. }) => {
                    verified.remove(&StepId::verify_cache(file));
                    if let Some((_, unpacked)) = unpack {
                        verified.remove(&StepId::verify_cache(unpacked));
                    }
                }
                (Action::Unpack { file, .. }, Fact::Unpacked { .. })
                | (Action::PruneCache { file, .. }, Fact::Removed { .. }) => {
                    verified.remove(&StepId::verify_cache(file));
                }
                _ => {}
            }
        }
        verified
    }

    /// False for a file that was looked for and is not on record any more.
    pub(super) fn may_be_there(&self, id: &StepId, places: &BTreeMap<NodeId, KnownNode>) -> bool {
        if let Some(file) = id.cached() {
            return self.look.observed.cache.files.contains_key(&file);
        }
        let Some((target, file)) = id.path() else {
            return false;
        };
        match self.look.observed.nodes.get(&target.node) {
            Some(NodeState::Listed { dirs, .. }) => {
                let dir = dirs.get(&target.dir);
                dir.is_some_and(|dir| dir.unread.is_some() || dir.record.contains_key(&file))
            }
            Some(NodeState::Unreachable { .. }) => true,
            None => places.contains_key(&target.node),
        }
    }
}
