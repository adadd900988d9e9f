//! Virtual machines: looked at, made, changed, removed.
//!
//! What changes one is a task, and a task goes on whatever becomes of the caller. A
//! configuration has a digest; a change that brings it is refused where somebody else was
//! faster.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answers::VmSummary;
use super::api::PveApi;
use super::call::PveCall;
use super::error::PveError;
use super::lenient::{number, switch};
use super::upid::Upid;

/// A virtual machine of one node, as its configuration has it at this moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct PveVm {
    /// Its number.
    #[serde(deserialize_with = "number")]
    pub vmid: u64,
    /// Its name; one without a name is called `VM 105`.
    #[serde(default)]
    pub name: Option<String>,
    /// True for a template.
    #[serde(default, deserialize_with = "switch")]
    pub template: bool,
    /// Its tags, separated by semicolons.
    #[serde(default)]
    pub tags: Option<String>,
    /// What it is locked for, such as `create` or `backup`.
    #[serde(default)]
    pub lock: Option<String>,
}

/// The configuration of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PveVmConfig {
    /// Changes with every change of the configuration.
    pub digest: String,
    /// Each option with its value as text; the notes are `description`.
    pub values: BTreeMap<String, String>,
}

/// A change of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmChange {
    /// The options that get a value.
    pub set: BTreeMap<String, String>,
    /// The options that go.
    pub delete: Vec<String>,
    /// The digest of the configuration that is changed.
    pub digest: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PendingEntry {
    key: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    pending: Value,
}

