//! A web server that nodes load images from.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Response, Uri};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

pub struct FileServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FileServer {
    /// Serves these bytes below every path; `/moved` leads to another one, `/absent` is
    /// not there, and `/stall` never ends.
    pub async fn start(bytes: Vec<u8>) -> Self {
        let bytes = Bytes::from(bytes);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let router = Router::new().fallback(async move |uri: Uri| {
            noted.lock().unwrap().push(uri.path().to_owned());
            let response = Response::builder();
            match uri.path() {
                "/moved" => response
                    .status(302)
                    .header("Location", "/there.iso")
                    .body(Body::empty()),
                "/absent" => response.status(404).body(Body::empty()),
                "/stall" => {
                    let first = stream::iter([Ok::<_, std::io::Error>(bytes.slice(..1))]);
                    response.body(Body::from_stream(first.chain(stream::pending())))
                }
                _ => response.body(Body::from(bytes.clone())),
            }
            .unwrap()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, asked }
    }

    pub fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}
