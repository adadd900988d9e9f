//! What cannot go to a node that is reached through the Proxmox VE API.

use super::file::HostShape;
use crate::model::{DeliveryPlace, Format, InventoryNode, OrderDefaults, Reach};
use crate::yaml::{NodeRef, ProblemReport};

/// What goes to a node of an entry of `hosts`.
pub(super) struct ApiHost<'a> {
    pub shape: &'a HostShape,
    /// The entry.
    pub place: NodeRef,
    pub defaults: &'a OrderDefaults,
    pub delivered: Format,
}

impl ApiHost<'_> {
    /// Reports why this cannot go to the node; false where nothing is wrong. Over ssh
    /// everything can.
    pub(super) fn refuse(
        &self,
        node: &InventoryNode,
        to: &DeliveryPlace,
        report: &mut ProblemReport<'_>,
    ) -> bool {
        let Reach::Api { cluster, .. } = &node.node.reach else {
            return false;
        };
        let (id, format) = (&node.node.id, self.delivered);
        if matches!(to, DeliveryPlace::Dir(_)) {
            self.refuse_dir(node, report);
        } else if format.codec().is_some() {
            report.at_with_hint(
                self.place,
                format!("{id} is reached through the Proxmox VE API, which takes no {format}"),
                "use `image_format: qcow2`, or deliver the unpacked image with \
                 `prefer_decompressed: true`",
            );
        } else if self.defaults.factory_clusters.contains(cluster)
            && !matches!(format, Format::Iso | Format::Qcow2)
        {
            report.at_with_hint(
                self.place,
                format!(
                    "{id} loads images from the factory as they are; expected image_format iso \
                     or qcow2, found {format}"
                ),
                format!("or set `load_from: controller` on the cluster {cluster}"),
            );
        } else {
            return false;
        }
        true
    }

    fn refuse_dir(&self, node: &InventoryNode, report: &mut ProblemReport<'_>) {
        let id = &node.node.id;
        let is_import = matches!(self.delivered, Format::Raw | Format::Qcow2);
        let import = self.shape.import_dir.as_ref().filter(|_| is_import);
        let given = import.map(|text| ("import_dir", text));
        let given = given.or(self.shape.iso_dir.as_ref().map(|text| ("iso_dir", text)));
        match given {
            Some((key, text)) => report.at_with_hint(
                text.place,
                format!("`{key}` cannot be used for {id}, which has `transport: api`"),
                "the API knows storages only: use `storage`, such as `storage: local`",
            ),
            None => {
                let own = if is_import {
                    "import_storage"
                } else {
                    "iso_storage"
                };
                report.at_with_hint(
                    self.place,
                    format!("{id} has `transport: api`, and no storage is given for it"),
                    format!("add `storage: NAME`, or `{own}: NAME` to the node"),
                );
            }
        }
    }
}
