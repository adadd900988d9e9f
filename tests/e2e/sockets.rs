//! A machine none of whose file systems can hold sockets.

use std::fs;

use crate::common::sshd::Lab;
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// Refuses a socket any name, as network shares and FUSE do.
const REFUSED: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int bind(int f, const struct sockaddr *a, socklen_t l) {
    if (a->sa_family == AF_UNIX) { errno = EPERM; return -1; }
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    return real(f, a, l);
}
"#;

#[test]
fn nodes_are_served_without_shared_connections() {
    let mut world = World::small();
    let source = world.at("refused.c");
    fs::write(&source, REFUSED).unwrap();
    let library = world.at("refused.so");
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no C compiler");
        return;
    }
    let preload = ("LD_PRELOAD".to_owned(), library.display().to_string());
    world.program.env.push(preload);
    let lab = Lab::new();
    let node = lab.node();
    world.order_one("iso", "");
    for method in ["stream", "rsync"] {
        world.configure(&Config {
            lab: Some(&lab),
            push: &format!("method: {method}"),
            nodes: vec![("pve-01".to_owned(), reach(&node))],
            ..Config::default()
        });
        for verb in ["plan", "apply"] {
            let ran = world.program.run(&[verb]).expect(0);
            let warned = ran.stderr.matches("cannot create a socket in").count();
            assert_eq!(warned, 1, "{ran}");
            assert!(!ran.stderr.contains("does not support sockets"), "{ran}");
        }
        world.assert_holds(&node.root.join("iso"), &[ISO]);
        fs::remove_dir_all(node.root.join("iso")).unwrap();
    }
}
