//! Who may make and change a virtual machine. It depends on every single option.

use std::collections::BTreeMap;

use super::super::acl::KnownToken;
use super::super::answer::Denied;
use super::super::world::PveWorld;
use super::drives::{Drive, is_drive};

/// Any of these lets a call begin that changes a configuration.
pub(in super::super) const ANY_CONFIG: [&str; 8] = [
    "VM.Config.Disk",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.HWType",
    "VM.Config.Options",
    "VM.Config.Cloudinit",
];

/// The privilege for an option that is no drive.
fn privilege_of(key: &str) -> Option<&'static str> {
    let without_number = key.trim_end_matches(|c: char| c.is_ascii_digit());
    Some(match without_number {
        "cores" | "cpu" | "cpulimit" | "cpuunits" | "numa" | "sockets" | "vcpus" => "VM.Config.CPU",
        "memory" | "balloon" | "shares" => "VM.Config.Memory",
        "acpi" | "hotplug" | "machine" | "scsihw" | "smbios" | "tablet" | "vga" | "rng"
        | "serial" => "VM.Config.HWType",
        "agent" | "bios" | "description" | "name" | "onboot" | "ostype" | "protection"
        | "template" | "startup" => "VM.Config.Options",
        "boot" | "bootdisk" => "VM.Config.Disk",
        "net" => "VM.Config.Network",
        "ciuser" | "cipassword" | "citype" | "nameserver" | "searchdomain" | "sshkeys"
        | "ipconfig" => "VM.Config.Cloudinit",
        _ => return None,
    })
}

/// Storages, options and bridges.
pub(super) fn demand_options(
    world: &PveWorld,
    token: &KnownToken,
    vmid: u32,
    options: &BTreeMap<String, String>,
) -> Result<(), Denied> {
    for (key, value) in options.iter().filter(|(key, _)| is_drive(key)) {
        demand_storages(world, token, key, value)?;
    }
    let path = format!("/vms/{vmid}");
    for key in options.keys().filter(|key| !is_drive(key)) {
        if key == "tags" {
            continue;
        }
        match privilege_of(key) {
            Some(privilege) => world.demand(token, &path, &[privilege])?,
            None => return Err(Denied::died(format!("only root can set '{key}' config"))),
        }
    }
    for (_, value) in options.iter().filter(|(key, _)| key.starts_with("net")) {
        demand_bridge(world, token, value)?;
    }
    Ok(())
}

fn demand_storages(
    world: &PveWorld,
    token: &KnownToken,
    key: &str,
    value: &str,
) -> Result<(), Denied> {
    let unreadable = || Denied::parameter(key, "unable to parse drive options");
    let drive = Drive::parse(value).ok_or_else(unreadable)?;
    if let Some((storage, _)) = drive.new_disk() {
        let path = format!("/storage/{storage}");
        world.demand(token, &path, &["Datastore.AllocateSpace"])?;
        if !world.storage(storage)?.content.contains("images") {
            let text = format!("storage '{storage}' does not support vm images");
            return Err(Denied::parameter("storage", &text));
        }
    }
    let Some(source) = drive.options.get("import-from") else {
        return Ok(());
    };
    if !matches!(drive.new_disk(), Some((_, 0))) {
        let text = "'import-from' requires special syntax - use <storage \
                    ID>:0,import-from=<source>";
        return Err(Denied::parameter(key, text));
    }
    let Some((storage, name)) = source.split_once(':') else {
        return Err(Denied::died(
            "Only root can pass arbitrary filesystem paths.",
        ));
    };
    world.storage(storage)?;
    let kind = name.split('/').next().unwrap_or_default();
    if kind != "import" {
        let text = format!("{source} has wrong type '{kind}' - needs to be 'images' or 'import'");
        return Err(Denied::parameter(key, &text));
    }
    let any = ["Datastore.AllocateSpace", "Datastore.Audit"];
    world.demand(token, &format!("/storage/{storage}"), &any)
}

fn demand_bridge(world: &PveWorld, token: &KnownToken, value: &str) -> Result<(), Denied> {
    let option = |name: &str| {
        let mut parts = value.split(',').filter_map(|part| part.split_once('='));
        parts.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let Some(bridge) = option("bridge") else {
        return Ok(());
    };
    let path = match option("tag") {
        Some(tag) => format!("/sdn/zones/localnetwork/{bridge}/{tag}"),
        None => format!("/sdn/zones/localnetwork/{bridge}"),
    };
    world.demand(token, &path, &["SDN.Use"])
}

/// What a change demands of a drive, beside its storages. Creation does not.
pub(super) fn demand_drive(
    world: &PveWorld,
    token: &KnownToken,
    vmid: u32,
    value: &str,
) -> Result<(), String> {
    let needed: &[&str] = match Drive::parse(value) {
        Some(drive) if drive.is_cloud_init() => &["VM.Config.Cloudinit", "VM.Config.CDROM"],
        Some(drive) if drive.is_cdrom() => &["VM.Config.CDROM"],
        _ => &["VM.Config.Disk"],
    };
    let path = format!("/vms/{vmid}");
    let missing = needed.iter().find(|one| !world.may(token, &path, one));
    match missing {
        Some(_) => {
            let needed = needed.join(", ");
            Err(format!("Permission check failed ({path}, {needed})"))
        }
        None => Ok(()),
    }
}
