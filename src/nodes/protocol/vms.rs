//! Reads which virtual machines there are: the answer of `vms.sh`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::answer::{ScriptAnswer, excerpt};
use super::vm_config;
use crate::facts::{NodeVms, VmConfig, VmInventory, VmSeat};
use crate::model::VmId;

/// What a node said of its machines and those of its cluster; `None` for an answer that the
/// script does not write.
pub(crate) fn read(answer: &ScriptAnswer<'_>) -> Option<NodeVms> {
    if let Some(why) = answer.first("unread") {
        return Some(NodeVms::Unknown { why: excerpt(why) });
    }
    let text = |tag: &str| std::str::from_utf8(answer.first(tag)?).ok();
    let Some(mut taken) = taken(answer.first("vmlist")?) else {
        return Some(NodeVms::Unknown {
            why: "the list of the cluster's VMIDs cannot be read".to_owned(),
        });
    };
    describe(&mut taken, answer.first("facts")?);
    let mut marked = BTreeMap::new();
    for field in answer.all("marked") {
        let (vmid, config) = machine(field)?;
        // What stands in the notes of a snapshot is no mark of the machine.
        if config.mark_line().is_some() {
            marked.insert(vmid, config);
        }
    }
    Some(NodeVms::Known(VmInventory {
        host: text("host")?.to_owned(),
        cluster: text("cluster").map(|name| name.trim().to_owned()),
        taken,
        marked,
        clones: Some(clones(answer.first("linked")?)),
        clones_unknown: None,
    }))
}

/// `VMID TEXT`.
fn machine(field: &[u8]) -> Option<(VmId, VmConfig)> {
    let blank = field.iter().position(|&byte| byte == b' ');
    let (vmid, text) = field.split_at(blank.unwrap_or(field.len()));
    let vmid = std::str::from_utf8(vmid).ok()?.parse().ok()?;
    Some((vmid, vm_config::parse(text.get(1..).unwrap_or_default())))
}

/// The list of the cluster file system.
#[derive(Deserialize)]
struct VmList {
    ids: BTreeMap<String, ListedVm>,
}

#[derive(Deserialize)]
struct ListedVm {
    node: String,
}

fn taken(json: &[u8]) -> Option<BTreeMap<VmId, VmSeat>> {
    let list: VmList = serde_json::from_slice(json).ok()?;
    let seats = list.ids.into_iter().map(|(vmid, listed)| {
        let seat = VmSeat {
            host: listed.node,
            ..VmSeat::default()
        };
        Some((vmid.parse().ok()?, seat))
    });
    // Numbers below 100 are not for machines, and nobody wants them.
    Some(seats.flatten().collect())
}

/// Adds what the configurations tell, lines `DIR/HOST/KIND/VMID.conf:LINE`.
fn describe(taken: &mut BTreeMap<VmId, VmSeat>, lines: &[u8]) {
    let lines = String::from_utf8_lossy(lines);
    // Of each file, what stands behind a heading is of a snapshot or pending.
    let mut ended = "";
    for (path, line) in lines
        .split('\n')
        .filter_map(|line| line.split_once(".conf:"))
    {
        if path == ended {
            continue;
        }
        if line.starts_with('[') {
            ended = path;
            continue;
        }
        let Some((vmid, host)) = place(path) else {
            continue;
        };
        let Some(seat) = taken.get_mut(&vmid).filter(|seat| seat.host == host) else {
            continue;
        };
        match line.split_once(':').map(|(key, value)| (key, value.trim())) {
            Some(("name" | "hostname", name)) => seat.name = Some(name.to_owned()),
            Some(("template", value)) => seat.is_template = value == "1",
            _ => {}
        }
    }
}

/// The VMID and the node of `DIR/HOST/KIND/VMID`.
fn place(path: &str) -> Option<(VmId, &str)> {
    let mut parts = path.rsplit('/');
    let (vmid, _kind, host) = (parts.next()?, parts.next()?, parts.next()?);
    Some((vmid.parse().ok()?, host))
}

