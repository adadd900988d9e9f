//! Uploads: what the client sends, and what happens to those who send otherwise.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use talos_order::proxmox::{
    CallLimits, ImageContent, PveApi, PveConfig, PveError, PveTrust, TaskFailure, Upid,
    UploadRequest,
};
use talos_order::proxmox_stub::PveFault;

use crate::lab::{Lab, SECRET, Source, TOKEN, limits, noise, sha256, token};
use crate::raw::{Raw, send};

const PATH: &str = "/api2/json/nodes/pve-01/storage/local/upload";

fn request(name: &str, bytes: &[u8]) -> UploadRequest {
    request_of(name, bytes, bytes.len())
}

/// An upload of which only so many bytes can be read.
fn request_of(name: &str, bytes: &[u8], readable: usize) -> UploadRequest {
    UploadRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Import,
        name: name.to_owned(),
        source: Arc::new(Source {
            bytes: bytes.to_vec(),
            readable,
        }),
        sha256: sha256(bytes),
    }
}

fn waiting(lab: &Lab) -> usize {
    lab.stub
        .upload_dir("pve-01")
        .read_dir()
        .map_or(0, Iterator::count)
}

/// What ends early is no image.
#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_whole() {
    let lab = Lab::new().await;
    let request = request_of("a.raw", &noise(900_000), 700_000);
    let error = lab.api().upload(&request).await.unwrap_err();
    assert!(matches!(error, PveError::Transport { .. }), "{error:?}");
    assert!(lab.stub.tasks().is_empty());
}

#[tokio::test]
async fn a_file_arrives_and_replaces_what_is_there() {
    let lab = Lab::new().await;
    let api = lab.api();
    let path = lab.put("pve-01", "local", "import", "a.raw", b"there");
    // More than one piece, and with what looks like the end of a part.
    let mut bytes = noise(700_001);
    bytes.extend_from_slice(b"\r\n--talos-order--\r\n");
    let upid = api.upload(&request("a.raw", &bytes)).await.unwrap();
    assert_eq!(upid.kind, "imgcopy");
    api.follow(&upid).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bytes);
    assert_eq!(waiting(&lab), 0);
    let asked = lab
        .stub
        .requests()
        .into_iter()
        .find(|line| line.contains("POST"))
        .unwrap();
    assert!(
        asked.contains("upload?content=import&checksum-algorithm=sha256&checksum="),
        "{asked}"
    );
}

#[tokio::test]
async fn an_empty_file_is_sent_as_one() {
    let lab = Lab::new().await;
    let upid = lab.api().upload(&request("a.raw", b"")).await.unwrap();
    lab.api().follow(&upid).await.unwrap();
    let path = lab
        .stub
        .directory("pve-01", "local", "import")
        .join("a.raw");
    assert_eq!(std::fs::read(path).unwrap(), b"");
}

