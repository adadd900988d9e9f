//! Reads how a node describes its storages: the answer of `storages.sh`, and in it the
//! `storage.cfg` of Proxmox VE.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{ScriptAnswer, excerpt};
use crate::facts::{DescribedStorage, NodeStorages, StorageConfig};
use crate::model::StorageName;

/// What a node said of its storages; `None` for an answer that the script does not
/// write.
pub(crate) fn read(answer: &ScriptAnswer<'_>) -> Option<NodeStorages> {
    if let Some(why) = answer.first("unread") {
        return Some(NodeStorages::Unreadable { why: excerpt(why) });
    }
    let text = |tag: &str| std::str::from_utf8(answer.first(tag)?).ok();
    Some(NodeStorages::Known(StorageConfig {
        host: text("host")?.to_owned(),
        cluster: text("cluster").map(|name| name.trim().to_owned()),
        seen_by: None,
        storages: storages(&String::from_utf8_lossy(answer.first("config")?)),
    }))
}

/// The storages of a `storage.cfg`: sections `KIND: NAME`, each with indented lines
/// `KEY VALUE`.
fn storages(text: &str) -> BTreeMap<StorageName, DescribedStorage> {
    let mut storages = BTreeMap::new();
    let mut current: Option<(StorageName, DescribedStorage)> = None;
    for line in text.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            if let Some((_, storage)) = &mut current {
                let line = line.trim();
                let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
                set(storage, key, value.trim());
            }
            continue;
        }
        storages.extend(current.take());
        if let Some((kind, name)) = line.split_once(':')
            && let Ok(name) = name.trim().parse::<StorageName>()
        {
            let storage = of_kind(kind.trim(), &name);
            current = Some((name, storage));
        }
    }
    storages.extend(current);
    // Proxmox VE has it also where the file does not name it.
    if let Ok(local) = "local".parse::<StorageName>() {
        storages.entry(local).or_insert_with(|| DescribedStorage {
            kind: "dir".to_owned(),
            path: Some("/var/lib/vz".to_owned()),
            content: words("images,rootdir,vztmpl,iso,snippets"),
            ..DescribedStorage::default()
        });
    }
    storages
}

/// A storage that says nothing of itself, as Proxmox VE takes it: for files with images of
/// Talos nothing is enabled then.
fn of_kind(kind: &str, name: &StorageName) -> DescribedStorage {
    let is_mounted = matches!(kind, "nfs" | "cifs" | "cephfs" | "glusterfs");
    let is_remote = matches!(
        kind,
        "rbd" | "iscsi" | "iscsidirect" | "zfs" | "drbd" | "pbs"
    );
    DescribedStorage {
        kind: kind.to_owned(),
        path: is_mounted.then(|| format!("/mnt/pve/{name}")),
        shared: is_mounted || is_remote,
        content: words(match kind {
            "dir" | "btrfs" => "images,rootdir",
            "lvmthin" | "zfspool" => "images,rootdir",
            "nfs" | "cifs" | "glusterfs" | "lvm" | "rbd" | "iscsi" | "iscsidirect" | "zfs"
            | "drbd" => "images",
            "cephfs" | "pbs" => "backup",
            _ => "",
        }),
        ..DescribedStorage::default()
    }
}

fn set(storage: &mut DescribedStorage, key: &str, value: &str) {
    let is_on = || matches!(value, "" | "1" | "yes" | "on" | "true");
    match key {
        // Other types have a path of another meaning, or none.
        "path" if matches!(storage.kind.as_str(), "dir" | "btrfs") || storage.path.is_some() => {
            storage.path = Some(value.to_owned());
        }
        "content" => storage.content = words(value),
        "content-dirs" => {
            let dirs = words(value);
            let dirs = dirs.iter().filter_map(|pair| pair.split_once('='));
            storage.content_dirs = dirs
                .map(|(content, dir)| (content.to_owned(), dir.to_owned()))
                .collect();
        }
        "nodes" => storage.nodes = words(value),
        "shared" => storage.shared = is_on() || storage.shared,
        "disable" => storage.disabled = is_on(),
        _ => {}
    }
}

