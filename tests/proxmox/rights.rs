//! Privileges: what `pve-setup` grants suffices, and what is missing is found.

use talos_order::proxmox::rights::{Granted, MissingRight, NeededRights};
use talos_order::proxmox::{FetchRequest, ImageContent, ImageUses, PveError, UploadRequest};
use talos_order::proxmox_stub::AclEntry;

use crate::lab::{Lab, Source, TOKEN, setup, sha256};
use crate::raw::send;

/// Runs the commands of `pve-setup` against the stub, as far as they grant something.
fn run(lab: &Lab, script: &str) {
    let role = |name: &str| {
        let start = format!("pveum role add {name} --privs \"");
        let line = script.lines().find_map(|line| line.strip_prefix(&start));
        line.and_then(|rest| rest.split('"').next())
            .unwrap_or_else(|| panic!("no role {name}"))
    };
    for line in script.lines() {
        let words = shell_words::split(line).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let [
            "pveum",
            "acl",
            "modify",
            path,
            "--roles",
            name,
            "--users",
            user,
            "--tokens",
            token,
        ] = words[..]
        {
            for who in [user, token] {
                lab.stub.set_acl(AclEntry::new(path, who, role(name)));
            }
        }
    }
}

async fn missing(lab: &Lab, prune: bool) -> Vec<MissingRight> {
    let needed = NeededRights::of(&setup(prune).need());
    let granted: Granted = lab.api().granted(&needed.paths()).await.unwrap();
    granted.missing(&needed, TOKEN)
}

#[tokio::test]
async fn what_pve_setup_grants_suffices_for_everything() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    assert!(!missing(&lab, true).await.is_empty());
    run(&lab, &setup(true).script());
    assert_eq!(missing(&lab, true).await, []);

    let api = lab.api();
    lab.put("pve-01", "local", "iso", "b.iso", b"image");
    let fetch = FetchRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: "b.iso".to_owned(),
        url: "http://127.0.0.1:1/".parse().unwrap(),
        sha256: sha256(b"image"),
    };
    api.follow(&api.fetch(&fetch).await.unwrap()).await.unwrap();
    let upload = UploadRequest {
        node: "pve-02".to_owned(),
        storage: "nfs".to_owned(),
        content: ImageContent::Iso,
        name: "b.iso".to_owned(),
        source: Source::of(b"image"),
        sha256: sha256(b"image"),
    };
    api.follow(&api.upload(&upload).await.unwrap())
        .await
        .unwrap();
    api.remove("pve-02", "nfs", "nfs:iso/b.iso").await.unwrap();
    assert!(matches!(
        api.image_uses(&[]).await.unwrap(),
        ImageUses::Known(_)
    ));
    api.cluster_state().await.unwrap();
    api.root_free("pve-01").await.unwrap();
}

#[tokio::test]
async fn without_pruning_nothing_can_be_removed() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    run(&lab, &setup(false).script());
    assert_eq!(missing(&lab, false).await, []);
    let missing = missing(&lab, true).await;
    assert_eq!(
        missing.len(),
        5,
        "one for each storage and the machines: {missing:?}"
    );
    assert_eq!(missing[0].privileges, ["Datastore.Allocate"]);
    let path = lab.put("pve-01", "local", "iso", "b.iso", b"image");
    let removed = lab.api().remove("pve-01", "local", "local:iso/b.iso").await;
    assert!(removed.is_err() && path.exists());
}

#[tokio::test]
async fn a_token_has_no_more_than_its_user() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    for (path, privileges) in NeededRights::of(&setup(false).need()).iter() {
        let privileges: Vec<&str> = privileges.iter().copied().collect();
        lab.stub
            .set_acl(AclEntry::new(path, TOKEN, &privileges.join(" ")));
    }
    assert!(
        !missing(&lab, false).await.is_empty(),
        "the user has nothing"
    );
    let raw = lab.get("/api2/json/access/permissions").await;
    assert_eq!(
        raw.body, r#"{"data":{}}"#,
        "paths without a privilege are left out"
    );
}

#[tokio::test]
async fn an_entry_replaces_what_is_inherited() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    lab.stub.grant(TOKEN, "/storage", "Datastore.Audit");
    lab.stub
        .grant(TOKEN, "/storage/nfs", "Datastore.AllocateTemplate");
    let not_below = AclEntry {
        propagate: false,
        ..AclEntry::new("/vms", TOKEN, "VM.Audit")
    };
    lab.stub
        .set_acl(AclEntry::new("/vms", "talos-order@pve", "VM.Audit"));
    lab.stub.set_acl(not_below);
    let answer = lab.get("/api2/json/access/permissions").await.json();
    let data = &answer["data"];
    assert_eq!(data["/storage"]["Datastore.Audit"], 1);
    assert!(data["/storage/nfs"].get("Datastore.Audit").is_none());
    assert_eq!(data["/vms"]["VM.Audit"], 0);
    let answer = lab
        .get("/api2/json/access/permissions?path=/storage/local")
        .await
        .json();
    assert_eq!(answer["data"]["/storage/local"]["Datastore.Audit"], 1);
}

/// Before 8.2 there was no Sys.AccessNetwork.
#[tokio::test]
async fn an_old_node_wants_other_privileges_for_downloads() {
    let lab = Lab::with(|options| options.version = "8.1.10".to_owned()).await;
    let old = talos_order::proxmox::rights::PveSetup {
        fetch_right: talos_order::proxmox::rights::FetchRight::of(
            lab.api().version().await.unwrap(),
        ),
        ..setup(false)
    };
    let form = "url=http%3A%2F%2F127.0.0.1%3A1%2F&content=iso&filename=a.iso";
    let path = "/api2/json/nodes/pve-01/storage/local/download-url";
    assert_eq!(lab.post(path, form).await.status, 403);
    lab.stub.revoke_all();
    run(&lab, &old.script());
    assert_eq!(lab.post(path, form).await.status, 200);
}

#[tokio::test]
async fn each_way_of_delivery_has_its_own_privilege() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    let both = "Datastore.Audit Datastore.AllocateTemplate";
    lab.stub.grant(TOKEN, "/storage/local", both);
    let api = lab.api();
    let fetch = FetchRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: "b.iso".to_owned(),
        url: "http://127.0.0.1:1/".parse().unwrap(),
        sha256: sha256(b"image"),
    };
    let PveError::Forbidden {
        path, privileges, ..
    } = api.fetch(&fetch).await.unwrap_err()
    else {
        panic!("allowed");
    };
    assert_eq!(path.as_deref(), Some("/nodes/pve-01"));
    assert_eq!(privileges, ["Sys.AccessNetwork"]);
    let upload = UploadRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: "b.iso".to_owned(),
        source: Source::of(b"image"),
        sha256: sha256(b"image"),
    };
    api.follow(&api.upload(&upload).await.unwrap())
        .await
        .unwrap();

    // A task is its owner's, and of those who may see the node.
    let upid = api.upload(&upload).await.unwrap();
    let other = "other@pve!ctl";
    lab.stub.add_token(other, "s");
    let path = format!("/api2/json/nodes/pve-01/tasks/{upid}/status");
    let ask = async || {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(format!("{}{path}", lab.stub.url("pve-01")));
        send(request.header("Authorization", format!("PVEAPIToken={other}=s"))).await
    };
    assert_eq!(ask().await.status, 403);
    lab.stub.grant(other, "/nodes", "Sys.Audit");
    assert_eq!(ask().await.json()["data"]["user"], TOKEN);
}
