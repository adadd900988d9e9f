//! Storages that have no modes, owners or times to set, as CIFS, FAT and FUSE may not.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// What a node runs on such a storage: every call that sets one of them is refused.
const REFUSED: &str = r"
#define _GNU_SOURCE
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
static int refused(void) { errno = EPERM; return -1; }
int chmod(const char *p, mode_t m) { return refused(); }
int lchmod(const char *p, mode_t m) { return refused(); }
int fchmod(int f, mode_t m) { return refused(); }
int fchmodat(int d, const char *p, mode_t m, int f) { return refused(); }
int chown(const char *p, uid_t u, gid_t g) { return refused(); }
int lchown(const char *p, uid_t u, gid_t g) { return refused(); }
int fchown(int f, uid_t u, gid_t g) { return refused(); }
int fchownat(int d, const char *p, uid_t u, gid_t g, int f) { return refused(); }
int utimensat(int d, const char *p, const struct timespec t[2], int f) { return refused(); }
int futimens(int f, const struct timespec t[2]) { return refused(); }
";

/// A node whose storages are all like that; none where there is no C compiler.
fn node_without_modes(lab: &Lab) -> Option<SshNode> {
    let source = lab.path().join("refused.c");
    fs::write(&source, REFUSED).unwrap();
    let library = lab.path().join("refused.so");
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no C compiler");
        return None;
    }
    Some(lab.node_with(&format!(
        "ForceCommand LD_PRELOAD={}; export LD_PRELOAD; eval \"$SSH_ORIGINAL_COMMAND\"\n",
        library.display()
    )))
}

/// Begins a delivery as a storage does that shows every file with one mode: not that of
/// the file in the cache.
fn begin(delivery: &Delivery) {
    let part = part(delivery);
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, b"the beginning of something").unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_mode_that_cannot_be_set_is_no_reason_to_fail() {
    let lab = Lab::new();
    let Some(node) = node_without_modes(&lab) else {
        return;
    };
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let content = file(&lab, 10_000, 1);
    let rsync = Method::Rsync { basis: None };
    for (method, proof, options) in [
        (Method::Stream, Proof::Readback, RSYNC_OPTS),
        (Method::Stream, Proof::Inline, RSYNC_OPTS),
        (rsync.clone(), Proof::Readback, RSYNC_OPTS),
        (rsync.clone(), Proof::Readback, "-a"),
        (rsync.clone(), Proof::Readback, "-rptgo --chmod=F600"),
        (rsync, Proof::Readback, "-v"),
    ] {
        let nodes = SystemNodes::new(config(&lab, options)).unwrap();
        let mut delivery = delivery(dir.clone(), &content);
        (delivery.method, delivery.proof) = (method, proof);
        for begun in [false, true] {
            if begun {
                begin(&delivery);
            }
            let delivered = nodes.deliver(&id, &delivery).await;
            assert!(delivered.unwrap().copied, "{options} {begun}");
            assert!(fs::read(at(&dir, NAME)).unwrap() == content.1);
            let mode = fs::metadata(at(&dir, NAME)).unwrap().mode() & 0o777;
            assert_eq!(mode, if begun { 0o755 } else { 0o644 }, "{options}");
            assert_eq!(names(&dir), [RECORD, NAME]);
            nodes.remove(&id, &removal(&delivery)).await.unwrap();
        }
    }
}

/// Options that need a mode to be set before any byte is sent.
#[tokio::test]
async fn what_rsync_says_of_such_a_storage_is_told() {
    let lab = Lab::new();
    let Some(node) = node_without_modes(&lab) else {
        return;
    };
    let nodes = SystemNodes::new(config(&lab, "-a --partial-dir=.tmp")).unwrap();
    let delivery = delivery(node.dir("iso"), &file(&lab, 10_000, 1));
    let error = nodes
        .deliver(&node.node("pve-01"), &delivery)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("(code 23): rsync: "), "{text}");
    assert!(text.contains("Operation not permitted"), "{text}");
    assert!(!text.contains("rsync error"), "{text}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("a storage without modes"), "{hint}");
    assert!(!error.is_transient());
}
