//! Storages as the API tells of them, and which directories they have.

use std::collections::BTreeMap;

use super::config::ApiPlace;
use crate::facts::DescribedStorage;
use crate::model::{Dir, ImageContent, StorageName};
use crate::proxmox::PveStorage;

/// The storages whose names can be meant.
pub(super) fn described(storages: &[PveStorage]) -> BTreeMap<StorageName, DescribedStorage> {
    let named = storages
        .iter()
        .filter_map(|storage| Some((storage.name.parse().ok()?, description(storage))));
    named.collect()
}

fn description(storage: &PveStorage) -> DescribedStorage {
    let kind = storage.kind.as_str();
    let is_mounted = matches!(kind, "nfs" | "cifs" | "cephfs" | "glusterfs");
    let usual = is_mounted.then(|| format!("/mnt/pve/{}", storage.name));
    let dirs = storage.content_dirs.as_deref().unwrap_or_default();
    let dirs = dirs.split([',', ' ', ';']).filter_map(|word| {
        let (content, dir) = word.split_once('=')?;
        Some((content.trim().to_owned(), dir.trim().to_owned()))
    });
    DescribedStorage {
        kind: kind.to_owned(),
        path: storage.path.clone().or(usual),
        content: storage.content.iter().cloned().collect(),
        content_dirs: dirs.collect(),
        nodes: storage.nodes.iter().cloned().collect(),
        shared: storage.shared || is_mounted,
        disabled: storage.disabled,
    }
}

/// What directories are, by the storages that have them.
pub(super) fn places(
    described: &BTreeMap<StorageName, DescribedStorage>,
) -> BTreeMap<Dir, ApiPlace> {
    let mut places = BTreeMap::new();
    for (name, storage) in described {
        for content in [ImageContent::Iso, ImageContent::Import] {
            let is_enabled = storage.content.contains(content.name());
            if let Some(Ok(dir)) = storage.dir_for(content).filter(|_| is_enabled) {
                let place = ApiPlace {
                    storage: name.as_str().to_owned(),
                    content,
                };
                // Of two storages with one directory the first by name.
                places.entry(dir).or_insert(place);
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_those_of_enabled_content() {
        let nas = PveStorage {
            name: "nas".to_owned(),
            kind: "nfs".to_owned(),
            path: None,
            content: ["import", "iso"].map(str::to_owned).into(),
            content_dirs: Some("iso=/my/isos,backup=b".to_owned()),
            shared: false,
            nodes: Vec::new(),
            disabled: false,
        };
        let local = PveStorage {
            name: "local".to_owned(),
            kind: "dir".to_owned(),
            path: Some("/var/lib/vz".to_owned()),
            content: vec!["iso".to_owned()],
            content_dirs: None,
            ..nas.clone()
        };
        let lvm = PveStorage {
            name: "local-lvm".to_owned(),
            kind: "lvmthin".to_owned(),
            path: None,
            ..local.clone()
        };
        let described = described(&[nas, local, lvm]);
        let shared: Vec<bool> = described.values().map(|storage| storage.shared).collect();
        assert_eq!(shared, [false, false, true]);
        let found: Vec<(String, String)> = places(&described)
            .into_iter()
            .map(|(dir, place)| (dir.to_string(), place.storage))
            .collect();
        let expected = [
            ("/mnt/pve/nas/import", "nas"),
            ("/mnt/pve/nas/my/isos", "nas"),
            ("/var/lib/vz/template/iso", "local"),
        ];
        assert_eq!(
            found,
            expected.map(|(dir, name)| (dir.to_owned(), name.to_owned()))
        );
    }
}
