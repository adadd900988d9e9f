//! The twin against the rules of the real one.

use super::*;
use crate::nodes::samples;

#[tokio::test]
async fn the_twin_keeps_the_rules_of_the_real_one() {
    let nodes = FakeNodes::new();
    let (node, delivery) = samples::delivery("a.iso");
    let (id, dirs) = (&node.id, BTreeSet::from([delivery.dir.clone()]));
    nodes.set_free(id, delivery.size + 1);
    assert!(nodes.deliver(&node, &delivery).await.unwrap().copied);
    assert!(!nodes.deliver(&node, &delivery).await.unwrap().copied);
    let described = async || match nodes.observe(&node, &dirs).await {
        NodeState::Listed { dirs, .. } => {
            let dir = &dirs[&delivery.dir];
            dir.record[&delivery.file].describes(&dir.files["a.iso"])
        }
        NodeState::Unreachable { why } => panic!("{why}"),
    };
    assert!(described().await);
    nodes.put(
        id,
        &delivery.dir,
        "a.iso",
        delivery.size,
        samples::other_digest(),
    );
    assert!(!described().await);
    let full = nodes.deliver(&node, &delivery).await;
    assert!(
        matches!(full, Err(NodeError::NoSpace { free: 1, .. })),
        "{full:?}"
    );
    nodes.set_down(id, "it is being moved");
    let state = nodes.observe(&node, &dirs).await;
    assert!(matches!(state, NodeState::Unreachable { .. }));
    assert_eq!(nodes.take_calls().len(), 6);
}

#[tokio::test]
async fn what_is_somebody_else_s_stays() {
    let nodes = FakeNodes::new();
    let (node, mut delivery) = samples::delivery("a.iso");
    let mut removal = Removal {
        dir: delivery.dir.clone(),
        file: delivery.file.clone(),
        size: delivery.size,
        sha256: delivery.sha256,
    };
    let placed = nodes.deliver(&node, &delivery).await.unwrap().entry;
    nodes.set_owner("other");
    let kept = nodes.deliver(&node, &delivery).await.unwrap();
    assert_eq!((kept.copied, kept.entry), (false, placed));
    let refused = nodes.remove(&node, &removal).await;
    assert!(matches!(refused, Err(NodeError::NotOurs { .. })));
    delivery.sha256 = samples::other_digest();
    let refused = nodes.deliver(&node, &delivery).await;
    assert!(matches!(refused, Err(NodeError::NotOurs { .. })));

    nodes.set_owner("homelab");
    removal.sha256 = samples::other_digest();
    let found = nodes.remove(&node, &removal).await.unwrap();
    let right = nodes.digest(&node.id, &removal.dir, "a.iso").unwrap();
    assert_eq!(found, Removed::Differs(right));
    let found = nodes.verify(&node, &removal).await.unwrap();
    assert_eq!(found, Verified::Differs(right));
    removal.sha256 = right;
    let found = nodes.verify(&node, &removal).await.unwrap();
    assert_eq!(found, Verified::Same);
    let found = nodes.remove(&node, &removal).await.unwrap();
    assert_eq!(found, Removed::Gone);
    let found = nodes.verify(&node, &removal).await.unwrap();
    assert_eq!(found, Verified::Missing);

    nodes.put(&node.id, &delivery.dir, "a.iso", 7, right);
    let refused = nodes.deliver(&node, &delivery).await;
    assert!(matches!(refused, Err(NodeError::Foreign { .. })));
    delivery.replace = true;
    assert!(nodes.deliver(&node, &delivery).await.unwrap().copied);
}
