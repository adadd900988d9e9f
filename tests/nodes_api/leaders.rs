//! Controllers that share nodes of the API: only the leader asks them for anything that
//! changes something, and only for as long as it leads.

use std::time::Duration;

use talos_order::facts::TemplateState;
use talos_order::model::LeaderEpoch;
use talos_order::nodes::{Authority, NodeError, Nodes, Templates};
use talos_order::proxmox_stub::PveFault;

use crate::lab::{Lab, creation, delivery, node, noise, removal, sha256, template_removal, until};
use crate::proxy::{Fate, Proxy};

fn authority() -> Authority {
    Authority::of_site("prague".parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_does_not_lead_asks_for_nothing() {
    let lab = Lab::new().await;
    let (leader, standby) = (authority(), authority());
    leader.grant(LeaderEpoch::new(5), Duration::MAX);
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
    leader.grant(LeaderEpoch::new(6), Duration::MAX);
    nodes.remove(&pve, &check).await.unwrap();
}

/// The task on the node is stopped, and no other begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_ends_with_the_leadership() {
    const SIZE: u64 = 64 << 20;
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab, &[Fate::Stall(1 << 20)]).await;
    let leader = authority();
    leader.grant(LeaderEpoch::new(5), Duration::MAX);
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

/// Whoever renews it does not come to its turn: the process was stopped for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_after_the_end_of_a_leadership_changes_nothing() {
    let lab = Lab::new().await;
    let leader = authority();
    let nodes = lab.nodes_with(|config| config.authority = leader.clone());
    let (pve, delivery) = (node("pve-01"), lab.delivery(&noise(5000, 1)));
    leader.grant(LeaderEpoch::new(5), Duration::MAX);
    nodes.deliver(&pve, &delivery).await.unwrap();
    let asked = lab.stub.requests().len();
    // The node reads the file back before it is removed, and takes longer than the leader has.
    let late = PveFault::Late(Duration::from_secs(3));
    lab.stub.inject("GET /api2/json/nodes/pve-01/tasks/", late);
    leader.grant(LeaderEpoch::new(5), boot_time() + Duration::from_secs(1));
    let removed = nodes.remove(&pve, &removal(&delivery)).await;
    assert!(
        matches!(removed, Err(NodeError::NotLeading(_))),
        "{removed:?}"
    );
    assert!(leader.fence().is_err());
    lab.until_idle().await;
    let later = lab.stub.requests().split_off(asked);
    assert!(
        !later
            .iter()
            .any(|line| line.contains("DELETE") && line.contains("/content/")),
        "{later:?}"
    );
    assert_eq!(lab.names("pve-01"), [delivery.file.as_str()]);
}

/// Time since the start of the machine, as the leadership counts it.
fn boot_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}
