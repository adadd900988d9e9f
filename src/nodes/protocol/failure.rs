//! What the field `fail STAGE MESSAGE` of an answer means.

use super::qm;
use crate::io::process::printable;
use crate::model::NodeId;
use crate::nodes::error::NodeError;

/// The error that a script reports; `stderr` stands in for a message that is missing.
pub(crate) fn refused(node: &NodeId, failure: &[u8], stderr: &str) -> NodeError {
    let text = printable(failure);
    let (stage, message) = text.split_once(' ').unwrap_or((text.as_str(), ""));
    let message = match message {
        // What stopped the other end of a pipe is on standard error.
        "" if stage == "cut" && stderr.is_empty() => "the stream ended early".to_owned(),
        "" => stderr.to_owned(),
        message => message.to_owned(),
    };
    let message = match stage {
        "create" | "attach" | "convert" | "set" | "destroy" => qm::explain(&message),
        _ => message,
    };
    let node = node.clone();
    if stage == "hostile" {
        return NodeError::Hostile { node, message };
    }
    NodeError::Refused {
        node,
        what: match stage {
            "list" => "listing the directory",
            "recall" => "reading the record of earlier deliveries",
            "record" => "writing the record",
            "lock" => "locking the directory",
            "remove" => "removing the file",
            "taken" => "taking the final name",
            "mkdir" => "making the directory",
            "space" => "asking for free space",
            "digest" => "reading the file",
            "chmod" => "setting the file's mode",
            "sync" => "writing the file to disk",
            "receive" => "receiving the file",
            "cut" => "receiving the complete file",
            "rename" => "giving the file its final name",
            "gone" => "finding the delivered file",
            "busy" => "locking the delivered file",
            "machines" => "looking at virtual machines",
            "image" => "finding the image",
            "create" => "creating the virtual machine",
            "attach" => "giving the virtual machine its disks",
            "convert" => "making the virtual machine a template",
            "set" => "changing the template",
            "destroy" => "removing the template",
            "held" => "locking the virtual machines",
            "fence" => "noting the epoch of the leader",
            "aside" => "setting an unusable file aside",
            _ => "a step",
        },
        message,
    }
}
