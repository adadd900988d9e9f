//! `download-url`: "make sure that this file has this content" in one call.

use std::path::Path;
use std::time::Duration;

use talos_order::proxmox::{
    FetchRequest, ImageContent, PveApi, PveError, TaskFailure, TaskState, Upid,
};
use url::Url;

use crate::fileserver::FileServer;
use crate::lab::{Lab, noise, sha256};

fn request(name: &str, url: Url, bytes: &[u8]) -> FetchRequest {
    FetchRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: name.to_owned(),
        url,
        sha256: sha256(bytes),
    }
}

async fn ended(api: &PveApi, request: &FetchRequest) -> Result<(), TaskFailure> {
    let upid = api.fetch(request).await.unwrap();
    assert_eq!(
        (upid.kind.as_str(), upid.id.as_str()),
        ("download", request.name.as_str())
    );
    failure(api.follow(&upid).await)
}

fn failure(result: Result<(), PveError>) -> Result<(), TaskFailure> {
    match result {
        Ok(()) => Ok(()),
        Err(PveError::Task { source, .. }) => Err(source),
        Err(other) => panic!("{other}"),
    }
}

async fn log(api: &PveApi, upid: &Upid) -> String {
    let lines = api.task_log(upid, 0, 500).await.unwrap();
    let lines: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    lines.join("\n")
}

fn leftovers(dir: &Path) -> usize {
    let names = dir.read_dir().unwrap().flatten();
    let is_temporary = |name: &str| name.contains(".tmp_dwnl.");
    names
        .filter(|entry| is_temporary(&entry.file_name().to_string_lossy()))
        .count()
}

#[tokio::test]
async fn absent_then_right_then_wrong() {
    let lab = Lab::new().await;
    let api = lab.api();
    let image = noise(300_000);
    let server = FileServer::start(image.clone()).await;
    let wanted = request("a.iso", server.url("/a.iso"), &image);
    let path = lab.stub.directory("pve-01", "local", "iso").join("a.iso");

    assert_eq!(ended(&api, &wanted).await, Ok(()));
    assert_eq!(std::fs::read(&path).unwrap(), image);
    assert_eq!(server.asked(), ["/a.iso"]);

    let upid = api.fetch(&wanted).await.unwrap();
    api.follow(&upid).await.unwrap();
    assert!(
        log(&api, &upid)
            .await
            .contains("OK, got correct file already, no need to download")
    );
    assert_eq!(server.asked(), ["/a.iso"], "the URL is not asked again");

    std::fs::write(&path, b"another").unwrap();
    let expected = TaskFailure::Checksum {
        found: sha256(b"another").to_string(),
        expected: sha256(&image).to_string(),
    };
    assert_eq!(ended(&api, &wanted).await, Err(expected));
    assert_eq!(
        std::fs::read(&path).unwrap(),
        b"another",
        "nothing is changed"
    );
    assert_eq!(server.asked(), ["/a.iso"]);
}

#[tokio::test]
async fn with_a_dead_url_it_reads_back() {
    let lab = Lab::new().await;
    let api = lab.api();
    let dead = request("a.iso", "http://127.0.0.1:1/".parse().unwrap(), b"image");
    let absent = ended(&api, &dead).await.unwrap_err();
    assert!(
        matches!(&absent, TaskFailure::Download(why) if why.contains("Connection refused")),
        "{absent}"
    );
    lab.put("pve-01", "local", "iso", "a.iso", b"image");
    assert_eq!(ended(&api, &dead).await, Ok(()));
    lab.put("pve-01", "local", "iso", "a.iso", b"other");
    assert!(matches!(
        ended(&api, &dead).await,
        Err(TaskFailure::Checksum { .. })
    ));
}

#[tokio::test]
async fn what_comes_wrong_does_not_get_the_name() {
    let lab = Lab::new().await;
    let api = lab.api();
    let server = FileServer::start(noise(5000)).await;
    let dir = lab.stub.directory("pve-01", "local", "iso");
    let wrong = request("a.iso", server.url("/a.iso"), b"promised");
    assert!(matches!(
        ended(&api, &wrong).await,
        Err(TaskFailure::Checksum { .. })
    ));
    let absent = request("a.iso", server.url("/absent"), b"promised");
    assert!(matches!(
        ended(&api, &absent).await,
        Err(TaskFailure::Download(_))
    ));
    assert_eq!(dir.read_dir().unwrap().count(), 0);
    let moved = request("a.iso", server.url("/moved"), &noise(5000));
    assert_eq!(ended(&api, &moved).await, Ok(()), "redirects are followed");
}

#[tokio::test]
async fn without_a_checksum_nothing_is_overwritten() {
    let lab = Lab::new().await;
    lab.put("pve-01", "local", "iso", "a.iso", b"there");
    let form = "url=http%3A%2F%2F127.0.0.1%3A1%2F&content=iso&filename=a.iso";
    let raw = lab
        .post("/api2/json/nodes/pve-01/storage/local/download-url", form)
        .await;
    let upid: Upid = raw.json()["data"].as_str().unwrap().parse().unwrap();
    let error = lab.api().follow(&upid).await.unwrap_err();
    assert!(
        matches!(
            error,
            PveError::Task {
                source: TaskFailure::Exists,
                ..
            }
        ),
        "{error}"
    );
}

