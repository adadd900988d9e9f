//! A factory stub as tests and the demo hold it: started, steered, stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::faults::StubFault;
use super::options::{Redirect, StubOptions};
use super::requests::StubRequest;
use super::server;
use super::shared::{Role, Shared};

/// A running factory stub; it stops when dropped.
#[derive(Debug)]
pub struct FactoryStub {
    pub(super) factory: SocketAddr,
    cdn: Option<SocketAddr>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    servers: JoinSet<io::Result<()>>,
}

impl FactoryStub {
    /// Starts serving; the server runs as a task of the current runtime.
    ///
    /// # Errors
    /// Where a port cannot be had.
    pub async fn start(options: StubOptions) -> io::Result<Self> {
        let factory = TcpListener::bind((options.address, options.port)).await?;
        let cdn = match options.redirect {
            Redirect::OtherOrigin => Some(TcpListener::bind((options.address, 0)).await?),
            Redirect::Never | Redirect::SameOrigin => None,
        };
        let factory_address = factory.local_addr()?;
        let cdn_address = cdn.as_ref().map(TcpListener::local_addr).transpose()?;
        let blobs = cdn_address.unwrap_or(factory_address);

        let stop = CancellationToken::new();
        let shared = Arc::new(Shared::new(options, factory_address, blobs, stop.clone()));
        let mut servers = JoinSet::new();
        for (listener, role) in [(Some(factory), Role::Factory), (cdn, Role::Cdn)] {
            if let Some(listener) = listener {
                let router = server::router(Arc::clone(&shared), role);
                let server = axum::serve(listener, router)
                    .with_graceful_shutdown(stop.clone().cancelled_owned());
                servers.spawn(server.into_future());
            }
        }
        Ok(Self {
            factory: factory_address,
            cdn: cdn_address,
            shared,
            stop,
            servers,
        })
    }

    /// The base URL of the factory, with a trailing slash. GitHub's API is served
    /// below the same URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.factory)
    }

    /// The base URL of the second origin that images are redirected to, if there
    /// is one.
    pub fn cdn_url(&self) -> Option<String> {
        self.cdn.map(|address| format!("http://{address}/"))
    }

    /// What was asked since the start, in the order in which it came in.
    pub fn requests(&self) -> Vec<StubRequest> {
        self.shared.requests.list()
    }

    /// Queues a fault for the next request whose `METHOD /path` contains a text,
    /// such as `"GET /image/"` or `".raw.xz"`. Faults of one text are used up in
    /// the order they were queued.
    pub fn inject(&self, request: impl Into<String>, fault: StubFault) {
        self.shared.faults.push(request.into(), fault);
    }

    /// How many queued faults were not met yet.
    pub fn faults_left(&self) -> usize {
        self.shared.faults.left()
    }

    /// What was built so far, in the form `VERSION/FILE`, in the order in which the
    /// builds began. A real factory spends minutes of its processors on each.
    pub fn builds(&self) -> Vec<String> {
        self.shared.images.builds()
    }

    /// How many builds went on at once, at most.
    pub fn most_builds_at_once(&self) -> usize {
        self.shared.images.most_at_once()
    }

    /// Builds every image anew from now on, with other bytes and another entity
    /// tag under the same URL, as releases before v1.13 do.
    pub fn rebuild_images(&self) {
        self.shared.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Refuses every request for tags from now on, as GitHub does above its
    /// limit; `None` ends it. The duration is the time until the limit is reset.
    pub fn limit_github(&self, reset: Option<Duration>) {
        self.shared.github.limit(reset);
    }

    /// Replaces the versions that exist.
    pub fn set_versions(&self, versions: Vec<String>) {
        self.shared.set_versions(versions);
    }

    /// Stops serving and waits until every connection is closed and both ports
    /// are free again. Transfers that are under way break off.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.servers.join_next().await.is_some() {}
    }
}

impl Drop for FactoryStub {
    fn drop(&mut self) {
        // The servers are told, not aborted: the tasks close their connections
        // and end by themselves, without anyone waiting for them.
        self.stop.cancel();
        self.servers.detach_all();
    }
}
