//! A factory behind a gateway that cuts what it passes on: as little of HTTP as that
//! takes, since a real server would not do it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::Digest;
use talos_order::factory_stub::{StubOptions, image};

/// What becomes of a body.
#[derive(Clone, Copy)]
pub struct Cut {
    /// How many of its bytes arrive, of how many.
    pub keep: fn(usize) -> usize,
    /// The head tells the length of what arrives; otherwise it tells none, and the
    /// connection ends as it does after a whole body.
    pub tells_length: bool,
    /// Of compressed images it is the disk within that is cut, before it was packed.
    pub within: bool,
    /// Zeros follow for ever.
    pub endless: bool,
}

impl Cut {
    /// Nothing is cut.
    pub const NONE: Self = Self {
        keep: |whole| whole,
        tells_length: true,
        within: false,
        endless: false,
    };
}

type Bodies = Mutex<BTreeMap<String, Arc<Vec<u8>>>>;

/// The gateway; it ends with the test's process.
pub struct Gateway {
    address: SocketAddr,
    cut: Arc<Mutex<Cut>>,
}

impl Gateway {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(Mutex::new(Cut::NONE));
        let (now, bodies) = (Arc::clone(&cut), Arc::new(Bodies::default()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (now, bodies) = (Arc::clone(&now), Arc::clone(&bodies));
                // The client may be gone before it has everything.
                std::thread::spawn(move || drop(answer(&stream, &now, &bodies)));
            }
        });
        Self { address, cut }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = cut;
    }
}

fn answer(mut stream: &TcpStream, cut: &Mutex<Cut>, bodies: &Bodies) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut posted = vec![0; length];
    reader.read_exact(&mut posted)?;
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if method == "POST" {
        let id = talos_order::model::Sha256::from_bytes(sha2::Sha256::digest(&posted).into());
        let text = format!("{{\"id\": \"{id}\"}}");
        return head(stream, "201 Created", Some(text.len()))
            .and_then(|()| stream.write_all(text.as_bytes()));
    }
    let cut = *cut.lock().unwrap();
    let Some(whole) = body(path, cut, bodies) else {
        return head(stream, "404 Not Found", Some(0));
    };
    // Nothing but the image itself says how long it is.
    if method == "HEAD" {
        return head(stream, "405 Method Not Allowed", Some(0));
    }
    let kept = match cut.within {
        true => &whole[..],
        false => &whole[..(cut.keep)(whole.len()).min(whole.len())],
    };
    head(stream, "200 OK", cut.tells_length.then_some(kept.len()))?;
    stream.write_all(kept)?;
    if !cut.endless {
        return Ok(());
    }
    // Until the client has had enough.
    loop {
        stream.write_all(&[0; 64 << 10])?;
    }
}

fn head(mut stream: &TcpStream, status: &str, length: Option<usize>) -> std::io::Result<()> {
    let length = length.map_or(String::new(), |length| {
        format!("Content-Length: {length}\r\n")
    });
    let text = format!("HTTP/1.0 {status}\r\n{length}Connection: close\r\n\r\n");
    stream.write_all(text.as_bytes())
}

/// The image at a path, made once.
fn body(path: &str, cut: Cut, bodies: &Bodies) -> Option<Arc<Vec<u8>>> {
    let key = format!("{path} {}", if cut.within { "within" } else { "" });
    if let Some(body) = bodies.lock().unwrap().get(&key) {
        return Some(Arc::clone(body));
    }
    let mut parts = path.strip_prefix("/image/")?.split('/');
    let (schematic, version) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let artifact = image::parse(schematic, &version, parts.next()?)?;
    let size = StubOptions::default().disk_bytes;
    let build = |artifact| image::build(artifact, size, 0).unwrap();
    let body = match artifact.format.codec().filter(|_| cut.within) {
        None => build(&artifact),
        Some(codec) => {
            let disk = build(&artifact.with_format(talos_order::model::Format::Raw));
            pack(codec, &disk[..(cut.keep)(disk.len())])
        }
    };
    let body = Arc::new(body);
    bodies.lock().unwrap().insert(key, Arc::clone(&body));
    Some(body)
}

fn pack(codec: talos_order::model::Codec, bytes: &[u8]) -> Vec<u8> {
    use talos_order::model::Codec;
    let mut packed = Vec::new();
    match codec {
        Codec::Xz => {
            let mut reader = xz2::read::XzEncoder::new(bytes, 0);
            reader.read_to_end(&mut packed).unwrap();
        }
        Codec::Zstd => packed = zstd::encode_all(bytes, 1).unwrap(),
        Codec::Gzip => {
            let level = flate2::Compression::fast();
            let mut reader = flate2::read::GzEncoder::new(bytes, level);
            reader.read_to_end(&mut packed).unwrap();
        }
    }
    packed
}
