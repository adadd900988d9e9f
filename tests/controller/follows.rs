//! Orders that change, files that do not stay as they were.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::common::snapshot::{digest, images};
use crate::common::sshd::Lab;
use crate::daemon::{Daemon, FAST, ON_CHANGE, converged};
use crate::world::{Config, World, position, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const OLDER: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";

/// A repository whose commits are checked out beside each other, with a link that
/// names the current one: what git-sync makes.
struct Synced {
    root: PathBuf,
}

impl Synced {
    fn new(root: PathBuf) -> Self {
        let synced = Self { root };
        fs::create_dir_all(synced.root.join("repo")).unwrap();
        synced.git(&["init", "--quiet", "--initial-branch=main"]);
        synced
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.root.join("repo"))
            .args(["-c", "user.name=lab", "-c", "user.email=lab@localhost"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits the orders, checks the commit out, and lets the link name it. The
    /// commit's id.
    fn publish(&self, text: &str) -> String {
        let orders = self.root.join("repo/orders");
        fs::create_dir_all(&orders).unwrap();
        fs::write(orders.join("one.yaml"), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=change"]);
        let commit = self.git(&["rev-parse", "HEAD"]);
        let tree = format!("../trees/{commit}");
        self.git(&["worktree", "add", "--quiet", "--detach", &tree, &commit]);
        let next = self.root.join("next");
        symlink(format!("trees/{commit}"), &next).unwrap();
        fs::rename(next, self.root.join("current")).unwrap();
        commit
    }
}

#[test]
fn a_commit_that_syncs_in_is_on_the_nodes_a_moment_later() {
    let mut world = World::small();
    let (lab, synced) = (Lab::new(), Synced::new(world.at("sync")));
    let pve = lab.node();
    let config = Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach(&pve))],
        more: ON_CHANGE,
        ..Config::default()
    };
    world.configure(&config);
    let orders = world.at("sync/current/orders");
    world.program.args[1] = format!("--orders={}", orders.display());
    let exact = |version| format!("      version: {{type: exact, value: {version}}}\n");
    let first = synced.publish(&position("one", "iso", &exact("v1.11.2")));

    let daemon = Daemon::start(&world);
    let iso = pve.root.join("iso");
    world.assert_holds(&iso, &[OLDER]);
    let revision = |status: &Value| status["revision"].as_str().unwrap().to_owned();
    assert_eq!(revision(&daemon.status()), format!("sha1:{first}"));

    let commits = ["v1.11.3", "v1.11.1"].map(|version| {
        let commit = synced.publish(&position("one", "iso", &exact(version)));
        let name = ISO.replace("v1.11.3", version);
        daemon.wait("the commit is delivered", || iso.join(&name).exists());
        let told = daemon.until("it is told", |status| {
            converged(status) && revision(status) == format!("sha1:{commit}")
        });
        assert_eq!(told["last_pass"]["cause"], "change");
        commit
    });
    let oldest = ISO.replace("v1.11.3", "v1.11.1");
    world.assert_holds(&iso, &[&oldest, OLDER, ISO]);
    // The schedule had no part in it.
    let causes: Vec<Value> = daemon.runs().iter().map(|p| p["cause"].clone()).collect();
    assert_eq!(causes, ["start", "change", "change"]);
    let manifest = fs::read_to_string(world.manifest_path("one")).unwrap();
    let last = &commits[1];
    assert!(manifest.contains(last), "no {last} in\n{manifest}");
    daemon.stop();
}

/// A `ConfigMap` as the kubelet mounts it: the files of a version in a directory of
/// its own, a link that names the current one, and a link to each file through it.
struct Mounted {
    dir: PathBuf,
}

impl Mounted {
    /// What `AtomicWriter` of Kubernetes does for a new version, step by step.
    fn publish(&self, version: usize, files: &[(&str, &str)]) {
        let name = format!("..2026_06_01_12_00_0{version}.{version}");
        let (data, next) = (self.dir.join("..data"), self.dir.join("..data_tmp"));
        let before = fs::read_link(&data);
        fs::create_dir_all(self.dir.join(&name)).unwrap();
        for (file, text) in files {
            fs::write(self.dir.join(&name).join(file), text).unwrap();
        }
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.dir.join(&name), open).unwrap();
        symlink(&name, &next).unwrap();
        fs::rename(&next, &data).unwrap();
        for (file, _) in files {
            let link = self.dir.join(file);
            if !link.is_symlink() {
                symlink(Path::new("..data").join(file), link).unwrap();
            }
        }
        if let Ok(before) = before {
            fs::remove_dir_all(self.dir.join(before)).unwrap();
        }
    }
}

