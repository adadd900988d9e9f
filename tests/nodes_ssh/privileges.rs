//! A node that is served by a user of its own, as `docs/security.md` sets it up.

use super::*;

use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use common::sshd::Login;

/// The forced command, as it is shipped.
const COMMAND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/talos-order-command");

/// A user id that no machine gives to anybody.
const UID: u32 = 64_321;

/// A node whose only login is a user without any rights, with a directory of its own.
fn lowly(lab: &Lab) -> Option<(SshNode, Dir)> {
    let node = lab.node_of(&Login {
        name: "talos-images",
        uid: UID,
        key_options: &format!("restrict,command=\"{COMMAND}\" "),
    })?;
    let dir = node.dir("iso");
    fs::create_dir(dir.as_str()).unwrap();
    chown(dir.as_str(), Some(UID), Some(UID)).unwrap();
    Some((node, dir))
}

fn as_talos_images(node: &SshNode) -> Node {
    let mut known = node.node("pve-01");
    if let Reach::Ssh { user, .. } = &mut known.reach {
        *user = Some("talos-images".parse().unwrap());
    }
    known
}

#[tokio::test]
async fn a_user_of_its_own_is_enough() {
    let lab = Lab::new();
    let Some((node, dir)) = lowly(&lab) else {
        eprintln!("skipped: needs root, and a mount namespace");
        return;
    };
    let id = as_talos_images(&node);
    let nodes = system(&lab);
    let content = file(&lab, MIB, 1);
    for (method, name) in [
        (Method::Stream, NAME),
        (
            Method::Rsync { basis: None },
            "talos-v1.11.4-nocloud-amd64-376567988ad3.iso",
        ),
    ] {
        let mut delivery = delivery(dir.clone(), &content);
        delivery.file = name.parse().unwrap();
        delivery.method = method;
        nodes.deliver(&id, &delivery).await.unwrap();
        let facts = fs::metadata(at(&dir, name)).unwrap();
        assert_eq!((facts.uid(), facts.mode() & 0o777), (UID, 0o644));
        let state = look(&nodes, &id, &dir).await;
        assert!(state.files.keys().any(|file| file.as_str() == name));
        let removed = nodes.remove(&id, &removal(&delivery)).await.unwrap();
        assert!(matches!(removed, Removed::Gone), "{removed:?}");
    }
    // Where the user may not write nothing is written, and the reason is told.
    let closed = node.dir("closed");
    fs::create_dir(closed.as_str()).unwrap();
    fs::set_permissions(closed.as_str(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = nodes
        .deliver(&id, &delivery(closed.clone(), &content))
        .await;
    let said = format!("{:?}", error.unwrap_err());
    assert!(said.contains("Permission denied"), "{said}");
    assert!(names(&closed).is_empty());
}

#[test]
fn the_forced_command_runs_nothing_else() {
    let lab = Lab::new();
    let Some((node, dir)) = lowly(&lab) else {
        eprintln!("skipped: needs root, and a mount namespace");
        return;
    };
    let file = format!("{dir}/by-hand");
    let ask = |words: &[&str]| {
        Command::new("ssh")
            .args(lab.ssh_opts())
            .args(["-p", &node.port.to_string(), "-l", "talos-images"])
            .arg(node.address.to_string())
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    for words in [
        &[][..],
        &["touch", &file],
        &["scp", "-t", &file],
        &["exec sh -s; touch ", &file],
    ] {
        let output = ask(words);
        assert!(!output.status.success(), "{words:?}: {output:?}");
        let said =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("for talos-order only"), "{words:?}: {said}");
    }
    assert!(names(&dir).is_empty());
    // Nor is there a terminal, or a way on into the node's network.
    for words in [&["-tt", "sh"][..], &["-s", "sftp"], &["-W", "127.0.0.1:22"]] {
        let output = ask(words);
        assert!(!output.status.success(), "{words:?}: {output:?}");
    }
}
