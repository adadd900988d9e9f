//! A bucket in memory as a node.

mod answers;
mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sha2::Digest;
use tempfile::TempDir;

use super::{BucketNodes, BucketNodesConfig};
use crate::bucket::{Bucket, WriteCondition};
use crate::facts::{DirState, NodeState};
use crate::io::Meter;
use crate::model::{Dir, FileName, LeaderEpoch, Method, Node, Proof, Reach, Sha256, StoredForm};
use crate::nodes::authority::Authority;
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Delivery, Nodes, Removal, Removed, Verified};
use crate::nodes::samples::entry;

struct BucketLab {
    bucket: Bucket,
    node: Node,
    dir: Dir,
    file: FileName,
    files: TempDir,
}

fn digest(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(bytes).into())
}

impl BucketLab {
    fn new() -> Self {
        Self {
            bucket: Bucket::in_memory(),
            node: Node {
                id: "images".parse().unwrap(),
                reach: Reach::Bucket {
                    url: "s3:/talos".to_owned(),
                },
            },
            dir: "/images".parse().unwrap(),
            file: "a.iso".parse().unwrap(),
            files: tempfile::tempdir().unwrap(),
        }
    }

    fn nodes(&self, owner: &str, authority: Authority) -> BucketNodes {
        BucketNodes::new(BucketNodesConfig {
            nodes: BTreeMap::from([(self.node.id.clone(), self.bucket.clone())]),
            owner: owner.to_owned(),
            look: Duration::from_secs(10),
            authority,
            authority_of: BTreeMap::new(),
        })
    }

    fn single(&self) -> BucketNodes {
        self.nodes("lab", Authority::single())
    }

    fn delivery(&self, bytes: &[u8], replace: bool) -> Delivery {
        let source = self.files.path().join("source");
        std::fs::write(&source, bytes).unwrap();
        let sample = entry("a.iso");
        Delivery {
            dir: self.dir.clone(),
            file: self.file.clone(),
            source,
            size: bytes.len() as u64,
            sha256: digest(bytes),
            artifact: sample.artifact,
            replace,
            deletion: None,
            revision: None,
            orders: sample.orders,
            now: sample.placed_at,
            form: StoredForm::Same,
            url: "https://factory.example/a.iso".to_owned(),
            method: Method::Put,
            proof: Proof::default(),
            data: None,
            relay: None,
            meter: Arc::new(Meter::default()),
        }
    }

    fn removal(&self, bytes: &[u8]) -> Removal {
        Removal {
            dir: self.dir.clone(),
            file: self.file.clone(),
            size: bytes.len() as u64,
            sha256: digest(bytes),
        }
    }

    async fn look(&self) -> DirState {
        let dirs = BTreeSet::from([self.dir.clone()]);
        match self.single().observe(&self.node, &dirs).await {
            NodeState::Listed { mut dirs, .. } => dirs.remove(&self.dir).unwrap(),
            NodeState::Unreachable { why, .. } => panic!("{why}"),
        }
    }

    /// Somebody else writes an object.
    async fn put(&self, key: &str, bytes: &'static [u8]) {
        let key = key.parse().unwrap();
        let put = self.bucket.put(&key, bytes, WriteCondition::Always);
        put.await.unwrap();
    }

    async fn content(&self) -> Option<Vec<u8>> {
        let key = "images/a.iso".parse().unwrap();
        let object = self.bucket.get(&key).await.unwrap();
        object.map(|object| object.bytes.to_vec())
    }
}

#[tokio::test]
async fn what_was_delivered_is_seen_as_recorded_and_goes_again() {
    let lab = BucketLab::new();
    let nodes = lab.single();
    lab.put("images/other/b.iso", b"deeper").await;
    let first = nodes.deliver(&lab.node, &lab.delivery(b"one", false)).await;
    assert!(first.unwrap().copied);
    let seen = lab.look().await;
    let file = &seen.files["a.iso"];
    assert_eq!(seen.files.len(), 1, "neither the record nor what is deeper");
    assert!(seen.record[&lab.file].describes(file));
    let again = nodes.deliver(&lab.node, &lab.delivery(b"one", false)).await;
    assert!(!again.unwrap().copied);
    let verified = nodes.verify(&lab.node, &lab.removal(b"one")).await;
    assert_eq!(verified.unwrap(), Verified::Same);
    // Ours, with other bytes: replaced.
    nodes
        .deliver(&lab.node, &lab.delivery(b"two", false))
        .await
        .unwrap();
    assert_eq!(lab.content().await.unwrap(), b"two");
    let wrong = nodes.remove(&lab.node, &lab.removal(b"one")).await;
    assert_eq!(wrong.unwrap(), Removed::Differs(digest(b"two")));
    let gone = nodes.remove(&lab.node, &lab.removal(b"two")).await;
    assert_eq!(gone.unwrap(), Removed::Gone);
    assert_eq!(lab.content().await, None);
    assert!(lab.look().await.record.is_empty());
}

