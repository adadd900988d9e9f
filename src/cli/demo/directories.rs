//! The demo with directories for nodes: two images that differ in their extensions, and
//! one that is damaged on a node.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::files::{Demo, MARK, say, step};
use crate::cli::apply;
use crate::cli::args::Common;
use crate::cli::asked::{ApplyAsked, PlanShown};
use crate::cli::exit::Exit;
use crate::cli::run_args::RunArgs;
use crate::cli::{out, signal};
use crate::factory_stub::{FactoryStub, StubOptions};

/// Two orders that differ in their extensions only: the case that once ended in
/// one file under one name.
const ORDERS: &str = r#"# Two orders, one version, different extensions: two images, both right.
- orderid: homelab
  customer: Friday evening
  positions:
    - name: plain-iso
      platform: nocloud
      image_format: iso
      version: {type: latest}
      push: {enabled: true, hosts: [{group: demo}]}
    - name: guest-agent-disk
      platform: nocloud
      image_format: raw.xz
      version: {type: latest-in-minor, minor: "v1.11"}
      customization:
        systemExtensions: [siderolabs/qemu-guest-agent]
      push: {enabled: true, prefer_decompressed: true, hosts: [{group: demo}]}
- orderid: secure
  positions:
    - name: guest-agent-iso
      platform: nocloud
      image_format: iso
      secureboot: true
      version: {type: exact, value: v1.11.2}
      customization:
        systemExtensions: [siderolabs/qemu-guest-agent]
      push: {enabled: true, hosts: [{node: node-a}]}
"#;

/// What the demo makes in its directory, and what that is.
pub(super) const MADE: [(&str, &str); 6] = [
    ("orders", "what is wanted"),
    ("config.yaml", "where things are"),
    ("cache", "what was downloaded, with digests beside it"),
    ("node-a", "what was delivered to the first node"),
    ("node-b", "what was delivered to the second"),
    ("manifests", "what was done, per order"),
];

/// Runs the demo in its directory.
pub(super) async fn run(demo: &Demo, common: &Common, serve: bool) -> anyhow::Result<Exit> {
    let factory = FactoryStub::start(StubOptions::default())
        .await
        .context("cannot start the factory stub on a loopback port")?;
    write_files(&demo.dir, &factory.url())?;
    let common = demo.common(common);
    let args = RunArgs {
        lock_timeout: std::time::Duration::from_secs(10),
        ..RunArgs::default()
    };
    let shown = demo.shown();

    say("An Image Factory stub runs on a loopback port; two directories stand in for nodes.")?;
    step(&format!("talos-order plan {shown}"))?;
    apply::plan(&common, &args, false, PlanShown::default()).await?;

    step(&format!("talos-order apply {shown}"))?;
    let first = apply::apply(&common, &args, ApplyAsked::all(true)).await?;
    ensure!(first == Exit::Done, "the first run did not converge");

    say("A second run finds everything in sync.")?;
    step(&format!("talos-order apply {shown}"))?;
    let second = apply::apply(&common, &args, ApplyAsked::all(true)).await?;
    ensure!(second == Exit::Done, "the second run did not converge");

    let damaged = damage(&demo.dir.join("node-b/iso"))?;
    say(&format!(
        "Now {} is truncated, like after an interrupted transfer.",
        damaged.display()
    ))?;
    step(&format!("talos-order apply {shown}"))?;
    let third = apply::apply(&common, &args, ApplyAsked::all(true)).await?;
    ensure!(third == Exit::Done, "the repair did not converge");

    demo.leave(&MADE)?;
    if serve {
        say(&format!(
            "The factory stub answers at {} until Ctrl-C.\n\
             In another terminal, a controller with its status page:\n\
             $ talos-order run {shown} --listen 127.0.0.1:8080",
            factory.url()
        ))?;
        signal::stop_on_signal()?.cancelled().await;
    } else {
        out::text(
            "\nThe factory stub ends with this command; --serve keeps it. \
             For the real factory, see examples/.\n",
        )?;
    }
    Ok(Exit::Done)
}

fn write_files(dir: &Path, factory: &str) -> anyhow::Result<()> {
    let at = dir.display();
    let config = format!(
        "{MARK}defaults:\n  cache_dir: {at}/cache\n  push: {{create: true}}\nmanifest:\n  dir: {at}/manifests\n\
         factory:\n  url: {factory}\nnodes:\n\
         \x20 - {{name: node-a, local: true, labels: [demo], iso_dir: {at}/node-a/iso, import_dir: {at}/node-a/import}}\n\
         \x20 - {{name: node-b, local: true, labels: [demo], iso_dir: {at}/node-b/iso, import_dir: {at}/node-b/import}}\n"
    );
    let orders = dir.join("orders");
    std::fs::create_dir_all(&orders)?;
    std::fs::write(dir.join("config.yaml"), config)?;
    std::fs::write(orders.join("demo.yaml"), ORDERS)?;
    Ok(())
}

/// Cuts the first image of a node's directory to half its length.
fn damage(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut images: Vec<PathBuf> = std::fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "iso"))
        .collect();
    images.sort();
    let image = images
        .into_iter()
        .next()
        .context("no image was delivered")?;
    let file = std::fs::OpenOptions::new().write(true).open(&image)?;
    file.set_len(file.metadata()?.len() / 2)?;
    Ok(image)
}
