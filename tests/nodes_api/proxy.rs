//! Between a node and the file server: connections that break or stall.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::lab::{Lab, PORT};

/// What becomes of an answer with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It ends after so many bytes.
    Cut(usize),
    /// Nothing comes or goes any more after so many bytes.
    Stall(usize),
    /// No more than so many bytes come before the server ends the connection.
    Hold(usize),
    Pass,
}

pub struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// The answers with a body have these fates, one after the other, the last one for ever.
    pub async fn start(lab: &Lab, fates: &'static [Fate]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::default();
        let (server, counter) = (SocketAddr::from((lab.ip, PORT)), Arc::clone(&heads));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                // What breaks is what this is for.
                tokio::spawn(pass(client, server, fates, Arc::clone(&counter)));
            }
        });
        Self { address, heads }
    }

    pub fn url(&self) -> Url {
        format!("http://{}/", self.address).parse().unwrap()
    }

    /// The requests for a body so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn pass(
    mut client: TcpStream,
    server: SocketAddr,
    fates: &[Fate],
    heads: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = vec![0; 64 << 10];
    let got = client.read(&mut head).await?;
    let mut server = TcpStream::connect(server).await?;
    server.write_all(&head[..got]).await?;
    let fate = match head.starts_with(b"GET") {
        true => {
            let mut heads = heads.lock().unwrap();
            heads.push(String::from_utf8_lossy(&head[..got]).into_owned());
            fates[heads.len().min(fates.len()) - 1]
        }
        false => Fate::Pass,
    };
    match fate {
        Fate::Pass => tokio::io::copy(&mut server, &mut client).await.map(|_| ()),
        Fate::Cut(bytes) => some(&mut server, &mut client, bytes).await,
        Fate::Hold(bytes) => {
            some(&mut server, &mut client, bytes).await?;
            let rest = tokio::io::copy(&mut server, &mut tokio::io::sink()).await;
            rest.map(|_| ())
        }
        Fate::Stall(bytes) => {
            some(&mut server, &mut client, bytes).await?;
            std::future::pending().await
        }
    }
}

async fn some(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    tokio::io::copy(&mut from.take(bytes as u64), to).await?;
    to.flush().await
}