#[tokio::test]
async fn what_changed_on_the_way_changes_nothing() {
    let lab = Lab::new().await;
    let api = lab.api();
    let path = lab.put("pve-01", "local", "import", "a.raw", b"there");
    let changed = UploadRequest {
        sha256: sha256(b"another"),
        ..request("a.raw", &noise(5000))
    };
    let upid = api.upload(&changed).await.unwrap();
    let error = api.follow(&upid).await.unwrap_err();
    assert!(
        matches!(
            &error,
            PveError::Task {
                source: TaskFailure::Checksum { .. },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(std::fs::read(path).unwrap(), b"there");
}

#[tokio::test]
async fn what_would_be_refused_is_not_sent() {
    let lab = Lab::new().await;
    let api = lab.api();
    let error = api.upload(&request("a.raw.xz", b"x")).await.unwrap_err();
    assert!(matches!(error, PveError::Name { .. }), "{error}");
    let elsewhere = UploadRequest {
        storage: "plain".to_owned(),
        ..request("a.raw", b"x")
    };
    let error = api.upload(&elsewhere).await.unwrap_err();
    assert!(
        matches!(error, PveError::ContentNotEnabled { .. }),
        "{error}"
    );
    assert_eq!(
        error.hint().unwrap().split(" --content").next(),
        Some("`pvesm set plain")
    );
    assert!(
        lab.stub
            .requests()
            .iter()
            .all(|line| !line.contains("POST"))
    );
    assert_eq!(waiting(&lab), 0);
}

/// The server answers before it has read anything, and closes: the client sees one or
/// the other.
#[tokio::test]
async fn without_the_privilege_the_connection_breaks_or_tells() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    lab.stub.grant(TOKEN, "/storage/local", "Datastore.Audit");
    let error = lab
        .api()
        .upload(&request("a.raw", &noise(9 << 20)))
        .await
        .unwrap_err();
    match &error {
        PveError::Forbidden { path, .. } => assert_eq!(path.as_deref(), Some("/storage/local")),
        PveError::Transport { connect: false, .. } => {}
        other => panic!("{other}"),
    }
    assert_eq!(waiting(&lab), 0);
    let raw = post(&lab, "", &[file(b"x")]).await;
    assert_eq!((raw.status, raw.body.as_str()), (403, ""));
    assert!(raw.reason.contains("Datastore.AllocateTemplate"), "{raw:?}");
}

/// A part of a body: its headers and its content.
type Part = (String, Vec<u8>);

fn field(name: &str, value: &str) -> Part {
    let head = format!("Content-Disposition: form-data; name=\"{name}\"");
    (head, value.as_bytes().to_vec())
}

fn named(name: &str, file: &str, bytes: &[u8]) -> Part {
    let head = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"");
    (head, bytes.to_vec())
}

fn file(bytes: &[u8]) -> Part {
    named("filename", "a.raw", bytes)
}

async fn post(lab: &Lab, query: &str, parts: &[Part]) -> Raw {
    let mut body = Vec::new();
    for (head, bytes) in parts {
        body.extend_from_slice(format!("--XX\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    let request = lab.request(Method::POST, &format!("{PATH}{query}"));
    send(
        request
            .header("Content-Type", "multipart/form-data; boundary=XX")
            .body(body),
    )
    .await
}

async fn finished(lab: &Lab, raw: Raw) -> Result<(), PveError> {
    let upid: Upid = raw.json()["data"]
        .as_str()
        .unwrap_or_else(|| panic!("{raw:?}"))
        .parse()
        .unwrap();
    lab.api().follow(&upid).await
}

#[tokio::test]
async fn the_order_of_fields_is_fixed() {
    let lab = Lab::new().await;
    let bytes = noise(300_000);
    let (algorithm, sum) = (
        field("checksum-algorithm", "sha256"),
        field("checksum", &sha256(&bytes).to_string()),
    );
    let content = field("content", "import");
    let raw = post(
        &lab,
        "",
        &[
            content.clone(),
            algorithm.clone(),
            sum.clone(),
            file(&bytes),
        ],
    )
    .await;
    finished(&lab, raw).await.unwrap();

    // The file first: what follows belongs to it.
    let raw = post(&lab, "", &[file(&bytes), content.clone()]).await;
    assert_eq!(raw.status, 400);
    assert!(raw.json()["errors"]["content"].is_string(), "{raw:?}");
    let raw = post(&lab, "", &[content.clone(), sum, algorithm, file(&bytes)]).await;
    assert_eq!((raw.status, raw.body.as_str()), (400, ""));
    let raw = post(&lab, "", &[content.clone(), named("file", "a.raw", &bytes)]).await;
    assert_eq!(raw.status, 500);
    let mut late = file(&bytes);
    late.0 = format!("Content-Type: application/octet-stream\r\n{}", late.0);
    assert_eq!(post(&lab, "", &[content, late]).await.status, 500);
}

#[tokio::test]
async fn a_field_behind_the_file_becomes_part_of_it() {
    let lab = Lab::new().await;
    let bytes = noise(300_000);
    let path = lab
        .stub
        .directory("pve-01", "local", "import")
        .join("a.raw");
    let parts = [field("content", "import"), file(&bytes), field("x", "y")];
    let raw = post(&lab, "", &parts).await;
    finished(&lab, raw).await.unwrap();
    assert!(std::fs::read(&path).unwrap().len() > bytes.len());
    std::fs::remove_file(&path).unwrap();
    let query = format!(
        "?content=import&checksum-algorithm=sha256&checksum={}",
        sha256(&bytes)
    );
    let raw = post(&lab, &query, &[file(&bytes), field("x", "y")]).await;
    assert!(finished(&lab, raw).await.is_err(), "a checksum shows it");
    assert!(!path.exists());
}

#[tokio::test]
async fn everything_in_the_query_is_the_safe_form() {
    let lab = Lab::new().await;
    let raw = post(&lab, "?content=import", &[file(b"x")]).await;
    finished(&lab, raw).await.unwrap();
    let raw = post(
        &lab,
        "?content=import&tmpfilename=/etc/passwd",
        &[file(b"x")],
    )
    .await;
    assert_eq!(raw.status, 400);
    assert!(raw.json()["errors"]["tmpfilename"].is_string(), "{raw:?}");
}

#[tokio::test]
async fn a_body_without_a_length_is_refused() {
    let lab = Lab::new().await;
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("x")]);
    let request = lab.request(Method::POST, PATH);
    let raw = send(
        request
            .header("Content-Type", "multipart/form-data; boundary=XX")
            .body(reqwest::Body::wrap_stream(pieces)),
    )
    .await;
    assert_eq!(raw.status, 501);
}

#[tokio::test]
async fn a_refused_upload_leaves_its_bytes_behind() {
    let lab = Lab::new().await;
    let part = named("filename", "a.RAW", b"x");
    let raw = post(&lab, "?content=import", &[part]).await;
    assert_eq!(raw.status, 400);
    assert_eq!(waiting(&lab), 1);
}

/// The endpoint takes the body and hands it on to the node.
#[tokio::test]
async fn a_file_reaches_another_node_through_the_endpoint() {
    let lab = Lab::new().await;
    let other = UploadRequest {
        node: "pve-02".to_owned(),
        ..request("a.raw", b"image")
    };
    let upid = lab.api().upload(&other).await.unwrap();
    assert_eq!(upid.node, "pve-02");
    lab.api().follow(&upid).await.unwrap();
    let path = lab
        .stub
        .directory("pve-02", "local", "import")
        .join("a.raw");
    assert_eq!(std::fs::read(path).unwrap(), b"image");
}

#[tokio::test]
async fn an_upload_that_nobody_takes_ends() {
    let lab = Lab::new().await;
    let api = PveApi::new(&PveConfig {
        endpoints: vec![lab.stub.url("pve-01").parse().unwrap()],
        token: token(SECRET),
        trust: PveTrust::System,
        limits: CallLimits {
            idle: Duration::from_millis(300),
            receipt: Duration::from_millis(300),
            ..limits()
        },
    })
    .unwrap();
    // More than connections hold, and less.
    for length in [32 << 20, 100] {
        lab.stub.inject("POST ", PveFault::Hang);
        let error = api
            .upload(&request("a.raw", &vec![1; length]))
            .await
            .unwrap_err();
        assert!(matches!(error, PveError::Timeout { .. }), "{error}");
    }
}
