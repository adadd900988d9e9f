//! The client drives fakepve, somebody else's idea of the same API, in a process of its
//! own. It has no way to make a token from outside, so a bridge turns the token into a
//! login.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use hyper::ext::ReasonPhrase;
use serde_json::json;
use talos_order::proxmox::{
    FetchRequest, ImageContent, NodeHealth, PveApi, PveConfig, PveError, PveTrust, StorageContent,
    VmChange, VmRefusal,
};

use crate::lab::{SECRET, limits, pairs, sha256, token};
use crate::venv;

struct Fake {
    process: Child,
    url: String,
}

impl Drop for Fake {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/proxmox/fixtures")
        .join(name)
}

fn start(guests: &std::path::Path) -> Option<Fake> {
    let python = venv::python()?;
    let mut process = Command::new(python)
        .args([
            "-u",
            "-m",
            "fakepve",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--time-scale",
            "0",
        ])
        .arg("--cert")
        .arg(fixture("member.pem"))
        .arg("--key")
        .arg(fixture("member.key"))
        .arg(guests)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = process.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let url = line
        .trim()
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    let fake = Fake { process, url };
    assert!(fake.url.starts_with("https://127.0.0.1:"), "{line:?}");
    Some(fake)
}

/// Hands requests on with a ticket in place of the token.
async fn bridge(url: String) -> String {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(fixture("ca.pem")).unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([ca])
        .build()
        .unwrap();
    let login = client.post(format!("{url}/api2/json/access/ticket"));
    let form = "application/x-www-form-urlencoded";
    let login = login
        .header("Content-Type", form)
        .body("username=root@pam&password=secret");
    let answer: serde_json::Value = login.send().await.unwrap().json().await.unwrap();
    let ticket = format!(
        "PVEAuthCookie={}",
        answer["data"]["ticket"].as_str().unwrap()
    );
    let csrf = answer["data"]["CSRFPreventionToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let router = Router::new().fallback(async move |request: Request| {
        let (head, body) = request.into_parts();
        let token = head.headers["authorization"].to_str().unwrap();
        assert!(token.starts_with("PVEAPIToken="), "{token}");
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let mut request = client
            .request(head.method, format!("{url}{}", head.uri))
            .header("Cookie", &ticket)
            .header("CSRFPreventionToken", &csrf)
            .body(body);
        if let Some(kind) = head.headers.get("content-type") {
            request = request.header("Content-Type", kind);
        }
        let found = request.send().await.unwrap();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = found.status();
        if let Some(reason) = found.extensions().get::<ReasonPhrase>() {
            response.extensions_mut().insert(reason.clone());
        }
        *response.body_mut() = Body::from(found.bytes().await.unwrap());
        response
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_drives_fakepve() {
    let dir = tempfile::TempDir::new().unwrap();
    let guests = dir.path().join("guests.json");
    let config = json!({ "ide2": "local:iso/a.iso,media=cdrom", "memory": 2048 });
    let list = json!({ "guests": [{ "vmid": 100, "name": "vm", "config": config }] });
    std::fs::write(&guests, list.to_string()).unwrap();
    let started = tokio::task::spawn_blocking(move || start(&guests))
        .await
        .unwrap();
    let Some(fake) = started else {
        return;
    };

    // Its certificate, with our authority and with a pin, and its 401.
    let tls = PveApi::new(&PveConfig {
        endpoints: vec![fake.url.parse().unwrap()],
        token: token("wrong"),
        trust: PveTrust::Authorities {
            path: fixture("ca.pem"),
            pem: std::fs::read(fixture("ca.pem")).unwrap(),
        },
        limits: limits(),
    });
    let error = tls.unwrap().version().await.unwrap_err();
    assert!(matches!(error, PveError::Unauthorized { .. }), "{error}");

    let api = PveApi::new(&PveConfig {
        endpoints: vec![bridge(fake.url.clone()).await.parse().unwrap()],
        token: token(SECRET),
        trust: PveTrust::System,
        limits: limits(),
    })
    .unwrap();
    discovery(&api).await;
    errors(&api).await;
    images(&api).await;
    machines(&api).await;
}

async fn discovery(api: &PveApi) {
    assert!(api.version().await.unwrap().major >= 8);
    let nodes = api.nodes().await.unwrap();
    assert_eq!(
        (nodes[0].name.as_str(), nodes[0].health),
        ("pve1", NodeHealth::Online)
    );
    assert!(api.cluster_state().await.unwrap().quorate);
    let storages = api.storages().await.unwrap();
    assert_eq!(storages[0].content, ["backup", "iso", "vztmpl"]);
    let status = api.storage_status("pve1", "local").await.unwrap();
    assert!(status.active && status.enabled && status.free.unwrap() > 0);
    let served = api.served_certificate("pve1").await.unwrap();
    assert_eq!(served.node, "pve1");
    assert!(served.not_after.is_some());
    let vms = api.vms().await.unwrap();
    assert_eq!((vms[0].vmid, vms[0].kind.as_str()), (100, "qemu"));
    api.root_free("pve1").await.unwrap();
}

async fn errors(api: &PveApi) {
    let error = api.storage_status("nope", "local").await.unwrap_err();
    assert!(matches!(error, PveError::NoSuchNode { .. }), "{error}");
    let error = api.storage_status("pve1", "tank").await.unwrap_err();
    assert!(matches!(error, PveError::NoSuchStorage { .. }), "{error}");
    let error = api
        .volume("pve1", "local", "local:iso/none.iso")
        .await
        .unwrap_err();
    assert!(matches!(error, PveError::NoSuchVolume { .. }), "{error}");
    let content = api
        .content("pve1", "local", ImageContent::Import)
        .await
        .unwrap();
    assert!(matches!(content, StorageContent::Unknown(_)), "{content:?}");
}

async fn images(api: &PveApi) {
    // No upload: fakepve looks for the fields in the parts only, while the real server, as
    // was seen by running it, takes them from the query as well.
    let fetch = FetchRequest {
        node: "pve1".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: "a.iso".to_owned(),
        url: "http://127.0.0.1:1/a.iso".parse().unwrap(),
        sha256: sha256(b""),
    };
    let upid = api.fetch(&fetch).await.unwrap();
    api.follow(&upid).await.unwrap();
    assert!(!api.task_log(&upid, 0, 50).await.unwrap().is_empty());
    let names = async || match api
        .content("pve1", "local", ImageContent::Iso)
        .await
        .unwrap()
    {
        StorageContent::Known(volumes) => volumes.into_iter().map(|v| v.volid).collect(),
        StorageContent::Unknown(why) => vec![why.to_string()],
    };
    assert_eq!(names().await, ["local:iso/a.iso"]);
    api.remove("pve1", "local", "local:iso/a.iso")
        .await
        .unwrap();
    assert_eq!(names().await, Vec::<String>::new());
}

/// Without the disk: fakepve has no images to import.
async fn machines(api: &PveApi) {
    let config = pairs(&[
        ("name", "talos-new"),
        ("tags", "talos-order-new"),
        ("description", "Talos\n\n<!-- mark -->"),
        ("net0", "virtio,bridge=vmbr0"),
    ]);
    assert!(api.vmid_is_free(9000).await.unwrap());
    assert!(!api.vmid_is_free(100).await.unwrap());
    let task = api.create_vm("pve1", 9000, &config).await.unwrap();
    api.follow(&task).await.unwrap();
    let error = api.create_vm("pve1", 9000, &config).await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Exists(_))),
        "{error:?}"
    );
    let found = api.vm_config("pve1", 9000).await.unwrap();
    assert_eq!(found.values["name"], "talos-new");
    let change = VmChange {
        set: pairs(&[("name", "talos"), ("protection", "1")]),
        delete: vec!["tags".to_owned()],
        digest: Some(found.digest.clone()),
    };
    if let Some(task) = api.change_vm("pve1", 9000, &change).await.unwrap() {
        api.follow(&task).await.unwrap();
    }
    let changed = api.vm_config("pve1", 9000).await.unwrap();
    assert_eq!(changed.values["name"], "talos");
    assert!(!changed.values.contains_key("tags"));
    // Which compares digests in the task only.
    let late = api.change_vm("pve1", 9000, &change).await.unwrap().unwrap();
    let error = api.follow(&late).await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Changed(_))),
        "{error:?}"
    );
    if let Some(task) = api.convert_to_template("pve1", 9000).await.unwrap() {
        api.follow(&task).await.unwrap();
    }
    let vms = api.node_vms("pve1").await.unwrap();
    assert!(
        vms.iter().any(|vm| vm.vmid == 9000 && vm.template),
        "{vms:?}"
    );
    let removed = async || {
        let task = api.destroy_vm("pve1", 9000).await?;
        api.follow(&task).await
    };
    let error = removed().await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Protected(_))),
        "{error:?}"
    );
    let change = VmChange {
        set: pairs(&[("protection", "0")]),
        ..VmChange::default()
    };
    if let Some(task) = api.change_vm("pve1", 9000, &change).await.unwrap() {
        api.follow(&task).await.unwrap();
    }
    removed().await.unwrap();
    let error = api.vm_config("pve1", 9000).await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Missing(_))),
        "{error:?}"
    );
}
