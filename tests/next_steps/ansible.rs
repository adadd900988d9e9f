//! The playbooks: their templates are rendered with the outputs, and what the tasks ask
//! for is compared with what `qm` and the module take.

use std::fs;

use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde_json::{Map, Value as Json};

use super::common::write_program;
use super::{Delivered, ansible_program, blocks, qm};

/// The options of `community.proxmox.proxmox_kvm` that are used.
const MODULE: &str = "api_host api_user api_token_id api_token_secret node vmid name ostype machine \
    cpu cores memory balloon scsihw scsi net serial agent boot timeout";

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.add_function("lookup", |plugin: &str, _of: &str| match plugin {
        "ansible.builtin.env" => "secret".to_owned(),
        _ => panic!("no lookup {plugin}"),
    });
    environment
}

/// One play with its variables, as Ansible evaluates them.
pub struct Play {
    environment: Environment<'static>,
    variables: Map<String, Json>,
    tasks: Vec<Json>,
}

impl Play {
    /// A play, with the file of variables that it names.
    pub fn new(text: &str, vars: &str) -> Self {
        let plays: Vec<Json> = serde_yaml::from_str(text).unwrap();
        let [play] = &plays[..] else {
            panic!("one play");
        };
        let mut this = Self {
            environment: environment(),
            variables: Map::from_iter([("inventory_hostname".to_owned(), play["hosts"].clone())]),
            tasks: play["tasks"].as_array().unwrap().clone(),
        };
        assert_eq!(play["vars_files"][0], "talos.yml");
        let vars: Map<String, Json> = serde_yaml::from_str(vars).unwrap();
        this.variables.extend(vars);
        // `node` before what uses it; serde_json keeps names sorted.
        let mut variables: Vec<_> = play["vars"].as_object().unwrap().iter().collect();
        variables.sort_by_key(|(name, _)| {
            let order = ["node", "vmid", "image", "template"];
            order.iter().position(|known| known == name)
        });
        for (name, value) in variables {
            let value = this.evaluated(value);
            this.variables.insert(name.clone(), value);
        }
        this
    }

    fn context(&self) -> Value {
        Value::from(Serde(&self.variables))
    }

    /// A value with its templates evaluated. One that is a template and nothing else
    /// keeps its type.
    fn evaluated(&self, value: &Json) -> Json {
        match value {
            Json::String(text) => {
                let whole = text
                    .strip_prefix("{{")
                    .and_then(|rest| rest.strip_suffix("}}"));
                match whole.filter(|inner| !inner.contains("{{")) {
                    Some(expression) => self.expression(expression),
                    None => self
                        .environment
                        .render_str(text, self.context())
                        .unwrap()
                        .into(),
                }
            }
            Json::Array(items) => items.iter().map(|item| self.evaluated(item)).collect(),
            Json::Object(pairs) => pairs
                .iter()
                .map(|(key, value)| (key.clone(), self.evaluated(value)))
                .collect(),
            other => other.clone(),
        }
    }

    pub fn expression(&self, text: &str) -> Json {
        let expression = self.environment.compile_expression(text).unwrap();
        let value = expression.eval(self.context());
        let value = value.unwrap_or_else(|why| panic!("{text}: {why}"));
        assert!(!value.is_undefined(), "{text}");
        serde_json::to_value(value).unwrap()
    }

    /// What the task with this module is told.
    pub fn told(&self, module: &str) -> Option<Json> {
        let mut found = self.tasks.iter().filter_map(|task| task.get(module));
        found.next().map(|told| self.evaluated(told))
    }
}

#[test]
fn the_playbooks_create_machines_from_what_was_delivered() {
    let world = Delivered::new();
    let plays = blocks("yml");
    let [by_api, by_ssh] = &plays[..] else {
        panic!("two playbooks");
    };

    let vars = world.outputs("ansible");
    let play = Play::new(by_api, &vars);
    let assertion = play.told("ansible.builtin.assert").unwrap();
    // Ansible takes nothing else, not even where the message is not needed.
    assert!(assertion["fail_msg"].is_string(), "{assertion}");
    let assertion = assertion["that"].as_str().unwrap();
    assert_eq!(play.expression(assertion), true, "{assertion}");
    let told = play.told("community.proxmox.proxmox_kvm").unwrap();
    let node = told["node"].as_str().unwrap();
    for (option, value) in told.as_object().unwrap() {
        let known = MODULE.split_whitespace().any(|known| known == option);
        assert!(known, "{option}");
        let drives = value.as_object().into_iter().flatten();
        for (name, value) in drives {
            assert!(name.starts_with(option.as_str()), "{name}");
            qm::accepts_option(&world, node, name, value.as_str().unwrap());
        }
    }
    assert!(
        told["scsi"]["scsi0"]
            .as_str()
            .unwrap()
            .contains("import-from=local:import/talos-")
    );

    let play = Play::new(by_ssh, &vars);
    let told = play.told("ansible.builtin.command").unwrap();
    let words = told["argv"].as_array().unwrap().iter();
    let words: Vec<String> = words
        .map(|word| {
            word.as_str()
                .map_or_else(|| word.to_string(), str::to_owned)
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(words[0], "qm");
    qm::accepts(&world, "pve-01", &words[1..]);
    assert_eq!(told["creates"], "/etc/pve/nodes/*/qemu-server/9001.conf");
}

/// Ansible itself runs the second one, with a `qm` that only writes down what it is told.
#[test]
fn ansible_runs_a_playbook_with_the_variables() {
    let world = Delivered::new();
    let dir = world.dir.path();
    fs::create_dir(dir.join("bin")).unwrap();
    let qm = b"#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$(dirname \"$0\")/told\"\n";
    write_program(&dir.join("bin/qm"), qm);
    fs::write(dir.join("talos.yml"), world.outputs("ansible")).unwrap();
    let [_, by_ssh] = &blocks("yml")[..] else {
        panic!("two playbooks");
    };
    if !ansible_program::play(dir, "pve-01", by_ssh) {
        return;
    }
    let told = fs::read_to_string(dir.join("bin/told")).unwrap();
    let words: Vec<&str> = told.lines().collect();
    assert_eq!(words[..2], ["create", "9001"]);
    qm::accepts(&world, "pve-01", &words);
    assert!(told.contains("import-from=local:import/talos-"), "{told}");
}
