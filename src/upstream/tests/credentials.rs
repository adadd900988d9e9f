//! Credentials: sent where they belong, shown nowhere.

use secrecy::SecretString;

use super::*;

const BASIC: &str = "Basic dXNlcjpvcGVuIHNlc2FtZQ==";

async fn world(authorization: &str) -> World {
    World::new(StubOptions {
        authorization: Some(authorization.into()),
        ..StubOptions::default()
    })
    .await
}

fn basic() -> Credentials {
    Credentials::Basic {
        username: "user".into(),
        password: SecretString::from("open sesame"),
    }
}

#[tokio::test]
async fn credentials_go_to_the_factory_and_stay_there() {
    for (wanted, given) in [
        (BASIC, basic()),
        (
            "Bearer t0p-secret",
            Credentials::Bearer("t0p-secret".into()),
        ),
    ] {
        let mut world = world(wanted).await;
        world.config.authorization = given;
        let mut sink = MemorySink::default();
        let url = world.image("nocloud-amd64.iso");
        let client = world.client();
        client.download(&url, &mut sink).await.unwrap();
        client.register(ANY, "customization: {}\n").await.unwrap();
        assert!(matches!(
            client.versions().await,
            VersionKnowledge::Known { .. }
        ));
        let (cdn, factory): (Vec<_>, Vec<_>) = world
            .stub
            .requests()
            .into_iter()
            .partition(|request| request.cdn);
        assert_eq!((cdn.len(), factory.len()), (1, 3));
        assert_eq!(cdn[0].header("authorization"), None);
        for request in factory {
            assert_eq!(request.header("authorization"), Some(wanted));
        }
    }
}

#[tokio::test]
async fn a_user_in_the_url_of_the_factory_serves_as_well() {
    let mut world = world(BASIC).await;
    let base = world.stub.url();
    let url = base.replace("http://", "http://user:open%20sesame@");
    world.config.factory = Url::parse(&url).unwrap();
    let client = world.client();
    let image = world.image("nocloud-amd64.iso").replace(&base, &url);
    let mut sink = MemorySink::default();
    client.download(&image, &mut sink).await.unwrap();
    world
        .stub
        .inject("GET /image/", StubFault::status(404, "gone"));
    let error = client.download(&image, &mut sink).await;
    // The sink is full, so nothing was asked; start anew.
    assert!(error.is_ok());
    let error = client.download(&image, &mut MemorySink::default()).await;
    let text = error.unwrap_err().one_line();
    assert!(!text.contains("user") && !text.contains("sesame"), "{text}");
}

#[tokio::test]
async fn missing_credentials_are_told_with_a_hint() {
    let world = world(BASIC).await;
    let error = world.client().register(ANY, "customization: {}\n").await;
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "POST {}schematics was answered with 401: authentication required",
            world.stub.url()
        )
    );
    assert!(error.hint().unwrap().contains("credentials"));
}

#[tokio::test]
async fn a_server_that_repeats_the_secret_does_not_get_it_printed() {
    let mut world = world(BASIC).await;
    world.config.authorization = basic();
    let echo = format!("header was {BASIC}, password open sesame");
    world
        .stub
        .inject("POST /schematics", StubFault::status(400, echo));
    let error = world.client().register(ANY, "x").await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("header was Basic (hidden), password (hidden)"),
        "{text}"
    );
    assert!(!text.contains("sesame") && !text.contains("dXNl"), "{text}");
    let debug = format!("{:?}", world.client());
    assert!(
        !debug.contains("sesame") && !debug.contains("dXNl"),
        "{debug}"
    );
}

#[tokio::test]
async fn the_token_goes_to_github_and_not_to_the_factory() {
    let factory = World::new(StubOptions::default()).await;
    let mut world = World::new(StubOptions::default()).await;
    world.config.factory = Url::parse(&factory.stub.url()).unwrap();
    world.config.github_token = Some(SecretString::from("ghp_token"));
    factory.stub.inject("/versions", StubFault::status(404, ""));
    world.client().versions().await;
    assert_eq!(factory.stub.requests()[0].header("authorization"), None);
    let asked = world.stub.requests();
    assert_eq!(asked[0].path, "/repos/siderolabs/talos/tags");
    assert_eq!(asked[0].header("authorization"), Some("Bearer ghp_token"));
}

#[tokio::test]
async fn credentials_that_do_not_fit_are_refused_without_being_shown() {
    let mut world = world(BASIC).await;
    world.config.authorization = Credentials::Bearer("two\nlines".into());
    let error = HttpFactory::new(&world.config).unwrap_err();
    assert!(matches!(error, UpstreamError::Credentials { .. }));
    assert!(!format!("{error} {error:?}").contains("two"));
}
