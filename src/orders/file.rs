//! Orders as written: the shapes of an orders file.
//!
//! These are the one source of the accepted keys, of their order in messages and
//! of the JSON Schema; their doc comments are what an editor shows. Every key may
//! be absent here; what must be there and what it means is checked afterwards.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::rollout::RolloutShape;
use super::template_file::TemplateShape;
use super::windows::WindowShape;
use crate::yaml::{At, ListOr, TextOr};

/// A file of orders for talos-order: a list of orders, a map with the key
/// orders, or one order.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, title = "talos-order orders")]
#[expect(
    dead_code,
    reason = "only its schema is used; reading goes order by order"
)]
pub(super) enum OrdersFile {
    /// A list of orders.
    List(Vec<OrderShape<PositionShape>>),
    /// A map with the key orders.
    Map(OrdersMap<Vec<OrderShape<PositionShape>>>),
    /// One order.
    One(OrderShape<PositionShape>),
}

/// A map with the key orders.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrdersMap<O> {
    /// The orders.
    #[schemars(required)]
    pub orders: Option<O>,
}

/// What one customer, cluster or machine room is to have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderShape<P> {
    /// The id of the order, unique over all files: letters, digits and . _ -
    #[schemars(required, extend("type" = ["string", "integer"]))]
    pub orderid: Option<At<String>>,
    /// For whom the order is; free text.
    pub customer: Option<At<String>>,
    /// Nothing is done for the order until this is taken back; what it has stays.
    /// Default: false
    pub suspend: Option<bool>,
    /// What the order does not want any more is removed from nodes. Default: what
    /// the node or the configuration says
    pub prune: Option<bool>,
    /// What becomes of the order's files on nodes when it does not want them any
    /// more, also when the order itself is gone. Default: what prune says
    pub deletion_policy: Option<At<DeletionWord>>,
    /// The times in which pushes and prunes for the order may begin; none permits them at
    /// any time. Default: what defaults.windows of the configuration says
    pub windows: Option<Vec<At<WindowShape>>>,
    /// The rings by which new images reach the nodes of the order. Default: what
    /// defaults.rollout of the configuration says
    pub rollout: Option<At<RolloutShape>>,
    /// The images that are wanted.
    #[schemars(required)]
    pub positions: Option<Vec<P>>,
}

/// What becomes of files that an order does not want any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DeletionWord {
    /// They stay.
    Orphan,
    /// They are removed.
    Delete,
}

/// One image and where it goes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PositionShape {
    /// The name of the position, unique in its order. Default: position-1, position-2, …
    pub name: Option<At<String>>,
    /// The product. Positions for others than talos are skipped with a note.
    /// Default: talos
    #[expect(
        dead_code,
        reason = "looked at before anything else of a position is read"
    )]
    pub product: Option<At<String>>,
    /// The platform that the image is made for. Default: nocloud
    #[schemars(extend("enum" = crate::model::Platform::ALL.iter().map(|p| p.as_str()).collect::<Vec<_>>()))]
    pub platform: Option<At<String>>,
    /// The form of the image. Default: iso
    #[schemars(extend("enum" = crate::model::Format::ALL.map(crate::model::Format::as_str)))]
    pub image_format: Option<At<String>>,
    /// The architecture. Default: defaults.arch of the configuration
    #[schemars(extend("enum" = crate::model::Arch::ALL.map(crate::model::Arch::as_str)))]
    pub arch: Option<At<String>>,
    /// Signed for SecureBoot. Default: false
    pub secureboot: Option<bool>,
    /// The version: a map with a type, a plain version such as v1.11.3, or latest.
    /// Default: latest
    pub version: Option<At<TextOr<VersionShape>>>,
    /// The id of a customization that the factory knows already, 64 hex digits.
    pub schematic_id: Option<At<String>>,
    /// What is changed about the image, as the factory's schematic has it.
    /// Default: nothing
    pub customization: Option<At<CustomizationShape>>,
    /// The board support for a single-board computer, as the factory's schematic has it.
    pub overlay: Option<At<OverlayShape>>,
    /// A compressed disk image is unpacked in the cache as well. Default: false
    pub decompress_raw: Option<At<bool>>,
    /// Where the image is delivered.
    pub push: Option<PushShape>,
    /// The name of the file on the nodes. Default: made by naming.template of the
    /// configuration
    pub filename: Option<At<String>>,
    /// The SHA-256 digest that the downloaded file must have, 64 hex digits.
    pub sha256: Option<At<String>>,
    /// The template VM that is made of a raw or qcow2 image on Proxmox VE. Default: none
    pub template: Option<At<TemplateShape>>,
}

/// Which version is wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionShape {
    /// How the version is chosen. Default: latest
    #[serde(rename = "type")]
    pub kind: Option<At<VersionKind>>,
    /// With exact: the version, such as v1.11.3
    pub value: Option<At<String>>,
    /// With latest-in-minor: the minor line, such as v1.11 (in quotes without the v)
    pub minor: Option<At<String>>,
}

