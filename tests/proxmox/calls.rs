//! The shape of answers and errors, and what there is.

use std::time::{Duration, Instant};

use reqwest::Method;
use talos_order::proxmox::{
    ContentUnknown, ImageContent, NodeHealth, PveError, PveVersion, StorageContent,
};
use talos_order::proxmox_stub::{PveFault, StubStorage};

use crate::lab::{Lab, SECRET, TOKEN};
use crate::raw::send;

#[tokio::test]
async fn nodes_and_storages_are_listed_in_order() {
    let mut lab = Lab::new().await;
    let api = lab.api();
    let version: PveVersion = "9.1.7".parse().unwrap();
    assert_eq!(api.version().await.unwrap(), version);
    assert_eq!(api.node_version("pve-02").await.unwrap(), version);

    lab.stub.power_off("pve-02").await;
    let nodes = api.nodes().await.unwrap();
    let nodes: Vec<_> = nodes.iter().map(|n| (n.name.as_str(), n.health)).collect();
    assert_eq!(
        nodes,
        [
            ("pve-01", NodeHealth::Online),
            ("pve-02", NodeHealth::Offline)
        ]
    );
    let state = api.cluster_state().await.unwrap();
    assert_eq!(state.name.as_deref(), Some("stub"));
    assert!(!state.quorate);
    assert_eq!(state.local.as_deref(), Some("pve-01"));
    assert_eq!(
        state.addresses[1],
        ("pve-02".into(), Some("192.0.2.2".into()))
    );

    let storages = api.storages().await.unwrap();
    let names: Vec<&str> = storages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["local", "nfs", "plain", "unmounted"]);
    assert_eq!(storages[0].content, ["import", "iso"]);
    assert_eq!(storages[0].path.as_deref(), Some("/var/lib/vz"));
    assert!(storages[1].shared && !storages[0].shared);
    assert!(api.root_free("pve-01").await.unwrap().unwrap() > 0);
}

#[tokio::test]
async fn a_storage_without_the_privilege_is_left_out_silently() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    lab.stub.grant(TOKEN, "/storage/nfs", "Datastore.Audit");
    let storages = lab.api().storages().await.unwrap();
    assert_eq!(storages.len(), 1);
    assert_eq!(storages[0].name, "nfs");
    let error = lab
        .api()
        .storage_status("pve-01", "local")
        .await
        .unwrap_err();
    let PveError::Forbidden {
        path, privileges, ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(path.as_deref(), Some("/storage/local"));
    assert_eq!(privileges, &["Datastore.Audit", "Datastore.AllocateSpace"]);
    assert!(error.hint().unwrap().contains("pve-setup"));
}

#[tokio::test]
async fn what_cannot_be_known_is_not_empty() {
    let lab = Lab::new().await;
    let api = lab.api();
    lab.put("pve-01", "plain", "import", "a.raw", b"there");
    let content = async |storage, content| api.content("pve-01", storage, content).await.unwrap();
    assert_eq!(
        content("local", ImageContent::Import).await,
        StorageContent::Known(Vec::new())
    );
    let status = api.storage_status("pve-01", "unmounted").await.unwrap();
    assert_eq!((status.active, status.total), (false, Some(0)));
    assert_eq!(
        content("unmounted", ImageContent::Iso).await,
        StorageContent::Unknown(ContentUnknown::Inactive)
    );
    let unknown = content("plain", ImageContent::Import).await;
    let StorageContent::Unknown(why) = &unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(
        why.to_string(),
        "the content type import is not enabled; enabled are: backup, iso"
    );
    // What makes it dangerous: the list itself is empty, and no error.
    let raw = lab
        .get("/api2/json/nodes/pve-01/storage/plain/content?content=import")
        .await;
    assert_eq!((raw.status, raw.body.as_str()), (200, r#"{"data":[]}"#));

    lab.stub.set_storage(StubStorage {
        disabled: true,
        ..StubStorage::new("local", "dir", "/var/lib/vz")
    });
    let error = api
        .content("pve-01", "local", ImageContent::Iso)
        .await
        .unwrap_err();
    assert!(
        matches!(error, PveError::StorageUnavailable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_does_not_exist_is_told_apart() {
    let lab = Lab::new().await;
    let api = lab.api();
    lab.stub.grant(TOKEN, "/storage", "Datastore.Audit");
    let error = api.storage_status("pve-01", "tank").await.unwrap_err();
    assert!(matches!(error, PveError::NoSuchStorage { .. }), "{error}");
    let error = api.storage_status("pve-07", "local").await.unwrap_err();
    assert!(matches!(error, PveError::NoSuchNode { .. }), "{error}");
    lab.stub.set_storage(StubStorage {
        nodes: vec!["pve-02".to_owned()],
        ..StubStorage::new("local", "dir", "/var/lib/vz")
    });
    let error = api.storage_status("pve-01", "local").await.unwrap_err();
    assert!(
        matches!(error, PveError::StorageUnavailable { .. }),
        "{error}"
    );
    assert!(api.storage_status("pve-02", "local").await.is_ok());
}

#[tokio::test]
async fn a_node_that_is_off_is_no_answer() {
    let mut lab = Lab::new().await;
    let api = lab.api();
    lab.stub.power_off("pve-02").await;
    let error = api.storage_status("pve-02", "local").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} cannot reach the node pve-02 (595: No route to host)",
            lab.stub.url("pve-01")
        )
    );
    assert!(error.is_transient());
    lab.stub.power_on("pve-02").await.unwrap();
    assert!(api.storage_status("pve-02", "local").await.is_ok());
}

#[tokio::test]
async fn a_bad_token_is_answered_late_and_in_the_status_line_only() {
    let delay = Duration::from_millis(300);
    let lab = Lab::with(|options| options.unauthorized_delay = delay).await;
    let begin = Instant::now();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let raw = send(client.get(format!("{}/api2/json/version", lab.stub.url("pve-01")))).await;
    assert_eq!(
        (raw.status, raw.reason.as_str(), raw.body.as_str()),
        (401, "No ticket", "")
    );
    assert!(begin.elapsed() >= delay);
    let error = lab
        .api_of(&["pve-01"], "wrong")
        .version()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PveError::Unauthorized { text, .. } if text == "invalid token value!")
    );
    assert!(!error.to_string().contains("wrong"), "{error}");
    assert!(error.hint().unwrap().contains("pveum user token list"));
}

