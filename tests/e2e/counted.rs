//! A way to the store on which requests are counted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A way to the store on which requests are counted.
pub struct Counted {
    pub endpoint: String,
    /// The first line of each.
    lines: Arc<Mutex<Vec<String>>>,
}

impl Counted {
    pub fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&lines);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let server = TcpStream::connect(&server).unwrap();
                let seen = Arc::clone(&seen);
                let (mut to_client, mut from_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from_server, &mut to_client);
                });
                thread::spawn(move || forward(client, server, &seen));
            }
        });
        Self { endpoint, lines }
    }

    /// Requests since the last time.
    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

/// What a client sends; bodies are small and have no such lines.
fn forward(mut client: TcpStream, mut server: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut piece = [0; 64 << 10];
    while let Ok(length @ 1..) = client.read(&mut piece) {
        let text = String::from_utf8_lossy(&piece[..length]);
        let lines = text
            .lines()
            .filter_map(|line| line.strip_suffix(" HTTP/1.1"));
        let lines = lines.map(ToOwned::to_owned);
        seen.lock().unwrap().extend(lines);
        if server.write_all(&piece[..length]).is_err() {
            return;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}