#[derive(Debug, Deserialize)]
struct SnapshotEntry {
    name: String,
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(switch) => Some(u8::from(switch).to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn of(method: Method, node: &str, vmid: u32, below: &[&str]) -> PveCall {
    let id = vmid.to_string();
    let segments = [&["nodes", node, "qemu", &id], below].concat();
    PveCall::new(method, &segments).vmid(vmid)
}

impl PveApi {
    /// The virtual machines of one node, in order. In contrast to
    /// [`vms`](Self::vms) nothing of it is old. Those without VM.Audit are left out.
    ///
    /// # Errors
    /// As for every call.
    pub async fn node_vms(&self, node: &str) -> Result<Vec<PveVm>, PveError> {
        let mut vms: Vec<PveVm> = self.ask(&PveCall::get(&["nodes", node, "qemu"])).await?;
        vms.sort();
        Ok(vms)
    }

    /// True if no virtual machine and no container of the cluster has this VMID, also none
    /// that the token may not see.
    ///
    /// # Errors
    /// As for every call.
    pub async fn vmid_is_free(&self, vmid: u32) -> Result<bool, PveError> {
        let call = PveCall::get(&["cluster", "nextid"]).query("vmid", vmid.to_string());
        let answer: Result<Value, PveError> = self.ask(&call.vmid(vmid)).await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.vm_refusal().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The configuration of a virtual machine as it is now, without changes that wait for
    /// the next start.
    ///
    /// # Errors
    /// As for every call; [`VmRefusal::Missing`](super::VmRefusal::Missing).
    pub async fn vm_config(&self, node: &str, vmid: u32) -> Result<PveVmConfig, PveError> {
        let call = of(Method::GET, node, vmid, &["config"]).query("current", "1");
        let answer: Map<String, Value> = self.ask(&call).await?;
        let mut digest = None;
        let mut values = BTreeMap::new();
        for (key, value) in answer {
            let Some(value) = text(value) else { continue };
            match key.as_str() {
                "digest" => digest = Some(value),
                _ => drop(values.insert(key, value)),
            }
        }
        let digest = digest.ok_or_else(|| PveError::Answer {
            call: call.shown(),
            reason: "a configuration without a digest".to_owned(),
        })?;
        Ok(PveVmConfig { digest, values })
    }

    /// Makes a virtual machine. Until the task ends it has nothing but its lock, neither
    /// name nor notes; a task that fails leaves nothing, a node that goes off meanwhile a
    /// locked, empty one. Drives of the form `STORAGE:0,import-from=VOLUME` are made from
    /// an image.
    ///
    /// # Errors
    /// As for every call; [`VmRefusal::Exists`](super::VmRefusal::Exists) and others.
    pub async fn create_vm(
        &self,
        node: &str,
        vmid: u32,
        config: &BTreeMap<String, String>,
    ) -> Result<Upid, PveError> {
        let mut call = PveCall::new(Method::POST, &["nodes", node, "qemu"])
            .vmid(vmid)
            .form("vmid", vmid.to_string());
        for (key, value) in config {
            call = call.form(key.clone(), value);
        }
        self.ask(&call).await
    }

    /// Makes a template of a virtual machine. Old versions answer without a task, having
    /// done it.
    ///
    /// # Errors
    /// As for every call.
    pub async fn convert_to_template(
        &self,
        node: &str,
        vmid: u32,
    ) -> Result<Option<Upid>, PveError> {
        let call = of(Method::POST, node, vmid, &["template"]);
        self.ask(&call).await
    }

    /// Changes a configuration; `None` where that is done already. A task may take as long
    /// as a disk takes that is made from an image.
    ///
    /// # Errors
    /// As for every call; [`VmRefusal::Changed`](super::VmRefusal::Changed).
    pub async fn change_vm(
        &self,
        node: &str,
        vmid: u32,
        change: &VmChange,
    ) -> Result<Option<Upid>, PveError> {
        let mut call = of(Method::POST, node, vmid, &["config"]);
        for (key, value) in &change.set {
            call = call.form(key.clone(), value);
        }
        if !change.delete.is_empty() {
            call = call.form("delete", change.delete.join(","));
        }
        if let Some(digest) = &change.digest {
            call = call.form("digest", digest);
        }
        self.ask(&call).await
    }

    /// Removes a virtual machine with its disks, and its place in backup jobs and HA.
    /// Disks that its configuration does not name stay: on a storage that two clusters
    /// share they may be those of another virtual machine.
    ///
    /// # Errors
    /// As for every call; [`VmRefusal::Protected`](super::VmRefusal::Protected) and
    /// others. Clones and locks are noticed by the task.
    pub async fn destroy_vm(&self, node: &str, vmid: u32) -> Result<Upid, PveError> {
        let call = of(Method::DELETE, node, vmid, &[])
            .query("purge", "1")
            .query("destroy-unreferenced-disks", "0");
        self.ask(&call).await
    }

    /// Calls with snapshot, option and text for everything that the configuration of a
    /// virtual machine has: now, with the next start, and in each snapshot.
    pub(super) async fn for_each_value(
        &self,
        vm: &VmSummary,
        mut visit: impl FnMut(Option<&str>, &str, &str),
    ) -> Result<(), PveError> {
        let id = vm.vmid.to_string();
        let base = ["nodes", &vm.node, "qemu", &id];
        let below = |name: &'static str| PveCall::get(&[&base[..], &[name]].concat());
        // The present state and the one that waits for the next start in one call.
        let entries: Vec<PendingEntry> = self.ask(&below("pending")).await?;
        for entry in &entries {
            for value in [&entry.value, &entry.pending] {
                if let Some(text) = value.as_str() {
                    visit(None, &entry.key, text);
                }
            }
        }
        let snapshots: Vec<SnapshotEntry> = self.ask(&below("snapshot")).await?;
        // "current" is no snapshot, but the place of the present state among them.
        for snapshot in snapshots.iter().filter(|entry| entry.name != "current") {
            let call = below("config").query("snapshot", &snapshot.name);
            let config: Map<String, Value> = self.ask(&call).await?;
            for (key, value) in &config {
                if let Some(text) = value.as_str() {
                    visit(Some(&snapshot.name), key, text);
                }
            }
        }
        Ok(())
    }
}
