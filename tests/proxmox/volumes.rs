//! Files of a storage: listed, looked at, removed.

use talos_order::proxmox::{ImageContent, PveError, StorageContent, Volume};

use crate::lab::{Lab, TOKEN};

async fn listed(lab: &Lab, node: &str, storage: &str, content: ImageContent) -> Vec<Volume> {
    match lab.api().content(node, storage, content).await.unwrap() {
        StorageContent::Known(volumes) => volumes,
        StorageContent::Unknown(why) => panic!("{why}"),
    }
}

#[tokio::test]
async fn a_listing_has_the_length_of_the_file() {
    let lab = Lab::new().await;
    for name in ["b.qcow2", "a.raw"] {
        lab.put("pve-01", "local", "import", name, &[7; 300_000]);
    }
    let volumes = listed(&lab, "pve-01", "local", ImageContent::Import).await;
    let seen: Vec<_> = volumes.iter().map(|v| (v.volid.as_str(), v.size)).collect();
    assert_eq!(
        seen,
        [
            ("local:import/a.raw", 300_000),
            ("local:import/b.qcow2", 300_000)
        ]
    );
    assert_eq!(
        (volumes[1].format.as_str(), volumes[1].file_name()),
        ("qcow2", "b.qcow2")
    );
    assert!(volumes[0].ctime.unwrap() > 0);
    assert_eq!(
        listed(&lab, "pve-02", "local", ImageContent::Import).await,
        []
    );

    lab.put("pve-01", "nfs", "iso", "a.ISO", b"x");
    let volumes = listed(&lab, "pve-02", "nfs", ImageContent::Iso).await;
    assert_eq!(
        (volumes[0].volid.as_str(), volumes[0].format.as_str()),
        ("nfs:iso/a.ISO", "iso")
    );
}

#[tokio::test]
async fn one_volume_has_the_size_that_qemu_sees() {
    let lab = Lab::new().await;
    let api = lab.api();
    lab.put("pve-01", "local", "import", "a.raw", &[7; 300_000]);
    let volume = api
        .volume("pve-01", "local", "local:import/a.raw")
        .await
        .unwrap();
    assert_eq!(volume.virtual_size, 300_032);
    assert_eq!(volume.path.as_deref(), Some("/var/lib/vz/import/a.raw"));
    assert!(volume.used.unwrap() >= 300_000);
    lab.put("pve-01", "local", "iso", "empty.iso", b"");
    for volid in [
        "local:iso/none.iso",
        "local:iso/empty.iso",
        "local:iso/a.raw",
        "local:import/a.RAW",
    ] {
        let error = api.volume("pve-01", "local", volid).await.unwrap_err();
        assert!(
            matches!(&error, PveError::NoSuchVolume { volume, .. } if volume == volid),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_removed_file_is_gone_and_a_missing_one_is_no_failure() {
    let lab = Lab::new().await;
    let api = lab.api();
    let path = lab.put("pve-01", "local", "iso", "a.iso", b"x");
    for _ in 0..2 {
        api.remove("pve-01", "local", "local:iso/a.iso")
            .await
            .unwrap();
        assert!(!path.exists());
    }
    let ends: Vec<_> = lab
        .stub
        .tasks()
        .into_iter()
        .map(|(kind, _, end)| (kind, end))
        .collect();
    assert_eq!(ends, vec![("imgdel".to_owned(), Some("OK".to_owned())); 2]);

    lab.stub.revoke_all();
    lab.stub.grant(
        TOKEN,
        "/storage/local",
        "Datastore.Audit Datastore.AllocateTemplate",
    );
    let path = lab.put("pve-01", "local", "iso", "b.iso", b"x");
    let error = api
        .remove("pve-01", "local", "local:iso/b.iso")
        .await
        .unwrap_err();
    assert!(matches!(error, PveError::Forbidden { .. }), "{error}");
    assert!(path.exists());
}

#[tokio::test]
async fn a_removal_without_delay_is_a_task() {
    let lab = Lab::new().await;
    lab.put("pve-01", "local", "iso", "a.iso", b"x");
    let path = "/api2/json/nodes/pve-01/storage/local/content/local:iso%2Fa.iso";
    let raw = crate::raw::send(lab.request(reqwest::Method::DELETE, path)).await;
    assert!(
        raw.json()["data"]
            .as_str()
            .unwrap()
            .starts_with("UPID:pve-01:"),
        "{raw:?}"
    );
}

#[tokio::test]
async fn a_hidden_file_is_a_volume_that_nobody_lists() {
    let lab = Lab::new().await;
    let api = lab.api();
    let path = lab.put("pve-01", "local", "import", ".tmp.raw", &[1; 512]);
    assert_eq!(
        listed(&lab, "pve-01", "local", ImageContent::Import).await,
        []
    );
    let volume = api
        .volume("pve-01", "local", "local:import/.tmp.raw")
        .await
        .unwrap();
    assert_eq!(volume.virtual_size, 512);
    api.remove("pve-01", "local", "local:import/.tmp.raw")
        .await
        .unwrap();
    assert!(!path.exists());
}
