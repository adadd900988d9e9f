//! `demo --pve`: a cluster of three nodes behind the Proxmox VE API, an order with a
//! template, and an image update that replaces the template on each node.
//!
//! The cluster is the stub that the tests use: it answers as Proxmox VE does, its nodes load
//! images from this process, and its virtual machines exist in its memory only.

use std::path::Path;

use anyhow::{Context, ensure};

use super::files::{Demo, MARK, say, step};
use crate::cli::apply;
use crate::cli::args::Common;
use crate::cli::asked::{ApplyAsked, PlanShown};
use crate::cli::exit::Exit;
use crate::cli::run_args::RunArgs;
use crate::cli::table::Table;
use crate::cli::{out, signal};
use crate::factory_stub::{FactoryStub, StubOptions};
use crate::proxmox_stub::{PveStub, PveStubOptions, StubStorage};

/// What the demo makes in its directory, and what that is.
pub(super) const MADE: [(&str, &str); 6] = [
    ("orders", "what is wanted"),
    ("config.yaml", "where the cluster is"),
    ("token", "the secret of the API token"),
    ("cache", "what was downloaded, with digests beside it"),
    ("pve", "the storages of the stand-in cluster"),
    ("manifests", "what was done, with VMIDs and volume IDs"),
];

const NODES: [&str; 3] = ["pve-01", "pve-02", "pve-03"];
const TOKEN: &str = "talos-order@pve!demo";
const SECRET: &str = "11111111-2222-4333-8444-555555555555";

/// What `pve-setup` grants for this configuration, in one role.
const PRIVILEGES: &str = "Datastore.Audit Datastore.AllocateTemplate Datastore.AllocateSpace \
                          Sys.AccessNetwork SDN.Use VM.Audit VM.Allocate VM.Config.Disk VM.Config.CPU VM.Config.Memory VM.Config.Network \
                          VM.Config.HWType VM.Config.Options VM.Config.Cloudinit VM.Config.CDROM";

/// Runs the demo in its directory.
pub(super) async fn run(demo: &Demo, common: &Common, serve: bool) -> anyhow::Result<Exit> {
    let factory = FactoryStub::start(StubOptions::default())
        .await
        .context("cannot start the factory stub on a loopback port")?;
    let cluster = start(&demo.dir).await?;
    write_config(&demo.dir, &factory.url(), &cluster)?;
    write_order(&demo.dir, "v1.11.2")?;
    let common = demo.common(common);
    let args = RunArgs {
        lock_timeout: std::time::Duration::from_secs(10),
        ..RunArgs::default()
    };
    let shown = demo.shown();

    say("Stubs of an Image Factory and of a Proxmox VE cluster run on loopback ports.")?;
    step(&format!("talos-order plan {shown}"))?;
    apply::plan(&common, &args, false, PlanShown::default()).await?;

    step(&format!("talos-order apply {shown}"))?;
    let first = apply::apply(&common, &args, ApplyAsked::all(true)).await?;
    ensure!(first == Exit::Done, "the first run did not converge");
    list(&cluster)?;

    say("A second run finds everything in sync.")?;
    step(&format!("talos-order apply {shown}"))?;
    let second = apply::apply(&common, &args, ApplyAsked::all(true)).await?;
    ensure!(second == Exit::Done, "the second run did not converge");

    write_order(&demo.dir, "v1.11.3")?;
    say("Now the order wants v1.11.3. New templates are made beside the old ones.")?;
    step(&format!("talos-order apply {shown}"))?;
    let third = apply::apply(&common, &args, ApplyAsked::all(true)).await?;
    ensure!(third == Exit::Done, "the update did not converge");
    list(&cluster)?;

    demo.leave(&MADE)?;
    if serve {
        say(&format!(
            "The stubs answer at {} and {} until Ctrl-C.\n\
             In another terminal:\n\
             $ talos-order status {shown}\n\
             $ talos-order run {shown} --listen 127.0.0.1:8080   # a controller with its status page",
            factory.url(),
            cluster.url(NODES[0])
        ))?;
        signal::stop_on_signal()?.cancelled().await;
    } else {
        out::text(
            "\nThe stubs end with this command; --serve keeps them. \
             For a real cluster, see docs/proxmox.md.\n",
        )?;
    }
    Ok(Exit::Done)
}

/// Three nodes, with `local` for images and `local-lvm` for disks on each.
async fn start(dir: &Path) -> anyhow::Result<PveStub> {
    let options = PveStubOptions {
        nodes: NODES.map(str::to_owned).into(),
        storages: vec![
            StubStorage::new("local", "dir", "/var/lib/vz"),
            StubStorage::for_disks("local-lvm", "lvmthin"),
        ],
        ..PveStubOptions::new(dir.join("pve"))
    };
    let cluster = PveStub::start(options)
        .await
        .context("cannot start the stub of Proxmox VE on loopback ports")?;
    cluster.add_token(TOKEN, SECRET);
    cluster.grant(TOKEN, "/", PRIVILEGES);
    Ok(cluster)
}

fn write_config(dir: &Path, factory: &str, cluster: &PveStub) -> anyhow::Result<()> {
    let at = dir.display();
    let endpoints = NODES.map(|node| cluster.url(node)).join(", ");
    let config = format!(
        "{MARK}defaults:\n  cache_dir: {at}/cache\nmanifest:\n  dir: {at}/manifests\n\
         factory:\n  url: {factory}\nclusters:\n\
         \x20 - name: demo\n    endpoints: [{endpoints}]\n    token_id: {TOKEN}\n\
         \x20   token_file: {at}/token\n    transport: api\n"
    );
    std::fs::write(dir.join("token"), SECRET)?;
    std::fs::write(dir.join("config.yaml"), config)?;
    Ok(())
}

fn write_order(dir: &Path, version: &str) -> anyhow::Result<()> {
    let order = format!(
        "# One image on each node of the cluster, and a template made from it.\n\
         orderid: workers\n\
         positions:\n\
         \x20 - name: worker\n\
         \x20   platform: nocloud\n\
         \x20   image_format: raw.xz\n\
         \x20   version: {{type: exact, value: {version}}}\n\
         \x20   customization:\n\
         \x20     systemExtensions: [siderolabs/qemu-guest-agent]\n\
         \x20   push: {{enabled: true, prefer_decompressed: true, hosts: [{{group: demo}}]}}\n\
         \x20   template:\n\
         \x20     name: talos-worker\n\
         \x20     target_storage: local-lvm\n\
         \x20     tags: [talos, \"{{version}}\"]\n"
    );
    std::fs::create_dir_all(dir.join("orders"))?;
    std::fs::write(dir.join("orders/workers.yaml"), order)?;
    Ok(())
}

/// The virtual machines of the cluster, as its web interface would list them.
fn list(cluster: &PveStub) -> anyhow::Result<()> {
    let mut table = Table::new(&["VMID", "NODE", "NAME", "TAGS"]);
    for id in cluster.vmids() {
        let Some(vm) = cluster.vm(id) else { continue };
        let value = |key: &str| vm.config.get(key).cloned().unwrap_or_default();
        table.row([
            id.to_string(),
            vm.node.clone(),
            value("name"),
            value("tags"),
        ]);
    }
    say("The templates of the cluster:")?;
    let lines = table.lines().into_iter();
    out::text(&lines.map(|line| format!("  {line}\n")).collect::<String>())?;
    Ok(())
}
