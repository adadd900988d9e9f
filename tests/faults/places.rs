//! The places of a scene: its directories, and the configuration that names them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::sshd::{Lab, SshNode};
use crate::scenes::{DISK, Scene};
use crate::world::{Config, World, reach};

/// True if a hidden file below a directory, or a file in a hidden directory, has some
/// of an image.
pub fn has_part(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else {
        return false;
    };
    let is_hidden = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with('.'))
    };
    entries.flatten().map(|entry| entry.path()).any(|path| {
        let hidden = is_hidden(dir) || is_hidden(&path);
        let is_large = |meta: fs::Metadata| meta.is_file() && meta.len() >= DISK / 128;
        path.is_dir() && has_part(&path) || hidden && fs::metadata(&path).is_ok_and(is_large)
    })
}

/// Removes what is in a directory; the directory stays.
pub fn empty(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

pub fn roots(world: &World, nodes: &[SshNode]) -> Vec<PathBuf> {
    match nodes {
        [] => vec![world.at("node1")],
        nodes => nodes.iter().map(|node| node.root.clone()).collect(),
    }
}

pub fn places(world: &World, nodes: &[SshNode]) -> Vec<PathBuf> {
    let roots = roots(world, nodes);
    let places = roots
        .iter()
        .flat_map(|root| ["iso", "import"].map(|name| root.join(name)));
    places.collect()
}

pub fn configure(
    scene: Scene,
    world: &World,
    lab: Option<&Lab>,
    nodes: &[SshNode],
    defaults: &str,
) {
    // Machines are asked for what they use where something may be removed.
    let mut more = "owner: homelab\n".to_owned();
    let mut extra = "";
    match scene {
        Scene::Prune => {
            let vms = world.at("vms");
            fs::create_dir_all(vms.join("pve-0/qemu-server")).unwrap();
            let vms = vms.display();
            more.push_str(&format!(
                "prune: {{vm_configs: {vms}, grace: 0s, keep_versions: 1}}\n"
            ));
            extra = ", prune: true";
        }
        Scene::Relay => {
            let ssh = lab.map(Lab::ssh_opts).unwrap_or_default().join(" ");
            more.push_str(&format!(
                "sites: [{{name: berlin, relay: pve-0, ssh_opts: \"{ssh}\"}}]\n"
            ));
            extra = ", site: berlin";
        }
        _ => {}
    }
    let method = match scene {
        Scene::Rsync => "rsync",
        _ => "auto",
    };
    let push = format!("method: {method}\n  {defaults}");
    if nodes.is_empty() {
        world.configure_local(1, &more);
        return;
    }
    let nodes = nodes.iter().enumerate();
    world.configure(&Config {
        lab,
        push: &push,
        nodes: nodes
            .map(|(at, node)| (format!("pve-{at}"), reach(node) + extra))
            .collect(),
        more: &more,
        ..Config::default()
    });
}
