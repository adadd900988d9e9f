//! Registrations and checksums.

use sha2::Digest;

use super::*;

const ISO: &str = "metal-amd64.iso";

#[tokio::test]
async fn a_schematic_gets_the_id_that_the_factory_gives_it() {
    let world = World::new(StubOptions::default()).await;
    let client = world.client();
    let id = client.register(ANY, "customization: {}\n").await.unwrap();
    assert_eq!(id.to_string(), EMPTY);
    let sent = &world.stub.requests()[0];
    assert_eq!(sent.status, 201);
    assert_eq!(sent.header("content-type"), Some("application/yaml"));

    // An older factory: 200, and nothing but the id.
    let other = "ab".repeat(32);
    let body = format!("{{\"id\": \"{other}\"}}");
    world
        .stub
        .inject("POST /schematics", StubFault::status(200, body));
    let id = client.register(ANY, "customization: {}\n").await.unwrap();
    assert_eq!(id.to_string(), other);
}

#[tokio::test]
async fn what_the_factory_has_against_a_schematic_is_passed_on() {
    let world = World::new(StubOptions::default()).await;
    let error = world.client().register(ANY, "customisation: {}\n").await;
    let error = error.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("answered with 400: yaml: construct errors"),
        "{text}"
    );
    assert!(text.contains("customisation"), "{text}");
    assert!(!error.is_transient());
    assert_eq!(world.stub.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_without_an_id_is_not_an_id() {
    let world = World::new(StubOptions::default()).await;
    for body in ["{}", "{\"id\": \"short\"}", "Welcome", "[]"] {
        world
            .stub
            .inject("POST /schematics", StubFault::status(200, body));
        let error = world.client().register(ANY, "").await.unwrap_err();
        assert!(matches!(error, UpstreamError::Answer { .. }), "{error}");
        assert!(!error.is_transient());
    }
}

/// A sign-in page is reported as what it is, whatever was asked for and whatever it calls
/// itself.
#[tokio::test]
async fn a_web_page_is_no_answer_to_anything() {
    let world = World::new(StubOptions {
        checksums: true,
        ..StubOptions::default()
    })
    .await;
    let page = || StubFault::status(200, "\n <!DOCTYPE html><html><title>Sign in</title></html>");
    for fault in [
        StubFault::Html,
        page(),
        StubFault::status(200, "<HTML><body>Welcome"),
    ] {
        let client = world.client();
        let asked = world.stub.requests().len();
        let mut errors = Vec::new();
        world.stub.inject("POST /schematics", fault.clone());
        errors.extend(client.register(ANY, "").await.err());
        world.stub.inject(".sha256", fault.clone());
        errors.extend(client.checksum(&world.image(ISO)).await.err());
        for error in &errors {
            assert!(matches!(error, UpstreamError::Page { .. }), "{error}");
            assert!(!error.is_transient(), "{error}");
            assert!(error.hint().unwrap().contains("NO_PROXY"), "{error}");
        }
        assert_eq!(errors.len(), 2);
        world.stub.inject("/versions", fault.clone());
        world.stub.inject("/tags", fault.clone());
        let VersionKnowledge::Unknown { failures } = client.versions().await else {
            panic!("a page is no list");
        };
        for failure in failures {
            assert!(failure.contains("a web page ("), "{failure}");
        }
        assert_eq!(world.stub.requests().len(), asked + 4);
    }
    // With an error status, it is the status that counts, and the page is not quoted.
    let forbidden = StubFault::Page(403);
    world.stub.inject("POST /schematics", forbidden);
    let error = world.client().register(ANY, "").await.unwrap_err();
    assert!(error.to_string().ends_with("403: a web page"), "{error}");
    assert!(error.hint().unwrap().contains("sign-in page"));
}

#[tokio::test]
async fn a_schematic_is_sent_again_where_the_factory_is_down_but_not_elsewhere() {
    let world = World::new(StubOptions::default()).await;
    world
        .stub
        .inject("POST /schematics", StubFault::status(503, "later"));
    world.client().register(ANY, "").await.unwrap();
    let target = StubFault::RedirectTo("/schematics".into());
    world.stub.inject("POST /schematics", target);
    let error = world.client().register(ANY, "").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Redirect { .. }), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(world.stub.requests().len(), 3);
}

#[tokio::test]
async fn a_checksum_that_is_not_offered_is_none() {
    let world = World::new(StubOptions::default()).await;
    let client = world.client();
    let url = world.image(ISO);
    assert_eq!(client.checksum(&url).await.unwrap(), None);
    assert_eq!(world.stub.requests()[0].status, 402);
    world.stub.inject(".sha256", StubFault::status(404, "no"));
    assert_eq!(client.checksum(&url).await.unwrap(), None);
    assert_eq!(world.stub.requests().len(), 2);
}

#[tokio::test]
async fn a_checksum_that_is_offered_is_that_of_the_image() {
    let world = World::new(StubOptions {
        checksums: true,
        ..StubOptions::default()
    })
    .await;
    let client = world.client();
    let digest: [u8; 32] = sha2::Sha256::digest(built(ISO, 0)).into();
    let url = world.image(ISO);
    world
        .stub
        .inject(".sha256", StubFault::status(503, "building"));
    assert_eq!(
        client.checksum(&url).await.unwrap(),
        Some(Sha256::from_bytes(digest))
    );
    // Anything else than a checksum is an error, not "not offered".
    for fault in [
        StubFault::Html,
        StubFault::status(200, "0123  metal-amd64.iso"),
        StubFault::status(200, format!("{}  other.iso", "ab".repeat(32))),
        StubFault::status(403, "not yours"),
    ] {
        world.stub.inject(".sha256", fault);
        let error = client.checksum(&url).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
    }
    // A query is a token for the image; it does not become part of the name.
    let url = format!("{url}?token=x");
    assert!(client.checksum(&url).await.unwrap().is_some());
}

#[tokio::test]
async fn only_web_addresses_are_asked() {
    let mut world = World::new(StubOptions::default()).await;
    let client = world.client();
    for url in [
        "",
        "image/x.iso",
        "ftp://user:pw@127.0.0.1/x?token=pw",
        "http://",
    ] {
        let error = client.checksum(url).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Url { .. }), "{error}");
        assert!(!error.to_string().contains("pw"), "{error}");
    }
    world.config.factory = Url::parse("ftp://127.0.0.1/").unwrap();
    assert!(HttpFactory::new(&world.config).is_err());
}
