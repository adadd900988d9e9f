//! A stub as tests and the demo hold it: started, steered, stopped.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::acl::{AclEntry, KnownToken};
use super::faults::PveFault;
use super::guests::disks::StubDisk;
use super::options::{PveStubOptions, StubStorage, StubVm};
use super::server;
use super::world::{PveWorld, below};

/// A running cluster; it stops when dropped.
#[derive(Debug)]
pub struct PveStub {
    world: Arc<PveWorld>,
    nodes: BTreeMap<String, Server>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl PveStub {
    /// Starts one server per node, as tasks of the current runtime.
    ///
    /// # Errors
    /// Where a port cannot be had, or the directories of the storages not be made.
    pub async fn start(options: PveStubOptions) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let world = Arc::new(PveWorld::new(options, stop.clone()));
        let names = world.options.nodes.clone();
        let mut nodes = BTreeMap::new();
        for node in names {
            for storage in world.storages() {
                for content in ["iso", "import"] {
                    std::fs::create_dir_all(world.directory(&node, &storage, content))?;
                }
            }
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let server = serve(&world, &stop, &node, listener)?;
            nodes.insert(node, server);
        }
        Ok(Self { world, nodes, stop })
    }

    /// The address of a node's API.
    ///
    /// # Panics
    /// Where there is no such node.
    pub fn address(&self, node: &str) -> SocketAddr {
        self.nodes[node].address
    }

    /// The base URL of a node's API, without TLS.
    pub fn url(&self, node: &str) -> String {
        format!("http://{}", self.address(node))
    }

    /// Makes a token, or gives it another secret. It has what its user has as well.
    pub fn add_token(&self, id: &str, secret: &str) {
        self.world.add_token(KnownToken {
            id: id.to_owned(),
            secret: secret.to_owned(),
            is_separated: true,
        });
    }

    /// Makes a token that has whatever its user has.
    pub fn add_full_token(&self, id: &str, secret: &str) {
        self.world.add_token(KnownToken {
            id: id.to_owned(),
            secret: secret.to_owned(),
            is_separated: false,
        });
    }

    /// Adds an entry for a user or a token.
    pub fn set_acl(&self, entry: AclEntry) {
        self.world.set_entry(entry);
    }

    /// Adds an entry for a token and its user, as `pve-setup` does.
    pub fn grant(&self, token: &str, path: &str, privileges: &str) {
        let user = token.split('!').next().unwrap_or_default();
        for who in [user, token] {
            self.set_acl(AclEntry::new(path, who, privileges));
        }
    }

    /// Removes all entries.
    pub fn revoke_all(&self) {
        self.world.clear_entries();
    }

    /// Adds a storage, or replaces the one of the same name.
    pub fn set_storage(&self, storage: StubStorage) {
        self.world.set_storage(storage);
    }

    /// Adds a virtual machine, or replaces the one with the same number.
    pub fn set_vm(&self, vm: StubVm) {
        self.world.guests.set_vm(vm);
    }

    /// A virtual machine or container as it is now.
    pub fn vm(&self, vmid: u32) -> Option<StubVm> {
        self.world.guests.vm(vmid)
    }

    /// Every VMID that is taken.
    pub fn vmids(&self) -> Vec<u32> {
        self.world.guests.vms().iter().map(|vm| vm.id).collect()
    }

    /// Removes a virtual machine behind the API's back; its disks stay.
    pub fn remove_vm(&self, vmid: u32) {
        self.world.guests.remove_vm(vmid);
    }

    /// The disks of virtual machines, in the order in which they were made.
    pub fn disks(&self) -> Vec<StubDisk> {
        self.world.guests.disks()
    }

    /// Every node tells of its guests. Until then `/cluster/resources` has the old names.
    pub fn refresh_statistics(&self) {
        self.world.guests.refresh_statistics();
    }

    /// Holds tasks of a kind, such as `qmcreate`, in the middle of their work.
    pub fn hold_tasks(&self, kind: &str) {
        self.world.guests.hold(kind, true);
    }

    /// Lets them go on.
    pub fn release_tasks(&self, kind: &str) {
        self.world.guests.hold(kind, false);
    }

    /// Where the files of a content type are on this machine.
    ///
    /// # Panics
    /// Where there is no such storage.
    pub fn directory(&self, node: &str, storage: &str, content: &str) -> PathBuf {
        let storages = self.world.storages();
        let found = storages.iter().find(|known| known.name == storage);
        match found {
            Some(storage) => self.world.directory(node, storage, content),
            None => self
                .world
                .options
                .dir
                .join(node)
                .join(storage)
                .join(below(content)),
        }
    }

    /// Where a node keeps the bodies of uploads until they are in their place.
    pub fn upload_dir(&self, node: &str) -> PathBuf {
        self.world.options.dir.join(node).join("var-tmp")
    }

    /// Queues a fault for the next request whose `METHOD /path?query` contains a text.
    pub fn inject(&self, request: impl Into<String>, fault: PveFault) {
        self.world.faults.push(request.into(), fault);
    }

    /// What was asked, as `NODE METHOD /path?query`, in order.
    pub fn requests(&self) -> Vec<String> {
        self.world.requests().clone()
    }

    /// Kind, ID and exit status of every task, in the order of their start.
    pub fn tasks(&self) -> Vec<(String, String, Option<String>)> {
        self.world.tasks.list()
    }

    /// Switches a node off: its port is closed, and the others answer 595 for it.
    pub async fn power_off(&mut self, node: &str) {
        self.world.set_offline(node, true);
        if let Some(server) = self.nodes.get_mut(node) {
            server.stop.cancel();
            server.task.abort();
            // An error says that it was aborted.
            let _ = (&mut server.task).await;
        }
    }

    /// Takes a node out of the cluster, as `pvecm delnode` does.
    pub fn leave(&self, node: &str) {
        self.world.leave(node);
    }

    /// Switches a node on again, with the same port.
    ///
    /// # Errors
    /// Where the port cannot be had.
    pub async fn power_on(&mut self, node: &str) -> io::Result<()> {
        let listener = TcpListener::bind(self.address(node)).await?;
        let server = serve(&self.world, &self.stop, node, listener)?;
        self.nodes.insert(node.to_owned(), server);
        self.world.set_offline(node, false);
        Ok(())
    }
}

fn serve(
    world: &Arc<PveWorld>,
    stop: &CancellationToken,
    node: &str,
    listener: TcpListener,
) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let stop = stop.child_token();
    let router = server::router(Arc::clone(world), node.to_owned());
    let server =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    Ok(Server {
        address,
        stop,
        task: tokio::spawn(server.into_future()),
    })
}

impl Drop for PveStub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
