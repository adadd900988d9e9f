//! The examples of the page on templates, against the cluster of the demo, which has the
//! order of that page.

use serde_json::{Value, json};

use super::ansible::Play;
use super::common::program::Program;
use super::terraform::{accepts, argument, block, variables, with_locals};
use super::{blocks_of, fs};

const PAGE: &str = "docs/templates.md";

/// The arguments of bpg's resource that are used.
const BPG: &str = "for_each name node_name stop_on_destroy clone.vm_id clone.full cpu.type cpu.cores \
    memory.dedicated agent.enabled agent.timeout lifecycle.ignore_changes";

/// The same of Telmate's, version 3.
const TELMATE: &str = "name target_node clone full_clone memory agent scsihw \
    disks.scsi.scsi0.disk.storage disks.scsi.scsi0.disk.size lifecycle.ignore_changes";

/// The options of `community.proxmox.proxmox_kvm` that are used.
const MODULE: &str = "api_host api_user api_token_id api_token_secret node clone vmid newid name full \
    storage timeout";

/// What the demo of a cluster leaves.
struct Cluster {
    program: Program,
    _dir: tempfile::TempDir,
}

impl Cluster {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("demo");
        let demo = ["demo", "--pve", "--dir", at.to_str().unwrap()];
        Program::new(dir.path()).run(&demo).expect(0);
        Self {
            program: Program::with_files(&at, &at.join("config.yaml"), &at.join("orders")),
            _dir: dir,
        }
    }

    fn outputs(&self, form: &str) -> String {
        let args = ["outputs", "--order", "workers", "--wait", "-o", form];
        self.program.run(&args).expect(0).stdout
    }
}

fn from_hcl(value: hcl::Value) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn the_templates_are_cloned_by_vmid_and_by_name() {
    let cluster = Cluster::new();
    let examples = blocks_of(PAGE, "hcl");
    let [bpg, external, telmate] = &examples[..] else {
        panic!("three examples");
    };
    let body: hcl::Body = hcl::parse(bpg).unwrap();
    let mut context = with_locals(&body, variables(&cluster.outputs("tfvars")));
    let resource = block(&body, "resource").body();
    accepts(resource, BPG);
    assert!(bpg.contains("ignore_changes = [clone]"));
    let machines = argument(resource, "for_each", &context);
    for (machine, vmid) in machines.as_array().unwrap().iter().zip(9003..) {
        let each = hcl::Map::from_iter([("key".to_owned(), machine.clone())]);
        context.declare_var("each", hcl::Value::from(each));
        let cloned = argument(block(resource, "clone").body(), "vm_id", &context);
        assert_eq!(from_hcl(cloned), vmid);
        assert_eq!(argument(resource, "node_name", &context), *machine);
    }

    let body: hcl::Body = hcl::parse(external).unwrap();
    let data = block(&body, "data").body();
    let program = from_hcl(argument(data, "program", &context));
    let words = program.as_array().unwrap().iter().skip(1);
    let words: Vec<&str> = words.map(|word| word.as_str().unwrap()).collect();
    let query = from_hcl(argument(data, "query", &context));
    let mut command = assert_cmd::Command::from_std(cluster.program.command(&words));
    let answer = command.write_stdin(query.to_string()).output().unwrap();
    let answer: hcl::Value = serde_json::from_slice(&answer.stdout).unwrap();
    let data = json!({"external": {"worker": {"result": from_hcl(answer)}}});
    context.declare_var("data", hcl::to_value(data).unwrap());
    let told = argument(block(&body, "output").body(), "value", &context);
    let volume = "local:import/talos-v1.11.3-nocloud-amd64-ce4c980550dd.raw.qcow2";
    let expected = json!({"vmid": 9003, "image": volume, "ready": true});
    assert_eq!(from_hcl(told), expected);

    let body: hcl::Body = hcl::parse(telmate).unwrap();
    let resource = block(&body, "resource").body();
    accepts(resource, TELMATE);
    let outputs: Value = serde_json::from_str(&cluster.outputs("json")).unwrap();
    let name = argument(resource, "clone", &context);
    assert_eq!(from_hcl(name), outputs["templates"][0]["name"]);
}

#[test]
fn the_playbook_clones_the_template() {
    let cluster = Cluster::new();
    let plays = blocks_of(PAGE, "yml");
    let play = Play::new(&plays[0], &cluster.outputs("ansible"));
    let assertion = play.told("ansible.builtin.assert").unwrap();
    assert!(assertion["fail_msg"].is_string(), "{assertion}");
    assert_eq!(play.expression(assertion["that"].as_str().unwrap()), true);
    let told = play.told("community.proxmox.proxmox_kvm").unwrap();
    for option in told.as_object().unwrap().keys() {
        let mut known = MODULE.split_whitespace();
        assert!(known.any(|known| known == option), "{option}");
    }
    assert_eq!(
        (&told["clone"], &told["vmid"]),
        (&json!("talos-worker"), &json!(9003))
    );
}

#[test]
fn the_parts_for_the_cluster_api_are_what_is_shown() {
    let cluster = Cluster::new();
    let shown: Value = serde_yaml::from_str(&blocks_of(PAGE, "yml")[1]).unwrap();
    let printed: Value = serde_yaml::from_str(&cluster.outputs("capmox")).unwrap();
    assert_eq!(printed, shown);
}

/// The table of the page shows the lines that the program prints.
#[test]
fn the_table_is_what_is_printed() {
    let cluster = Cluster::new();
    let table = cluster.outputs("table");
    let page = fs::read_to_string(PAGE).unwrap();
    let shown = page.split("$ talos-order outputs --order workers\n").nth(1);
    let shown = shown.unwrap().split("```").next().unwrap();
    for line in shown.lines().filter(|line| !line.is_empty()) {
        assert!(
            table.lines().any(|printed| printed == line),
            "{line}: {table}"
        );
    }
}
