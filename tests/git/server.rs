//! `git http-backend` behind a small server, which may ask for a login or be in trouble.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// What the server does.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// The value of the header that a request must have.
    pub authorization: Option<String>,
    /// It answers with this status instead of anything else.
    pub status: Option<&'static str>,
    /// It accepts connections and says nothing.
    pub stalls: bool,
    /// It sends everybody elsewhere.
    pub redirect: Option<String>,
}

pub struct HttpServer {
    pub address: String,
    behaviour: Arc<Mutex<Behaviour>>,
    /// What clients sent as a login.
    seen: Arc<Mutex<Vec<String>>>,
}

impl HttpServer {
    /// Serves the repositories below a directory.
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            behaviour: Arc::default(),
            seen: Arc::default(),
        };
        let (root, behaviour) = (root.to_owned(), Arc::clone(&server.behaviour));
        let seen = Arc::clone(&server.seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, seen) = (root.clone(), Arc::clone(&seen));
                let behaviour = behaviour.lock().unwrap().clone();
                std::thread::spawn(move || {
                    // A client that goes away is no failure.
                    let _ = serve(stream, &root, &behaviour, &seen);
                });
            }
        });
        server
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub fn logins(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request, and the end of the connection.
fn serve(
    mut stream: TcpStream,
    root: &PathBuf,
    behaviour: &Behaviour,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        head.iter().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    seen.lock().unwrap().extend(header("authorization"));
    if behaviour.stalls {
        // Until the client gives up.
        return reader.read_to_end(&mut Vec::new()).map(drop);
    }
    let mut answer = |status: &str, headers: &str| {
        let head =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes())
    };
    if let Some(status) = behaviour.status {
        return answer(status, "");
    }
    let mut words = head[0].split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    if let Some(elsewhere) = &behaviour.redirect {
        return answer("302 Found", &format!("Location: {elsewhere}{target}\r\n"));
    }
    if behaviour.authorization.is_some() && header("authorization") != behaviour.authorization {
        return answer(
            "401 Unauthorized",
            "WWW-Authenticate: Basic realm=\"git\"\r\n",
        );
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let length = header("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env(
            "HTTP_CONTENT_ENCODING",
            header("content-encoding").unwrap_or_default(),
        )
        .env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    backend.stdin.take().unwrap().write_all(&body)?;
    let output = backend.wait_with_output()?.stdout;
    let status = match output.strip_prefix(b"Status: ") {
        Some(rest) => {
            String::from_utf8_lossy(rest.split(|byte| *byte == b'\r').next().unwrap()).into_owned()
        }
        None => "200 OK".to_owned(),
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes())?;
    stream.write_all(&output)
}
