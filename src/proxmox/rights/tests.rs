//! Needs, what is missing, and the script that grants it.

use std::collections::BTreeSet;

use super::*;

fn need(prune: bool, way: DeliveryWay) -> Need {
    Need {
        storages: vec![StorageNeed {
            storage: "local".to_owned(),
            delivery: Some(way),
            prune,
        }],
        ..Need::default()
    }
}

fn shown(rights: &NeededRights) -> Vec<String> {
    let line = |(path, privileges): (&str, &BTreeSet<&str>)| {
        let privileges: Vec<&str> = privileges.iter().copied().collect();
        format!("{path}: {}", privileges.join(" "))
    };
    rights.iter().map(line).collect()
}

#[test]
fn each_use_has_its_privileges() {
    assert_eq!(
        shown(&NeededRights::of(&need(false, DeliveryWay::Upload))),
        [
            "/: Sys.Audit",
            "/nodes: Sys.Audit",
            "/storage/local: Datastore.AllocateTemplate Datastore.Audit",
        ]
    );
    assert_eq!(
        shown(&NeededRights::of(&need(true, DeliveryWay::Fetch))),
        [
            "/nodes: Sys.AccessNetwork",
            "/storage/local: Datastore.Allocate Datastore.AllocateTemplate Datastore.Audit",
            "/vms: VM.Audit",
        ]
    );
    let old = Need {
        fetch_right: FetchRight::of("8.1.4".parse().unwrap()),
        ..need(false, DeliveryWay::Fetch)
    };
    assert_eq!(shown(&NeededRights::of(&old))[0], "/: Sys.Audit Sys.Modify");
    let few = Need {
        nodes: vec!["pve-02".to_owned()],
        ..need(false, DeliveryWay::FetchOrUpload)
    };
    assert_eq!(
        shown(&NeededRights::of(&few))[..2],
        ["/: Sys.Audit", "/nodes/pve-02: Sys.AccessNetwork Sys.Audit"]
    );
    let read_back = Need {
        read_back: true,
        ..need(false, DeliveryWay::Upload)
    };
    assert_eq!(
        shown(&NeededRights::of(&read_back))[..2],
        ["/: Sys.Audit", "/nodes: Sys.AccessNetwork Sys.Audit"]
    );
    let mut looked_at = need(false, DeliveryWay::Fetch);
    looked_at.storages[0].delivery = None;
    assert_eq!(
        shown(&NeededRights::of(&looked_at)),
        ["/storage/local: Datastore.Audit"]
    );
}

/// Proxmox VE lists the paths with an entry only.
#[test]
fn what_is_not_listed_inherits() {
    let privileges = |names: &[(&str, bool)]| {
        let names = names
            .iter()
            .map(|(name, below)| ((*name).to_owned(), *below));
        names.collect::<std::collections::BTreeMap<_, _>>()
    };
    let listed = Granted::of_list(
        [
            (
                "/".to_owned(),
                privileges(&[("Sys.Audit", true), ("Sys.Modify", false)]),
            ),
            (
                "/nodes".to_owned(),
                privileges(&[("Sys.AccessNetwork", true)]),
            ),
            (
                "/storage/nas".to_owned(),
                privileges(&[("Datastore.Audit", false)]),
            ),
        ]
        .into(),
    );
    for (path, privilege, has) in [
        ("/", "Sys.Modify", true),
        ("/vms", "Sys.Audit", true),
        ("/vms", "Sys.Modify", false),
        ("/nodes/pve-01", "Sys.AccessNetwork", true),
        // An entry replaces what comes from above.
        ("/nodes/pve-01", "Sys.Audit", false),
        ("/storage/nas", "Datastore.Audit", true),
        ("/storage/local", "Datastore.Audit", false),
    ] {
        assert_eq!(listed.has(path, privilege), has, "{path} {privilege}");
    }
}

