//! What a delivery meets: nothing, the right file, and wrong ones.

use talos_order::nodes::{ApiError, NodeError, Nodes, Removed, Verified};

use crate::lab::{Lab, NAME, dir, listed, node, noise, removal, shown};

#[tokio::test]
async fn absent_then_there_then_gone() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let bytes = noise(900_000, 1);
    let delivery = lab.delivery(&bytes);
    let pve = node("pve-02");
    let delivered = nodes.deliver(&pve, &delivery).await.unwrap();
    assert!(delivered.copied);
    assert_eq!(delivered.wire_bytes, Some(900_000));
    assert_eq!(delivery.meter.read().0, 900_000);
    assert_eq!(std::fs::read(lab.on_node("pve-02")).unwrap(), bytes);
    assert_eq!(
        lab.recorded("pve-02"),
        std::slice::from_ref(&delivered.entry)
    );
    assert!(lab.recorded("pve-01").is_empty());

    // The look describes it, and again there is nothing to do.
    let (dirs, _) = listed(&nodes, "pve-02", &["/var/lib/vz/template/iso"]).await;
    assert!(delivered.entry.describes(&dirs[0].files[NAME]));
    let again = nodes.deliver(&pve, &delivery).await.unwrap();
    assert_eq!((again.copied, again.wire_bytes), (false, Some(0)));
    let read = nodes.verify(&pve, &removal(&delivery)).await.unwrap();
    assert_eq!(read, Verified::Same);

    assert_eq!(
        nodes.remove(&pve, &removal(&delivery)).await.unwrap(),
        Removed::Gone
    );
    assert!(lab.names("pve-02").is_empty() && lab.recorded("pve-02").is_empty());
    // Once more is fine, too.
    let gone = nodes.remove(&pve, &removal(&delivery)).await.unwrap();
    assert_eq!(gone, Removed::Gone);
    let read = nodes.verify(&pve, &removal(&delivery)).await.unwrap();
    assert_eq!(read, Verified::Missing);
}

/// Also where this machine cannot be reached: nothing moves.
#[tokio::test]
async fn the_right_file_is_adopted() {
    let lab = Lab::new().await;
    let nodes = lab.nodes_with(|config| {
        config.server.public_url = Some("http://127.0.0.1:1/".parse().unwrap());
    });
    let bytes = noise(5000, 1);
    std::fs::write(lab.on_node("pve-01"), &bytes).unwrap();
    let delivery = lab.delivery(&bytes);
    let delivered = nodes.deliver(&node("pve-01"), &delivery).await.unwrap();
    assert!(!delivered.copied);
    assert_eq!(lab.recorded("pve-01"), [delivered.entry]);
}

#[tokio::test]
async fn ours_with_other_bytes_is_replaced() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    nodes
        .deliver(&pve, &lab.delivery(&noise(5000, 1)))
        .await
        .unwrap();
    for bytes in [noise(5000, 2), noise(6000, 3)] {
        let delivered = nodes.deliver(&pve, &lab.delivery(&bytes)).await.unwrap();
        assert!(delivered.copied);
        assert_eq!(std::fs::read(lab.on_node("pve-01")).unwrap(), bytes);
        assert_eq!(lab.recorded("pve-01"), [delivered.entry]);
    }
}

/// Also with `replace`: what nobody recorded is not removed through the API.
#[tokio::test]
async fn what_nobody_recorded_stays() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let mut delivery = lab.delivery(&noise(5000, 1));
    std::fs::write(lab.on_node("pve-01"), b"my own").unwrap();
    for replace in [false, true] {
        delivery.replace = replace;
        let error = nodes.deliver(&node("pve-01"), &delivery).await.unwrap_err();
        assert!(matches!(error, NodeError::Foreign { .. }), "{error:?}");
    }
    let error = nodes.remove(&node("pve-01"), &removal(&delivery)).await;
    assert!(matches!(error, Err(NodeError::Foreign { .. })), "{error:?}");
    assert_eq!(std::fs::read(lab.on_node("pve-01")).unwrap(), b"my own");
    assert!(lab.recorded("pve-01").is_empty());
}

