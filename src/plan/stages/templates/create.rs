//! A new template: where, under which number, and after which steps.

use super::own::OwnTemplate;
use super::{Seat, SourceImage, TemplatePlanner, switch};
use crate::facts::{DescribedStorage, NodeStorages, StepId};
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
        // Of several nodes the first one that has, or gets, the image.
        let images = seats.iter().map(|seat| (seat, self.image(seat.image)));
        let images: Vec<(&Seat<'a>, SourceImage)> = images.collect();
        let fit = images
            .iter()
            .find(|(_, image)| !matches!(image, SourceImage::Blocked(_)));
        let Some((seat, image)) = fit.or(images.first()) else {
            return;
        };
        let node = seat.node;
        let (mut needs, sha256) = match image {
            SourceImage::There(sha256) => (Vec::new(), *sha256),
            SourceImage::Coming(step) => (vec![step.clone()], None),
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
        if self.is_in_rollout(node) {
            let at_once = template.max_at_once.max(1) as usize;
            let switches = self.switches.entry(name).or_default();
            if let Some(before) = switches.len().checked_sub(at_once) {
                needs.push(switches[before].clone());
            }
            switches.push(StepId::switch_template(node, name));
        }
        let create = Action::CreateTemplate(Box::new(CreateTemplate {
            node: node.clone(),
            name: name.clone(),
            vmid,
            image: seat.image.0.clone(),
            file: seat.image.1.clone(),
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

    /// False for a node where nothing will be done: nobody waits for it.
    fn is_in_rollout(&self, node: &NodeId) -> bool {
        let is_suspended = self.input.observed.memory.suspended.nodes.contains(node);
        !is_suspended && self.input.options.selection.has_node(node.as_str())
    }

    /// Why a template must not be made on a node now.
    fn refusal(
        &self,
        name: &TemplateName,
        seat: &Seat<'a>,
        own: &[OwnTemplate<'a>],
        storage: &StorageName,
    ) -> Option<TemplateBlock> {
        let locked = own
            .iter()
            .find_map(|one| Some((one.vmid, one.config.lock()?)));
        if let Some((vmid, lock)) = locked {
            return Some(TemplateBlock::Locked {
                vmid,
                lock: visible(lock).into_owned(),
            });
        }
        let is_own = |vmid: &VmId| own.iter().any(|one| one.vmid == *vmid);
        let foreign = seat.vms.taken.iter().find(|(vmid, taken)| {
            taken.host == seat.vms.host
                && taken.name.as_deref() == Some(name.as_str())
                && !is_own(vmid)
        });
        if let Some((vmid, _)) = foreign {
            return Some(TemplateBlock::ForeignName {
                vmid: *vmid,
                name: name.to_string(),
            });
        }
        self.unfit(seat.node, storage)
            .map(|why| TemplateBlock::TargetUnfit { why })
    }

    /// Why a storage cannot take the disks of a template, as far as the node described
    /// its storages.
    fn unfit(&self, node: &NodeId, name: &StorageName) -> Option<String> {
        let Some(NodeStorages::Known(config)) = self.input.observed.catalog.storages.get(node)
        else {
            return None;
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
                Some(format!(
                    "{node} has no storage {name}; expected one of {}",
                    fit.join(", ")
                ))
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
        if own
            .iter()
            .any(|one| one.vmid == vmid && one.node == seat.node)
        {
            return Ok(vmid);
        }
        match seat.vms.taken.get(&vmid) {
            None => Ok(vmid),
            Some(taken) => {
                let name = taken.name.as_deref().unwrap_or("a VM without a name");
                let by = format!("{} on {}", visible(name), visible(&taken.host));
                Err(TemplateBlock::VmIdTaken { vmid, by })
            }
        }
    }
}
