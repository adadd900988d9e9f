//! One call: what is asked, and how its answer is read.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::error::PveError;

/// What a segment of a path shows as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is asked. The path is below `/api2/json`: with a wrong base a node answers an
/// upload with "for data too large".
#[derive(Debug, Clone)]
pub(super) struct PveCall {
    pub method: Method,
    path: String,
    /// The node that the call is about: another one hands it on.
    pub node: Option<String>,
    /// What the path or the parameters name, for typed errors.
    pub storage: Option<String>,
    pub volume: Option<String>,
    pub vmid: Option<u32>,
    pub query: Vec<(&'static str, String)>,
    pub form: Vec<(Cow<'static, str>, String)>,
    /// Longer or shorter than usual.
    pub limit: Option<Duration>,
}

impl PveCall {
    pub(super) fn new(method: Method, segments: &[&str]) -> Self {
        let encoded = segments
            .iter()
            .map(|segment| format!("/{}", utf8_percent_encode(segment, PLAIN)));
        let node = match segments {
            ["nodes", node, ..] => Some((*node).to_owned()),
            _ => None,
        };
        let storage = match segments {
            ["nodes", _, "storage", storage, ..] | ["storage", storage, ..] => {
                Some((*storage).to_owned())
            }
            _ => None,
        };
        Self {
            method,
            path: encoded.collect(),
            node,
            storage,
            volume: None,
            vmid: None,
            query: Vec::new(),
            form: Vec::new(),
            limit: None,
        }
    }

    pub(super) fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn form(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.form.push((name.into(), value.into()));
        self
    }

    pub(super) fn vmid(mut self, vmid: u32) -> Self {
        self.vmid = Some(vmid);
        self
    }

    pub(super) fn volume(mut self, volume: &str) -> Self {
        self.volume = Some(volume.to_owned());
        self
    }

    pub(super) fn path(&self) -> String {
        format!("/api2/json{}", self.path)
    }

    /// For messages.
    pub(super) fn shown(&self) -> String {
        let path = percent_encoding::percent_decode_str(&self.path).decode_utf8_lossy();
        format!("{} {path}", self.method)
    }

    /// True if asking twice is asking once.
    pub(super) fn is_reading(&self) -> bool {
        self.method == Method::GET
    }
}

/// The value of `data` in an answer.
pub(super) fn data<T: DeserializeOwned>(call: &PveCall, body: &[u8]) -> Result<T, PveError> {
    let wrong = |reason: String| PveError::Answer {
        call: call.shown(),
        reason,
    };
    let mut answer: serde_json::Value = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(_) if body.is_empty() => return Err(wrong("nothing".to_owned())),
        Err(why) => return Err(wrong(format!("something that is not JSON: {why}"))),
    };
    let data = answer
        .get_mut("data")
        .ok_or_else(|| wrong("JSON without `data`".to_owned()))?;
    serde_json::from_value(data.take()).map_err(|why| wrong(format!("JSON of another form: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_become_two() {
        let call = PveCall::get(&["nodes", "n", "storage", "s", "content", "s:iso/a b.iso"]);
        assert_eq!(
            call.path(),
            "/api2/json/nodes/n/storage/s/content/s%3Aiso%2Fa%20b.iso"
        );
        assert_eq!(call.shown(), "GET /nodes/n/storage/s/content/s:iso/a b.iso");
        assert_eq!(call.storage.as_deref(), Some("s"));
    }

    #[test]
    fn an_answer_has_data() {
        let call = PveCall::get(&["version"]);
        assert_eq!(data::<u8>(&call, br#"{"data":7,"more":1}"#).unwrap(), 7);
        for wrong in ["", "<html>", "{}", r#"{"data":"x"}"#] {
            let error = data::<u8>(&call, wrong.as_bytes()).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("GET /version was answered with")
            );
        }
    }
}
