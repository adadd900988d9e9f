//! Controllers that share nodes of the API: only the leader asks them for anything that
//! changes something, and only for as long as it leads.

use talos_order::facts::TemplateState;
use talos_order::model::LeaderEpoch;
use talos_order::nodes::{Authority, NodeError, Nodes, Templates};

use crate::lab::{Lab, creation, delivery, node, noise, removal, sha256, template_removal, until};
use crate::proxy::{Fate, Proxy};

fn authority() -> Authority {
    Authority::of_site("prague".parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_does_not_lead_asks_for_nothing() {
    let lab = Lab::new().await;
    let (leader, standby) = (authority(), authority());
    leader.grant(LeaderEpoch::new(5));
    let pve = node("pve-01");
    let delivery = lab.delivery(&noise(5000, 1));
    // Nodes of other sites, or of none, are others' to decide on.
    let nodes = lab.nodes_with(|config| {
        config.authority = standby.clone();
        config.authority_of = [(pve.id.clone(), leader.clone())].into();
    });
    assert!(nodes.deliver(&pve, &delivery).await.unwrap().copied);
    leader.revoke();
    let asked = lab.stub.requests().len();
    let check = removal(&delivery);
    for pve in [&pve, &node("pve-02")] {
        let refused = [
            nodes.deliver(pve, &delivery).await.map(drop),
            nodes.remove(pve, &check).await.map(drop),
            nodes.verify(pve, &check).await.map(drop),
            nodes.create_template(pve, &creation(9000)).await.map(drop),
            nodes.change_templates(pve, &[]).await.map(drop),
            nodes
                .remove_template(pve, &template_removal(9000, TemplateState::New))
                .await
                .map(drop),
        ];
        for result in refused {
            assert!(
                matches!(result, Err(NodeError::NotLeading(_))),
                "{result:?}"
            );
        }
    }
    assert_eq!(lab.stub.requests().len(), asked);
    leader.grant(LeaderEpoch::new(6));
    nodes.remove(&pve, &check).await.unwrap();
}

/// The task on the node is stopped, and no other begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_ends_with_the_leadership() {
    const SIZE: u64 = 64 << 20;
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab, &[Fate::Stall(1 << 20)]).await;
    let leader = authority();
    leader.grant(LeaderEpoch::new(5));
    let nodes = lab.nodes_with(|config| {
        config.server.public_url = Some(proxy.url());
        config.authority = leader.clone();
    });
    let source = lab.source("large", b"");
    let file = std::fs::File::options().write(true).open(&source).unwrap();
    file.set_len(SIZE).unwrap();
    let large = delivery(&source, SIZE, sha256(b"nobody gets that far"));
    let meter = std::sync::Arc::clone(&large.meter);
    let pve = node("pve-01");
    let ends = async {
        until(|| meter.read().0 > 1 << 20).await;
        leader.revoke();
    };
    let (delivered, ()) = tokio::join!(nodes.deliver(&pve, &large), ends);
    assert!(
        matches!(delivered, Err(NodeError::NotLeading(_))),
        "{delivered:?}"
    );
    lab.until_idle().await;
    let tasks = lab.stub.tasks();
    assert_eq!(tasks[0].2.as_deref(), Some("interrupted by signal"));
    assert_eq!(tasks.len(), 1);
    assert!(lab.names("pve-01").is_empty() && lab.recorded("pve-01").is_empty());
}
