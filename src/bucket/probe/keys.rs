//! The names of the objects of probes.

use super::super::{ObjectKey, ObjectPrefix};

/// Where they are in the store of a fleet.
pub(in crate::bucket) const STORE_PROBES: &str = "v1/probe/";

/// Where they are in a bucket that is a node.
pub(in crate::bucket) const NODE_PROBES: &str = ".talos-order-probe/";

/// Digits of the number of a probe.
const DIGITS: usize = 32;

/// The objects of one probe. Nobody else has an object of one of these names.
pub(in crate::bucket) struct ProbeKeys {
    pub own: ObjectPrefix,
    pub keys: Vec<ObjectKey>,
}

impl ProbeKeys {
    /// Below this prefix.
    pub(in crate::bucket) fn new(probes: &str) -> Self {
        let number = fastrand::u128(..);
        Self {
            own: ObjectPrefix::known(format!("{probes}{number:0DIGITS$x}/")),
            keys: Vec::new(),
        }
    }

    pub(in crate::bucket) fn next(&mut self) -> ObjectKey {
        let key = ObjectKey::known(format!("{}{}", self.own, self.keys.len()));
        self.keys.push(key.clone());
        key
    }

    pub(in crate::bucket) fn is_own(&self, key: &ObjectKey) -> bool {
        key.as_str().starts_with(&self.own.to_string())
    }
}

/// True for an object of any probe below this prefix, and for nothing that somebody else
/// put there.
pub(super) fn is_of_probe(probes: &str, key: &ObjectKey) -> bool {
    let name = key.as_str().strip_prefix(probes);
    let Some((probe, number)) = name.and_then(|name| name.split_once('/')) else {
        return false;
    };
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    probe.len() == DIGITS
        && probe.chars().all(is_hex)
        && !number.is_empty()
        && number.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_probe_named_is_taken_for_it() {
        let mut keys = ProbeKeys::new(NODE_PROBES);
        for _ in 0..12 {
            let key = keys.next();
            assert!(keys.is_own(&key) && is_of_probe(NODE_PROBES, &key));
            assert!(!ProbeKeys::new(NODE_PROBES).is_own(&key));
        }
        let number = "0123456789abcdef0123456789abcdef";
        for other in [
            "v1/probe/a".to_owned(),
            "v1/probe/notes/1".to_owned(),
            format!("v1/probe/{number}"),
            format!("v1/probe/{number}/1/2"),
            format!("v1/probe/{number}/readme"),
            format!("v1/other/{number}/1"),
        ] {
            let key = other.parse().unwrap();
            assert!(!is_of_probe(STORE_PROBES, &key), "{other}");
        }
    }
}
