//! `download-url`: a node that loads a URL, with the states of the real one.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::acl::KnownToken;
use super::answer::Denied;
use super::schema::Asked;
use super::tasks::Worker;
use super::world::{PveWorld, below};
use super::{checks, files, names, tasks};

/// A download as its task sees it.
struct NodeDownload {
    url: String,
    content: String,
    name: String,
    /// Algorithm and digest.
    promise: Option<(String, String)>,
    compression: Option<String>,
    file: PathBuf,
    shown: String,
    wget: bool,
}

/// Starts the task.
pub(super) fn fetch(world: &PveWorld, token: &KnownToken, asked: &Asked) -> Result<Value, Denied> {
    let node = asked.node().unwrap_or_default();
    let get = |name| asked.get(name).unwrap_or_default().to_owned();
    let (url, content) = (get("url"), get("content"));
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let text = "value does not match the regex pattern";
        return Err(Denied::parameter("url", text));
    }
    let name = asked.get("filename").unwrap_or_default();
    if name.len() > 255 {
        let text = "value may only be 255 characters long";
        return Err(Denied::parameter("filename", text));
    }
    let storage = world.activated(node, asked.second())?;
    if !storage.content.contains(&content) {
        return Err(Denied::died(format!(
            "storage '{}' is not configured for content-type '{content}'",
            storage.name
        )));
    }
    let name = names::normalised(name);
    if !names::sendable(&content, &name) {
        let text = "invalid filename or wrong extension";
        return Err(Denied::parameter("filename", text));
    }
    let compression = asked.get("compression").map(str::to_owned);
    if compression.is_some() && content != "iso" {
        return Err(Denied::died(format!(
            "decompression not supported for {content}"
        )));
    }
    let promise = asked.get("checksum-algorithm").zip(asked.get("checksum"));
    let dir = world.directory(node, &storage, &content);
    let download = NodeDownload {
        url,
        promise: promise.map(|(algorithm, sum)| (algorithm.to_owned(), sum.to_owned())),
        compression,
        file: dir.join(&name),
        shown: format!("{}/{}/{name}", storage.path, below(&content)),
        content,
        name: name.clone(),
        wget: world.options.wget,
    };
    let about = ("download", name.as_str());
    let (upid, _) = tasks::start(&world.tasks, token, node, about, |worker| {
        download.run(worker)
    });
    Ok(json!(upid))
}

impl NodeDownload {
    fn promise(&self) -> Option<(&str, &str)> {
        let promise = self.promise.as_ref();
        promise.map(|(algorithm, sum)| (algorithm.as_str(), sum.as_str()))
    }

    async fn run(self, worker: Worker) -> Result<(), String> {
        worker.log(format!("downloading {} to {}", self.url, self.shown));
        if self.file.exists() {
            if self.promise.is_none() {
                return Err(format!(
                    "refusing to override existing file '{}'",
                    self.shown
                ));
            }
            files::check(&self.file, self.promise())?;
            worker.log("OK, got correct file already, no need to download");
            return Ok(());
        }
        let temporary = self
            .file
            .with_file_name(format!("{}.tmp_dwnl.{}", self.name, worker.pid));
        let result = tokio::select! {
            result = self.load(&worker, &temporary) => result,
            () = worker.cancel.cancelled() => Err("interrupted by signal".to_owned()),
        };
        if result.is_err() {
            // It may not be there at all.
            let _ = std::fs::remove_file(&temporary);
        }
        result
    }

    async fn load(&self, worker: &Worker, temporary: &Path) -> Result<(), String> {
        let loaded = match self.wget {
            true => load_with_wget(worker, &self.url, temporary).await,
            false => load(&self.url, temporary).await,
        };
        loaded.map_err(|why| format!("download failed: {why}"))?;
        files::check(temporary, self.promise())?;
        if let Some(compression) = &self.compression {
            unpack(temporary, compression)?;
        }
        checks::check(temporary, &self.content, &self.name)?;
        std::fs::rename(temporary, &self.file).map_err(|why| why.to_string())
    }
}

/// Loads a URL as wget would: with redirects, without a proxy or credentials.
async fn load(url: &str, file: &Path) -> Result<(), String> {
    let mut response = client()?.get(url).send().await.map_err(shown)?;
    if !response.status().is_success() {
        return Err(format!("ERROR {}", response.status()));
    }
    let mut file = std::fs::File::create(file).map_err(|why| why.to_string())?;
    while let Some(piece) = response.chunk().await.map_err(shown)? {
        file.write_all(&piece).map_err(|why| why.to_string())?;
    }
    file.flush().map_err(|why| why.to_string())
}

/// Loads a URL as a node does. It ends with the task.
async fn load_with_wget(worker: &Worker, url: &str, file: &Path) -> Result<(), String> {
    let mut wget = tokio::process::Command::new("wget");
    wget.args(["--no-config", "--no-proxy", "--progress=dot:giga", "-O"]);
    wget.arg(file)
        .arg(url)
        .env("LC_ALL", "C")
        .kill_on_drop(true);
    let output = wget.output().await.map_err(|why| why.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines().for_each(|line| worker.log(line));
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("wget ended with {}", output.status)),
    }
}

fn client() -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(std::iter::empty());
    builder.build().map_err(shown)
}

fn shown(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

fn unpack(file: &Path, compression: &str) -> Result<(), String> {
    let failed = |why: std::io::Error| format!("decompression failed: {why}");
    let packed = std::fs::read(file).map_err(failed)?;
    let mut plain = Vec::new();
    match compression {
        "gz" => flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut plain)
            .map_err(failed)?,
        "zst" => zstd::Decoder::new(&packed[..])
            .and_then(|mut decoder| decoder.read_to_end(&mut plain))
            .map_err(failed)?,
        _ => return Err("no decompression method found".to_owned()),
    };
    std::fs::write(file, plain).map_err(failed)
}

/// What the node sees of a URL.
pub(super) async fn url_metadata(asked: &Asked) -> Result<Value, Denied> {
    let url = asked.get("url").unwrap_or_default();
    let failed = |why: String| Denied::died(format!("unable to get the metadata: {why}"));
    let request = client().map_err(failed)?.head(url);
    let response = request.send().await.map_err(|why| failed(shown(why)))?;
    if !response.status().is_success() {
        let status = response.status();
        return Err(Denied::died(format!("invalid server response: '{status}'")));
    }
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let size: Option<u64> = header("content-length").and_then(|length| length.parse().ok());
    let last = response.url().path().rsplit('/').next().unwrap_or_default();
    let mut answer = json!({ "filename": last });
    if let Some(size) = size {
        answer["size"] = json!(size);
    }
    if let Some(kind) = header("content-type") {
        answer["mimetype"] = json!(kind);
    }
    Ok(answer)
}
