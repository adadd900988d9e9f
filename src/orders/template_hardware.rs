//! The machine of a template: what is written, over the defaults.

use super::template_file::{HardwareShape, NetShape};
use super::template_words as words;
use crate::model::{Bios, Hardware, NetworkInterface};
use crate::yaml::{At, ProblemReport};

/// As many network interfaces as Proxmox VE gives a machine.
const INTERFACES_MAX: usize = 32;

/// What of a position the defaults of its hardware depend on.
#[derive(Clone, Copy)]
pub(super) struct HardwareNeeds {
    pub secureboot: bool,
    /// The image has the guest agent.
    pub agent: bool,
}

/// The machine; what is refused is reported, and has its default.
pub(super) fn hardware(
    shape: &HardwareShape,
    needs: HardwareNeeds,
    report: &mut ProblemReport<'_>,
) -> Hardware {
    let default = Hardware::default();
    let mut number = |at: &Option<At<u32>>, what, range| match at {
        Some(at) => words::within(Some(at), what, range, report).map(Some),
        None => Some(None),
    };
    let cores = number(&shape.cores, "a number of cores", 1..=512);
    let sockets = number(&shape.sockets, "a number of sockets", 1..=16);
    let memory = number(&shape.memory, "an amount of memory in MiB", 512..=4_194_304);
    // Next to memory that was refused, any amount will do.
    let most = memory.map_or(u32::MAX, |memory| memory.unwrap_or(default.memory));
    let balloon = number(
        &shape.balloon,
        "an amount of this machine's memory in MiB",
        0..=most,
    );
    let bios = shape
        .bios
        .as_ref()
        .and_then(|text| report.parse_among(text, Bios::ALL.map(Bios::as_str)))
        .unwrap_or(default.bios);
    let pre_enrolled_keys = shape.pre_enrolled_keys.as_ref().is_some_and(|at| at.value);
    if needs.secureboot {
        check_secureboot(shape, bios, report);
    }
    let serial = shape.serial.unwrap_or(default.serial);
    Hardware {
        cores: cores.flatten().unwrap_or(default.cores),
        sockets: sockets.flatten().unwrap_or(default.sockets),
        memory: memory.flatten().unwrap_or(default.memory),
        balloon: balloon.flatten().unwrap_or(default.balloon),
        cpu: words::word(shape.cpu.as_ref(), &words::CPU, report).unwrap_or(default.cpu),
        machine: words::word(shape.machine.as_ref(), &words::MACHINE, report)
            .unwrap_or(default.machine),
        bios,
        pre_enrolled_keys,
        tpm: shape.tpm.unwrap_or(needs.secureboot),
        scsihw: words::scsi_controller(shape.scsihw.as_ref(), report).unwrap_or(default.scsihw),
        disk_options: words::disk_options(shape.disk_options.as_ref(), report)
            .unwrap_or(default.disk_options),
        net: match &shape.net {
            Some(net) => interfaces(net, report),
            None => default.net,
        },
        agent: shape.agent.as_ref().map_or(needs.agent, |at| at.value),
        serial,
        vga: vga(shape.vga.as_ref(), serial, report),
        cloud_init: shape.cloud_init.as_ref().is_some_and(|at| at.value),
        rng: shape.rng.unwrap_or(default.rng),
    }
}

/// A signed image boots where the firmware takes the keys that the image brings.
fn check_secureboot(shape: &HardwareShape, bios: Bios, report: &mut ProblemReport<'_>) {
    if let Some(at) = &shape.bios
        && bios == Bios::SeaBios
    {
        report.at_with_hint(
            at.place,
            "an image with `secureboot: true` does not boot with seabios; expected ovmf",
            "remove `bios`, or choose an image without `secureboot`",
        );
    }
    if let Some(at) = &shape.pre_enrolled_keys
        && at.value
    {
        report.at_with_hint(
            at.place,
            "with the keys of Microsoft enrolled, the firmware does not take those of Talos, \
             which the image enrolls at the first boot; expected false",
            "remove `pre_enrolled_keys`",
        );
    }
}

fn vga(text: Option<&At<String>>, serial: bool, report: &mut ProblemReport<'_>) -> Option<String> {
    let vga = words::word(text, &words::VGA, report)?;
    let place = text?.place;
    if vga.starts_with("serial") && vga != "serial0" {
        report.at(
            place,
            format!("{vga:?} is not a serial console of a template; expected serial0"),
        );
    } else if vga == "serial0" && !serial {
        report.at_with_hint(
            place,
            "the display serial0 needs a serial console; here it is `serial: false`",
            "remove `serial`, or choose another display",
        );
    }
    Some(vga)
}

fn interfaces(net: &At<Vec<NetShape>>, report: &mut ProblemReport<'_>) -> Vec<NetworkInterface> {
    let count = net.value.len();
    if count > INTERFACES_MAX {
        report.at(
            net.place,
            format!("there are {count} network interfaces; expected at most {INTERFACES_MAX}"),
        );
    }
    let shapes = net.value.iter().take(INTERFACES_MAX);
    shapes.map(|shape| interface(shape, report)).collect()
}

fn interface(shape: &NetShape, report: &mut ProblemReport<'_>) -> NetworkInterface {
    let default = NetworkInterface::default();
    let model =
        words::word(shape.model.as_ref(), &words::NET_MODEL, report).unwrap_or(default.model);
    let mtu = shape.mtu.as_ref();
    if let Some(at) = mtu
        && model != "virtio"
    {
        report.at_with_hint(
            at.place,
            format!("`mtu` cannot be combined with `model: {model}`"),
            "remove it, or write `model: virtio`",
        );
    }
    // 1 stands for the MTU of the bridge.
    let mtu = match mtu {
        Some(at) if at.value == 1 => Some(1),
        _ => words::within(mtu, "an MTU", 576..=65520, report),
    };
    NetworkInterface {
        model,
        bridge: words::word(shape.bridge.as_ref(), &words::BRIDGE, report)
            .unwrap_or(default.bridge),
        vlan: words::within(shape.vlan.as_ref(), "a VLAN", 1..=4094, report),
        firewall: shape.firewall.unwrap_or(default.firewall),
        mtu,
    }
}
