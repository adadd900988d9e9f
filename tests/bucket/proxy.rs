//! A proxy in front of a server that does to its answers what networks and servers do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is answered with this status and this text, and does not reach the server.
    Answer(u16, &'static str),
    /// It reaches the server, and is answered with this status in place of the server's.
    AnswerAfter(u16),
    /// It reaches the server, and the connection is closed in place of an answer.
    Lose,
    /// The connection is closed, and the server hears nothing.
    Drop,
    /// It reaches the server, and nothing is answered.
    StallAfter,
    /// Nothing is read beyond its head, and nothing is answered.
    Stall,
    /// The answer ends after so many bytes behind its head.
    CutAt(usize),
    /// Its body is read in so many pieces, with a pause before each.
    Crawl(usize, Duration),
}

/// The proxy. It ends with the runtime of its test.
pub struct Proxy {
    pub endpoint: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    server: String,
    faults: Mutex<VecDeque<(&'static str, Fault)>>,
    seen: Mutex<Vec<String>>,
}

impl Proxy {
    /// In front of the server at `HOST:PORT`.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            server: server.to_owned(),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A client that is gone is none of its business.
                tokio::spawn(async move { state.serve(client).await.ok() });
            }
        });
        Self { endpoint, state }
    }

    /// The next request whose first line begins with this meets a fault. Faults of the same
    /// beginning come one after the other.
    pub fn next(&self, begin: &'static str, fault: Fault) {
        self.state.faults.lock().unwrap().push_back((begin, fault));
    }

    /// The first lines of all requests since it was asked last.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }

    /// True if no fault waits for its request.
    pub fn is_through(&self) -> bool {
        self.state.faults.lock().unwrap().is_empty()
    }
}

impl State {
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        let head = String::from_utf8(head).expect("a head of ASCII");
        let line = head.lines().next().unwrap_or_default().to_owned();
        let fault = self.fault(&line);
        self.seen.lock().unwrap().push(line);
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse().ok())?
        });
        let mut body = vec![0; length.unwrap_or(0)];
        match &fault {
            Some(Fault::Stall) => std::future::pending::<()>().await,
            Some(Fault::Drop) => return Ok(()),
            Some(Fault::Crawl(pieces, pause)) => {
                let size = body.len().div_ceil(*pieces).max(1);
                for piece in body.chunks_mut(size) {
                    tokio::time::sleep(*pause).await;
                    client.read_exact(piece).await?;
                }
            }
            _ => {
                client.read_exact(&mut body).await?;
            }
        }
        if let Some(Fault::Answer(status, text)) = fault {
            return answer(client, status, text).await;
        }
        let answered = self.ask(&head, &body).await?;
        match fault {
            Some(Fault::AnswerAfter(status)) => answer(client, status, "").await,
            Some(Fault::Lose) => Ok(()),
            Some(Fault::StallAfter) => std::future::pending().await,
            Some(Fault::CutAt(length)) => {
                let end = answered.windows(4).position(|four| four == b"\r\n\r\n");
                let end = end.map_or(answered.len(), |end| end + 4 + length);
                client.write_all(&answered[..end.min(answered.len())]).await
            }
            _ => client.write_all(&answered).await,
        }
    }

    /// The answer of the server, with its head.
    async fn ask(&self, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(&self.server).await?;
        let head = head.trim_end();
        let head = format!("{head}\r\nConnection: close\r\n\r\n");
        server.write_all(head.as_bytes()).await?;
        server.write_all(body).await?;
        let mut answered = Vec::new();
        server.read_to_end(&mut answered).await?;
        Ok(answered)
    }

    fn fault(&self, line: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let at = faults
            .iter()
            .position(|(begin, _)| line.starts_with(begin))?;
        Some(faults.remove(at)?.1)
    }
}

async fn answer(mut client: TcpStream, status: u16, text: &str) -> std::io::Result<()> {
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(text.as_bytes()).await
}