/// The digest is that of the packed bytes, so a second call on what was unpacked never
/// matches.
#[tokio::test]
async fn compression_is_for_iso_images_only() {
    let lab = Lab::new().await;
    let api = lab.api();
    let plain = noise(9000);
    let packed = zstd::encode_all(&plain[..], 1).unwrap();
    let server = FileServer::start(packed.clone()).await;
    let digest = sha256(&packed);
    let call = async |content: &str, name: &str, compression: &str| {
        let url = server.url("/x");
        let form = format!(
            "url={url}&content={content}&filename={name}&compression={compression}\
             &checksum={digest}&checksum-algorithm=sha256"
        );
        lab.post("/api2/json/nodes/pve-01/storage/local/download-url", &form)
            .await
    };
    let end = async |name: &str, compression: &str| {
        let raw = call("iso", name, compression).await;
        let upid: Upid = raw.json()["data"].as_str().unwrap().parse().unwrap();
        failure(api.follow(&upid).await)
    };
    let path = lab.stub.directory("pve-01", "local", "iso").join("a.iso");
    assert_eq!(end("a.iso", "zst").await, Ok(()));
    assert_eq!(std::fs::read(path).unwrap(), plain);
    assert!(matches!(
        end("a.iso", "zst").await,
        Err(TaskFailure::Checksum { .. })
    ));
    assert_eq!(
        end("b.iso", "xz").await,
        Err(TaskFailure::Content(
            "no decompression method found".to_owned()
        ))
    );
    let raw = call("import", "a.raw", "zst").await;
    assert!(
        raw.body.contains("decompression not supported for import"),
        "{raw:?}"
    );
}

#[tokio::test]
async fn a_disk_image_is_what_its_name_says() {
    let lab = Lab::new().await;
    let api = lab.api();
    let mut backed = vec![0; 512];
    backed[..4].copy_from_slice(b"QFI\xfb");
    backed[15] = 200;
    for (bytes, name, refused) in [
        (noise(700), "a.qcow2", Some("Image is not in qcow2 format")),
        (noise(700), "a.vmdk", Some("Image is not in vmdk format")),
        (
            backed,
            "b.qcow2",
            Some("backing file not allowed for untrusted image"),
        ),
        // No integrity check: any bytes are a raw image.
        (noise(700), "a.raw", None),
    ] {
        let server = FileServer::start(bytes.clone()).await;
        let wanted = FetchRequest {
            content: ImageContent::Import,
            ..request(name, server.url("/x"), &bytes)
        };
        let expected = match refused {
            Some(text) => Err(TaskFailure::Content(text.to_owned())),
            None => Ok(()),
        };
        assert_eq!(ended(&api, &wanted).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_follower_that_is_dropped_stops_the_task() {
    let lab = Lab::new().await;
    let api = lab.api();
    let server = FileServer::start(noise(1000)).await;
    let upid = api
        .fetch(&request("a.iso", server.url("/stall"), b""))
        .await
        .unwrap();
    let dir = lab.stub.directory("pve-01", "local", "iso");
    until(|| leftovers(&dir) == 1).await;
    assert_eq!(api.task(&upid).await.unwrap(), TaskState::Running);
    let follower = tokio::time::timeout(Duration::from_millis(100), api.follow(&upid));
    assert!(follower.await.is_err());
    until(|| lab.stub.tasks()[0].2.is_some()).await;
    assert_eq!(
        lab.stub.tasks()[0].2.as_deref(),
        Some("interrupted by signal")
    );
    assert_eq!(leftovers(&dir), 0);
    assert_eq!(failure(api.follow(&upid).await), Err(TaskFailure::Stopped));
}

async fn until(is_so: impl Fn() -> bool) {
    let patience = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), patience)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_follower_bears_an_endpoint_that_restarts() {
    let lab = Lab::new().await;
    let api = lab.api();
    let dead = request("a.iso", "http://127.0.0.1:1/".parse().unwrap(), b"image");
    lab.put("pve-01", "local", "iso", "a.iso", b"image");
    let upid = api.fetch(&dead).await.unwrap();
    for _ in 0..3 {
        let fault = talos_order::proxmox_stub::PveFault::Status(596, "Broken pipe".to_owned());
        lab.stub.inject("/status", fault);
    }
    api.follow(&upid).await.unwrap();
}

#[tokio::test]
async fn a_name_that_would_change_is_not_sent() {
    let lab = Lab::new().await;
    let url: Url = "http://127.0.0.1:1/".parse().unwrap();
    let error = lab
        .api()
        .fetch(&request("a+b.iso", url, b""))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the name \"a+b.iso\" cannot be used: Proxmox VE would store it as \"a_b.iso\""
    );
    assert_eq!(lab.stub.requests().len(), 0);
}

#[tokio::test]
async fn a_node_tells_whether_it_reaches_a_url() {
    let lab = Lab::new().await;
    let server = FileServer::start(noise(4321)).await;
    let api = lab.api();
    let url = server.url("/talos.iso");
    let metadata = api.url_metadata("pve-01", url.as_str()).await.unwrap();
    assert_eq!(metadata.filename.as_deref(), Some("talos.iso"));
    assert_eq!(metadata.size, Some(4321));
    let error = api
        .url_metadata("pve-01", "http://127.0.0.1:1/")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
}
