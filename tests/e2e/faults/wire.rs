//! HTTP byte by byte, as it should be and as it should not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use talos_order::factory_stub::image;
use talos_order::model::{ArtifactId, Format, NameTemplate, SchematicId};

use super::{At, SECRET, XZ};
use crate::world::PLAIN;

/// How a request is answered.
pub type Answer = fn(&Ask<'_>, &mut TcpStream) -> io::Result<()>;

/// How long a server that says nothing holds a connection, if nobody ends it.
const LONG: Duration = Duration::from_secs(60);

/// A request.
pub struct Ask<'a> {
    pub method: String,
    pub path: String,
    pub head: String,
    /// How many requests of this kind there were before.
    pub before: usize,
    pub shared: &'a Shared,
}

impl Ask<'_> {
    /// The image that is asked for.
    pub fn image(&self) -> &[u8] {
        &self.shared.image
    }

    /// The first byte that a range asks for.
    pub fn range(&self) -> Option<usize> {
        let line = self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("range").then(|| value.trim())
        })?;
        line.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }

    /// A URL of a server that is not the factory, and sends the image.
    pub fn elsewhere(&self) -> String {
        format!("http://{}", self.shared.elsewhere)
    }
}

/// What all connections share.
pub struct Shared {
    image: Arc<Vec<u8>>,
    at: At,
    answer: Answer,
    elsewhere: SocketAddr,
    met: AtomicUsize,
    told: AtomicBool,
    well: AtomicBool,
}

/// A factory at fault, with a second server beside it.
pub struct Server {
    pub image: Arc<Vec<u8>>,
    pub raw: Arc<Vec<u8>>,
    address: SocketAddr,
    shared: Arc<Shared>,
}

fn built(format: Format) -> Vec<u8> {
    let parts = NameTemplate::default().read(XZ).expect("a name");
    let artifact = ArtifactId {
        version: parts.version,
        platform: parts.platform,
        arch: parts.arch,
        secureboot: parts.secureboot,
        schematic: PLAIN.parse::<SchematicId>().unwrap(),
        format,
    };
    image::build(&artifact, 2 << 20, 0).unwrap()
}

impl Server {
    pub fn start(at: At, answer: Answer) -> Self {
        static IMAGES: std::sync::OnceLock<[Arc<Vec<u8>>; 2]> = std::sync::OnceLock::new();
        let images = IMAGES
            .get_or_init(|| [Format::RawXz, Format::Raw].map(|format| Arc::new(built(format))));
        let [image, raw] = images.clone();
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (factory, other) = (bind(), bind());
        let address = factory.local_addr().unwrap();
        let shared = Arc::new(Shared {
            image: Arc::clone(&image),
            at,
            answer,
            elsewhere: other.local_addr().unwrap(),
            met: AtomicUsize::new(0),
            told: AtomicBool::new(false),
            well: AtomicBool::new(false),
        });
        for (listener, is_factory) in [(factory, true), (other, false)] {
            let shared = Arc::clone(&shared);
            // They end with the tests.
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || serve(stream, &shared, is_factory));
                }
            });
        }
        Self {
            image,
            raw,
            address,
            shared,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From now on everything is answered as it should be.
    pub fn heal(&self) {
        self.shared.well.store(true, Ordering::SeqCst);
    }

    /// True if the fault was met.
    pub fn was_asked(&self) -> bool {
        self.shared.met.load(Ordering::SeqCst) > 0
    }

    /// True if the second server was sent the factory's credentials.
    pub fn secret_was_told_elsewhere(&self) -> bool {
        self.shared.told.load(Ordering::SeqCst)
    }
}