#[test]
fn what_all_nodes_lack_is_told_once() {
    let nodes = ["a", "b"].map(str::to_owned).to_vec();
    let needed = NeededRights::of(&Need {
        nodes,
        ..need(false, DeliveryWay::Fetch)
    });
    let mut granted = Granted::default();
    let paths = |granted: &Granted| {
        let missing = granted.missing(&needed, "u@pve!t");
        let missing = MissingRight::over_nodes(missing, 2, "u@pve!t");
        let nodes = missing
            .into_iter()
            .filter(|one| one.path.starts_with("/nodes"));
        nodes.map(|one| one.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(&granted), ["/nodes"]);
    granted.insert("/nodes/a", [("Sys.AccessNetwork".to_owned(), false)].into());
    assert_eq!(paths(&granted), ["/nodes/b"]);
}

#[test]
fn templates_have_theirs() {
    let need = Need {
        templates: vec![TemplateNeed {
            storage: "local-lvm".to_owned(),
            images: vec!["local".to_owned()],
            bridges: vec!["vmbr0/20".to_owned()],
        }],
        ..Need::default()
    };
    assert_eq!(
        shown(&NeededRights::of(&need)),
        [
            "/sdn/zones/localnetwork/vmbr0/20: SDN.Use",
            "/storage/local: Datastore.Audit",
            "/storage/local-lvm: Datastore.AllocateSpace",
            "/vms: VM.Allocate VM.Audit VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit \
             VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network \
             VM.Config.Options",
        ]
    );
}

#[test]
fn what_is_missing_comes_with_its_commands() {
    let needed = NeededRights::of(&need(true, DeliveryWay::Fetch));
    let mut granted = Granted::default();
    let only = |privilege: &str, below| (privilege.to_owned(), below);
    let both = ["Datastore.Audit", "Datastore.AllocateTemplate"];
    granted.insert("/storage/local", both.map(|one| only(one, false)).into());
    granted.insert("/nodes", [only("Sys.AccessNetwork", true)].into());
    // On the path itself, and on no machine.
    granted.insert("/vms", [only("VM.Audit", false)].into());
    let missing = granted.missing(&needed, "talos-order@pve!ctl");
    let lines: Vec<String> = missing.iter().flat_map(|m| m.commands.clone()).collect();
    assert_eq!(
        lines,
        [
            "pveum role add TalosOrderPrune --privs \"Datastore.Allocate\" || pveum role modify \
             TalosOrderPrune --privs \"Datastore.Allocate\"",
            "pveum acl modify /storage/local --roles TalosOrderPrune --users 'talos-order@pve' \
             --tokens 'talos-order@pve!ctl'",
            "pveum role add TalosOrderUsage --privs \"VM.Audit\" || pveum role modify \
             TalosOrderUsage --privs \"VM.Audit\"",
            "pveum acl modify /vms --roles TalosOrderUsage --users 'talos-order@pve' --tokens \
             'talos-order@pve!ctl'",
        ]
    );
}

/// The law of this room: whoever runs the script misses nothing, with every use.
#[test]
fn the_script_grants_what_is_needed_and_no_more() {
    let template = TemplateNeed {
        storage: "local-lvm".to_owned(),
        images: vec!["local".to_owned()],
        bridges: vec!["vmbr0".to_owned(), "vmbr1/20".to_owned()],
    };
    for (prune, templates) in [
        (false, Vec::new()),
        (true, Vec::new()),
        (false, vec![template.clone()]),
        (true, vec![template]),
    ] {
        for fetch_right in [FetchRight::AccessNetwork, FetchRight::AuditAndModify] {
            let setup = PveSetup {
                user: "talos-order@pve".to_owned(),
                token: "ctl".to_owned(),
                delivery: Some(DeliveryWay::FetchOrUpload),
                read_back: false,
                storages: vec!["nfs".to_owned(), "local".to_owned(), "nfs".to_owned()],
                prune,
                pruned: BTreeSet::new(),
                fetch_right,
                templates: templates.clone(),
            };
            let script = setup.script();
            let mut granted = Granted::default();
            let mut by_path =
                std::collections::BTreeMap::<_, std::collections::BTreeMap<_, _>>::new();
            for line in script.lines() {
                let Some(rest) = line.strip_prefix("pveum acl modify ") else {
                    continue;
                };
                let words: Vec<&str> = rest.split(' ').collect();
                let role = script.lines().find_map(|line| {
                    let rest = line.strip_prefix("pveum role add ")?;
                    let (name, rest) = rest.split_once(" --privs \"")?;
                    (name == words[2]).then(|| rest.split('"').next().unwrap())
                });
                let privileges = role.unwrap_or_else(|| panic!("{line}: no such role"));
                let at = by_path.entry(words[0].to_owned()).or_default();
                at.extend(privileges.split(' ').map(|one| (one.to_owned(), true)));
            }
            let needed = NeededRights::of(&setup.need());
            let paths: Vec<&String> = by_path.keys().collect();
            assert_eq!(paths, needed.paths().iter().collect::<Vec<_>>());
            for (path, privileges) in by_path {
                let allowed = needed.iter().find(|(at, _)| *at == path).unwrap().1;
                assert!(privileges.keys().all(|one| allowed.contains(one.as_str())));
                granted.insert(&path, privileges);
            }
            assert_eq!(granted.missing(&needed, &setup.token_id()), []);
            assert_eq!(script.contains("\"Datastore.Allocate\""), prune);
            assert_eq!(script.contains("VM.Allocate"), !templates.is_empty());
        }
    }
}
