//! What an error answer means. Proxmox VE has few statuses: everything that a handler
//! dies with is a 500, so its text is read for the cases that a caller treats apart.
//! A text that is not known stays what it is: an error with that text.

use serde::Deserialize;

use super::call::PveCall;
use super::error::{PveError, TaskFailure};
use super::vm_refusal::VmRefusal;
use crate::model::visible;

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct Refusal<'a> {
    pub endpoint: &'a str,
    pub token: &'a str,
    pub status: u16,
    /// The text of the status line; of a bad token the only one there is.
    pub reason: &'a str,
    pub body: &'a [u8],
}

#[derive(Debug, Default, Deserialize)]
struct RefusalBody {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    errors: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

impl Refusal<'_> {
    /// As a typed error.
    pub(super) fn read(&self, call: &PveCall) -> PveError {
        let body: RefusalBody = serde_json::from_slice(self.body).unwrap_or_default();
        let text = body.message.as_deref().unwrap_or(self.reason).trim();
        let text = match text {
            "" => "no reason given".to_owned(),
            text => shown(text),
        };
        let endpoint = self.endpoint.to_owned();
        let errors = body.errors.unwrap_or_default();
        let is_storage_unknown = errors
            .get("storage")
            .and_then(serde_json::Value::as_str)
            .is_some_and(|text| text.starts_with("No such storage"));
        let of_vm = || {
            let texts = errors.values().filter_map(serde_json::Value::as_str);
            texts.filter_map(VmRefusal::read).next()
        };
        if let (400, Some(vmid)) = (self.status, call.vmid)
            && let Some(source) = of_vm()
        {
            return PveError::Vm { vmid, source };
        }
        match self.status {
            400 if is_storage_unknown => PveError::NoSuchStorage {
                storage: call.storage.clone().unwrap_or_default(),
            },
            400 => PveError::Parameters {
                call: call.shown(),
                text,
                errors: errors
                    .into_iter()
                    .map(|(name, value)| {
                        let text = match value {
                            serde_json::Value::String(text) => text,
                            other => other.to_string(),
                        };
                        let [name, text] = [name, text].map(|part| shown(&part));
                        (name, text)
                    })
                    .collect(),
            },
            401 => PveError::Unauthorized {
                endpoint,
                token: self.token.to_owned(),
                text,
            },
            403 => {
                let (path, privileges) = missing(&text);
                PveError::Forbidden {
                    token: self.token.to_owned(),
                    call: call.shown(),
                    text,
                    path,
                    privileges,
                }
            }
            501 => PveError::Unsupported {
                endpoint,
                call: call.shown(),
                text,
            },
            status @ 595..=599 => PveError::NodeUnreachable {
                endpoint,
                node: call
                    .node
                    .clone()
                    .unwrap_or_else(|| "(not named)".to_owned()),
                status,
                text,
            },
            status => internal(call, status, text),
        }
    }
}

/// A text of the cluster, which is printed, logged and recorded, and may hold anything.
fn shown(text: &str) -> String {
    visible(text.trim()).into_owned()
}

/// What the text of a 500 says.
fn internal(call: &PveCall, status: u16, text: String) -> PveError {
    if let (Some(node), true) = (&call.node, text.contains("hostname lookup")) {
        return PveError::NoSuchNode {
            node: node.clone(),
            text,
        };
    }
    if let Some(vmid) = call.vmid
        && let Some(source) = VmRefusal::read(&text)
    {
        return PveError::Vm { vmid, source };
    }
    if let Some(storage) = &call.storage {
        let named = format!("'{storage}'");
        if text.contains(&format!("storage {named} does not exist")) {
            return PveError::NoSuchStorage {
                storage: storage.clone(),
            };
        }
        let is_out_of_use = text.contains(&named)
            && [
                "is not available on node",
                "is disabled",
                "is not online",
                "unable to activate storage",
            ]
            .iter()
            .any(|part| text.contains(part));
        if is_out_of_use {
            return PveError::StorageUnavailable {
                storage: storage.clone(),
                text,
            };
        }
    }
    if let Some(volume) = &call.volume {
        let is_absent = [
            "no format",
            "no such file",
            "No such file",
            "no such volume",
            "unable to parse",
        ]
        .iter()
        .any(|part| text.contains(part));
        if is_absent {
            return PveError::NoSuchVolume {
                volume: volume.clone(),
                text,
            };
        }
    }
    PveError::Status {
        call: call.shown(),
        status,
        text,
    }
}

