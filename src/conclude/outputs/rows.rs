//! The rows of one order.

use std::collections::BTreeSet;

use super::changed::{is_other_image, is_other_template};
use super::form::{
    ImageOutput, OutputImage, OutputPlace, Outputs, Readiness, TemplateOutput, UnknownOutput,
};
use super::records::{OrderManifest, OutputRecords};
use crate::conclude::manifest::{
    ManifestEntry, ManifestImage, ManifestTemplate, PushStatus, Pushed,
};
use crate::model::{NodeId, Position, Problem, Sha256, VmId};

/// Adds the rows of an order.
pub(super) struct OrderRows<'a> {
    order: &'a OrderManifest<'a>,
    records: &'a OutputRecords<'a>,
    outputs: &'a mut Outputs,
}

impl<'a> OrderRows<'a> {
    pub(super) fn new(
        order: &'a OrderManifest<'a>,
        records: &'a OutputRecords<'a>,
        outputs: &'a mut Outputs,
    ) -> Self {
        Self {
            order,
            records,
            outputs,
        }
    }

    pub(super) fn add(mut self) {
        let manifest = match &self.order.manifest {
            Ok(manifest) => manifest,
            Err(why) => return self.unknown(None, None, why.clone()),
        };
        let customer = manifest.order.customer.as_ref();
        let blocked = self.blocked();
        let blocked = blocked.or_else(|| manifest.errors.first().map(|error| invalid(error)));
        let mut seen = BTreeSet::new();
        for entry in &manifest.entries {
            match entry {
                ManifestEntry::Failed(failed) => {
                    seen.insert(failed.name.as_str());
                    // A product that is not handled here has no outputs.
                    if failed.status != "skipped" {
                        self.unknown(Some(&failed.name), None, failed.error.clone());
                    }
                }
                ManifestEntry::Image(image) => {
                    seen.insert(image.name.as_str());
                    self.image(image, customer, blocked.as_deref());
                }
            }
        }
        let order = self.order.order;
        for position in order.iter().flat_map(|order| &order.positions) {
            if !seen.contains(position.name.as_str()) {
                let why = "it is new since the last run".to_owned();
                self.unknown(Some(&position.name), None, why);
            }
        }
        for rejected in order.iter().flat_map(|order| &order.rejected) {
            if !seen.contains(rejected.name.as_str()) {
                let why = rejected.problems.first().map(Problem::headline);
                self.unknown(Some(&rejected.name), None, why.unwrap_or_default());
            }
        }
    }

    fn unknown(&mut self, position: Option<&str>, node: Option<String>, reason: String) {
        self.outputs.unknown.push(UnknownOutput {
            order: self.order.id.to_string(),
            position: position.map(str::to_owned),
            node,
            reason,
        });
    }

    /// Why nothing of the order is ready, whatever the manifest says.
    fn blocked(&self) -> Option<String> {
        let suspended = self.records.suspended;
        if let Some(why) = &suspended.unreadable {
            return Some(format!("everything counts as suspended: {why}"));
        }
        if suspended.all {
            return Some("everything is suspended".to_owned());
        }
        let by_file = self.order.order.is_some_and(|order| order.suspended);
        if by_file || suspended.orders.contains(self.order.id) {
            return Some("the order is suspended".to_owned());
        }
        self.order.refused.as_deref().map(invalid)
    }

    /// The same for a position.
    fn position_blocked(&self, image: &ManifestImage) -> Option<String> {
        let order = self.order.order?;
        let mut rejected = order.rejected.iter();
        if let Some(rejected) = rejected.find(|one| one.name == image.name) {
            let why = rejected.problems.first().map(Problem::headline);
            let why = why.unwrap_or_default();
            return Some(format!("the position is invalid: {why}"));
        }
        match self.position(image) {
            None => Some("the order does not have this position any more".to_owned()),
            Some(position) if is_other_image(position, image) => {
                Some("the order has changed since the last run".to_owned())
            }
            Some(_) => None,
        }
    }

