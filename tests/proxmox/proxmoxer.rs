//! proxmoxer, which many programs use, drives the stub: an independent client that knows
//! nothing of this one.

use std::path::PathBuf;
use std::process::Stdio;

use crate::lab::{Lab, SECRET, noise, sha256};
use crate::{tls, venv};

/// Logs in with the token, lists, uploads, waits for the task, looks, removes.
const SCRIPT: &str = r#"
import sys
from proxmoxer import ProxmoxAPI, ResourceException
from proxmoxer.tools import Tasks

host, port, ca, secret, file, digest = sys.argv[1:]

def login(secret):
    return ProxmoxAPI(host, port=int(port), user="talos-order@pve", token_name="ctl",
                      token_value=secret, verify_ssl=ca)

api = login(secret)
print(api.version.get()["version"])
print(sorted(node["node"] for node in api.nodes.get()))
print(sorted(storage["storage"] for storage in api.storage.get()))
local = api.nodes("pve-01").storage("local")
print(local.status.get()["active"])
with open(file, "rb") as source:
    upid = local.upload.post(content="import", **{"checksum-algorithm": "sha256"},
                             checksum=digest, filename=source)
print(Tasks.blocking_status(api, upid, timeout=30, polling_interval=0.05)["exitstatus"])
volume, = local.content.get(content="import")
print(volume["volid"], volume["size"])
print(local.content(volume["volid"].replace("/", "%2F")).get()["size"])
print(local.content(volume["volid"].replace("/", "%2F")).delete(delay=5))
print(local.content.get(content="import"))
upid = local("download-url").post(url="http://127.0.0.1:1/", content="iso", filename="a.iso")
status = Tasks.blocking_status(api, upid, timeout=30, polling_interval=0.05)
print(status["exitstatus"].split(":")[0])
print(any("TASK ERROR" in line["t"] for line in api.nodes("pve-01").tasks(upid).log.get()))
for wrong in (lambda: api.nodes.get(foo=1), lambda: api.nodes("pve-01").storage("tank").status.get(),
              lambda: login("wrong").version.get()):
    try:
        wrong()
    except ResourceException as why:
        print(why.status_code)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn proxmoxer_drives_the_stub() {
    let Some(python) = tokio::task::spawn_blocking(venv::python).await.unwrap() else {
        return;
    };
    let lab = Lab::new().await;
    let address = tls::front(lab.stub.address("pve-01"), "member").await;
    let image = noise(300_000);
    let file = lab.dir.path().join("talos.raw");
    std::fs::write(&file, &image).unwrap();
    let ca = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/proxmox/fixtures/ca.pem");
    let output = tokio::process::Command::new(python)
        .args(["-c", SCRIPT, "127.0.0.1"])
        .arg(address.port().to_string())
        .arg(ca)
        .arg(SECRET)
        .arg(&file)
        .arg(sha256(&image).to_string())
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "9.1.7",
            "['pve-01', 'pve-02']",
            "['local', 'nfs', 'plain', 'unmounted']",
            "1",
            "OK",
            "local:import/talos.raw 300000",
            "300032",
            "None",
            "[]",
            "download failed",
            "True",
            "400",
            "403",
            "401",
        ]
    );
}

/// Makes a template as many scripts do, and removes it.
const TEMPLATES: &str = r#"
import sys
from proxmoxer import ProxmoxAPI, ResourceException
from proxmoxer.tools import Tasks

host, port, ca, secret = sys.argv[1:]
api = ProxmoxAPI(host, port=int(port), user="talos-order@pve", token_name="ctl",
                 token_value=secret, verify_ssl=ca)
node = api.nodes("pve-01")

def done(upid):
    status = Tasks.blocking_status(api, upid, timeout=30, polling_interval=0.05)
    return status["type"], status["id"], status["exitstatus"]

print(api.cluster.nextid.get(vmid=9000))
print(done(node.qemu.post(vmid=9000, name="talos", memory=2048, cores=2, tags="b;a",
                          description="one\ntwo\n", net0="virtio,bridge=vmbr0",
                          scsi0="local-lvm:0,import-from=local:import/talos.raw")))
print(done(node.qemu(9000).template.post()))
config = node.qemu(9000).config.get()
print(config["scsi0"], config["template"], config["tags"], repr(config["description"]))
node.qemu(9000).config.put(name="renamed", delete="tags", digest=config["digest"])
print([(vm["vmid"], vm["name"], vm["template"]) for vm in node.qemu.get()])
for wrong in (lambda: node.qemu(9000).config.put(name="late", digest=config["digest"]),
              lambda: node.qemu.post(vmid=9000), lambda: api.cluster.nextid.get(vmid=9000),
              lambda: node.qemu(9000).template.post()):
    try:
        wrong()
    except ResourceException as why:
        print(why.status_code)
print(done(node.qemu(9000).delete(purge=1)))
print(node.qemu.get())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn proxmoxer_makes_a_template() {
    let Some(python) = tokio::task::spawn_blocking(venv::python).await.unwrap() else {
        return;
    };
    let lab = Lab::with_disks(|_| {}).await;
    let address = tls::front(lab.stub.address("pve-01"), "member").await;
    let ca = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/proxmox/fixtures/ca.pem");
    let output = tokio::process::Command::new(python)
        .args(["-c", TEMPLATES, "127.0.0.1"])
        .arg(address.port().to_string())
        .arg(ca)
        .arg(SECRET)
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "9000",
            "('qmcreate', '9000', 'OK')",
            "('qmtemplate', '9000', 'OK')",
            r"local-lvm:base-9000-disk-0,size=1M 1 a;b 'one\ntwo'",
            "[(9000, 'renamed', 1)]",
            "500",
            "500",
            "400",
            "500",
            "('qmdestroy', '9000', 'OK')",
            "[]",
        ]
    );
}
