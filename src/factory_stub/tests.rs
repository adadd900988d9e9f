//! The factory stub as any HTTP client sees it.

use std::io::Write;

use reqwest::{Client, Response};

use super::*;
use crate::model::TalosVersion;

const EMPTY: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";

fn client() -> Client {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

async fn get(stub: &FactoryStub, path: &str) -> Response {
    let url = format!("{}{path}", stub.url());
    client().get(url).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn schematics_are_known_once_they_were_sent() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    let send = async |document: &'static str| {
        let url = format!("{}schematics", stub.url());
        client().post(url).body(document).send().await.unwrap()
    };
    // Nothing, in three spellings, has the id that the real factory gives it.
    for document in ["", "{}", "customization: {}\n"] {
        let answer = send(document).await;
        assert_eq!(answer.status(), 201);
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["id"], EMPTY);
        assert_eq!(body["schematic"], "customization: {}\n");
    }
    let document = "customization:\n    extraKernelArgs:\n        - noapic\n        - nolapic\n";
    let id = "9cba8e32753f91a16c1837ab8abf356af021706ef284aef07380780177d9a06c";
    assert_eq!(get(&stub, &format!("schematics/{id}")).await.status(), 404);
    let image = format!("image/{id}/v1.11.3/nocloud-amd64.iso");
    let answer = get(&stub, &image).await;
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().ends_with("not found\n"));
    let body: serde_json::Value = send(document).await.json().await.unwrap();
    assert_eq!(body["id"], id);
    let answer = get(&stub, &format!("schematics/{id}")).await;
    assert_eq!(answer.text().await.unwrap(), document);
    assert_eq!(get(&stub, &image).await.status(), 302);

    for wrong in [
        "something: 1",
        "customization: {systemExtensions: [siderolabs/i915]}",
        "customization: {bootloader: lilo}",
        "customization: {meta: [{key: 256, value: x}]}",
        "a: [",
    ] {
        let answer = send(wrong).await;
        assert_eq!(answer.status(), 400, "{wrong}");
        let text = answer.text().await.unwrap();
        assert!(text.starts_with("yaml: ") && text.ends_with('\n'), "{text}");
    }
}

#[tokio::test]
async fn an_owner_changes_the_id() {
    let stub = FactoryStub::start(StubOptions {
        owner: Some("acme".to_owned()),
        ..StubOptions::default()
    })
    .await
    .unwrap();
    let url = format!("{}schematics", stub.url());
    let answer = client().post(url).body("").send().await.unwrap();
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["schematic"], "owner: acme\ncustomization: {}\n");
    let id = body["id"].as_str().unwrap();
    let image = |id: &str| format!("image/{id}/v1.11.3/nocloud-amd64.iso");
    assert_eq!(get(&stub, &image(EMPTY)).await.status(), 404);
    assert_eq!(get(&stub, &image(id)).await.status(), 302);
}

#[tokio::test]
async fn a_direct_answer_has_a_length_and_a_name_but_neither_tag_nor_ranges() {
    let stub = FactoryStub::start(StubOptions {
        redirect: Redirect::Never,
        ..StubOptions::default()
    })
    .await
    .unwrap();
    let url = format!("{}image/{EMPTY}/v1.11.3/nocloud-amd64.iso", stub.url());
    let head = client().head(&url).send().await.unwrap();
    let length = header(&head, "content-length").unwrap().to_owned();
    let ranged = client().get(&url).header("range", "bytes=5-");
    for answer in [client().get(&url), ranged] {
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-length"), Some(length.as_str()));
        assert_eq!(
            header(&answer, "content-disposition"),
            Some("attachment; filename=\"nocloud-amd64.iso\"")
        );
        assert_eq!(header(&answer, "etag"), None);
        assert_eq!(header(&answer, "accept-ranges"), None);
        let body = answer.bytes().await.unwrap();
        assert_eq!(body.len().to_string(), length);
    }
    let sent: Vec<u64> = stub.requests().iter().map(|r| r.bytes).collect();
    assert_eq!(sent[0], 0);
    assert_eq!(sent[1].to_string(), length);
}

#[tokio::test]
async fn the_redirect_target_offers_ranges() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    let path = format!("image/{EMPTY}/v1.11.3/nocloud-amd64.raw.xz");
    let url = format!("{}{path}", stub.url());
    let head = client().head(&url).send().await.unwrap();
    assert_eq!(head.status(), 200, "HEAD is answered directly");
    let answer = get(&stub, &path).await;
    assert_eq!(answer.status(), 302);
    let target = header(&answer, "location").unwrap().to_owned();
    assert!(target.starts_with(&stub.cdn_url().unwrap()));

    let ask = async |range: &str, if_range: Option<&str>| {
        let mut ask = client().get(&target).header("range", range);
        if let Some(tag) = if_range {
            ask = ask.header("if-range", tag);
        }
        ask.send().await.unwrap()
    };
    let whole = client().get(&target).send().await.unwrap();
    let etag = header(&whole, "etag").unwrap().to_owned();
    let whole = whole.bytes().await.unwrap();
    let total = whole.len();
    for (range, first, last) in [
        ("bytes=100-", 100, total - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=100-99999999999", 100, total - 1),
    ] {
        let answer = ask(range, Some(&etag)).await;
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(
            header(&answer, "content-range"),
            Some(format!("bytes {first}-{last}/{total}").as_str())
        );
        assert!(answer.bytes().await.unwrap() == whole[first..=last]);
    }
    assert_eq!(ask("bytes=100-", Some("\"other\"")).await.status(), 200);
    assert_eq!(ask("bytes=9-8", None).await.status(), 416);
    let answer = ask(&format!("bytes={total}-"), None).await;
    assert_eq!(answer.status(), 416);
    assert_eq!(
        header(&answer, "content-range"),
        Some(format!("bytes */{total}").as_str())
    );
    assert_eq!(ask("lines=1-2", None).await.status(), 200);
    let unsigned = target.split('?').next().unwrap();
    assert_eq!(client().get(unsigned).send().await.unwrap().status(), 403);

    stub.rebuild_images();
    let rebuilt = client().get(&target).send().await.unwrap();
    assert_ne!(header(&rebuilt, "etag"), Some(etag.as_str()));
}

