//! Virtual machines, containers, their disks, and who works on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::guests::disks::StubDisk;
use super::options::StubVm;

/// Name of a virtual machine, and whether it is a template: what nodes tell each other
/// from time to time.
pub(super) type Statistics = BTreeMap<u32, (Option<String>, bool)>;

/// Everything about guests that changes.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    vms: BTreeMap<u32, StubVm>,
    disks: Vec<StubDisk>,
    statistics: Statistics,
    held: BTreeSet<String>,
    locks: BTreeMap<u32, Arc<tokio::sync::Mutex<()>>>,
}

impl Guests {
    pub(super) fn new(vms: Vec<StubVm>) -> Self {
        let guests = Self::default();
        let mut state = guests.lock();
        state.vms = vms.into_iter().map(|vm| (vm.id, vm)).collect();
        state.refresh();
        drop(state);
        guests
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refresh(&mut self) {
        let seen = self.vms.values().map(|vm| {
            let name = vm.config.get("name").cloned();
            (vm.id, (name, vm.is_template()))
        });
        self.statistics = seen.collect();
    }
}

impl Guests {
    pub(super) fn vms(&self) -> Vec<StubVm> {
        self.lock().vms.values().cloned().collect()
    }

    pub(super) fn vm(&self, vmid: u32) -> Option<StubVm> {
        self.lock().vms.get(&vmid).cloned()
    }

    /// Adds or replaces one, and everybody knows.
    pub(super) fn set_vm(&self, vm: StubVm) {
        let mut state = self.lock();
        state.vms.insert(vm.id, vm);
        state.refresh();
    }

    /// Adds one, unless there is another, which is the error.
    pub(super) fn add_vm(&self, vm: StubVm) -> Result<(), Box<StubVm>> {
        let mut state = self.lock();
        match state.vms.get(&vm.id) {
            Some(taken) => Err(Box::new(taken.clone())),
            None => {
                state.vms.insert(vm.id, vm);
                Ok(())
            }
        }
    }

    pub(super) fn change_vm(&self, vmid: u32, change: impl FnOnce(&mut StubVm)) {
        if let Some(vm) = self.lock().vms.get_mut(&vmid) {
            change(vm);
        }
    }

    pub(super) fn remove_vm(&self, vmid: u32) {
        self.lock().vms.remove(&vmid);
    }

    /// What nodes told of their guests when they last did.
    pub(super) fn statistics(&self) -> Statistics {
        self.lock().statistics.clone()
    }

    pub(super) fn refresh_statistics(&self) {
        self.lock().refresh();
    }

    pub(super) fn disks(&self) -> Vec<StubDisk> {
        self.lock().disks.clone()
    }

    pub(super) fn add_disk(&self, disk: StubDisk) {
        self.lock().disks.push(disk);
    }

    /// Removes disks that a node sees.
    pub(super) fn remove_disks(&self, node: &str, volids: &[String]) {
        let is_gone = |disk: &StubDisk| {
            (disk.node.is_empty() || disk.node == node) && volids.contains(&disk.volid)
        };
        self.lock().disks.retain(|disk| !is_gone(disk));
    }

    pub(super) fn rename_disk(&self, node: &str, from: &str, to: &str) {
        for disk in &mut self.lock().disks {
            if (disk.node.is_empty() || disk.node == node) && disk.volid == from {
                disk.volid = to.to_owned();
            }
        }
    }

    /// Who has it works on the virtual machine.
    pub(super) fn guest_lock(&self, vmid: u32) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.lock().locks.entry(vmid).or_default())
    }

    pub(super) fn hold(&self, kind: &str, held: bool) {
        let mut state = self.lock();
        match held {
            true => drop(state.held.insert(kind.to_owned())),
            false => drop(state.held.remove(kind)),
        }
    }

    pub(super) fn is_held(&self, kind: &str) -> bool {
        self.lock().held.contains(kind)
    }
}