    fn position(&self, image: &ManifestImage) -> Option<&'a Position> {
        let mut positions = self.order.order?.positions.iter();
        positions.find(|position| position.name == image.name)
    }

    fn image(&mut self, image: &ManifestImage, customer: Option<&String>, blocked: Option<&str>) {
        let of_position = self.position_blocked(image);
        let blocked = blocked.or(of_position.as_deref());
        let position = self.position(image);
        let wanted = position.map(nodes_of);
        // A cluster may still tell that a node is one of them.
        let is_complete = position.is_some_and(|position| position.awaited.is_empty());
        let place = |node: &str| OutputPlace {
            order: self.order.id.to_string(),
            customer: customer.cloned(),
            position: image.name.clone(),
            node: node.to_owned(),
        };
        let blocked_on = |node: &str| {
            let node = node.parse::<NodeId>().ok();
            let is_suspended = |node: &NodeId| self.records.suspended.nodes.contains(node);
            let unwanted = |node: &NodeId| {
                let wanted = wanted.as_ref();
                is_complete && wanted.is_some_and(|wanted| !wanted.contains(node))
            };
            match (blocked, &node) {
                (Some(blocked), _) => Some(blocked.to_owned()),
                (None, Some(node)) if is_suspended(node) => {
                    Some("the node is suspended".to_owned())
                }
                (None, Some(node)) if unwanted(node) => {
                    Some("the order does not want it on this node any more".to_owned())
                }
                (None, _) => None,
            }
        };
        let images = image.pushed.iter().map(|pushed| {
            let trouble = trouble(pushed.status, &pushed.stderr);
            let trouble = trouble.map(|trouble| with_cause(trouble, image.error.as_deref()));
            let reason = trouble.or_else(|| blocked_on(&pushed.host));
            on_node(place(&pushed.host), image, pushed, readiness(reason))
        });
        let templates = image.templates.iter().map(|template| {
            let other = || {
                let is_other = position.is_some_and(|of| is_other_template(of, template));
                is_other.then(|| "the order has changed since the last run".to_owned())
            };
            let no_id = || {
                let is_missing = template.vmid.is_none();
                is_missing.then(|| "it has no VMID yet".to_owned())
            };
            let reason = trouble(template.status, &template.error)
                .or_else(|| blocked_on(&template.host))
                .or_else(other)
                .or_else(no_id);
            of_template(place(&template.host), image, template, readiness(reason))
        });
        let (images, templates): (Vec<_>, Vec<_>) = (images.collect(), templates.collect());
        self.outputs.images.extend(images);
        self.outputs.templates.extend(templates);
        let Some(position) = position else {
            return;
        };
        for node in wanted.into_iter().flatten() {
            let mut hosts = image.pushed.iter().map(|pushed| &pushed.host);
            if !hosts.any(|host| host == node.as_str()) {
                let why = "it is wanted there since the last run".to_owned();
                self.unknown(Some(&position.name), Some(node.to_string()), why);
            }
        }
        for awaited in &position.awaited {
            let clusters: Vec<String> = awaited.clusters.iter().map(ToString::to_string).collect();
            let why = format!(
                "{} is known only to cluster {}, which was not asked yet",
                awaited.name,
                clusters.join(" or ")
            );
            self.unknown(Some(&position.name), None, why);
        }
        if self.lacks_template(position, image) {
            let why = "no run has made its template yet".to_owned();
            self.unknown(Some(&position.name), None, why);
        }
    }

    /// True if the position wants templates and the manifest tells of none. Directories
    /// of this machine get none.
    fn lacks_template(&self, position: &Position, image: &ManifestImage) -> bool {
        let is_remote = |node: &NodeId| {
            let node = self.records.nodes.get(node);
            node.is_some_and(|node| node.reach.has_machines())
        };
        position.template.is_some()
            && image.templates.is_empty()
            && nodes_of(position).iter().any(is_remote)
    }
}

fn invalid(problem: &str) -> String {
    format!("the order is invalid: {problem}")
}

/// The nodes that a position is to be delivered to.
fn nodes_of(position: &Position) -> BTreeSet<NodeId> {
    let targets = position.targets.iter().map(|target| &target.node);
    let storages = position.storages.iter().map(|target| &target.node);
    targets.chain(storages).cloned().collect()
}

fn readiness(reason: Option<String>) -> Readiness {
    Readiness {
        ready: reason.is_none(),
        reason,
    }
}

/// What the manifest says of something that is not in sync.
fn trouble(status: PushStatus, why: &str) -> Option<String> {
    let unsaid = match status {
        PushStatus::Ok => return None,
        PushStatus::Error => "it failed",
        PushStatus::Blocked => "it was not tried",
    };
    Some(if why.is_empty() { unsaid } else { why }.to_owned())
}

/// What kept a delivery from happening, where the position's own error says more: that of
/// the download.
fn with_cause(trouble: String, error: Option<&str>) -> String {
    match error {
        Some(error) if !error.contains(&trouble) && !trouble.contains(error) => {
            format!("{trouble}: {error}")
        }
        _ => trouble,
    }
}

fn output_image(image: &ManifestImage) -> OutputImage {
    OutputImage {
        version: image.version.to_string(),
        schematic: image.schematic_id.to_string(),
        installer: image.installer.clone(),
    }
}

fn on_node(
    place: OutputPlace,
    image: &ManifestImage,
    pushed: &Pushed,
    readiness: Readiness,
) -> ImageOutput {
    // A path that ends like this is of a storage whose directory is not known.
    let path = Some(pushed.path.clone()).filter(|path| !path.ends_with('/'));
    let file = path.as_deref().map(last_part).map(str::to_owned);
    let (sha256, size) = match (pushed.status, pushed.sha256) {
        (PushStatus::Error | PushStatus::Blocked, _) => (None, None),
        (PushStatus::Ok, None) => in_cache(image, file.as_deref()),
        (PushStatus::Ok, digest) => (digest, pushed.size_bytes),
    };
    ImageOutput {
        place,
        volume: pushed.volume.clone(),
        path,
        file,
        sha256: sha256.map(|digest| digest.to_string()),
        size_bytes: size,
        image: output_image(image),
        readiness,
    }
}

/// Digest and length of a file that is the same in the cache. Its name on the node may be
/// another one; its form shows which of the two it is.
fn in_cache(image: &ManifestImage, file: Option<&str>) -> (Option<Sha256>, Option<u64>) {
    let is_form = |path: &str| file.is_some_and(|file| form(file) == form(path));
    let unpacked = image.decompressed.as_ref();
    if let Some(unpacked) = unpacked.filter(|unpacked| is_form(&unpacked.path)) {
        return (unpacked.sha256, unpacked.size_bytes);
    }
    match is_form(&image.download.path) {
        true => (image.download.sha256, image.download.size_bytes),
        false => (None, None),
    }
}

/// What a name ends with: `raw` or `xz`.
fn form(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(_, form)| form)
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn of_template(
    place: OutputPlace,
    image: &ManifestImage,
    template: &ManifestTemplate,
    readiness: Readiness,
) -> TemplateOutput {
    TemplateOutput {
        place,
        name: template.name.clone(),
        vmid: template.vmid.map(VmId::get),
        storage: template.storage.clone(),
        tags: template.tags.clone(),
        image: output_image(image),
        readiness,
    }
}
