//! Whether the storage of a directory is where it should be.
//!
//! A directory below a mount point can be made and filled while nothing is mounted
//! there. The bytes land on the root disk then, hidden as soon as the storage is
//! back. So what has to be mounted has to be seen mounted. A missing directory may be a
//! slip of the pen, so it is made only below a storage, or where somebody said so.

use super::policy::Create;
use crate::facts::{DirState, StorageRoot};
use crate::model::{Dir, NodeId, visible};

/// Where Proxmox mounts storages under their own names.
const PROXMOX: &str = "/mnt/pve";

/// Where people mount file systems under names of their choice.
const MOUNTS: [&str; 2] = ["/mnt", "/media"];

/// The directory of the storage `local`, which every Proxmox VE has, whether its
/// `storage.cfg` says so or not, and whoever may read that.
const LOCAL: &str = "/var/lib/vz";

impl Create {
    /// True if a directory is missing that may not be made.
    pub(super) fn forbids(&self, node: &NodeId, dir: &Dir, state: &DirState) -> bool {
        let says = self.nodes.get(node).unwrap_or(&self.default);
        !says && !state.exists && !is_below_storage(dir.as_str(), state)
    }
}

/// True if a missing directory is below an existing storage, or, where a node describes
/// none, is only one name longer than one that exists.
fn is_below_storage(dir: &str, state: &DirState) -> bool {
    if state.root.is_some() || first_below(PROXMOX, dir).is_some() {
        // Whether that is there is asked first, see `absent`.
        return true;
    }
    let Some(near) = state.nearest.as_deref() else {
        return true;
    };
    if let Some(point) = MOUNTS.iter().find_map(|above| first_below(above, dir)) {
        return is_within(near, point) && is_mounted(point, state);
    }
    let is_bare = near == "/" || MOUNTS.contains(&near);
    let is_next = dir.strip_prefix(near).is_some_and(|rest| {
        let name = rest.strip_prefix('/');
        name.is_some_and(|name| !name.contains('/'))
    });
    is_within(near, LOCAL) || !state.is_proxmox && !is_bare && is_next
}

/// Why nothing may be done in a directory; `None` if its storage is there.
pub(crate) fn absent(dir: &Dir, state: &DirState) -> Option<String> {
    let dir = dir.as_str();
    let why = match &state.root {
        Some(root) => of_storage(root, state),
        None => by_convention(dir, state),
    };
    // Paths come from nodes, and this is shown to people.
    why.map(|why| visible(&why).into_owned())
}

fn of_storage(root: &StorageRoot, state: &DirState) -> Option<String> {
    let StorageRoot {
        name,
        kind,
        mount,
        path,
    } = root;
    let is_fstab = name == "fstab";
    match mount {
        Some(mount) if !is_mounted(mount, state) => Some(if is_fstab {
            format!(
                "/etc/fstab has {mount} ({kind}), and it is not mounted; \
                 hint: `mount {mount}` on the node"
            )
        } else {
            format!(
                "storage {name} ({kind}) is not mounted at {mount}; \
                 hint: check `pvesm status` on the node"
            )
        }),
        Some(_) => None,
        None => {
            let is_missing = !state.exists
                && (state.nearest.as_deref()).is_some_and(|near| !is_within(near, path));
            is_missing.then(|| {
                format!(
                    "{path}, the directory of storage {name}, does not exist; \
                     hint: check `pvesm status` on the node"
                )
            })
        }
    }
}

fn by_convention(dir: &str, state: &DirState) -> Option<String> {
    let point = first_below(PROXMOX, dir)?;
    (!is_mounted(point, state)).then(|| {
        format!(
            "nothing is mounted at {point}; hint: mount the storage, or add it to \
             /etc/pve/storage.cfg as a dir storage if {point} is a plain directory"
        )
    })
}

/// The mount point, or one below it, holds the directory. Unknown is not mounted.
fn is_mounted(point: &str, state: &DirState) -> bool {
    let mount = state.mount_point.as_deref();
    mount.is_some_and(|mount| is_within(mount, point))
}