/// Which machines need the data of which: lines
/// `DIR/HOST/KIND/VMID.conf:DISK: STORAGE:9000/base-9000-disk-0.qcow2/`, in sections of any
/// kind.
fn clones(lines: &[u8]) -> BTreeMap<VmId, BTreeSet<VmId>> {
    let lines = String::from_utf8_lossy(lines);
    let mut clones: BTreeMap<VmId, BTreeSet<VmId>> = BTreeMap::new();
    for (path, line) in lines
        .split('\n')
        .filter_map(|line| line.split_once(".conf:"))
    {
        let Some((clone, _)) = place(path) else {
            continue;
        };
        let base = line.rsplit_once("base-").map(|(_, rest)| rest);
        let base = base.and_then(|rest| rest.split_once('-')?.0.parse().ok());
        if let Some(base) = base.filter(|&base| base != clone) {
            clones.entry(base).or_default().insert(clone);
        }
    }
    clones
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::protocol::answer;

    const MARK: &str = "#<!-- talos-order {\"owner\"%3A\"lab\",\"vmid\"%3A100,\"template\"%3A\"talos\",\
        \"orders\"%3A[],\"artifact\"%3A{\"version\"%3A\"v1.11.3\",\"platform\"%3A\"nocloud\",\
        \"arch\"%3A\"amd64\",\"secureboot\"%3Afalse,\"schematic\"%3A\
        \"376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba\",\"format\"%3A\"raw\"},\
        \"sha256\"%3A\"376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba\",\
        \"state\"%3A\"current\",\"made_at\"%3A\"2026-08-05T12%3A00%3A00Z\"} -->";

    fn id(number: u32) -> VmId {
        number.try_into().unwrap()
    }

    fn known(fields: Vec<(&'static str, &[u8])>) -> Option<NodeVms> {
        let noise = String::new();
        read(&ScriptAnswer { noise, fields })
    }

    fn whole<'a>(facts: &'a str, linked: &'a str, marked: &'a str) -> VmInventory {
        let list = "{\"version\": 7,\n\"ids\": {\n\
            \"100\": { \"node\": \"pve-01\", \"type\": \"qemu\", \"version\": 3 },\n\
            \"101\": { \"node\": \"pve-02\", \"type\": \"lxc\", \"version\": 4 }}\n\n}\n";
        let fields = vec![
            ("host", &b"pve-01"[..]),
            ("vmlist", list.as_bytes()),
            ("facts", facts.as_bytes()),
            ("linked", linked.as_bytes()),
            ("marked", marked.as_bytes()),
        ];
        match read(&ScriptAnswer {
            noise: String::new(),
            fields,
        }) {
            Some(NodeVms::Known(inventory)) => inventory,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_those_of_now_and_of_the_node_that_has_the_machine() {
        let inventory = whole(
            "/etc/pve/nodes/pve-01/qemu-server/100.conf:name: a.conf:b\n\
             /etc/pve/nodes/pve-01/qemu-server/100.conf:template: 1\n\
             /etc/pve/nodes/pve-01/qemu-server/100.conf:[snap]\n\
             /etc/pve/nodes/pve-01/qemu-server/100.conf:name: old\n\
             /etc/pve/nodes/pve-02/lxc/101.conf:hostname: c\n\
             /etc/pve/nodes/pve-03/qemu-server/101.conf:name: moved\n\
             /etc/pve/nodes/pve-01/qemu-server/7.conf:name: d\nnonsense\n",
            "",
            "100 name: a\n\n[snap]\n#<!-- talos-order {} -->\n",
        );
        let seat = |host: &str, name: &str, is_template| VmSeat {
            host: host.to_owned(),
            name: Some(name.to_owned()),
            is_template,
        };
        let expected = [
            (id(100), seat("pve-01", "a.conf:b", true)),
            (id(101), seat("pve-02", "c", false)),
        ];
        assert_eq!(inventory.taken, expected.into());
        assert_eq!(inventory.marked, BTreeMap::new(), "a snapshot has no mark");
    }

    #[test]
    fn a_whole_answer_is_read() {
        let output = include_str!("../../fuzz/seeds/vms.txt").replace('|', "\0");
        let answer = answer::read(output.as_bytes(), "n1").unwrap();
        let Some(NodeVms::Known(inventory)) = read(&answer) else {
            panic!("refused")
        };
        assert_eq!(inventory.cluster.as_deref(), Some("lab"));
        let config = &inventory.marked[&id(9000)];
        assert!(config.mark_of(id(9000)).is_some() && config.name() == "talos");
        assert!(inventory.taken[&id(9000)].is_template);
        let expected = [(id(9000), BTreeSet::from([id(100)]))];
        assert_eq!(inventory.clones, Some(expected.into()));
    }

    #[test]
    fn a_mark_in_the_notes_of_now_is_found() {
        let text = format!("100 {MARK}\nname: talos\n");
        let inventory = whole("", "", &text);
        let config = &inventory.marked[&id(100)];
        assert_eq!(config.mark_of(id(100)).unwrap().owner, "lab");
        assert_eq!(config.name(), "talos");
    }

    #[test]
    fn clones_are_found_in_every_form_of_volume() {
        let inventory = whole(
            "",
            "/n/pve-01/qemu-server/200.conf:scsi0: local:9000/base-9000-disk-0.qcow2/\n\
             /n/pve-02/qemu-server/201.conf:unused0: zfs:base-9000-disk-0/\n\
             /n/pve-02/qemu-server/201.conf:scsi1: rbd:base-9001-disk-12/\n\
             /n/pve-02/qemu-server/9001.conf:scsi0: local:base-9001-disk-0/\n\
             /n/pve-02/qemu-server/202.conf:scsi0: local:base-9-disk-0/\n",
            "100 \n",
        );
        let clones = inventory.clones.unwrap();
        let expected = [
            (id(9000), BTreeSet::from([id(200), id(201)])),
            (id(9001), BTreeSet::from([id(201)])),
        ];
        assert_eq!(clones, expected.into());
    }

    #[test]
    fn what_cannot_be_read_is_not_a_node_without_machines() {
        let unread = known(vec![("host", b"a"), ("unread", b"/etc/pve is empty")]);
        let why = "/etc/pve is empty".to_owned();
        assert_eq!(unread, Some(NodeVms::Unknown { why }));
        assert_eq!(known(vec![("host", b"a")]), None);
        for list in [&b""[..], b"{", b"{}", b"[1]"] {
            let answer = known(vec![
                ("host", b"a"),
                ("vmlist", list),
                ("facts", b""),
                ("linked", b""),
            ]);
            assert!(matches!(answer, Some(NodeVms::Unknown { .. })), "{list:?}");
        }
    }
}
