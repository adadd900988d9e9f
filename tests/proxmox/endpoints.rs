//! Several endpoints: who is asked, and who next.

use std::time::Duration;

use talos_order::proxmox::{
    CallLimits, FetchRequest, ImageContent, PveApi, PveConfig, PveError, PveTrust,
};
use talos_order::proxmox_stub::PveFault;

use crate::lab::{Lab, SECRET, chain, limits, sha256, token};

fn impatient(lab: &Lab) -> PveApi {
    let endpoints = ["pve-01", "pve-02"].map(|node| lab.stub.url(node).parse().unwrap());
    PveApi::new(&PveConfig {
        endpoints: endpoints.into(),
        token: token(SECRET),
        trust: PveTrust::System,
        limits: CallLimits {
            call: Duration::from_millis(1500),
            ..limits()
        },
    })
    .unwrap()
}

#[tokio::test]
async fn the_one_that_answers_is_remembered() {
    let mut lab = Lab::new().await;
    let api = lab.api_of(&["pve-01", "pve-02"], SECRET);
    api.version().await.unwrap();
    assert_eq!(api.preferred(), lab.stub.url("pve-01"));
    lab.stub.power_off("pve-01").await;
    api.version().await.unwrap();
    assert_eq!(api.preferred(), lab.stub.url("pve-02"));
    lab.stub.power_on("pve-01").await.unwrap();
    api.version().await.unwrap();
    assert!(lab.stub.requests().last().unwrap().starts_with("pve-02 "));
}

#[tokio::test]
async fn when_nobody_answers_each_is_named() {
    let mut lab = Lab::new().await;
    let api = lab.api_of(&["pve-01", "pve-02"], SECRET);
    for node in ["pve-01", "pve-02"] {
        lab.stub.power_off(node).await;
    }
    let error = api.version().await.unwrap_err();
    let text = chain(&error);
    assert!(
        text.starts_with("none of the 2 endpoints answers: http://"),
        "{text}"
    );
    for node in ["pve-01", "pve-02"] {
        assert!(text.contains(&lab.stub.url(node)), "{text}");
    }
    assert!(error.is_transient());
    assert!(error.hint().unwrap().contains("pveproxy"));
}

#[tokio::test]
async fn a_silent_endpoint_costs_one_call_its_time() {
    let lab = Lab::new().await;
    let api = impatient(&lab);
    lab.stub.inject("GET /api2/json/version", PveFault::Hang);
    api.version().await.unwrap();
    assert_eq!(api.preferred(), lab.stub.url("pve-02"));
    // A storage that hangs is no reason to ask it again through another node.
    lab.stub.inject("/storage/local/status", PveFault::Hang);
    let error = api.storage_status("pve-01", "local").await.unwrap_err();
    assert!(matches!(error, PveError::Timeout { .. }), "{error}");
    let asked = lab.stub.requests();
    let asked = asked
        .iter()
        .filter(|line| line.contains("/storage/local/status"));
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_twice() {
    let lab = Lab::new().await;
    let api = lab.api_of(&["pve-01", "pve-02"], SECRET);
    lab.stub.inject("POST ", PveFault::Cut);
    let request = FetchRequest {
        node: "pve-01".to_owned(),
        storage: "local".to_owned(),
        content: ImageContent::Iso,
        name: "a.iso".to_owned(),
        url: "http://127.0.0.1:1/".parse().unwrap(),
        sha256: sha256(b""),
    };
    let error = api.fetch(&request).await.unwrap_err();
    assert!(
        matches!(error, PveError::Transport { connect: false, .. }),
        "{error}"
    );
    let posts = lab
        .stub
        .requests()
        .iter()
        .filter(|line| line.contains("POST"))
        .count();
    assert_eq!(posts, 1);
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let lab = Lab::new().await;
    let api = lab.api_of(&["pve-01", "pve-02"], "wrong");
    assert!(matches!(
        api.version().await,
        Err(PveError::Unauthorized { .. })
    ));
    assert_eq!(lab.stub.requests().len(), 1);
}

#[test]
fn an_endpoint_proves_who_it_is() {
    let config = |url: &str| PveConfig {
        endpoints: vec![url.parse().unwrap()],
        token: token(SECRET),
        trust: PveTrust::System,
        limits: limits(),
    };
    let error = PveApi::new(&config("http://pve-01.example:8006")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "http://pve-01.example:8006 cannot be an endpoint of the Proxmox VE API: plain HTTP would \
         show the token to the network"
    );
    let none = PveConfig {
        endpoints: Vec::new(),
        ..config("https://a")
    };
    assert!(matches!(PveApi::new(&none), Err(PveError::NoEndpoint)));
}
