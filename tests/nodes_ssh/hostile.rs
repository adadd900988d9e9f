//! A directory on a node in which somebody else can write as well.
//!
//! Root on the node does what a controller asks for. A neighbour puts links, pipes and
//! directories where our files are to be, and gets root to touch nothing outside.

use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use super::fence::node_with_tool;
use super::*;

/// Nobody, on Debian.
const NEIGHBOUR: u32 = 65534;

/// What a neighbour wants root to write to, and a directory of root's.
struct Bait {
    secret: PathBuf,
    elsewhere: PathBuf,
}

impl Bait {
    fn new(lab: &Lab) -> Self {
        let (secret, elsewhere) = (lab.path().join("secret"), lab.path().join("elsewhere"));
        fs::write(&secret, "{\"secret\":1}\n").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        Self { secret, elsewhere }
    }

    fn is_untouched(&self) -> bool {
        fs::read(&self.secret).unwrap() == b"{\"secret\":1}\n"
            && fs::metadata(&self.secret).unwrap().mode() & 0o7777 == 0o600
            && fs::read_dir(&self.elsewhere).unwrap().count() == 0
    }
}

fn methods(delivery: &Delivery) -> [Delivery; 2] {
    let stream = Delivery {
        method: Method::Stream,
        ..delivery.clone()
    };
    [delivery.clone(), stream]
}

fn fifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn what_a_neighbour_put_there_is_refused_with_words_and_followed_by_nobody() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files to a neighbour");
        return;
    }
    let lab = Lab::new();
    let node = lab.node();
    let here = Node {
        id: "local".parse().unwrap(),
        reach: Reach::Local,
    };
    let nodes = system(&lab);
    let content = file(&lab, 10_000, 1);
    let bait = Bait::new(&lab);
    let nobodys = |path: &Path| lchown(path, Some(NEIGHBOUR), Some(NEIGHBOUR)).unwrap();
    // The name, what is put there, and whether the directory is worked in all the same.
    let link = |path: &Path| symlink(&bait.secret, path).unwrap();
    let dangling = |path: &Path| symlink(bait.elsewhere.join("new"), path).unwrap();
    let dir_link = |path: &Path| symlink(&bait.elsewhere, path).unwrap();
    let plain = |path: &Path| fs::write(path, "{\"name\":1}\n").unwrap();
    let directory = |path: &Path| {
        fs::create_dir(path).unwrap();
        // What the part will be called can be known.
        link(&path.join(format!(
            "{NAME}.{}.part",
            &sha256(&content.1).to_string()[..12]
        )));
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    };
    let old = format!(".talos-order.{NAME}.part");
    type Put<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Put<'_>, bool); 16] = [
        (RECORD, &link, false),
        (RECORD, &dangling, false),
        (RECORD, &fifo, false),
        (RECORD, &plain, false),
        (LOCK, &link, false),
        (LOCK, &dangling, false),
        (LOCK, &fifo, false),
        (LOCK, &plain, false),
        (EPOCH, &link, false),
        (EPOCH, &fifo, false),
        (PARTS, &dir_link, false),
        (PARTS, &directory, false),
        (PARTS, &fifo, false),
        (".talos-order.jsonl.new", &link, true),
        (&old, &link, true),
        (&old, &fifo, true),
    ];
    for (number, (name, put, delivered)) in cases.into_iter().enumerate() {
        let dir = node.dir(&format!("iso-{number}"));
        fs::create_dir_all(dir.as_str()).unwrap();
        fs::set_permissions(dir.as_str(), fs::Permissions::from_mode(0o777)).unwrap();
        let planted = at(&dir, name);
        put(&planted);
        nobodys(&planted);
        let delivery = delivery(dir.clone(), &content);
        let [rsync, stream] = methods(&delivery);
        for (id, delivery) in [
            (&node.node("pve-01"), &rsync),
            (&node.node("pve-01"), &stream),
            (&here, &rsync),
        ] {
            let result = nodes.deliver(id, delivery).await;
            assert!(bait.is_untouched(), "{number} {name}");
            assert!(
                planted.symlink_metadata().is_ok(),
                "{number} {name}: it is his"
            );
            if delivered {
                result.unwrap();
                continue;
            }
            let error = result.unwrap_err();
            assert!(
                matches!(error, NodeError::Hostile { .. }),
                "{number} {name}: {error:?}"
            );
            assert!(!error.is_transient() && error.hint().is_some());
            let text = error.to_string();
            assert!(
                text.contains(&format!("{dir}/{name} belongs to user {NEIGHBOUR}")),
                "{text}"
            );
            assert!(!at(&dir, NAME).exists());
        }
        if !delivered {
            // Once it is gone, so is the trouble.
            if planted.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir_all(&planted).unwrap();
            } else {
                fs::remove_file(&planted).unwrap();
            }
            nodes.deliver(&here, &delivery).await.unwrap();
        }
        assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
        assert!(bait.is_untouched(), "{number} {name}");
    }
}