#[tokio::test]
async fn what_nobody_recorded_is_read_and_adopted_or_left() {
    let lab = BucketLab::new();
    let nodes = lab.single();
    lab.put("images/a.iso", b"one").await;
    let other = nodes.deliver(&lab.node, &lab.delivery(b"two", false)).await;
    assert!(matches!(other, Err(NodeError::Foreign { .. })), "{other:?}");
    let removed = nodes.remove(&lab.node, &lab.removal(b"one")).await;
    assert!(matches!(removed, Err(NodeError::Foreign { .. })));
    let same = nodes.deliver(&lab.node, &lab.delivery(b"one", false)).await;
    assert!(!same.unwrap().copied);
    // What was changed since is seen, and read back before it is removed.
    lab.put("images/a.iso", b"six").await;
    let seen = lab.look().await;
    assert!(!seen.record[&lab.file].describes(&seen.files["a.iso"]));
    let removed = nodes.remove(&lab.node, &lab.removal(b"one")).await;
    assert_eq!(removed.unwrap(), Removed::Differs(digest(b"six")));
    let verified = nodes.verify(&lab.node, &lab.removal(b"one")).await;
    assert_eq!(verified.unwrap(), Verified::Differs(digest(b"six")));
    assert_eq!(lab.look().await.record[&lab.file].inode, 0);
}

#[tokio::test]
async fn another_owner_s_files_stay() {
    let lab = BucketLab::new();
    let theirs = lab.nodes("other", Authority::single());
    theirs
        .deliver(&lab.node, &lab.delivery(b"one", false))
        .await
        .unwrap();
    let nodes = lab.single();
    for end in [
        nodes
            .deliver(&lab.node, &lab.delivery(b"two", true))
            .await
            .err(),
        nodes.remove(&lab.node, &lab.removal(b"one")).await.err(),
        nodes.verify(&lab.node, &lab.removal(b"one")).await.err(),
    ] {
        assert!(matches!(end, Some(NodeError::NotOurs { .. })), "{end:?}");
    }
    let same = nodes.deliver(&lab.node, &lab.delivery(b"one", false)).await;
    assert_eq!(same.unwrap().entry.owner, "other");
}

#[tokio::test]
async fn a_file_that_is_not_what_it_should_be_gets_no_name() {
    let lab = BucketLab::new();
    let delivery = lab.delivery(b"one", false);
    std::fs::write(&delivery.source, b"eno").unwrap();
    let end = lab.single().deliver(&lab.node, &delivery).await;
    assert!(
        matches!(end, Err(NodeError::DigestDiffers { .. })),
        "{end:?}"
    );
    assert_eq!(lab.content().await, None);
}

#[tokio::test]
async fn an_older_leader_changes_nothing() {
    let lab = BucketLab::new();
    let leader = |epoch| {
        let authority = Authority::of_site("prague".parse().unwrap());
        authority.grant(LeaderEpoch::new(epoch), Duration::MAX);
        (lab.nodes("lab", authority.clone()), authority)
    };
    let (new, _) = leader(7);
    new.deliver(&lab.node, &lab.delivery(b"one", false))
        .await
        .unwrap();
    let (old, authority) = leader(6);
    let ends = old.deliver(&lab.node, &lab.delivery(b"two", true)).await;
    assert!(matches!(ends, Err(NodeError::Outranked { .. })), "{ends:?}");
    assert_eq!(authority.is_outranked().await, LeaderEpoch::new(7));
    // It does not even begin any more; and a single controller of this owner neither.
    for nodes in [&old, &lab.single()] {
        let removed = nodes.remove(&lab.node, &lab.removal(b"one")).await;
        assert!(removed.is_err());
    }
    assert_eq!(lab.content().await.unwrap(), b"one");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_unknown_and_stays() {
    let lab = BucketLab::new();
    lab.put("images/.talos-order.jsonl", b"{\"later\":2}\n")
        .await;
    lab.put("images/a.iso", b"one").await;
    let seen = lab.look().await;
    assert!(seen.unread.is_some() && seen.files.contains_key("a.iso"));
    let nodes = lab.single();
    let end = nodes.deliver(&lab.node, &lab.delivery(b"two", true)).await;
    assert!(end.is_err());
    assert_eq!(lab.content().await.unwrap(), b"one");
}
