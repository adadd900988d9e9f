//! A client under a permission: what changes something is not sent without it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use talos_order::proxmox::{ChangePermit, FetchRequest, ImageContent, PveError, UploadRequest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::lab::{Lab, Source, noise, sha256};
use crate::tls;

/// May be asked so often before it says no.
#[derive(Debug)]
struct Times(AtomicU64);

impl ChangePermit for Times {
    fn may_change(&self) -> bool {
        let left = self.0.load(Ordering::SeqCst);
        self.0.store(left.saturating_sub(1), Ordering::SeqCst);
        left > 0
    }
}

fn times(times: u64) -> Arc<Times> {
    Arc::new(Times(AtomicU64::new(times)))
}

fn upload(bytes: Vec<u8>) -> UploadRequest {
    UploadRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Import,
        name: "a.raw".to_owned(),
        sha256: sha256(&bytes),
        source: Arc::new(Source {
            readable: bytes.len(),
            bytes,
        }),
    }
}

fn fetch() -> FetchRequest {
    FetchRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: "a.iso".to_owned(),
        url: "http://127.0.0.1:1/".parse().unwrap(),
        sha256: sha256(b"there"),
    }
}

/// What the stub was asked for and does not only read.
fn changing(lab: &Lab) -> Vec<String> {
    let mut asked = lab.stub.requests();
    asked.retain(|line| !line.starts_with("pve-01 GET "));
    asked
}

#[tokio::test]
async fn what_changes_something_is_asked_for_right_before_it_is_sent() {
    let lab = Lab::new().await;
    let path = lab.put("pve-01", "local", "iso", "a.iso", b"there");
    let fetch = fetch();
    // Before it is sent, with its connection, and with its body.
    let api = lab.api().under(times(3));
    let upid = api.fetch(&fetch).await.unwrap();
    // From now on it has none.
    let refused = [
        api.remove("pve-01", "local", "local:iso/a.iso").await,
        api.fetch(&fetch).await.map(drop),
        api.destroy_vm("pve-01", 100).await.map(drop),
        api.upload(&upload(noise(5000))).await.map(drop),
    ];
    for result in refused {
        assert!(
            matches!(result, Err(PveError::NotPermitted { .. })),
            "{result:?}"
        );
    }
    // What only reads, and what ends a task, is sent all the same.
    api.follow(&upid).await.unwrap();
    api.stop_task(&upid).await.unwrap();
    let changing = changing(&lab);
    assert_eq!(changing.len(), 2, "{changing:?}");
    assert!(changing[1].contains("/tasks/"), "{changing:?}");
    assert_eq!(std::fs::read(path).unwrap(), b"there");
}

/// The process may have been stopped between the first question and the bytes of the body.
#[tokio::test]
async fn a_body_does_not_leave_without_the_permission() {
    let lab = Lab::new().await;
    let error = lab.api().under(times(2)).fetch(&fetch()).await.unwrap_err();
    assert!(matches!(error, PveError::NotPermitted { .. }), "{error:?}");
    assert!(changing(&lab).is_empty(), "{:?}", changing(&lab));
}

/// May be asked until it is taken away.
#[derive(Debug)]
struct Taken(AtomicBool);

impl ChangePermit for Taken {
    fn may_change(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }
}

/// Takes connections at once, and lets them go on when it is opened.
struct Gate {
    address: SocketAddr,
    came: Arc<Notify>,
    open: CancellationToken,
}

impl Gate {
    async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            came: Arc::default(),
            open: CancellationToken::new(),
        };
        let (came, open) = (Arc::clone(&gate.came), gate.open.clone());
        tokio::spawn(async move {
            loop {
                let (mut outer, _) = listener.accept().await.unwrap();
                came.notify_one();
                let open = open.clone();
                tokio::spawn(async move {
                    open.cancelled().await;
                    let mut inner = TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut outer, &mut inner).await
                });
            }
        });
        gate
    }
}

/// A process that is stopped while its connection is made goes on after its time.
#[tokio::test]
async fn what_waited_for_its_connection_is_asked_for_again() {
    let lab = Lab::new().await;
    let path = lab.put("pve-01", "local", "iso", "a.iso", b"there");
    let front = tls::front(lab.stub.address("pve-01"), "alone").await;
    for is_taken in [true, false] {
        for what in ["fetch", "upload", "remove"] {
            let gate = Gate::before(front).await;
            let permit = Arc::new(Taken(AtomicBool::new(false)));
            // Nor does it go to the next endpoint.
            let api = tls::api(&[gate.address, front], tls::pins(&["alone"]));
            let api = api.under(Arc::clone(&permit) as Arc<dyn ChangePermit>);
            let sent = async {
                match what {
                    "fetch" => api.fetch(&fetch()).await.map(drop),
                    "upload" => api.upload(&upload(noise(5000))).await.map(drop),
                    _ => api.remove("pve-01", "local", "local:iso/a.iso").await,
                }
            };
            let ends = async {
                gate.came.notified().await;
                permit.0.store(is_taken, Ordering::SeqCst);
                gate.open.cancel();
            };
            let (sent, ()) = tokio::join!(sent, ends);
            match is_taken {
                true => {
                    let is_refused = matches!(sent, Err(PveError::NotPermitted { .. }));
                    assert!(is_refused, "{what}: {sent:?}");
                    assert!(changing(&lab).is_empty(), "{:?}", changing(&lab));
                    assert!(path.exists());
                }
                false => sent.unwrap_or_else(|error| panic!("{what}: {error:?}")),
            }
        }
    }
    assert_eq!(changing(&lab).len(), 3, "{:?}", changing(&lab));
    assert!(!path.exists());
}

/// The node drops what has come of it.
#[tokio::test]
async fn an_upload_without_its_permission_never_becomes_a_file() {
    let lab = Lab::new().await;
    // For the request, its head and two of its four pieces. It has the connection of what was
    // read before it.
    let api = lab.api().under(times(4));
    let error = api.upload(&upload(noise(900_000))).await.unwrap_err();
    assert!(matches!(error, PveError::NotPermitted { .. }), "{error:?}");
    assert!(lab.stub.tasks().is_empty());
    // The last piece would make it whole.
    let api = lab.api().under(times(6));
    let error = api.upload(&upload(noise(900_000))).await.unwrap_err();
    assert!(matches!(error, PveError::NotPermitted { .. }), "{error:?}");
    assert!(lab.stub.tasks().is_empty());
    let api = lab.api().under(times(7));
    let upid = api.upload(&upload(noise(900_000))).await.unwrap();
    api.follow(&upid).await.unwrap();
}
