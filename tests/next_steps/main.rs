//! The page on what comes after talos-order, and the part of the page on templates for other
//! tools: orders are run, and the examples are run or evaluated against what `outputs` prints
//! then. What they ask of Proxmox VE
//! and of Talos is compared with the options that these have.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod ansible;
#[path = "../support/ansible.rs"]
mod ansible_program;
#[path = "../common/mod.rs"]
mod common;
mod qm;
mod shell;
mod templates;
mod terraform;

use std::fs;
use std::path::PathBuf;

use common::factory::Factory;
use common::program::Program;
use serde_json::Value;

/// Where the page says that the manifests are.
const MANIFESTS: &str = "/var/lib/talos-order/manifests";

/// Where the page says that the storage `local` is.
const STORAGE: &str = "/var/lib/vz";

/// The order of the page, executed on directories in the place of its nodes.
struct Delivered {
    dir: tempfile::TempDir,
    manifest: Value,
    program: Program,
}

impl Delivered {
    fn new() -> Self {
        let (dir, factory) = (tempfile::tempdir().unwrap(), Factory::small());
        let root = dir.path().display().to_string();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let url = factory.url();
        let config = format!(
            "defaults: {{cache_dir: {root}/cache}}\nmanifest: {{dir: {root}/manifests}}\n\
             factory: {{url: \"{url}\"}}\ngithub: {{api_url: \"{url}\"}}\n\
             nodes: [{{name: pve-01, local: true}}, {{name: pve-02, local: true}}]\n"
        );
        let [order] = &blocks("yaml")[..] else {
            panic!("one order");
        };
        let order: Vec<String> = order
            .lines()
            .map(|line| {
                let node = line.split("host: ").nth(1).unwrap_or_default();
                let node = node.split(',').next().unwrap();
                line.replace(STORAGE, &format!("{root}/{node}"))
            })
            .collect();
        let config = write("config.yaml", &config);
        let orders = write("orders.yaml", &(order.join("\n") + "\n"));
        let program = Program::with_files(dir.path(), &config, &orders);
        for place in ["import", "template/iso"] {
            for node in ["pve-01", "pve-02"] {
                fs::create_dir_all(dir.path().join(node).join(place)).unwrap();
            }
        }
        program.run(&["apply"]).expect(0);
        let manifest = dir.path().join("manifests/manifest-homelab.yaml");
        let manifest = fs::read_to_string(manifest).unwrap();
        Self {
            manifest: serde_yaml::from_str(&manifest).unwrap(),
            program,
            dir,
        }
    }

    /// What `outputs` prints in a form, with the volume IDs that nodes with Proxmox VE give:
    /// those here are directories, and know no storage.
    fn outputs(&self, form: &str) -> String {
        let ran = self.program.run(&["outputs", "--wait", "-o", form]);
        let mut file = String::new();
        let lines = ran.expect(0).stdout;
        let lines = lines.lines().map(|line| {
            let (key, value) = line.split_once([':', '=']).unwrap_or_default();
            match key.trim().trim_matches('"') {
                "file" => file = value.trim().trim_matches('"').to_owned(),
                "volume" => {
                    let content = match file.ends_with(".iso") {
                        true => "iso",
                        false => "import",
                    };
                    return line.replace("null", &format!("\"local:{content}/{file}\""));
                }
                _ => {}
            }
            line.to_owned()
        });
        let lines: Vec<String> = lines.collect();
        lines.join("\n") + "\n"
    }

    /// A text of the page, with the directories of this world in it.
    fn here(&self, text: &str) -> String {
        let root = self.dir.path().display().to_string();
        text.replace(MANIFESTS, &format!("{root}/manifests"))
            .replace(STORAGE, &format!("{root}/pve-01"))
    }

    /// The file that Proxmox VE means by a volume ID, or by a path.
    fn volume(&self, node: &str, volume: &str) -> PathBuf {
        let node = self.dir.path().join(node);
        match volume.strip_prefix("local:") {
            Some(name) if name.starts_with("iso/") => node.join("template").join(name),
            Some(name) => node.join(name),
            None => PathBuf::from(volume),
        }
    }
}

/// The blocks of a language on the page, without the indentation of a list.
fn blocks(language: &str) -> Vec<String> {
    blocks_of("docs/next-steps.md", language)
}

fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let page = fs::read_to_string(page).unwrap();
    let open = format!("```{language}");
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() != open {
            continue;
        }
        let indentation = line.len() - line.trim_start().len();
        let block = lines.by_ref().take_while(|line| line.trim() != "```");
        let block = block.map(|line| line.get(indentation..).unwrap_or_default());
        found.push(block.map(|line| format!("{line}\n")).collect());
    }
    assert!(!found.is_empty(), "no block of {language}");
    found
}

/// The keys that the page promises are in a manifest that was written.
#[test]
fn the_keys_that_are_promised_are_there() {
    let delivered = Delivered::new();
    let page = fs::read_to_string("docs/next-steps.md").unwrap();
    let table = page
        .split("## The manifest as the interface")
        .nth(1)
        .unwrap();
    let mut seen = 0;
    for row in table.lines().filter(|line| line.starts_with("| `entries")) {
        let mut group = "";
        for key in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            // `.sha256` goes on where the key before it was.
            let key = match key.strip_prefix('.') {
                Some(last) => format!("{group}.{last}"),
                None => key.to_owned(),
            };
            let pointer = key.replace("[]", "/0").replace('.', "/");
            let value = delivered.manifest.pointer(&format!("/{pointer}"));
            assert!(value.is_some_and(|value| !value.is_null()), "{key}");
            let before = row.split('`').nth(1).unwrap();
            group = before.rsplit_once('.').unwrap().0;
            seen += 1;
        }
    }
    assert!(seen >= 12, "only {seen} keys were found");
    for entry in delivered.manifest["entries"].as_array().unwrap() {
        assert_eq!(entry["status"], "ok", "{entry:#}");
        for push in entry["pushed"].as_array().unwrap() {
            assert_eq!(push["status"], "ok");
            let path = push["path"].as_str().unwrap();
            assert!(fs::metadata(path).unwrap().len() > 0, "{path}");
        }
    }
}