#[test]
fn each_version_of_a_config_map_is_one_run_and_no_warning() {
    let mut world = World::small();
    world.configure_local(1, ON_CHANGE);
    let mounted = Mounted {
        dir: world.at("mount"),
    };
    world.program.args[1] = format!("--orders={}", mounted.dir.display());
    let order = |version: &str| {
        let exact = format!("      version: {{type: exact, value: {version}}}\n");
        position("one", "iso", &exact)
    };
    mounted.publish(0, &[("one.yaml", &order("v1.11.0"))]);
    let daemon = Daemon::start(&world);
    for number in 1..=3 {
        let version = format!("v1.11.{number}");
        mounted.publish(number, &[("one.yaml", &order(&version))]);
        let image = world.at("node1/iso").join(ISO.replace("v1.11.3", &version));
        daemon.wait("the version is in sync", || {
            image.exists() && daemon.runs().len() > number && converged(&daemon.status())
        });
    }
    // A file more, which comes after the swap, can be a change of its own.
    let [one, two] = [order("v1.11.3"), position("two", "iso", "")];
    mounted.publish(4, &[("one.yaml", &one), ("two.yaml", &two)]);
    daemon.until("the other order is there", |status| {
        let conditions = status["conditions"].as_array().unwrap();
        converged(status)
            && conditions
                .iter()
                .any(|condition| condition["order"] == "two")
    });
    let causes: Vec<Value> = daemon.runs().iter().map(|p| p["cause"].clone()).collect();
    assert_eq!(causes[0], "start");
    assert!(
        causes[1..].iter().all(|cause| cause == "change"),
        "{causes:?}"
    );
    assert!((5..=6).contains(&causes.len()), "{causes:?}");
    let log = daemon.log();
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("WARN") || line.contains("ERROR"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    daemon.stop();
}

/// The same content at another inode.
fn replace(path: &Path, content: &[u8]) {
    let other = path.with_extension("other");
    fs::write(&other, content).unwrap();
    fs::rename(&other, path).unwrap();
}

/// Flips a byte, and lets size and modification time be as they were.
fn rot(path: &Path) {
    let times = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(times).unwrap();
}

#[test]
fn whatever_happens_to_a_file_is_found_and_healed() {
    let world = World::small();
    let lab = Lab::new();
    let pve = lab.node();
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach(&pve))],
        more: FAST,
        ..Config::default()
    });
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let path = pve.root.join("iso").join(ISO);
    let (truth, cached) = (world.truth(ISO), world.cache().join(ISO));
    let is_whole = || digest(&path) == Some(truth);
    assert!(is_whole());

    let image = world.image(ISO);
    let other = world.image(&ISO.replace("v1.11.3", "v1.11.2"));
    let damages: [(&str, &dyn Fn()); 5] = [
        ("removed", &|| fs::remove_file(&path).unwrap()),
        ("truncated", &|| {
            fs::write(&path, &image[..image.len() / 2]).unwrap();
        }),
        ("another image in its place", &|| replace(&path, &other)),
        ("written over in place", &|| {
            fs::write(&path, &other).unwrap();
        }),
        ("removed with its directory", &|| {
            fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }),
    ];
    let drift = |status: &Value| status["totals"]["drift_repaired"].as_u64().unwrap();
    for (what, damage) in damages {
        let before = drift(&daemon.status());
        damage();
        daemon.wait(what, is_whole);
        // Without the record, which went with the directory, it is news and no drift.
        let more = u64::from(what != "removed with its directory");
        let status = daemon.until(what, |status| {
            converged(status) && drift(status) == before + more
        });
        assert_eq!(status["totals"]["drift_found"], before + more);
        world.assert_holds(&pve.root.join("iso"), &[ISO]);
    }

    // The cache goes the same way, and costs the node nothing.
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let delivered = inode(&path);
    for what in ["truncated", "removed"] {
        match what {
            "removed" => fs::remove_file(&cached).unwrap(),
            _ => fs::write(&cached, &image[..1000]).unwrap(),
        }
        daemon.wait(what, || digest(&cached) == Some(truth));
    }
    assert_eq!(inode(&path), delivered, "what is in sync is left alone");
    daemon.stop();
}

#[test]
fn a_flipped_byte_is_found_by_reading_back() {
    let world = World::small();
    let lab = Lab::new();
    let pve = lab.node();
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach(&pve))],
        more: "reconcile: {interval: 1d, verify_interval: 1s}\nverify: {max_age: 1s}\n",
        ..Config::default()
    });
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let path = pve.root.join("iso").join(ISO);
    let (truth, cached) = (world.truth(ISO), world.cache().join(ISO));
    for damaged in [&path, &cached, &path] {
        rot(damaged);
        assert_ne!(digest(damaged), Some(truth));
        let begin = Instant::now();
        daemon.wait("it is healed", || digest(damaged) == Some(truth));
        println!("healed after {:?}", begin.elapsed());
    }
    daemon.until("it says so", |status| {
        converged(status) && status["totals"]["drift_repaired"].as_u64() >= Some(2)
    });
    assert_eq!(images(&pve.root.join("iso")), [ISO]);
    daemon.stop();
}
