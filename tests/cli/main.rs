//! The command line as people and scripts meet it: texts, exit codes, streams.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

#[path = "../support/ansible.rs"]
mod ansible_program;
#[path = "../common/mod.rs"]
mod common;
mod completions;
mod demo;
mod help;
mod outputs;
mod question;
mod saved;
mod shown;
mod streams;
mod usage;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use common::factory::Factory;
use common::program::Program;
use common::snapshot::images;

const COMMANDS: [&str; 13] = [
    "plan",
    "diff",
    "get",
    "outputs",
    "apply",
    "wait",
    "validate",
    "schematic",
    "versions",
    "schema",
    "demo",
    "completions",
    "man",
];

const ESCAPE: char = '\u{1b}';

/// A small world: a factory, a local node, one order that can be done.
struct World {
    dir: tempfile::TempDir,
    program: Program,
    factory: Factory,
}

impl World {
    fn new() -> Self {
        let (dir, factory) = (tempfile::tempdir().unwrap(), Factory::small());
        let (config, orders) = (dir.path().join("config.yaml"), dir.path().join("orders"));
        let root = dir.path().display();
        let text = format!(
            "defaults: {{cache_dir: {root}/cache}}\nmanifest: {{dir: {root}/manifests}}\n\
             factory: {{url: \"{url}\"}}\ngithub: {{api_url: \"{url}\"}}\nlimits: {{retries: 0}}\n\
             nodes: [{{name: pve-1, local: true, iso_dir: {root}/iso}}]\n",
            url = factory.url()
        );
        fs::write(&config, text).unwrap();
        fs::create_dir(&orders).unwrap();
        let world = Self {
            program: Program::with_files(dir.path(), &config, &orders),
            dir,
            factory,
        };
        world.order("good", "{type: exact, value: v1.11.3}");
        world
    }

    fn order(&self, id: &str, version: &str) {
        let text = format!(
            "- orderid: {id}\n  positions:\n    - name: image\n      version: {version}\n      \
             push: {{enabled: true, hosts: [{{node: pve-1}}]}}\n"
        );
        let path = self.dir.path().join("orders").join(format!("{id}.yaml"));
        fs::write(path, text).unwrap();
    }
}

/// True if this machine has a configuration that a program without `--config` finds.
fn is_configured() -> bool {
    let there = Path::new("/etc/talos-order/config.yaml").exists();
    if there {
        eprintln!("not tested: what there is without a configuration; this machine has one");
    }
    there
}

/// The program where it finds `config.yaml` by itself, also on a machine that has a
/// configuration elsewhere.
fn alone(dir: &Path) -> Program {
    let mut program = Program::new(dir);
    if is_configured() {
        let found = ("TALOS_ORDER_CONFIG".to_owned(), "config.yaml".to_owned());
        program.env.push(found);
    }
    program
}

fn plain() -> (tempfile::TempDir, Program) {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::new(dir.path());
    (dir, program)
}