/// How a version is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VersionKind {
    /// The one in value.
    Exact,
    /// The newest general release.
    Latest,
    /// The newest general release of a minor line; a pre-release only where the
    /// line has no general release yet.
    LatestInMinor,
}

/// What is changed about the image.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomizationShape {
    /// A machine configuration that is put into the image.
    #[serde(rename = "embeddedMachineConfiguration")]
    pub embedded_machine_configuration: Option<At<String>>,
    /// Arguments added to the kernel's command line, one each.
    #[serde(rename = "extraKernelArgs")]
    pub extra_kernel_args: Option<Vec<At<String>>>,
    /// Initial values of the META partition.
    pub meta: Option<Vec<At<MetaShape>>>,
    /// Names of official system extensions, such as siderolabs/qemu-guest-agent.
    /// Their order is kept: another order is another image.
    #[serde(rename = "systemExtensions")]
    pub system_extensions: Option<At<ListOr<ExtensionsShape>>>,
    /// The boot loader; upper and lower case are the same, and none is auto. Default:
    /// chosen by the factory
    #[schemars(extend("enum" = ["auto", "none", "dual-boot", "grub", "sd-boot"]))]
    pub bootloader: Option<At<String>>,
    /// SecureBoot options.
    pub secureboot: Option<SecureBootShape>,
    /// Disk image options.
    #[serde(rename = "diskImage")]
    pub disk_image: Option<DiskImageShape>,
}

/// System extensions by where they come from.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtensionsShape {
    /// Names of official system extensions.
    #[serde(rename = "officialExtensions")]
    pub official_extensions: Option<Vec<At<String>>>,
}

/// One value of the META partition.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MetaShape {
    /// The key, 0 to 255, also as 0xa.
    #[schemars(required, extend("type" = ["integer", "string"]))]
    pub key: Option<At<String>>,
    /// The value.
    #[schemars(required)]
    pub value: Option<String>,
}

/// SecureBoot options.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecureBootShape {
    /// When the boot loader enrolls keys.
    #[serde(rename = "enrollKeys")]
    pub enroll_keys: Option<EnrollKeysWord>,
    /// Microsoft's certificates are enrolled too. Default: false
    #[serde(rename = "includeWellKnownCertificates")]
    pub include_well_known_certificates: Option<bool>,
}

/// When the boot loader enrolls keys.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EnrollKeysWord {
    /// Never.
    Off,
    /// From the boot menu.
    Manual,
    /// Where it is safe, such as in a virtual machine.
    IfSafe,
    /// Always.
    Force,
}

/// Disk image options.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DiskImageShape {
    /// The logical sector size in bytes: 512 or 4096.
    #[serde(rename = "sectorSize")]
    #[schemars(extend("enum" = [512, 4096]))]
    pub sector_size: Option<At<u32>>,
}

/// The board support for a single-board computer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OverlayShape {
    /// The image, such as siderolabs/sbc-raspberrypi.
    #[schemars(required)]
    pub image: Option<At<String>>,
    /// The overlay in the image, such as rpi_generic.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// Options of the overlay.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub options: Option<At<IgnoredAny>>,
}

/// Where an image is delivered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushShape {
    /// The image is delivered. Default: defaults.push.enabled of the configuration
    pub enabled: Option<bool>,
    /// The nodes. Without any, the image only goes to the cache.
    pub hosts: Option<Vec<At<TextOr<HostShape>>>>,
    /// Of a compressed image the unpacked form is delivered. Default:
    /// defaults.push.prefer_decompressed of the configuration
    pub prefer_decompressed: Option<bool>,
    /// How its bytes are sent: only those parts that hold data (stream), with rsync,
    /// or as is best (auto). Default: what the node or the configuration says
    #[schemars(extend("enum" = crate::model::PushMethod::ALL))]
    pub method: Option<At<String>>,
}

/// One node or a group of them: exactly one of host, local, node and group.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostShape {
    /// A machine that is reached over ssh: a host name, an alias of ssh's own
    /// configuration or an address, also with a login before it (root@pve-01).
    /// The name of a node of the configuration means that node.
    pub host: Option<At<String>>,
    /// A directory of this machine, under the name that plans and manifests are to
    /// give it.
    pub local: Option<At<String>>,
    /// A node of the configuration, by its name.
    pub node: Option<At<String>>,
    /// All nodes of the configuration that carry this label.
    pub group: Option<At<String>>,
    /// The directory for ISO files there.
    pub iso_dir: Option<At<String>>,
    /// The directory for raw and qcow2 images there.
    pub import_dir: Option<At<String>>,
    /// The storage of Proxmox VE there, instead of directories.
    pub storage: Option<At<String>>,
    /// With host: the login.
    pub user: Option<At<String>>,
    /// With host: the port.
    #[schemars(range(min = 1))]
    pub port: Option<At<u16>>,
}