/// The private directory is exchanged between two scripts: as rsync starts there.
#[tokio::test]
async fn rsync_writes_where_it_was_checked_or_nowhere() {
    let lab = Lab::new();
    let bait = Bait::new(&lab);
    let node = lab.node_with(&format!(
        "ForceCommand case $SSH_ORIGINAL_COMMAND in *'rsync --server'*) \
         cd {root}/node*/root/iso && mv {PARTS} away && ln -s {elsewhere} {PARTS} ;; esac; \
         eval \"$SSH_ORIGINAL_COMMAND\"\n",
        root = lab.path().display(),
        elsewhere = bait.elsewhere.display(),
    ));
    let dir = node.dir("iso");
    let delivery = delivery(dir.clone(), &file(&lab, 1000, 1));
    let error = system(&lab).deliver(&node.node("pve-01"), &delivery).await;
    let error = error.unwrap_err();
    assert!(
        error
            .stderr()
            .contains("the private directory was replaced"),
        "{error:?}"
    );
    assert!(bait.is_untouched());
    assert!(!at(&dir, NAME).exists());
}

/// A pipe or a link that takes a file's name while it is looked at.
#[tokio::test]
async fn a_relay_sends_plain_files_only() {
    let lab = Lab::new();
    let (relay, node, nodes) = (lab.node(), lab.node(), system(&lab));
    let dir = relay.dir("iso");
    fs::create_dir_all(dir.as_str()).unwrap();
    let content = file(&lab, 1000, 1);
    for (name, said) in [("link", "Too many levels"), ("fifo", "not a plain file")] {
        let path = at(&dir, name);
        if name == "link" {
            symlink(&content.0, &path).unwrap();
        } else {
            fifo(&path);
        }
        let mut delivery = delivery(node.dir("iso"), &content);
        delivery.method = Method::Stream;
        delivery.relay = Some(talos_order::nodes::Relay {
            node: relay.node("pve-01"),
            path: path.display().to_string(),
            ssh_opts: lab.ssh_opts(),
        });
        let error = nodes.deliver(&node.node("pve-02"), &delivery).await;
        let error = error.unwrap_err();
        assert!(format!("{error:?}").contains(said), "{name}: {error:?}");
    }
}

/// A storage on which every file belongs to one user, whoever makes it, as with CIFS or
/// a server that takes nobody for root: `stat` and the like see another owner.
#[tokio::test]
async fn a_storage_that_gives_all_files_to_one_user_is_worked_with() {
    let lab = Lab::new();
    // The owner is the first of the numbers that are asked for.
    let node = node_with_tool(
        &lab,
        "stat",
        "case $* in *%u*) /usr/bin/stat \"$@\" | sed 's/^\\([0-9a-f]\\{4\\} \\)\\{0,1\\}0\\b/\\11000/' ;; \
         *) exec /usr/bin/stat \"$@\" ;; esac",
    );
    let (nodes, id, dir) = (system(&lab), node.node("pve-01"), node.dir("iso"));
    let [rsync, stream] = methods(&delivery(dir.clone(), &file(&lab, 1000, 1)));
    for delivery in [rsync, stream] {
        assert!(nodes.deliver(&id, &delivery).await.unwrap().copied);
        assert!(!nodes.deliver(&id, &delivery).await.unwrap().copied);
        nodes.remove(&id, &removal(&delivery)).await.unwrap();
        assert_eq!(names(&dir), [RECORD]);
    }
    // Somebody else is still somebody else there.
    if rustix::process::geteuid().is_root() {
        fs::write(at(&dir, LOCK), "").unwrap();
        chown(at(&dir, LOCK), Some(NEIGHBOUR), None).unwrap();
        let delivery = delivery(dir.clone(), &file(&lab, 1000, 1));
        let error = nodes.deliver(&id, &delivery).await.unwrap_err();
        assert!(matches!(error, NodeError::Hostile { .. }), "{error:?}");
    }
}

/// Everybody may write everywhere, and nobody can change that.
#[tokio::test]
async fn a_storage_without_modes_is_used_unless_a_link_could_be_put_there() {
    let lab = Lab::new();
    for (links, works) in [(true, false), (false, true)] {
        let bin = if links { "" } else { "exit 1" };
        let node = node_with_tool(&lab, "ln", &format!("{bin}\nexec /bin/ln \"$@\""));
        let tools = fs::read_dir(lab.path()).unwrap();
        let bin = tools
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("ln").exists() && !path.join("mkdir").exists())
            .find(|path| path.is_dir())
            .unwrap();
        for (tool, script) in [
            (
                "mkdir",
                "/bin/mkdir \"$@\" && for last; do :; done && /bin/chmod 0777 \"$last\"",
            ),
            (
                "chmod",
                "echo \"chmod: changing permissions: Operation not permitted\" >&2; exit 1",
            ),
        ] {
            fs::write(bin.join(tool), format!("#!/bin/sh\n{script}\n")).unwrap();
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(bin.join(tool), mode).unwrap();
        }
        let dir = node.dir("iso");
        let [rsync, stream] = methods(&delivery(dir.clone(), &file(&lab, 1000, 1)));
        for delivery in [rsync, stream] {
            let result = system(&lab).deliver(&node.node("pve-01"), &delivery).await;
            match result {
                Ok(delivered) => assert!(works && delivered.entry.size == 1000),
                Err(error @ NodeError::Hostile { .. }) => {
                    assert!(
                        !works && error.to_string().contains("keeps no modes"),
                        "{error}"
                    );
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}
