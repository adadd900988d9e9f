//! The ID of a task: `UPID:node:pid:pstart:start:type:id:user:`.

use std::fmt;
use std::str::FromStr;

use crate::model::Invalid;

/// The ID of a task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upid {
    text: String,
    /// The node that it runs on, which may be another than the one that was asked.
    pub node: String,
    /// Its kind, such as `download`.
    pub kind: String,
    /// What it is about, such as the name of a file.
    pub id: String,
    /// Who started it: a user, or the ID of a token.
    pub user: String,
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Upid {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts: Vec<&str> = text.split(':').collect();
        let is_hex =
            |part: &str| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        match parts[..] {
            ["UPID", node, pid, pstart, start, kind, id, user, ""]
                if [pid, pstart, start].into_iter().all(is_hex)
                    && !node.is_empty()
                    && !kind.is_empty() =>
            {
                Ok(Self {
                    text: text.to_owned(),
                    node: node.to_owned(),
                    kind: kind.to_owned(),
                    id: id.to_owned(),
                    user: user.to_owned(),
                })
            }
            _ => Err(Invalid::new(format!("{text:?} is not the ID of a task"))),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Upid {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_names_its_node() {
        let text = "UPID:pve-02:0000C2F1:0123456789:6744A1B2:download:a.iso:u@pve!ctl:";
        let upid: Upid = text.parse().unwrap();
        assert_eq!(upid.node, "pve-02");
        assert_eq!(
            (upid.kind.as_str(), upid.id.as_str()),
            ("download", "a.iso")
        );
        assert_eq!(upid.to_string(), text);
        for bad in ["", "OK", "UPID:a:b:c:d:e:f:g:", &text[..text.len() - 1]] {
            assert!(bad.parse::<Upid>().is_err(), "{bad}");
        }
    }
}
