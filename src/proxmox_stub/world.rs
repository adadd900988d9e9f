//! The state of the cluster, which all nodes share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use super::acl::{self, AclEntry, KnownToken, Privileges};
use super::answer::Denied;
use super::faults::PveFaults;
use super::guest_table::Guests;
use super::options::{PveStubOptions, StubStorage};
use super::schema::Asked;
use super::tasks::Tasks;

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct PveWorld {
    pub options: PveStubOptions,
    pub faults: PveFaults,
    pub tasks: Arc<Tasks>,
    /// Ends what is under way.
    pub stop: CancellationToken,
    entries: RwLock<Vec<AclEntry>>,
    tokens: RwLock<Vec<KnownToken>>,
    storages: RwLock<Vec<StubStorage>>,
    pub(super) guests: Guests,
    offline: RwLock<BTreeSet<String>>,
    /// The nodes that left the cluster.
    gone: RwLock<BTreeSet<String>>,
    requests: Mutex<Vec<String>>,
}

/// One node that is asked.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub world: Arc<PveWorld>,
    pub node: String,
}

fn read<T: Clone>(lock: &RwLock<T>) -> T {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl PveWorld {
    pub(super) fn new(options: PveStubOptions, stop: CancellationToken) -> Self {
        Self {
            storages: RwLock::new(options.storages.clone()),
            guests: Guests::new(options.vms.clone()),
            options,
            faults: PveFaults::default(),
            tasks: Arc::new(Tasks::new(stop.clone())),
            stop,
            entries: RwLock::default(),
            tokens: RwLock::default(),
            offline: RwLock::default(),
            gone: RwLock::default(),
            requests: Mutex::default(),
        }
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_token(&self, token: KnownToken) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|known| known.id != token.id);
        tokens.push(token);
    }

    pub(super) fn token(&self, id: &str) -> Option<KnownToken> {
        read(&self.tokens).into_iter().find(|token| token.id == id)
    }

    pub(super) fn set_entry(&self, entry: AclEntry) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.push(entry);
    }

    pub(super) fn clear_entries(&self) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
    }

    pub(super) fn remove_entries(&self, path: &str) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.path != path);
    }

    pub(super) fn set_storage(&self, storage: StubStorage) {
        let mut storages = self
            .storages
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        storages.retain(|known| known.name != storage.name);
        storages.push(storage);
    }

    pub(super) fn storages(&self) -> Vec<StubStorage> {
        read(&self.storages)
    }

    pub(super) fn set_offline(&self, node: &str, offline: bool) {
        let mut nodes = self.offline.write().unwrap_or_else(PoisonError::into_inner);
        if offline {
            nodes.insert(node.to_owned());
        } else {
            nodes.remove(node);
        }
    }

    /// A node leaves the cluster.
    pub(super) fn leave(&self, node: &str) {
        let mut gone = self.gone.write().unwrap_or_else(PoisonError::into_inner);
        gone.insert(node.to_owned());
    }

    /// The nodes that the cluster has now.
    pub(super) fn nodes(&self) -> Vec<String> {
        let gone = read(&self.gone);
        let nodes = self.options.nodes.iter();
        nodes
            .filter(|node| !gone.contains(*node))
            .cloned()
            .collect()
    }

    pub(super) fn is_offline(&self, node: &str) -> bool {
        read(&self.offline).contains(node)
    }

    pub(super) fn may(&self, token: &KnownToken, path: &str, privilege: &str) -> bool {
        self.privileges(token, path).contains_key(privilege)
    }

    pub(super) fn privileges(&self, token: &KnownToken, path: &str) -> Privileges {
        acl::effective(&read(&self.entries), token, path)
    }

    pub(super) fn all_privileges(
        &self,
        token: &KnownToken,
    ) -> std::collections::BTreeMap<String, Privileges> {
        acl::everywhere(&read(&self.entries), token)
    }

    /// Demands one of these privileges.
    pub(super) fn demand(
        &self,
        token: &KnownToken,
        path: &str,
        any: &[&str],
    ) -> Result<(), Denied> {
        match any.iter().any(|one| self.may(token, path, one)) {
            true => Ok(()),
            false => Err(Denied::permission(path, &any.join("|"))),
        }
    }

    /// A node that is off is not reached by the others.
    pub(super) fn reach(&self, asked: &Asked) -> Result<(), Denied> {
        let Some(node) = asked.node() else {
            return Ok(());
        };
        if !self.nodes().iter().any(|known| known == node) {
            return Err(Denied::died(format!(
                "hostname lookup '{node}' failed - failed to get address info for: {node}: Name or \
                 service not known"
            )));
        }
        match self.is_offline(node) {
            true => Err(Denied::Bare(595, "No route to host".to_owned())),
            false => Ok(()),
        }
    }

    /// A storage, wherever it may be used.
    pub(super) fn storage(&self, name: &str) -> Result<StubStorage, Denied> {
        let found = self.storages().into_iter().find(|s| s.name == name);
        found.ok_or_else(|| Denied::died(format!("storage '{name}' does not exist")))
    }

    /// A storage that may be used on a node.
    pub(super) fn usable(&self, node: &str, name: &str) -> Result<StubStorage, Denied> {
        let storage = self.storage(name)?;
        if storage.disabled {
            return Err(Denied::died(format!("storage '{name}' is disabled")));
        }
        if !storage.nodes.is_empty() && !storage.nodes.iter().any(|one| one == node) {
            return Err(Denied::died(format!(
                "storage '{name}' is not available on node '{node}'"
            )));
        }
        Ok(storage)
    }

    /// The same, with the check of the mount that precedes each use.
    pub(super) fn activated(&self, node: &str, name: &str) -> Result<StubStorage, Denied> {
        let storage = self.usable(node, name)?;
        if storage.active {
            return Ok(storage);
        }
        Err(Denied::died(format!(
            "unable to activate storage '{name}' - directory is expected to be a mount point but \
             is not mounted: '{}'",
            storage.path
        )))
    }

    /// Where the files of a content type are on this machine.
    pub(super) fn directory(&self, node: &str, storage: &StubStorage, content: &str) -> PathBuf {
        let node = if storage.shared { "shared" } else { node };
        let base = self.options.dir.join(node).join(&storage.name);
        base.join(below(content))
    }

    /// True since http-server 5.2.0.
    pub(super) fn has_messages(&self) -> bool {
        self.is_at_least(8, 4)
    }

    pub(super) fn is_at_least(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.options.version.split('.').map(str::parse::<u32>);
        let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
        (next(), next()) >= (major, minor)
    }
}

/// The directory of a content type below a storage's path.
pub(super) fn below(content: &str) -> &'static str {
    match content {
        "iso" => "template/iso",
        "vztmpl" => "template/cache",
        _ => "import",
    }
}