/// Path and privileges of `Permission check failed (/storage/x, A|B)`.
fn missing(text: &str) -> (Option<String>, Vec<String>) {
    let inside = text
        .split_once("failed (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(inside, _)| inside);
    let Some((path, privileges)) = inside.and_then(|inside| inside.split_once(',')) else {
        return (None, Vec::new());
    };
    let privileges = privileges
        .split(['|', ','])
        .map(|one| one.trim().to_owned());
    (Some(path.trim().to_owned()), privileges.collect())
}

/// What the exit status of a failed task says.
pub(super) fn task_failure(text: &str) -> TaskFailure {
    let text = &*shown(text);
    if let Some(rest) = text.strip_prefix("checksum mismatch: got '") {
        let mut parts = rest.split('\'');
        if let (Some(found), Some(_), Some(expected)) = (parts.next(), parts.next(), parts.next()) {
            return TaskFailure::Checksum {
                found: found.to_owned(),
                expected: expected.to_owned(),
            };
        }
    }
    if text.contains("refusing to override existing file") {
        return TaskFailure::Exists;
    }
    if let Some(reason) = text.strip_prefix("download failed: ") {
        return TaskFailure::Download(reason.to_owned());
    }
    let is_content = text.starts_with("Image is not in")
        || text.contains("not allowed for untrusted image")
        || text.contains("decompression not supported")
        || text.contains("no decompression method found");
    if is_content {
        return TaskFailure::Content(text.to_owned());
    }
    if text == "interrupted by signal" || text.ends_with("received interrupt") {
        return TaskFailure::Stopped;
    }
    if text.contains("Permission check failed") {
        let (path, privileges) = missing(text);
        return TaskFailure::Denied {
            text: text.to_owned(),
            path,
            privileges,
        };
    }
    if let Some(refusal) = VmRefusal::read(text) {
        return TaskFailure::Vm(refusal);
    }
    TaskFailure::Other(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(call: &PveCall, status: u16, reason: &str, body: &str) -> PveError {
        Refusal {
            endpoint: "https://a:8006",
            token: "u@pve!t",
            status,
            reason,
            body: body.as_bytes(),
        }
        .read(call)
    }

    #[test]
    fn a_text_may_be_in_the_reason_phrase_only() {
        let call = PveCall::get(&["nodes"]);
        let error = read(&call, 401, "no such token 'x'", "");
        assert_eq!(
            error.to_string(),
            "https://a:8006 does not accept the API token u@pve!t: no such token 'x'"
        );
        let reason = "Permission check failed (/storage/s, Datastore.AllocateTemplate)";
        let error = read(&call, 403, reason, "");
        assert!(error.hint().unwrap().contains("on /storage/s to the user"));
    }

    #[test]
    fn a_500_is_told_apart_by_its_text() {
        let call = PveCall::get(&["nodes", "n", "storage", "s", "status"]);
        let message = |text: &str| serde_json::json!({"data": null, "message": text}).to_string();
        let read = |text: &str| read(&call, 500, "Internal", &message(text));
        assert!(matches!(
            read("storage 's' does not exist\n"),
            PveError::NoSuchStorage { .. }
        ));
        assert!(matches!(
            read("storage 's' is not available on node 'n'\n"),
            PveError::StorageUnavailable { .. }
        ));
        assert!(matches!(
            read("storage 'other' does not exist\n"),
            PveError::Status { status: 500, .. }
        ));
    }

    #[test]
    fn from_595_on_it_is_the_node() {
        let call = PveCall::get(&["nodes", "pve-02", "status"]);
        for status in [595, 596, 597, 599] {
            let error = read(&call, status, "Connection timed out", "");
            assert!(matches!(
                error,
                PveError::NodeUnreachable { node, .. } if node == "pve-02"
            ));
        }
        let error = read(&call, 596, "tls_process: certificate verify failed", "");
        assert!(error.hint().unwrap().contains("pvecm updatecerts"));
    }

    #[test]
    fn no_text_of_a_cluster_paints() {
        let bad = "a\u{1b}[31mb\u{202e}\r\nc";
        let body = serde_json::json!({"message": bad, "errors": {bad: bad}}).to_string();
        let call = PveCall::get(&["nodes", "n", "qemu", "9", "config"]);
        for status in [400, 401, 403, 500, 501, 595] {
            let text = read(&call, status, bad, &body).to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
        }
        let locked = format!("VM is locked ({bad})");
        for text in [bad, &locked, &format!("download failed: {bad}")] {
            let text = task_failure(text).to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn errors_of_parameters_are_named() {
        let body = r#"{"data":null,"errors":{"foo":"property is not defined in schema\n"}}"#;
        let error = read(
            &PveCall::get(&["nodes"]),
            400,
            "Parameter verification failed.",
            body,
        );
        assert_eq!(
            error.to_string(),
            "GET /nodes was refused: Parameter verification failed.; foo: property is not defined \
             in schema"
        );
    }
}