#[tokio::test]
async fn errors_have_the_form_of_their_version() {
    let lab = Lab::new().await;
    let raw = lab.get("/api2/json/nodes?foo=1").await;
    assert_eq!(raw.status, 400);
    assert!(
        raw.json()["errors"]["foo"]
            .as_str()
            .unwrap()
            .starts_with("property is not defined")
    );
    let storage = "/api2/json/nodes/pve-01/storage/local/content/x";
    let raw = lab.get(storage).await;
    assert_eq!(
        (raw.status, &raw.json()["data"]),
        (500, &serde_json::Value::Null)
    );
    assert_eq!(
        raw.json()["message"],
        "unable to parse directory volume name 'x'\n"
    );
    // Before http-server 5.2.0 the text is nowhere else.
    let old = Lab::with(|options| options.version = "8.3.5".to_owned()).await;
    let raw = old.get(storage).await;
    assert_eq!(raw.body, r#"{"data":null}"#);
    assert_eq!(raw.reason, "unable to parse directory volume name 'x'");
}

#[tokio::test]
async fn unknown_calls_and_long_bodies_are_501() {
    let lab = Lab::new().await;
    for path in ["/api2/json/nodes/pve-01/nothing", "/nodes"] {
        assert_eq!(lab.get(path).await.status, 501, "{path}");
    }
    let long = "x".repeat((512 << 10) + 1);
    let raw = lab
        .post("/api2/json/nodes/pve-01/storage/local/download-url", &long)
        .await;
    assert_eq!(
        (raw.status, raw.reason.as_str()),
        (501, "for data too large")
    );
}

#[tokio::test]
async fn a_call_takes_json_as_well_as_a_form() {
    let lab = Lab::new().await;
    let path = "/api2/json/nodes/pve-01/storage/local/download-url";
    let body = r#"{"url":"http://127.0.0.1:1/","content":"iso","filename":"a.iso","more":true}"#;
    let request = lab.request(Method::POST, path).body(body);
    let raw = send(request.header("Content-Type", "application/json")).await;
    assert_eq!(raw.status, 400);
    let errors = raw.json()["errors"].as_object().unwrap().len();
    assert_eq!(errors, 1, "{raw:?}");
    let raw = lab
        .post(
            path,
            "url=http%3A%2F%2F127.0.0.1%3A1%2F&content=iso&filename=a.iso&checksum=00",
        )
        .await;
    assert!(
        raw.json()["errors"]["checksum-algorithm"].is_string(),
        "{raw:?}"
    );
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    let lab = Lab::new().await;
    let api = lab.api();
    for body in ["", "<html>", "[]", r#"{"data":{"version":7}}"#] {
        lab.stub.inject(
            "GET /api2/json/version",
            PveFault::Body(200, body.to_owned()),
        );
        let error = api.version().await.unwrap_err();
        assert!(matches!(error, PveError::Answer { .. }), "{body}: {error}");
    }
    lab.stub.inject("GET /api2/json/version", PveFault::Cut);
    let error = api.version().await.unwrap_err();
    assert!(
        matches!(error, PveError::Transport { connect: false, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn certificates_of_all_nodes_are_told_by_one() {
    let lab = Lab::with(|options| {
        options.certificates.insert(
            "pve-02".to_owned(),
            talos_order::proxmox_stub::StubCertificate {
                fingerprint: ["AB"; 32].join(":"),
                not_after: 1_800_000_000,
                names: vec!["pve-02.example".to_owned()],
                is_custom: true,
            },
        );
    })
    .await;
    let served = lab.api().served_certificate("pve-02").await.unwrap();
    assert_eq!(served.fingerprint.to_string(), ["AB"; 32].join(":"));
    assert_eq!(served.not_after.unwrap().as_second(), 1_800_000_000);
    assert_eq!(served.names, ["pve-02.example"]);
    assert_eq!(lab.api().learn_pins().await.unwrap().len(), 2);
    assert_eq!(lab.api().pins(), None);
    assert!(!format!("{:?}", lab.api()).contains(SECRET));
}

#[tokio::test]
async fn the_storages_of_a_node_can_be_filtered() {
    let lab = Lab::new().await;
    let path = "/api2/json/nodes/pve-01/storage";
    let names = async |query: &str| {
        let answer = lab.get(&format!("{path}{query}")).await.json();
        let entries = answer["data"].as_array().unwrap().clone();
        let names = entries
            .iter()
            .map(|entry| entry["storage"].as_str().unwrap().to_owned());
        names
            .collect::<std::collections::BTreeSet<String>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["local", "nfs", "plain", "unmounted"]);
    assert_eq!(
        names("?content=import&enabled=1").await,
        ["local", "nfs", "unmounted"]
    );
    assert_eq!(
        names("?storage=plain&content=backup,vztmpl").await,
        ["plain"]
    );
}
