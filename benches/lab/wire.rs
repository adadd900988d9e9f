//! Counts what goes to a node: a door in front of each sshd that passes bytes on.
//!
//! It takes processor time, so it is used in a run of its own that is not timed.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::sshd::{Lab, SshNode};

/// Bytes that are passed on at once.
const PIECE: usize = 128 << 10;

/// The doors of all nodes, open for as long as this is there.
pub struct Wire {
    doors: Vec<Door>,
    _runtime: Runtime,
}

struct Door {
    port: u16,
    passed: Arc<AtomicU64>,
}

impl Wire {
    /// Opens a door beside each sshd, known to ssh by the same key.
    pub fn open(lab: &Lab, nodes: &[SshNode]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let path = lab.path().join("known_hosts");
        let mut known = std::fs::read_to_string(&path)?;
        let mut doors = Vec::new();
        for node in nodes {
            let listener = runtime.block_on(TcpListener::bind((node.address, 0)))?;
            let port = listener.local_addr()?.port();
            let home = node.root.parent().unwrap_or(&node.root);
            let key = std::fs::read_to_string(home.join("host.pub"))?;
            known.push_str(&format!("[{}]:{port} {key}", node.address));
            let passed = Arc::<AtomicU64>::default();
            let target = SocketAddrV4::new(node.address, node.port);
            runtime.spawn(serve(listener, target, Arc::clone(&passed)));
            doors.push(Door { port, passed });
        }
        std::fs::write(&path, known)?;
        Ok(Self {
            doors,
            _runtime: runtime,
        })
    }

    /// The ports of the doors.
    pub fn ports(&self) -> Vec<u16> {
        self.doors.iter().map(|door| door.port).collect()
    }

    /// What went to each node so far.
    pub fn passed(&self) -> Vec<u64> {
        let doors = self.doors.iter();
        doors
            .map(|door| door.passed.load(Ordering::Relaxed))
            .collect()
    }
}

async fn serve(listener: TcpListener, target: SocketAddrV4, passed: Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(target).await else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::spawn(pass_on(from_client, to_server, Arc::clone(&passed)));
        // What comes back is the listing of a directory: it is not what costs.
        tokio::spawn(pass_on(from_server, to_client, Arc::default()));
    }
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passed: Arc<AtomicU64>,
) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        passed.fetch_add(length as u64, Ordering::Relaxed);
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