#[tokio::test]
async fn what_another_owner_recorded_is_theirs() {
    let lab = Lab::new().await;
    let theirs = lab.nodes_with(|config| config.owner = "other".to_owned());
    let pve = node("pve-01");
    let first = lab.delivery(&noise(5000, 1));
    let entry = theirs.deliver(&pve, &first).await.unwrap().entry;
    drop(theirs);
    let nodes = lab.nodes();
    let found = nodes.deliver(&pve, &first).await.unwrap();
    assert_eq!((found.copied, found.entry), (false, entry));
    let second = lab.delivery(&noise(5000, 2));
    for result in [
        nodes.deliver(&pve, &second).await.map(drop),
        nodes.remove(&pve, &removal(&first)).await.map(drop),
        nodes.verify(&pve, &removal(&first)).await.map(drop),
    ] {
        assert!(
            matches!(&result, Err(NodeError::NotOurs { owner, .. }) if owner == "other"),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn what_a_virtual_machine_uses_stays() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let bytes = noise(5000, 1);
    let first = lab.delivery(&bytes);
    nodes.deliver(&pve, &first).await.unwrap();
    lab.use_image(&format!("local:iso/{NAME}"));
    for result in [
        nodes
            .deliver(&pve, &lab.delivery(&noise(5000, 2)))
            .await
            .map(drop),
        nodes.remove(&pve, &removal(&first)).await.map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, NodeError::Api(ApiError::InUse { vms, .. }) if vms == &[100]),
            "{error:?}"
        );
        assert!(!error.is_transient() && shown(&error).contains("VM 100"));
    }
    assert_eq!(std::fs::read(lab.on_node("pve-01")).unwrap(), bytes);
    assert_eq!(lab.recorded("pve-01").len(), 1);
}

#[tokio::test]
async fn what_changed_is_not_removed_and_is_ours_to_replace() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let delivery = lab.delivery(&noise(5000, 1));
    nodes.deliver(&pve, &delivery).await.unwrap();
    std::fs::write(lab.on_node("pve-01"), noise(5000, 9)).unwrap();
    let check = removal(&delivery);
    let found = crate::lab::sha256(&noise(5000, 9));
    let removed = nodes.remove(&pve, &check).await.unwrap();
    assert_eq!(removed, Removed::Differs(found));
    assert_eq!(
        nodes.verify(&pve, &check).await.unwrap(),
        Verified::Differs(found)
    );
    // The line describes nothing any more, so that the next plan replaces the file.
    let (dirs, _) = listed(&nodes, "pve-01", &["/var/lib/vz/template/iso"]).await;
    let entry = &dirs[0].record[&delivery.file];
    assert!(!entry.describes(&dirs[0].files[NAME]));
    assert!(nodes.deliver(&pve, &delivery).await.unwrap().copied);
    assert_eq!(
        std::fs::read(lab.on_node("pve-01")).unwrap(),
        noise(5000, 1)
    );
}

#[tokio::test]
async fn names_and_places_that_cannot_be_are_refused_before_anything_is_sent() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let mut delivery = lab.delivery(b"image");
    delivery.file = "a+b.iso".parse().unwrap();
    let error = nodes.deliver(&node("pve-01"), &delivery).await.unwrap_err();
    assert!(
        shown(&error).contains("Proxmox VE would store it as \"a_b.iso\""),
        "{error:?}"
    );
    delivery.file = NAME.parse().unwrap();
    delivery.dir = dir("/elsewhere");
    let error = nodes.deliver(&node("pve-01"), &delivery).await.unwrap_err();
    assert!(matches!(
        error,
        NodeError::Api(ApiError::NotConfigured { .. })
    ));
    delivery.dir = dir("/mnt/pve/unmounted/template/iso");
    lab.stub
        .grant(crate::lab::TOKEN, "/storage/unmounted", "Datastore.Audit");
    let error = nodes.deliver(&node("pve-01"), &delivery).await.unwrap_err();
    assert!(
        shown(&error).contains("the storage is not active"),
        "{error:?}"
    );
    assert!(lab.stub.tasks().is_empty());
}

#[tokio::test]
async fn two_at_once_and_one_node_that_goes_off() {
    let mut lab = Lab::new().await;
    let nodes = lab.nodes();
    let first = lab.delivery(&noise(3_000_000, 1));
    let second = lab.delivery(&noise(2_000_000, 2));
    let (one, two) = (node("pve-01"), node("pve-02"));
    let (one, two) = tokio::join!(nodes.deliver(&one, &first), nodes.deliver(&two, &second));
    assert!(one.unwrap().copied && two.unwrap().copied);
    assert_eq!(
        std::fs::read(lab.on_node("pve-01")).unwrap().len(),
        3_000_000
    );
    assert_eq!(
        std::fs::read(lab.on_node("pve-02")).unwrap().len(),
        2_000_000
    );
    lab.stub.power_off("pve-03").await;
    let error = nodes.deliver(&node("pve-03"), &first).await.unwrap_err();
    assert!(matches!(error, NodeError::Unreachable { .. }) && error.is_transient());
    assert!(lab.recorded("pve-03").is_empty());
    assert_eq!(lab.stub.tasks().len(), 2);
}
