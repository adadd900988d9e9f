//! Leaders of one site, one after the other, and the virtual machines of a node.

use talos_order::facts::TemplateState::{Current, New};
use talos_order::nodes::{TemplateDone, Templates};

use super::common::pve::Pve;
use super::leaders::{leads, word};
use super::templates::{change, creation, id, known, removal};
use super::*;

fn epochs(pve: &Pve) -> PathBuf {
    pve.root.join("var/talos-order/epoch")
}

/// The words behind the number.
fn noted(pve: &Pve) -> Option<String> {
    let line = fs::read_to_string(epochs(pve)).ok()?;
    let (number, words) = line.strip_suffix('\n')?.split_once(' ')?;
    number.parse::<u64>().ok()?;
    Some(words.to_owned())
}

fn controller(lab: &Lab, pve: &Pve, number: u32, authority: &Authority) -> SystemNodes {
    other(lab, |config| {
        config.vm_configs = Some(pve.nodes_dir().display().to_string());
        config.machine_epochs = epochs(pve).display().to_string();
        config.instance = format!("{number:016x}");
        config.authority = authority.clone();
    })
}

/// Every kind of change, each under an authority of its own.
async fn all_of(
    lab: &Lab,
    pve: &Pve,
    authority: impl Fn() -> Authority,
) -> Vec<(Authority, Result<TemplateDone, NodeError>)> {
    let node = pve.ssh.node("pve-01");
    let mut results = Vec::new();
    for kind in 0..3 {
        let authority = authority();
        let nodes = controller(lab, pve, 1, &authority);
        let result = match kind {
            0 => nodes.create_template(&node, &creation(pve, 9001)).await,
            1 => {
                let change = change(9000, New, Current, "talos", "");
                nodes.change_templates(&node, &[change]).await
            }
            _ => nodes.remove_template(&node, &removal(9000, New)).await,
        };
        results.push((authority, result));
    }
    results
}

/// How often `qm` was called.
fn calls(pve: &Pve) -> usize {
    pve.log().len()
}

#[tokio::test]
async fn the_machines_of_a_node_are_changed_by_the_last_leader_only() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let node = pve.ssh.node("pve-01");
    // What another owner's leader noted stays.
    fs::create_dir_all(epochs(&pve).parent().unwrap()).unwrap();
    fs::write(epochs(&pve), "0 aaaaaaaa/prague:9\n").unwrap();
    let old = controller(&lab, &pve, 1, &leads(5));
    let made = old.create_template(&node, &creation(&pve, 9000)).await;
    assert_eq!(made.unwrap(), TemplateDone::Done);
    assert_eq!(
        noted(&pve).unwrap(),
        format!("aaaaaaaa/prague:9 {}", word(5))
    );
    let new = controller(&lab, &pve, 2, &leads(6));
    // Where nothing is to be changed, nothing is noted.
    let gone = new.remove_template(&node, &removal(9009, New)).await;
    assert_eq!(gone.unwrap(), TemplateDone::Done);
    assert_eq!(
        noted(&pve).unwrap(),
        format!("aaaaaaaa/prague:9 {}", word(5))
    );
    let elsewhere = change(9000, New, Current, "talos", "");
    new.change_templates(&node, &[elsewhere]).await.unwrap();
    assert_eq!(
        noted(&pve).unwrap(),
        format!("aaaaaaaa/prague:9 {}", word(6))
    );

    let back = change(9000, Current, New, "talos-new", "");
    new.change_templates(&node, &[back]).await.unwrap();
    let (before, conf) = (calls(&pve), pve.conf(9000));
    for (authority, result) in all_of(&lab, &pve, || leads(5)).await {
        match result {
            Err(NodeError::Outranked { epoch, .. }) => assert_eq!(epoch.number(), 6),
            result => panic!("{result:?}"),
        }
        assert!(authority.fence().is_err());
    }
    for (_, result) in all_of(&lab, &pve, Authority::single).await {
        assert!(
            matches!(result, Err(NodeError::OfFleet { .. })),
            "{result:?}"
        );
    }
    let idle = || Authority::of_site("prague".parse().unwrap());
    for (_, result) in all_of(&lab, &pve, idle).await {
        assert!(
            matches!(result, Err(NodeError::NotLeading(_))),
            "{result:?}"
        );
    }
    assert_eq!(
        (calls(&pve), pve.conf(9000)),
        (before, conf),
        "qm was not called"
    );
    assert!(!known(&new, &node).await.taken.contains_key(&id(9001)));

    // A file that is lost is made again.
    fs::remove_file(epochs(&pve)).unwrap();
    let removed = new.remove_template(&node, &removal(9000, New)).await;
    assert_eq!(removed.unwrap(), TemplateDone::Done);
    assert_eq!(noted(&pve).unwrap(), word(6));
}

#[tokio::test]
async fn a_single_controller_makes_no_file_of_epochs() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let node = pve.ssh.node("pve-01");
    let single = controller(&lab, &pve, 1, &Authority::single());
    let made = single.create_template(&node, &creation(&pve, 9000)).await;
    assert_eq!(made.unwrap(), TemplateDone::Done);
    assert_eq!(noted(&pve), None);
    assert!(!epochs(&pve).parent().unwrap().exists());
    // One of another owner may be there.
    fs::create_dir_all(epochs(&pve).parent().unwrap()).unwrap();
    fs::write(epochs(&pve), "0 aaaaaaaa/prague:9\n").unwrap();
    let removed = single.remove_template(&node, &removal(9000, New)).await;
    assert_eq!(removed.unwrap(), TemplateDone::Done);
    assert_eq!(noted(&pve).unwrap(), "aaaaaaaa/prague:9");
}

/// The earlier leader is in the middle of a template when it ends. Its step is finished
/// before the next leader does anything, and it begins no other.
#[tokio::test]
async fn the_next_leader_waits_for_the_step_of_the_one_before() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let node = pve.ssh.node("pve-01");
    let (authority, next) = (leads(5), leads(6));
    let old = controller(&lab, &pve, 1, &authority);
    let new = controller(&lab, &pve, 2, &next);
    let creation = creation(&pve, 9000);
    let gate = pve.gate("import");
    let meet = async {
        until("qm comes to the gate", || gate.is_reached()).await;
        authority.revoke();
    };
    let (made, ()) = tokio::join!(old.create_template(&node, &creation), meet);
    assert!(matches!(made, Err(NodeError::NotLeading(_))), "{made:?}");
    assert_eq!(noted(&pve).unwrap(), word(5));
    let removal = removal(9000, New);
    let removed = new.remove_template(&node, &removal);
    let opening = async {
        let waits = || {
            let mut pids = pve.ssh.sessions().into_iter();
            pids.any(|pid| {
                let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                words.starts_with(b"flock\0")
            })
        };
        until("it waits", waits).await;
        assert_eq!(noted(&pve).unwrap(), word(5));
        gate.open();
    };
    let (removed, ()) = tokio::join!(removed, opening);
    // What it looked at has changed since, or it is gone.
    let removed = removed.unwrap();
    assert!(
        matches!(removed, TemplateDone::Done | TemplateDone::Outdated(_)),
        "{removed:?}"
    );
    assert_eq!(noted(&pve).unwrap(), word(6));
    authority.grant(talos_order::model::LeaderEpoch::new(5), Duration::MAX);
    let again = old.create_template(&node, &creation).await;
    assert!(
        matches!(again, Err(NodeError::Outranked { .. })),
        "{again:?}"
    );
}