/// One connection, one request.
fn serve(mut stream: TcpStream, shared: &Shared, is_factory: bool) -> io::Result<()> {
    let _ = stream.set_read_timeout(Some(LONG));
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
        // TLS begins so, and HTTP does not.
        if head == [0x16] {
            return text(&mut stream, "400 Bad Request", "this is plain HTTP\n");
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<u64>().ok())?
    });
    io::copy(&mut (&stream).take(length.unwrap_or(0)), &mut io::sink())?;
    if !is_factory {
        let encoded = BASE64_STANDARD.encode(format!("me:{SECRET}"));
        if head.contains(SECRET) || head.contains(&encoded) {
            shared.told.store(true, Ordering::SeqCst);
        }
    }
    let meant = match shared.at {
        At::Image => path.starts_with("/image/") && path.ends_with(".xz") && method == "GET",
        At::Checksum => path.ends_with(".sha256"),
        At::Schematic => path == "/schematics",
        At::Versions => path == "/versions",
    };
    let at_fault = meant && is_factory && !shared.well.load(Ordering::SeqCst);
    let before = match at_fault {
        true => shared.met.fetch_add(1, Ordering::SeqCst),
        false => 0,
    };
    let ask = Ask {
        method,
        path,
        head,
        before,
        shared,
    };
    match at_fault {
        true => (shared.answer)(&ask, &mut stream),
        false => honest(&ask, &mut stream),
    }
}

/// The answer of a factory that is well.
pub fn honest(ask: &Ask<'_>, stream: &mut TcpStream) -> io::Result<()> {
    match ask.path.as_str() {
        "/versions" => text(stream, "200 OK", r#"["v1.11.2", "v1.11.3", "v1.12.0"]"#),
        "/schematics" => text(stream, "201 Created", &format!(r#"{{"id": "{PLAIN}"}}"#)),
        path if path.ends_with(".sha256") => text(stream, "402 Payment Required", "not here\n"),
        path if path.ends_with(".xz") => {
            let image = ask.image();
            let (status, from) = match ask.range() {
                Some(from) => ("206 Partial Content", from),
                None => ("200 OK", 0),
            };
            let range = format!(
                "content-range: bytes {from}-{}/{1}\r\n",
                image.len() - 1,
                image.len()
            );
            let head = format!("etag: \"one\"\r\n{}", if from > 0 { &range } else { "" });
            head_of(stream, status, &head, image.len() - from)?;
            match ask.method.as_str() {
                "HEAD" => Ok(()),
                _ => stream.write_all(&image[from..]),
            }
        }
        _ => text(stream, "404 Not Found", "404 page not found\n"),
    }
}

/// The head of an answer with a length and more headers, each with its line end.
pub fn head_of(stream: &mut TcpStream, status: &str, more: &str, length: usize) -> io::Result<()> {
    let head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n");
    stream.write_all(head.as_bytes())
}

/// A small answer.
pub fn text(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    typed(stream, status, "text/plain", body.as_bytes())
}

/// A small answer of a type.
pub fn typed(stream: &mut TcpStream, status: &str, kind: &str, body: &[u8]) -> io::Result<()> {
    head_of(
        stream,
        status,
        &format!("content-type: {kind}\r\n"),
        body.len(),
    )?;
    stream.write_all(body)
}

/// Exactly these bytes, and then the end of the connection.
pub fn raw(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}

/// Nothing more, until the other side has gone.
pub fn silence(stream: &mut TcpStream) -> io::Result<()> {
    stream.flush()?;
    let mut byte = [0];
    let _ = stream.read(&mut byte);
    Ok(())
}

/// The image from here on, a byte now and then, until the other side has gone.
pub fn drip_image(ask: &Ask<'_>, stream: &mut TcpStream, from: usize) -> io::Result<()> {
    let begin = Instant::now();
    for byte in ask.image()[from..].chunks(1) {
        if begin.elapsed() > LONG {
            break;
        }
        stream.write_all(byte)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A byte now and then, until the other side has gone.
pub fn drip(stream: &mut TcpStream, drop: &[u8]) -> io::Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < LONG {
        stream.write_all(drop)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The connection ends with a reset instead of an end.
pub fn reset(stream: &TcpStream) -> io::Result<()> {
    // The option is the socket's, whichever handle sets it.
    tokio::net::TcpSocket::from_std_stream(stream.try_clone()?).set_zero_linger()
}
