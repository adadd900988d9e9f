//! A new template: where, under which number, and after which steps.

use super::own::OwnTemplate;
use super::{Seat, SourceImage, TemplatePlanner, foreign_name, locked, switch};
use crate::facts::{DescribedStorage, NodeStorages, TemplateState};
use crate::model::{NodeId, StorageName, TemplateName, VmId, VmIds, visible};
use crate::plan::blocked::BlockedReason;
use crate::plan::step::{Action, CreateTemplate, Why};
use crate::plan::template::{MachineConfig, TemplateBlock, WantedTemplate};

/// What virtual machines need of a storage.
const IMAGES: &str = "images";

impl<'a> TemplatePlanner<'a, '_> {
    /// Plans a template beside those that are there, or in the place of one.
    pub(super) fn create(
        &mut self,
        name: &'a TemplateName,
        wanted: &WantedTemplate,
        machine: &MachineConfig,
        seats: &[Seat<'a>],
        (own, current): (&[OwnTemplate<'a>], &[&OwnTemplate<'a>]),
        why: Why,
    ) {
        let template = &wanted.template;
        // Of several nodes the first one that has, or gets, the image; rather one that is
        // not suspended.
        let images = seats.iter().map(|seat| (seat, self.image(seat.image)));
        let images: Vec<(&Seat<'a>, SourceImage)> = images.collect();
        let fit = images
            .iter()
            .filter(|(_, image)| !matches!(image, SourceImage::Blocked(_)))
            .min_by_key(|(seat, _)| self.rollouts.is_suspended(seat.node, wanted));
        let Some((seat, image)) = fit.or(images.first()) else {
            return;
        };
        let node = seat.node;
        let mut delivered = None;
        let (mut needs, sha256) = match image {
            SourceImage::There(sha256) => (Vec::new(), *sha256),
            SourceImage::Coming(step) => {
                delivered = step.target();
                (vec![step.clone()], None)
            }
            SourceImage::Blocked(source) => {
                let source = source.clone();
                let reason = BlockedReason::SourceBlocked { source };
                return self.block(node, name, wanted, reason);
            }
        };
        if let Some(block) = self.refusal(name, seat, own, &template.storage) {
            let reason = BlockedReason::Template { why: block };
            return self.block(node, name, wanted, reason);
        }
        let vmid = match self.vmid(template.ids, seat, own) {
            Ok(vmid) => vmid,
            Err(why) => {
                let reason = BlockedReason::Template { why };
                return self.block(node, name, wanted, reason);
            }
        };
        needs.extend(self.rollouts.first(name, node, wanted));
        let in_place = own.iter().find(|one| one.vmid == vmid);
        if let Some(old) = in_place {
            match self.removal(old, Why::Replaced, needs.clone(), wanted.wanted_by.clone()) {
                Ok(step) => needs.push(step),
                Err(source) => {
                    let reason = BlockedReason::SourceBlocked { source };
                    return self.block(node, name, wanted, reason);
                }
            }
        }
        self.rollouts.enlist(name, node, wanted);
        let create = Action::CreateTemplate(Box::new(CreateTemplate {
            node: node.clone(),
            name: name.clone(),
            vmid,
            image: seat.image.0.clone(),
            file: seat.image.1.clone(),
            delivered: delivered.unwrap_or_else(|| seat.image.0.clone()),
            artifact: wanted.artifact.clone(),
            sha256,
            storage: template.storage.clone(),
            disk: machine.disk.to_owned(),
            disk_options: machine.disk_options.clone(),
            config: machine.values.clone(),
            deletion: wanted.deletion,
        }));
        let created = self
            .draft
            .step(create, why, needs, wanted.wanted_by.clone());
        let retired: Vec<&OwnTemplate<'a>> = current
            .iter()
            .filter(|one| one.vmid != vmid)
            .copied()
            .collect();
        let switch = switch(name, wanted, (node, vmid), None, &retired);
        self.draft.step(
            switch,
            Why::NotSwitched,
            vec![created],
            wanted.wanted_by.clone(),
        );
        self.note(node, name, wanted, Some(vmid));
    }

    /// Why a template must not be made on a node now.
    fn refusal(
        &self,
        name: &TemplateName,
        seat: &Seat<'a>,
        own: &[OwnTemplate<'a>],
        storage: &StorageName,
    ) -> Option<TemplateBlock> {
        // One that was replaced before may be locked: nothing changes it.
        let changed = own
            .iter()
            .filter(|one| one.mark.state != TemplateState::Retired);
        let unfit = || {
            let why = self.unfit(seat.node, storage)?;
            Some(TemplateBlock::TargetUnfit { why })
        };
        locked(changed)
            .or_else(|| foreign_name(name, seat.vms, own))
            .or_else(unfit)
    }

    /// Why a storage cannot take the disks of a template, as far as the node described
    /// its storages.
    fn unfit(&self, node: &NodeId, name: &StorageName) -> Option<String> {
        let config = match self.input.observed.catalog.storages.get(node)? {
            NodeStorages::Known(config) => config,
            // A storage that all nodes share has one template: it may be there.
            NodeStorages::Unreadable { why } => {
                return Some(format!("the storages of {node} are unknown: {why}"));
            }
            NodeStorages::Unreachable { why, last, .. } if last.is_none() => {
                return Some(format!("the storages of {node} are unknown: {why}"));
            }
            NodeStorages::Unreachable { .. } => return None,
        };
        let takes_images = |storage: &DescribedStorage| {
            let nodes = &storage.nodes;
            storage.content.contains(IMAGES)
                && !storage.disabled
                && (nodes.is_empty() || nodes.contains(&config.host))
        };
        match config.storages.get(name) {
            None => {
                let fit = config.storages.iter();
                let fit = fit.filter(|(_, storage)| takes_images(storage));
                let fit: Vec<&str> = fit.map(|(name, _)| name.as_str()).collect();
                let known = match fit.as_slice() {
                    [] => "it has none for disks of VMs".to_owned(),
                    [one] => format!("expected {one}"),
                    fit => format!("expected one of {}", fit.join(", ")),
                };
                // What a token may not see looks as if it was not there.
                let hint = config.seen_by.as_ref().map(|token| {
                    format!(
                        "; hint: the API token {token} sees only storages on which it has \
                         Datastore.Audit or Datastore.AllocateSpace"
                    )
                });
                let hint = hint.unwrap_or_default();
                Some(format!("{node} has no storage {name}; {known}{hint}"))
            }
            Some(storage) if storage.disabled => Some(format!("the storage {name} is disabled")),
            Some(storage) if !storage.content.contains(IMAGES) => Some(format!(
                "the storage {name} does not take disks of VMs; \
                 hint: add the content type `{IMAGES}` to it, or set another \
                 `template.target_storage`"
            )),
            Some(storage) if !takes_images(storage) => {
                Some(format!("the storage {name} is not for {node}"))
            }
            Some(_) => None,
        }
    }

    /// The number for a new template.
    fn vmid(
        &mut self,
        ids: VmIds,
        seat: &Seat<'a>,
        own: &[OwnTemplate<'a>],
    ) -> Result<VmId, TemplateBlock> {
        let VmIds::Fixed(vmid) = ids else {
            let free = self.free.take(seat.node, seat.vms, ids);
            return free.ok_or_else(|| TemplateBlock::NoFreeVmId {
                ids: ids.to_string(),
            });
        };
        let is_own = own.iter().any(|one| one.vmid == vmid);
        let by = match seat.vms.taken.get(&vmid) {
            Some(taken) if !is_own => {
                let name = taken.name.as_deref().unwrap_or("a VM without a name");
                format!("{} on {}", visible(name), visible(&taken.host))
            }
            _ if self.free.claim(seat.node, seat.vms, vmid) => return Ok(vmid),
            _ => "another template gets it".to_owned(),
        };
        Err(TemplateBlock::VmIdTaken { vmid, by })
    }
}
