//! Privileges that are missing: the error names the one, and nothing is half done.

use talos_order::nodes::Nodes;

use crate::lab::{Lab, RIGHTS, node, noise, removal, shown};

#[tokio::test]
async fn each_missing_privilege_is_named_before_anything_is_changed() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let bytes = noise(5000, 1);
    let first = lab.delivery(&bytes);
    nodes.deliver(&pve, &first).await.unwrap();
    let record = lab.recorded("pve-01");
    let second = lab.delivery(&noise(5000, 2));
    for (_, missing) in RIGHTS {
        lab.grant(|privilege| privilege != missing);
        let replaced = nodes.deliver(&pve, &second).await.map(drop);
        let removed = nodes.remove(&pve, &removal(&first)).await.map(drop);
        for result in [replaced, removed] {
            let text = shown(&result.unwrap_err());
            assert!(text.contains(missing), "without {missing}: {text}");
        }
        assert_eq!(std::fs::read(lab.on_node("pve-01")).unwrap(), bytes);
        assert_eq!(lab.recorded("pve-01"), record, "without {missing}");
        lab.until_idle().await;
    }
    lab.grant(|_| true);
    assert!(nodes.deliver(&pve, &second).await.unwrap().copied);
}
