//! How images get to a node: by wget from the file server, or sent.

use talos_order::model::{ApiRoute, Method};
use talos_order::nodes::{ApiError, ApiNodesConfig, Delivery, NodeError, Nodes};

use crate::lab::{Lab, NAME, node, noise, shown, until};
use crate::proxy::{Fate, Proxy};

/// Nobody reaches the file server.
fn unreachable(config: &mut ApiNodesConfig) {
    config.server.public_url = Some("http://127.0.0.1:1/".parse().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wget_resumes_what_broke() {
    let lab = Lab::with(|options| options.wget = true).await;
    let proxy = Proxy::start(&lab, &[Fate::Cut(1_000_000), Fate::Pass]).await;
    let nodes = lab.nodes_with(|config| config.server.public_url = Some(proxy.url()));
    let bytes = noise(3_000_000, 1);
    let delivery = lab.delivery(&bytes);
    let delivered = nodes.deliver(&node("pve-01"), &delivery).await.unwrap();
    assert_eq!(std::fs::read(lab.on_node("pve-01")).unwrap(), bytes);
    // Up to where the first answer broke; its head was among what was let through.
    let heads = proxy.heads();
    let resumed: Vec<bool> = heads
        .iter()
        .map(|head| head.contains("Range: bytes=999"))
        .collect();
    assert_eq!(resumed, [false, true], "{heads:?}");
    assert_eq!(delivery.meter.read().0, 3_000_000);
    let sent = delivered.wire_bytes.unwrap();
    assert!(sent >= 3_000_000, "{sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_cannot_be_loaded() {
    let lab = Lab::with(|options| options.wget = true).await;
    let nodes = lab.nodes();
    let delivery = lab.delivery(&noise(70_000, 1));
    nodes.deliver(&node("pve-01"), &delivery).await.unwrap();
    let tasks = lab.api("pve-01");
    let url = offered(&lab);
    assert!(url.ends_with(NAME) && url.len() > NAME.len() + 40, "{url}");
    let error = tasks.url_metadata("pve-01", &url).await.unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    let root = url.split_inclusive('/').take(3).collect::<String>();
    assert!(tasks.url_metadata("pve-01", &root).await.is_err());
}

/// The URL that a node was asked to try.
fn offered(lab: &Lab) -> String {
    let requests = lab.stub.requests();
    let mut asked = requests
        .iter()
        .filter_map(|line| line.split_once("query-url-metadata?url="));
    let query = format!("url={}", asked.next().unwrap().1);
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.next().unwrap().1.into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_server_speaks_http() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab, &[Fate::Stall(0), Fate::Pass]).await;
    let nodes = lab.nodes_with(|config| config.server.public_url = Some(proxy.url()));
    let bytes = noise(900_000, 1);
    let delivery = lab.delivery(&bytes);
    let etag = format!("\"{}\"", delivery.sha256);
    let pve = node("pve-01");
    let asking = async {
        until(|| proxy.heads().len() == 1).await;
        let url = offered(&lab);
        let ask = async |method: &str, headers: &[(&str, &str)], url: &str| {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut request = client.request(method.parse().unwrap(), url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = request.send().await.unwrap();
            let header = |name: &str| {
                let value = response.headers().get(name);
                value.map(|value| value.to_str().unwrap().to_owned())
            };
            let told = (
                header("content-length"),
                header("content-range"),
                header("etag"),
            );
            let status = response.status().as_u16();
            (status, told, response.bytes().await.unwrap())
        };
        let (status, told, body) = ask("HEAD", &[], &url).await;
        assert_eq!((status, body.len()), (200, 0));
        assert_eq!(told, (Some("900000".to_owned()), None, Some(etag.clone())));
        let (status, told, body) = ask("GET", &[("Range", "bytes=899990-")], &url).await;
        assert_eq!((status, &body[..]), (206, &bytes[899_990..]));
        assert_eq!(told.1.as_deref(), Some("bytes 899990-899999/900000"));
        let same = [("Range", "bytes=0-9"), ("If-Range", etag.as_str())];
        assert_eq!(ask("GET", &same, &url).await.2, bytes[..10]);
        let other = [("Range", "bytes=0-9"), ("If-Range", "\"another\"")];
        assert_eq!(ask("GET", &other, &url).await.2, bytes);
        let outside = [("Range", "bytes=900000-")];
        assert_eq!(ask("GET", &outside, &url).await.0, 416);
        assert_eq!(ask("POST", &[], &url).await.0, 405);
        assert_eq!(ask("GET", &[], &format!("{url}x")).await.0, 404);
    };
    tokio::select! {
        delivered = nodes.deliver(&pve, &delivery) => panic!("{delivered:?}"),
        () = asking => {}
    }
}

#[tokio::test]
async fn a_server_that_the_node_cannot_reach_is_told() {
    let lab = Lab::new().await;
    let nodes = lab.nodes_with(unreachable);
    let delivery = lab.delivery(&noise(5000, 1));
    let error = nodes.deliver(&node("pve-01"), &delivery).await.unwrap_err();
    assert!(
        matches!(error, NodeError::Api(ApiError::NoWayBack { .. })),
        "{error:?}"
    );
    let text = shown(&error);
    assert!(
        text.starts_with("pve-01 cannot load images from this machine at http://127.0.0.1:1"),
        "{text}"
    );
    assert!(
        text.contains("Connection refused") && text.contains("firewall"),
        "{text}"
    );
    assert!(lab.stub.tasks().is_empty() && lab.names("pve-01").is_empty());
}

/// Somebody else has the address from where the node stands.
#[tokio::test]
async fn another_server_at_the_address_is_told() {
    let lab = Lab::new().await;
    let nodes = lab.nodes_with(|config| {
        config.server.public_url = Some(lab.stub.url("pve-02").parse().unwrap());
    });
    let delivery = lab.delivery(&noise(5000, 1));
    let error = nodes.deliver(&node("pve-01"), &delivery).await.unwrap_err();
    assert!(
        matches!(error, NodeError::Api(ApiError::NoWayBack { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_image_is_sent_where_that_is_asked_for() {
    for route in [ApiRoute::FileServerOrUpload, ApiRoute::Upload] {
        let lab = Lab::new().await;
        let nodes = lab.nodes_with(unreachable);
        let bytes = noise(900_000, 1);
        let delivery = Delivery {
            method: Method::Api { route },
            ..lab.delivery(&bytes)
        };
        let pve = node("pve-01");
        // The space on the root file system is not known yet.
        let error = nodes.deliver(&pve, &delivery).await.unwrap_err();
        assert!(shown(&error).contains("Sys.Audit"), "{error:?}");
        assert!(lab.stub.tasks().is_empty());
        for path in ["/", "/nodes"] {
            lab.stub
                .grant(crate::lab::TOKEN, path, "Sys.Audit Sys.AccessNetwork");
        }
        let delivered = nodes.deliver(&pve, &delivery).await.unwrap();
        assert!(delivered.copied);
        assert_eq!(std::fs::read(lab.on_node("pve-01")).unwrap(), bytes);
        assert_eq!(lab.recorded("pve-01"), [delivered.entry]);
        assert_eq!(lab.count("POST") - lab.count("download-url"), 1);
    }
}

#[tokio::test]
async fn two_deliveries_share_a_limit() {
    let lab = Lab::new().await;
    let nodes = lab.nodes_with(|config| config.server.bandwidth = Some(1_000_000));
    let (first, second) = (
        lab.delivery(&noise(300_000, 1)),
        lab.delivery(&noise(300_000, 2)),
    );
    let (one, two) = (node("pve-01"), node("pve-02"));
    let begun = std::time::Instant::now();
    let (one, two) = tokio::join!(nodes.deliver(&one, &first), nodes.deliver(&two, &second));
    assert!(one.unwrap().copied && two.unwrap().copied);
    // Less the credit of a link that was idle.
    assert!(begun.elapsed() >= std::time::Duration::from_millis(500));
}

/// Where nothing else is said, the server is where the endpoint is reached from.
#[tokio::test]
async fn the_address_follows_from_the_route() {
    let lab = Lab::new().await;
    let nodes = lab.nodes_with(|config| {
        config.server.address = None;
        config.server.port = 0;
    });
    let delivery = lab.delivery(&noise(5000, 1));
    let pve = node("pve-01");
    assert!(nodes.deliver(&pve, &delivery).await.unwrap().copied);
    assert_eq!(
        lab.count("query-url-metadata?url=http%3A%2F%2F127.0.0.1%3A"),
        1
    );
}
