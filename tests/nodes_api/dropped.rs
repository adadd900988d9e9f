//! Work that nobody waits for any more.

use std::time::Duration;

use talos_order::nodes::{NodeError, Nodes};
use talos_order::proxmox_stub::PveFault;

use crate::lab::{Lab, delivery, node, noise, removal, sha256, until};
use crate::proxy::{Fate, Proxy};

/// The server sends no more than is taken, and the task ends with the delivery.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_ends_and_is_not_buffered() {
    const SIZE: u64 = 128 << 20;
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab, &[Fate::Stall(1 << 20)]).await;
    let nodes = lab.nodes_with(|config| config.server.public_url = Some(proxy.url()));
    let source = lab.source("large", b"");
    let file = std::fs::File::options().write(true).open(&source).unwrap();
    file.set_len(SIZE).unwrap();
    let large = delivery(&source, SIZE, sha256(b"nobody gets that far"));
    let meter = std::sync::Arc::clone(&large.meter);
    let pve = node("pve-01");
    tokio::select! {
        delivered = nodes.deliver(&pve, &large) => panic!("{delivered:?}"),
        () = until(|| meter.read().0 > 1 << 20) => {}
    }
    // What the kernel takes on three sockets, and not the whole of it.
    assert!(meter.read().0 < SIZE / 2, "{:?}", meter.read());
    until(|| {
        lab.stub
            .tasks()
            .first()
            .is_some_and(|task| task.2.is_some())
    })
    .await;
    assert_eq!(
        lab.stub.tasks()[0].2.as_deref(),
        Some("interrupted by signal")
    );
    assert!(lab.names("pve-01").is_empty() && lab.recorded("pve-01").is_empty());
}

/// The other end: a node that goes off in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_lost_on_the_way_is_unreachable() {
    let mut lab = Lab::new().await;
    let proxy = Proxy::start(&lab, &[Fate::Hold(100_000)]).await;
    let nodes = lab.nodes_with(|config| config.server.public_url = Some(proxy.url()));
    let delivery = lab.delivery(&noise(900_000, 1));
    let meter = std::sync::Arc::clone(&delivery.meter);
    let delivering = tokio::spawn(async move { nodes.deliver(&node("pve-01"), &delivery).await });
    until(|| meter.read().0 > 0).await;
    lab.stub.power_off("pve-01").await;
    let error = delivering.await.unwrap().unwrap_err();
    assert!(
        matches!(error, NodeError::Unreachable { .. }) && error.is_transient(),
        "{error:?}"
    );
    // What the node still loads is over with the delivery.
    lab.until_idle().await;
    assert!(lab.names("pve-01").is_empty() && lab.recorded("pve-01").is_empty());
}

/// The node was asked and has not answered yet: what it starts then ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_starts_too_late_is_stopped() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab, &[Fate::Stall(1000)]).await;
    let nodes = lab.nodes_with(|config| config.server.public_url = Some(proxy.url()));
    let late = PveFault::Late(Duration::from_millis(300));
    lab.stub.inject("download-url", late);
    let delivery = lab.delivery(&noise(900_000, 1));
    let pve = node("pve-01");
    tokio::select! {
        delivered = nodes.deliver(&pve, &delivery) => panic!("{delivered:?}"),
        () = until(|| lab.count("download-url") == 1) => {}
    }
    until(|| {
        lab.stub
            .tasks()
            .first()
            .is_some_and(|task| task.2.is_some())
    })
    .await;
    assert!(lab.names("pve-01").is_empty() && lab.recorded("pve-01").is_empty());
}

/// Neither a line about nothing, nor a file without its line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_was_begun_is_done_to_the_end() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let delivery = lab.delivery(&noise(5000, 1));
    let pve = node("pve-01");
    nodes.deliver(&pve, &delivery).await.unwrap();
    let late = PveFault::Late(Duration::from_millis(300));
    lab.stub.inject("DELETE", late);
    let check = removal(&delivery);
    tokio::select! {
        removed = nodes.remove(&pve, &check) => panic!("{removed:?}"),
        () = until(|| lab.count("DELETE") == 1) => {}
    }
    // The next delivery waits for its end, and does not adopt what is about to go.
    let delivered = nodes.deliver(&pve, &delivery).await.unwrap();
    assert!(delivered.copied && lab.on_node("pve-01").exists());
    assert_eq!(lab.recorded("pve-01"), [delivered.entry]);
}

/// Wherever it is dropped: no task goes on, and the record has what is there or the file
/// can be adopted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_can_be_dropped_at_every_call() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let contents = [noise(5000, 1), noise(6000, 2)];
    nodes
        .deliver(&pve, &lab.delivery(&contents[0]))
        .await
        .unwrap();
    for (turn, call) in [
        "local/status",
        "local/content?",
        "download-url",
        "access/permissions",
        "cluster/resources",
        "query-url-metadata",
        "DELETE",
    ]
    .iter()
    .enumerate()
    {
        lab.stub
            .inject(*call, PveFault::Late(Duration::from_millis(100)));
        let before = lab.count(call);
        let delivery = lab.delivery(&contents[(turn + 1) % 2]);
        tokio::select! {
            delivered = nodes.deliver(&pve, &delivery) => panic!("{call}: {delivered:?}"),
            () = until(|| lab.count(call) > before) => {}
        }
        // What still goes on is waited for.
        let delivered = nodes.deliver(&pve, &delivery).await.unwrap();
        assert_eq!(lab.recorded("pve-01"), [delivered.entry], "{call}");
        let content = std::fs::read(lab.on_node("pve-01")).unwrap();
        assert_eq!(content, contents[(turn + 1) % 2], "{call}");
    }
}
