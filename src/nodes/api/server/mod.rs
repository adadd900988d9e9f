//! The web server that nodes load images from.
//!
//! It serves nothing but the files of deliveries that are under way, each under a path
//! that nobody can guess and that ends with its delivery: the path stands in the log of a
//! task on the node. It is plain HTTP. The node compares the digest of what comes with
//! the one that it was told over HTTPS, and an image is no secret.

mod offer;
mod range;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use url::Url;

use super::config::FileServerConfig;
use super::content::SentContent;
use super::error::ApiError;
use crate::io::flow::pace::Pace;
use crate::io::listen::accept;
use crate::nodes::interface::Delivery;
use offer::{ConnectionEnd, Offer, Offers};

/// Connections at once; more wait to be taken.
const CONNECTIONS: usize = 64;

/// How long the head of a request may take, and a kept connection be without one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves the files of deliveries. It listens from the first one on, until it is dropped.
#[derive(Debug)]
pub(super) struct FileServer {
    config: FileServerConfig,
    offers: Offers,
    pace: Option<Arc<Pace>>,
    listening: Mutex<BTreeMap<IpAddr, Listening>>,
}

#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    _stop: DropGuard,
}

/// A file that can be loaded for as long as this lives.
#[derive(Debug)]
pub(super) struct Offered {
    /// Where.
    pub url: Url,
    path: String,
    offer: Arc<Offer>,
    offers: Offers,
}

impl Offered {
    /// Bytes that were sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.offer.sent.load(Ordering::Relaxed)
    }

    /// Scheme, host and port, for messages: the path is nobody's business.
    pub(super) fn address(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.offers.end(&self.path);
    }
}

impl FileServer {
    pub(super) fn new(config: FileServerConfig) -> Self {
        Self {
            pace: config.bandwidth.map(|limit| Arc::new(Pace::new(limit))),
            config,
            offers: Offers::default(),
            listening: Mutex::default(),
        }
    }

    /// Offers the image of a delivery to nodes behind an endpoint such as
    /// `https://pve-01.lan:8006`.
    pub(super) async fn offer(
        &self,
        delivery: &Delivery,
        content: &SentContent,
        endpoint: &str,
    ) -> Result<Offered, ApiError> {
        let listening = self.listen(endpoint).await?;
        let base = match &self.config.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{listening}"),
        };
        let failed = |source| ApiError::Listen {
            address: listening,
            source,
        };
        let path = format!("/{}/{}", secret().map_err(failed)?, delivery.file);
        let offer = Arc::new(Offer {
            name: delivery.file.to_string(),
            content: content.clone(),
            meter: Arc::clone(&delivery.meter),
            pace: self.pace.clone(),
            sent: AtomicU64::new(0),
            ended: CancellationToken::new(),
        });
        let url = Url::parse(&format!("{base}{path}"));
        let url = url.map_err(|why| failed(std::io::Error::other(why)))?;
        self.offers.insert(path.clone(), Arc::clone(&offer));
        Ok(Offered {
            url,
            path,
            offer,
            offers: self.offers.clone(),
        })
    }

    async fn listen(&self, endpoint: &str) -> Result<SocketAddr, ApiError> {
        let ip = match self.config.address {
            Some(ip) => ip,
            None => local_address(endpoint)
                .await
                .map_err(|source| ApiError::Route {
                    endpoint: endpoint.to_owned(),
                    source,
                })?,
        };
        let mut listening = self.listening.lock().await;
        if let Some(known) = listening.get(&ip) {
            return Ok(known.address);
        }
        let address = SocketAddr::new(ip, self.config.port);
        let failed = |source| ApiError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let router = Router::new()
            .fallback(offer::answer)
            .with_state(self.offers.clone());
        let over = stop.clone();
        let serve = move |stream| serve(stream, router.clone(), over.clone());
        let end = (stop.clone(), TaskTracker::new());
        tokio::spawn(accept(
            listener,
            ("a connection of a node", CONNECTIONS),
            end,
            serve,
        ));
        let known = Listening {
            address,
            _stop: stop.drop_guard(),
        };
        listening.insert(ip, known);
        Ok(address)
    }
}

/// 32 hex digits that cannot be guessed.
fn secret() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The address that packets to an endpoint have as their source. Nothing is sent.
async fn local_address(endpoint: &str) -> std::io::Result<IpAddr> {
    let url: Url = endpoint.parse().map_err(std::io::Error::other)?;
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(8006);
    let mut last = std::io::Error::other("it has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket.local_addr()?.ip()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One connection. It ends with the server, and with the delivery that it is for, also
/// where a node takes nothing any more.
async fn serve(stream: TcpStream, router: Router, stop: CancellationToken) {
    let over = stop.child_token();
    let router = router.layer(Extension(ConnectionEnd(over.clone())));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::select! {
        served = connection => if let Err(error) = served {
            tracing::debug!(reason = %error, "a node's connection ended early");
        },
        () = over.cancelled() => {}
    }
}
