//! `demo`: the whole job on this machine, offline, in seconds.
//!
//! Nothing is staged: the orders are loaded, planned and applied by the same code
//! as usual, against a factory stub on a loopback port that speaks the real
//! one's protocol, and two directories that play the nodes.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::apply::{ApplyAsked, PlanShown};
use super::args::{Common, RunArgs};
use super::exit::Exit;
use super::{apply, out, signal, style};
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

/// The first line of the configuration that the demo writes: what `--clean` knows a
/// directory of the demo by.
const MARK: &str = "# Written by `talos-order demo`, which removes this directory with --clean.\n";

/// The directories that the demo makes below the temporary one begin so.
const PREFIX: &str = "talos-order-demo-";

/// What the demo makes in its directory, and what that is.
const MADE: [(&str, &str); 6] = [
    ("orders", "what is wanted"),
    ("config.yaml", "where things are"),
    ("cache", "what was downloaded, with digests beside it"),
    ("node-a", "what was delivered to the first node"),
    ("node-b", "what was delivered to the second"),
    ("manifests", "what was done, per order"),
];

/// Runs the demo in `dir`, or in a new directory under the temporary one.
pub(super) async fn run(common: &Common, dir: Option<&Path>, serve: bool) -> anyhow::Result<Exit> {
    let dir = make_dir(dir)?;
    let factory = FactoryStub::start(StubOptions::default())
        .await
        .context("cannot start the factory stub on a loopback port")?;
    let (config, orders) = write_files(&dir, &factory.url())?;
    let common = Common {
        config: Some(config),
        orders: Some(orders),
        ..common.clone()
    };
    let args = RunArgs {
        lock_timeout: std::time::Duration::from_secs(10),
        ..RunArgs::default()
    };
    let shown = format!(
        "--config {0}/config.yaml --orders {0}/orders",
        dir.display()
    );

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

    let damaged = damage(&dir.join("node-b/iso"))?;
    say(&format!(
        "Now {} is truncated, like after an interrupted transfer.",
        damaged.display()
    ))?;
    step(&format!("talos-order apply {shown}"))?;
    let third = apply::apply(&common, &args, ApplyAsked::all(true)).await?;
    ensure!(third == Exit::Done, "the repair did not converge");

    say("The demo leaves these files, and nothing elsewhere:")?;
    for (path, what) in MADE {
        out::text(&format!("  {}/{path}  {what}\n", dir.display()))?;
    }
    say("To remove them:")?;
    step(&format!("talos-order demo --clean --dir {}", dir.display()))?;
    if serve {
        say(&format!(
            "The factory stub answers at {} until Ctrl-C.",
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

/// Removes what earlier demos made: in `dir`, or in all of their directories below the
/// temporary one. What somebody else put there stays.
pub(super) fn clean(dir: Option<&Path>) -> anyhow::Result<Exit> {
    let dirs = match dir {
        Some(dir) => {
            ensure!(
                is_of_demo(dir),
                "{} was not made by the demo; nothing was removed",
                dir.display()
            );
            vec![dir.to_owned()]
        }
        None => demo_dirs()?,
    };
    if dirs.is_empty() {
        out::text("The demo left nothing in the temporary directory.\n")?;
    }
    for dir in dirs {
        let at = dir.display();
        remove(&dir).with_context(|| format!("cannot remove {at}"))?;
        out::text(&match dir.exists() {
            true => format!("Removed the demo's files from {at}, which holds others, too.\n"),
            false => format!("Removed {at}.\n"),
        })?;
    }
    Ok(Exit::Done)
}

/// The directories of earlier demos below the temporary one. Those of other users are
/// left alone: as root, what they contain is not to be trusted.
fn demo_dirs() -> anyhow::Result<Vec<PathBuf>> {
    let tmp = std::env::temp_dir();
    let entries =
        std::fs::read_dir(&tmp).with_context(|| format!("cannot read {}", tmp.display()))?;
    let mut dirs = Vec::new();
    for entry in entries {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let owner = entry.metadata().map(|facts| (facts.is_dir(), facts.uid()));
        let own = owner.is_ok_and(|owner| owner == (true, rustix::process::geteuid().as_raw()));
        if ours && own && is_of_demo(&entry.path()) {
            dirs.push(entry.path());
        }
    }
    dirs.sort();
    Ok(dirs)
}

fn is_of_demo(dir: &Path) -> bool {
    let config = std::fs::read_to_string(dir.join("config.yaml"));
    config.is_ok_and(|text| text.starts_with(MARK))
}

/// The configuration goes last: a removal that is interrupted can be repeated.
fn remove(dir: &Path) -> std::io::Result<()> {
    for (name, _) in MADE.iter().filter(|(name, _)| *name != "config.yaml") {
        match std::fs::remove_dir_all(dir.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    std::fs::remove_file(dir.join("config.yaml"))?;
    match std::fs::remove_dir(dir) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        other => other,
    }
}

fn make_dir(dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let Some(dir) = dir else {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir();
        return Ok(made
            .context("cannot create a directory for the demo")?
            .keep());
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut entries = std::fs::read_dir(dir)?;
    ensure!(
        entries.next().is_none(),
        "{} is not empty; the demo needs an empty directory",
        dir.display()
    );
    Ok(std::fs::canonicalize(dir)?)
}

fn write_files(dir: &Path, factory: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
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
    Ok((dir.join("config.yaml"), orders))
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

fn say(text: &str) -> std::io::Result<()> {
    out::text(&format!("\n{}\n", style::heading(text)))
}

fn step(command: &str) -> std::io::Result<()> {
    out::text(&format!("$ {command}\n"))
}
