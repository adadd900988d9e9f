//! Uploads, read as the real server reads them: not as multipart, but with regular
//! expressions in a fixed order, the file being everything up to the last boundary.

use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::acl::KnownToken;
use super::answer::Denied;
use super::schema::Asked;
use super::world::Asking;
use super::{checks, files, names, tasks};

/// The fields before the file, in the only order in which they are found.
const FIELDS: [&str; 3] = ["content", "checksum-algorithm", "checksum"];

/// A request that brings a file.
pub(super) struct Upload<'a> {
    pub asking: &'a Asking,
    pub token: &'a KnownToken,
    pub headers: &'a HeaderMap,
    pub length: Option<usize>,
}

/// What a body has.
struct Parts {
    fields: Vec<(String, String)>,
    name: String,
    file: Vec<u8>,
}

impl Upload<'_> {
    /// Takes the body to the node that is asked, and starts the task that brings it to
    /// its place. What is refused stays where it is.
    pub(super) async fn take(self, mut asked: Asked, body: Body) -> Result<Value, Denied> {
        let Some(length) = self.length else {
            let text = "Content-Length required, chunked encoding not supported";
            return Err(Denied::Bare(501, text.to_owned()));
        };
        let kind = self.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = kind
            .strip_prefix("multipart/form-data")
            .and_then(|rest| rest.split_once("boundary="))
            .map(|(_, boundary)| boundary.trim_matches('"').to_owned());
        let Some(boundary) = boundary else {
            return Err(Denied::Bare(501, "for data too large".to_owned()));
        };
        let body = to_bytes(body, length).await;
        let body = body.map_err(|_| Denied::Bare(400, "connection lost".to_owned()))?;
        let parts = split(&body, &boundary)?;
        let arrived = self.keep(&parts.file)?;
        for (name, value) in parts.fields {
            asked.parameters.insert(name, value);
        }
        asked.parameters.insert("filename".to_owned(), parts.name);
        asked.check()?;
        self.asking.world.reach(&asked)?;
        self.start(&asked, arrived)
    }

    /// Writes the file to where uploads arrive.
    fn keep(&self, file: &[u8]) -> Result<PathBuf, Denied> {
        let dir = self.asking.world.options.dir.join(&self.asking.node);
        let dir = dir.join("var-tmp");
        let failed = |why: std::io::Error| Denied::died(why.to_string());
        std::fs::create_dir_all(&dir).map_err(failed)?;
        let path = dir.join(format!("pveupload-{:016x}", fastrand::u64(..)));
        std::fs::write(&path, file).map_err(failed)?;
        Ok(path)
    }

    fn start(&self, asked: &Asked, arrived: PathBuf) -> Result<Value, Denied> {
        let world = &self.asking.world;
        let node = asked.node().unwrap_or_default();
        let storage = world.activated(node, asked.second())?;
        let content = asked.get("content").unwrap_or_default().to_owned();
        if !storage.content.contains(&content) {
            return Err(Denied::died(format!(
                "storage '{}' does not support '{content}' content",
                storage.name
            )));
        }
        let name = names::normalised(asked.get("filename").unwrap_or_default());
        if !names::sendable(&content, &name) {
            let text = "invalid filename or wrong extension";
            return Err(Denied::parameter("filename", text));
        }
        let promise = asked.get("checksum-algorithm").zip(asked.get("checksum"));
        let promise = promise.map(|(algorithm, sum)| (algorithm.to_owned(), sum.to_owned()));
        let target = world.directory(node, &storage, &content).join(&name);
        let (upid, _) = tasks::start(&world.tasks, self.token, node, ("imgcopy", ""), |worker| {
            async move {
                let promise = promise.as_ref();
                let promise = promise.map(|(algorithm, sum)| (algorithm.as_str(), sum.as_str()));
                let result = files::check(&arrived, promise)
                    .and_then(|()| checks::check(&arrived, &content, &name))
                    .and_then(|()| {
                        // Neither atomic nor careful: cp, over whatever is there.
                        let copied = std::fs::copy(&arrived, &target);
                        copied.map(|_| ()).map_err(|why| why.to_string())
                    });
                worker.log(format!("target file: {}", target.display()));
                let _ = std::fs::remove_file(&arrived);
                result
            }
        });
        Ok(json!(upid))
    }
}

/// Reads the parts of a body.
fn split(body: &[u8], boundary: &str) -> Result<Parts, Denied> {
    let missing = || Denied::Told(500, "no file in the upload".to_owned());
    let start = format!("--{boundary}\r\n");
    let end = format!("\r\n--{boundary}");
    let mut fields = Vec::new();
    let mut rest = body;
    let mut allowed = FIELDS.iter();
    loop {
        rest = rest.strip_prefix(start.as_bytes()).ok_or_else(missing)?;
        let at = find(rest, b"\r\n\r\n").ok_or_else(missing)?;
        let head = String::from_utf8_lossy(&rest[..at]).into_owned();
        rest = &rest[at + 4..];
        let Some(name) = quoted(&head, "; name=") else {
            return Err(missing());
        };
        // Only where it is the first header.
        let is_first = head.starts_with("Content-Disposition: form-data;");
        if name == "filename" && is_first {
            let name = quoted(&head, "; filename=").ok_or_else(missing)?;
            let close = rfind(rest, end.as_bytes()).ok_or_else(missing)?;
            return Ok(Parts {
                fields,
                name,
                file: rest[..close].to_vec(),
            });
        }
        if !FIELDS.contains(&name.as_str()) || !is_first {
            return Err(missing());
        }
        if !allowed.any(|field| *field == name) {
            return Err(Denied::Bare(
                400,
                "Parameter verification failed.".to_owned(),
            ));
        }
        let close = find(rest, end.as_bytes()).ok_or_else(missing)?;
        let value = String::from_utf8_lossy(&rest[..close]).into_owned();
        fields.push((name, value));
        rest = &rest[close + 2..];
    }
}

fn quoted(head: &str, before: &str) -> Option<String> {
    let (_, rest) = head.split_once(before)?;
    let (text, _) = rest.strip_prefix('"')?.split_once('"')?;
    Some(text.to_owned())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn rfind(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}