fn is_within(path: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The part of a path that is one name longer than what is above it.
fn first_below<'a>(above: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(above)?.strip_prefix('/')?;
    let name = rest.split('/').next().filter(|name| !name.is_empty())?;
    Some(&path[..above.len() + 1 + name.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(mount: &str, nearest: &str, exists: bool) -> DirState {
        DirState {
            exists,
            mount_point: Some(mount.to_owned()),
            nearest: Some(nearest.to_owned()),
            ..DirState::default()
        }
    }

    fn root(mount: Option<&str>, path: &str) -> Option<StorageRoot> {
        Some(StorageRoot {
            name: "s".to_owned(),
            kind: "dir".to_owned(),
            mount: mount.map(str::to_owned),
            path: path.to_owned(),
        })
    }

    #[test]
    fn a_directory_is_used_only_where_its_storage_is() {
        type StorageRow<'a> = Option<(Option<&'a str>, &'a str)>;
        #[rustfmt::skip]
        let table: &[(&str, &str, &str, StorageRow<'_>, bool)] = &[
            // Directory, mount point, nearest that exists, storage, usable.
            ("/var/lib/vz/import", "/", "/var/lib/vz", None, true),
            ("/var/lib/vz/import", "/", "/var/lib/vz", Some((None, "/var/lib/vz")), true),
            ("/srv/isos", "/", "/srv", None, true),
            ("/data/isos", "/", "/", None, false),
            ("/tank/isos", "/tank", "/tank", None, true),
            ("/mnt/usb/iso", "/", "/mnt", None, false),
            ("/mnt/usb/iso", "/", "/mnt/usb", None, false),
            ("/mnt/usb/iso", "/", "/mnt/usb/iso", None, true),
            ("/mnt/usb/iso", "/mnt/usb", "/mnt/usb", None, true),
            ("/mnt/usb/iso", "/", "/mnt/usb/iso", Some((Some("/mnt/usb"), "/mnt/usb")), false),
            ("/mnt/pve/nas/iso", "/", "/mnt/pve/nas/iso", None, false),
            ("/mnt/pve/nas/iso", "/", "/mnt/pve", None, false),
            ("/mnt/pve/nas/iso", "/mnt/pve/nas2", "/mnt/pve/nas", None, false),
            ("/mnt/pve/nas/iso", "/mnt/pve/nas", "/mnt/pve/nas", None, true),
            ("/mnt/pve/nas/iso", "/mnt/pve/nas/iso", "/mnt/pve/nas/iso", None, true),
            ("/mnt/pve/plain/iso", "/", "/mnt/pve/plain", Some((None, "/mnt/pve/plain")), true),
            ("/mnt/pve/plain/iso", "/", "/mnt/pve", Some((None, "/mnt/pve/plain")), false),
            ("/tank/a/iso", "/tank", "/tank/a", Some((Some("/tank"), "/tank/a")), true),
        ];
        for &(dir, mount, nearest, storage, usable) in table {
            let mut state = state(mount, nearest, dir == nearest);
            state.root = storage.and_then(|(mount, path)| root(mount, path));
            let why = absent(&dir.parse().unwrap(), &state);
            let forbidden = forbids(dir, &state, false);
            let found = why.is_none() && !forbidden;
            assert_eq!(found, usable, "{dir} on {mount}: {why:?}");
        }
    }

    fn forbids(dir: &str, state: &DirState, create: bool) -> bool {
        let node: NodeId = "pve-01".parse().unwrap();
        let create = Create {
            default: !create,
            nodes: [(node.clone(), create)].into(),
        };
        create.forbids(&node, &dir.parse().unwrap(), state)
    }

    #[test]
    fn a_missing_directory_is_made_below_a_storage_or_where_somebody_says_so() {
        #[rustfmt::skip]
        let table: &[(&str, &str, &str, bool, bool)] = &[
            // Directory, mount point, nearest that exists, Proxmox, made.
            ("/srv/isos", "/", "/srv", true, false),
            ("/srv/isos", "/", "/srv", false, true),
            ("/srv/a/isos", "/", "/srv", false, false),
            ("/data/isos", "/", "/", false, false),
            ("/isos", "/", "/", false, false),
            ("/tank/isos", "/tank", "/tank", true, false),
            ("/mnt/usb/a/b/iso", "/mnt/usb", "/mnt/usb/a", true, true),
            ("/mnt/usb", "/", "/mnt", false, false),
            ("/media/usb/iso", "/media", "/media/usb", false, false),
            ("/var/lib/vz/a/b", "/", "/var/lib/vz", true, true),
            ("/var/lib/vz/import", "/", "/var/lib", true, false),
            ("/var/lib/vz2/import", "/", "/var/lib/vz2", true, false),
        ];
        for &(dir, mount, nearest, is_proxmox, made) in table {
            let mut state = state(mount, nearest, false);
            state.is_proxmox = is_proxmox;
            assert_eq!(!forbids(dir, &state, false), made, "{dir} on {mount}");
            assert!(!forbids(dir, &state, true), "{dir}");
            state.exists = true;
            assert!(!forbids(dir, &state, false), "{dir}");
            (state.exists, state.root) = (false, root(None, "/"));
            assert!(!forbids(dir, &state, false), "{dir}");
        }
    }

    #[test]
    fn a_mount_point_that_is_not_known_is_not_mounted() {
        let unknown = DirState {
            exists: true,
            ..DirState::default()
        };
        assert!(absent(&"/mnt/pve/nas".parse().unwrap(), &unknown).is_some());
        assert!(absent(&"/var/lib/vz".parse().unwrap(), &unknown).is_none());
    }

    #[test]
    fn what_a_node_says_is_shown_without_control_characters() {
        let mut state = state("/", "/mnt", false);
        state.root = root(Some("/mnt/\u{1b}[2J\u{202e}"), "/mnt/x");
        let why = absent(&"/mnt/x".parse().unwrap(), &state).unwrap();
        assert!(why.contains(r"/mnt/\u{1b}[2J\u{202e}"), "{why}");
    }
}