#[tokio::test]
async fn what_is_not_there_is_said_in_plain_text() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    let none = "0".repeat(64);
    for (path, status) in [
        (format!("image/{none}/v1.11.3/nocloud-amd64.iso"), 404),
        ("image/short/v1.11.3/nocloud-amd64.iso".into(), 400),
        (format!("image/{EMPTY}/v1.99.0/nocloud-amd64.iso"), 404),
        (format!("image/{EMPTY}/1.11.3/nocloud-amd64.iso"), 404),
        (format!("image/{EMPTY}/v1.11.3/nocloud-riscv.iso"), 400),
        (
            format!("image/{EMPTY}/v1.11.3/nocloud-amd64.iso.sha256"),
            402,
        ),
        (
            format!("image/{EMPTY}/v1.11.3/nocloud-amd64.iso.sha512"),
            402,
        ),
        (
            format!("image/{EMPTY}/v1.11.3/nocloud-amd64.iso.sigstore.json"),
            402,
        ),
        ("nowhere".into(), 404),
        ("version/v1.99.0/extensions/official".into(), 404),
    ] {
        let answer = get(&stub, &path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(
            header(&answer, "content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(answer.text().await.unwrap().ends_with('\n'));
    }
}

#[tokio::test]
async fn lists_are_json() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    let json =
        async |path: &str| -> serde_json::Value { get(&stub, path).await.json().await.unwrap() };
    let versions = json("versions").await;
    assert_eq!(
        versions.as_array().unwrap().last().unwrap(),
        "v1.13.0-beta.0"
    );
    let extensions = json("version/v1.11.3/extensions/official").await;
    assert_eq!(extensions[2]["name"], "siderolabs/qemu-guest-agent");
    let latest = json("repos/siderolabs/talos/releases/latest").await;
    assert_eq!(latest["tag_name"], "v1.12.1");
    let tags = json("repos/siderolabs/talos/tags?per_page=2&page=2").await;
    let names: Vec<_> = tags
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    assert_eq!(names, ["pkg/machinery/v1.13.0-alpha.1", "v1.13.0-alpha.1"]);
}

#[tokio::test]
async fn an_image_can_be_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"prepared").unwrap();
    let version: TalosVersion = "v1.11.3".parse().unwrap();
    let name = "nocloud-amd64.raw.xz";
    let artifact = image::parse(EMPTY.parse().unwrap(), &version, name).unwrap();
    let stub = FactoryStub::start(StubOptions {
        files: [(artifact, file.path().to_owned())].into(),
        ..StubOptions::default()
    })
    .await
    .unwrap();
    let answer = get(&stub, &format!("image/{EMPTY}/v1.11.3/{name}")).await;
    let target = header(&answer, "location").unwrap().to_owned();
    let answer = client().get(&target).send().await.unwrap();
    assert_eq!(header(&answer, "content-length"), Some("8"));
    assert_eq!(answer.bytes().await.unwrap().as_ref(), b"prepared");
    let other = get(&stub, &format!("image/{EMPTY}/v1.11.2/{name}")).await;
    assert_eq!(other.status(), 302, "what is not a file is built");
}

#[tokio::test]
async fn a_rate_is_kept() {
    let stub = FactoryStub::start(StubOptions {
        rate: Some(1 << 20),
        redirect: Redirect::SameOrigin,
        ..StubOptions::default()
    })
    .await
    .unwrap();
    let begin = std::time::Instant::now();
    let path = format!("blob/{EMPTY}/v1.11.3/nocloud-amd64.iso?signature=standin");
    let body = get(&stub, &path).await.bytes().await.unwrap();
    let least = body.len() as f64 / f64::from(1 << 20) * 0.9;
    assert!(begin.elapsed().as_secs_f64() >= least);
}

#[tokio::test]
async fn stopping_breaks_off_what_is_under_way_and_frees_the_port() {
    let stub = FactoryStub::start(StubOptions::default()).await.unwrap();
    stub.inject("/blob/", StubFault::Stall(10_000));
    let path = format!("blob/{EMPTY}/v1.11.3/nocloud-amd64.iso?signature=standin");
    let mut answer = get(&stub, &path).await;
    assert!(answer.chunk().await.unwrap().is_some());
    let port = stub.factory.port();
    let rest = tokio::spawn(async move {
        while answer.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(())
    });
    stub.stop().await;
    assert!(rest.await.unwrap().is_err());
    let again = FactoryStub::start(StubOptions {
        port,
        ..StubOptions::default()
    });
    assert_eq!(again.await.unwrap().factory.port(), port);
}