/// The words of a list, which may be separated in several ways.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split([',', ';', ' ', '\t']);
    let words = words.filter(|word| !word.is_empty() && *word != "none");
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
# managed
dir: local
\tpath /var/lib/vz
\tcontent iso,vztmpl,import
\tcontent-dirs iso=my/iso,import=disks

lvmthin: local-lvm
\tthinpool data
\tvgname pve
\tcontent rootdir,images

nfs: nas
\tserver 10.0.0.9
\texport /srv/images
\tcontent iso import
\tnodes pve-01,pve-02

dir: gfs
\tpath /gfs
\tshared 1
\tdisable

cifs: smb
\tpath /srv/smb
\tcontent none
";

    fn storage(config: &str, name: &str) -> DescribedStorage {
        storages(config)[&name.parse::<StorageName>().unwrap()].clone()
    }

    fn set_of(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn each_kind_of_storage_is_read() {
        let local = storage(CONFIG, "local");
        assert_eq!(local.path.as_deref(), Some("/var/lib/vz"));
        assert_eq!(local.content, set_of(&["import", "iso", "vztmpl"]));
        assert_eq!(local.content_dirs["import"], "disks");
        assert!(!local.shared && !local.disabled);
        assert_eq!(storage(CONFIG, "local-lvm").path, None);
        let nas = storage(CONFIG, "nas");
        assert_eq!(nas.path.as_deref(), Some("/mnt/pve/nas"));
        assert!(nas.shared);
        assert_eq!(nas.content, set_of(&["import", "iso"]));
        assert_eq!(nas.nodes, set_of(&["pve-01", "pve-02"]));
        let gfs = storage(CONFIG, "gfs");
        assert!(gfs.shared && gfs.disabled);
        assert_eq!(gfs.content, set_of(&["images", "rootdir"]));
        let smb = storage(CONFIG, "smb");
        assert_eq!(smb.path.as_deref(), Some("/srv/smb"));
        assert_eq!(smb.content, BTreeSet::new());
    }

    /// What `pvesm` takes them for where `content` and `shared` are not written.
    #[test]
    fn storages_for_disks_are_described_without_saying_much() {
        let config = "lvmthin: thin\n\tvgname a\n\nzfspool: tank\n\nrbd: ceph\n\nlvm: san\n\tshared 1\n\n\
                      pbs: backup\n";
        for (name, images, shared) in [
            ("thin", true, false),
            ("tank", true, false),
            ("ceph", true, true),
            ("san", true, true),
            ("backup", false, true),
        ] {
            let storage = storage(config, name);
            assert_eq!(storage.content.contains("images"), images, "{name}");
            assert_eq!((storage.shared, storage.path), (shared, None), "{name}");
        }
    }

    #[test]
    fn local_is_there_without_being_written() {
        let local = storage("", "local");
        assert_eq!(local.path.as_deref(), Some("/var/lib/vz"));
        assert!(local.content.contains("iso") && !local.content.contains("import"));
    }

    #[test]
    fn what_cannot_be_read_is_not_a_node_without_storages() {
        let answer = |fields: Vec<(&'static str, &'static [u8])>| ScriptAnswer {
            noise: String::new(),
            fields,
        };
        let unread = answer(vec![("host", b"pve"), ("unread", b"/etc/pve is empty")]);
        assert_eq!(
            read(&unread),
            Some(NodeStorages::Unreadable {
                why: "/etc/pve is empty".to_owned()
            })
        );
        assert_eq!(read(&answer(vec![("host", b"pve")])), None);
        let known = answer(vec![("host", b"pve"), ("config", b"")]);
        let known = read(&known).unwrap();
        assert_eq!(known.config().unwrap().cluster, None);
    }
}
