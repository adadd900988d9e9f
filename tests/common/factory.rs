//! The factory stub for tests that are not asynchronous themselves.

use std::net::SocketAddr;

use talos_order::factory_stub::{FactoryStub, StubFault, StubOptions, StubRequest};
use tokio::net::TcpSocket;

/// A factory stub with the runtime it is served by.
pub struct Factory {
    stub: Option<FactoryStub>,
    runtime: tokio::runtime::Runtime,
    /// Bound and never listening: while nobody answers, the port is nobody else's.
    reserved: TcpSocket,
}

impl Factory {
    /// Starts one as the options say, in the network namespace of this thread.
    pub fn start(options: StubOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let reserved = TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        let any = SocketAddr::from((options.address, 0));
        reserved.bind(any).unwrap();
        let mut factory = Self {
            stub: None,
            runtime,
            reserved,
        };
        factory.restart(options);
        factory
    }

    /// One with small images that are quickly made: an ISO of about 300 KiB, a disk
    /// of 8 MiB.
    pub fn small() -> Self {
        Self::start(StubOptions::default())
    }

    /// Ends the old server, if there is one, and starts a new one on its port. What
    /// was asked of the old one is forgotten, and so are its schematics.
    pub fn restart(&mut self, options: StubOptions) {
        self.stop();
        let options = StubOptions {
            port: self.port(),
            ..options
        };
        let stub = self.runtime.block_on(FactoryStub::start(options)).unwrap();
        self.stub = Some(stub);
    }

    /// Nobody answers from now on.
    pub fn stop(&mut self) {
        if let Some(stub) = self.stub.take() {
            self.runtime.block_on(stub.stop());
        }
    }

    /// The base URL, also while nobody answers there.
    pub fn url(&self) -> String {
        format!("http://{}/", self.reserved.local_addr().unwrap())
    }

    fn port(&self) -> u16 {
        self.reserved.local_addr().unwrap().port()
    }

    /// What goes wrong with the next request that contains the text.
    pub fn inject(&self, request: &str, fault: StubFault) {
        self.running().inject(request, fault);
    }

    /// The running stub.
    pub fn running(&self) -> &FactoryStub {
        self.stub.as_ref().expect("the factory stub runs")
    }

    /// Everything that was asked so far.
    pub fn requests(&self) -> Vec<StubRequest> {
        self.running().requests()
    }

    /// How many requests were asked so far: a place to count from.
    pub fn mark(&self) -> usize {
        self.requests().len()
    }

    /// `METHOD path` of what was asked since the mark.
    pub fn asked_since(&self, mark: usize) -> Vec<String> {
        self.requests()[mark..]
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }

    /// Images that were asked for since the mark, redirects not counted twice.
    pub fn images_since(&self, mark: usize) -> Vec<String> {
        let mut asked = self.asked_since(mark);
        asked.retain(|line| line.starts_with("GET /image/") && !line.ends_with(".sha256"));
        asked
    }

    /// Bytes of images that were sent since the mark.
    pub fn bytes_since(&self, mark: usize) -> u64 {
        let images = self.requests().split_off(mark);
        let images = images.iter().filter(|request| {
            request.method == "GET"
                && !request.path.ends_with(".sha256")
                && (request.path.starts_with("/image/") || request.path.starts_with("/blob/"))
        });
        images.map(|request| request.bytes).sum()
    }

    /// True if anything was changed at the factory since the mark.
    pub fn changed_since(&self, mark: usize) -> bool {
        let asked = self.asked_since(mark);
        asked
            .iter()
            .any(|line| !line.starts_with("GET ") && !line.starts_with("HEAD "))
    }
}

impl Drop for Factory {
    fn drop(&mut self) {
        self.stop();
    }
}
