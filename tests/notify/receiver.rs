//! A receiver over HTTP that answers as it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::common::wait_for;

/// What a request is answered with; the connection is closed afterwards.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing, for as long as the receiver lives.
    Silence,
}

impl Answer {
    pub fn status(line: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {line}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        Self::Bytes(text.into_bytes())
    }

    pub fn ok() -> Self {
        Self::status("200 OK", "", "ok")
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST /path`.
    pub line: String,
    /// In lower case: `name: value`.
    pub headers: Vec<String>,
    pub bytes: Vec<u8>,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter();
        found.find_map(|header| header.strip_prefix(name)?.strip_prefix(": "))
    }

    /// What it tells: `failure order/one`.
    pub fn told(&self) -> Vec<String> {
        let body = self.json();
        let events = body["events"].as_array().unwrap().iter();
        let told = events.map(|event| {
            let (kind, key) = (
                event["kind"].as_str().unwrap(),
                event["key"].as_str().unwrap(),
            );
            format!("{kind} {key}")
        });
        told.collect()
    }
}

/// The receiver; it ends with the test.
pub struct Receiver {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self {
            url,
            answer: Arc::new(Mutex::new(answer)),
            received: Arc::default(),
        };
        let (answer, received) = (Arc::clone(&receiver.answer), Arc::clone(&receiver.received));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (answer, received) = (Arc::clone(&answer), Arc::clone(&received));
                thread::spawn(move || serve(stream, &answer, &received));
            }
        });
        receiver
    }

    /// Answers so from now on.
    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The requests, once there are so many.
    pub fn wait(&self, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} messages"), || {
            self.received().len() >= count
        });
        self.received()
    }
}

fn serve(stream: TcpStream, answer: &Mutex<Answer>, received: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<String> = lines[1..]
        .iter()
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            format!("{}: {value}", name.to_lowercase())
        })
        .collect();
    let length = headers
        .iter()
        .find_map(|header| header.strip_prefix("content-length: ")?.parse().ok());
    let mut bytes = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut bytes).unwrap();
    let request = Received {
        line: lines[0].trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        bytes,
    };
    let answer = answer.lock().unwrap().clone();
    received.lock().unwrap().push(request);
    match answer {
        Answer::Bytes(bytes) => {
            let _ = reader.get_mut().write_all(&bytes);
        }
        Answer::Silence => {
            // Until the other side gives up.
            let _ = reader.read(&mut [0]);
        }
    }
}
