//! A client under a permission: what changes something is not sent without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use talos_order::proxmox::{ChangePermit, FetchRequest, ImageContent, PveError, UploadRequest};

use crate::lab::{Lab, Source, noise, sha256};

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

#[tokio::test]
async fn what_changes_something_is_asked_for_right_before_it_is_sent() {
    let lab = Lab::new().await;
    let path = lab.put("pve-01", "local", "iso", "a.iso", b"there");
    let fetch = FetchRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: "a.iso".to_owned(),
        url: "http://127.0.0.1:1/".parse().unwrap(),
        sha256: sha256(b"there"),
    };
    let permit = times(1);
    let api = lab.api().under(permit);
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
    let asked = lab.stub.requests();
    let changing = asked.iter().filter(|line| !line.starts_with("pve-01 GET "));
    let changing: Vec<&str> = changing.map(String::as_str).collect();
    assert_eq!(changing.len(), 2, "{changing:?}");
    assert!(changing[1].contains("/tasks/"), "{changing:?}");
    assert_eq!(std::fs::read(path).unwrap(), b"there");
}

/// The node drops what has come of it.
#[tokio::test]
async fn an_upload_without_its_permission_never_becomes_a_file() {
    let lab = Lab::new().await;
    // For the request, its head and two of its four pieces.
    let api = lab.api().under(times(4));
    let error = api.upload(&upload(noise(900_000))).await.unwrap_err();
    assert!(matches!(error, PveError::Transport { .. }), "{error:?}");
    assert!(lab.stub.tasks().is_empty());
    // The last piece would make it whole.
    let api = lab.api().under(times(6));
    let error = api.upload(&upload(noise(900_000))).await.unwrap_err();
    assert!(matches!(error, PveError::Transport { .. }), "{error:?}");
    assert!(lab.stub.tasks().is_empty());
    let api = lab.api().under(times(7));
    let upid = api.upload(&upload(noise(900_000))).await.unwrap();
    api.follow(&upid).await.unwrap();
}
