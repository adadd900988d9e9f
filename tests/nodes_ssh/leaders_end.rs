//! Leaders that end while they work: they are told so, they are stopped, or they find out.

use std::process::Child;

use rustix::process::Signal;
use talos_order::nodes::NotLeading;

use super::early::{Source, early, early_part, has_come, verified};
use super::fence::{signal, start_as};
use super::leaders::{controller, epoch, leads, snapshot, word, words};
use super::stream::{image, streamed};
use super::*;

/// What the node does goes on, or nothing does: whoever asked is told at once.
#[tokio::test]
async fn operations_end_at_once_when_their_controller_does_not_lead_any_more() {
    let lab = Lab::new();
    let node = lab.node();
    let id = node.node("pve-01");
    let content = file(&lab, 16 * MIB, 1);
    let big = image(&lab, 2);
    for is_silent in [false, true] {
        let authority = leads(5);
        let nodes = other(&lab, |config| {
            config.rsync_opts.push("--bwlimit=1m".to_owned());
            config.authority = authority.clone();
        });
        let delivery = delivery(node.dir(&format!("slow-{is_silent}")), &content);
        let waits = streamed(node.dir(&format!("early-{is_silent}")), &big);
        let mut source = Source::new(&lab, &big);
        let early = early(&waits, &source);
        let (say, said) = verified();
        let slow = nodes.deliver(&id, &delivery);
        // It waits for its turn in the directory.
        let check = removal(&delivery);
        let queued = nodes.remove(&id, &check);
        let early = nodes.deliver_early(&id, &early, said);
        let revoke = async {
            source.finish();
            has_come(&waits, 64 * MIB).await;
            until("it is under way", || part(&delivery).exists()).await;
            let stopped = node.sessions();
            if is_silent {
                signal(&stopped, Signal::STOP);
            }
            authority.revoke();
            let began = Instant::now();
            (began, stopped)
        };
        let ended = async {
            let ended = tokio::join!(slow, queued, early);
            (ended, Instant::now())
        };
        let (((slow, queued, early), at_end), (began, stopped)) = tokio::join!(ended, revoke);
        signal(&stopped, Signal::CONT);
        let took = at_end.duration_since(began);
        assert!(took < Duration::from_secs(5), "{took:?}");
        let is_not_leading = |error: &NodeError| matches!(error, NodeError::NotLeading(_));
        assert!(is_not_leading(&slow.unwrap_err()));
        assert!(is_not_leading(&queued.unwrap_err()));
        assert!(early.is_none());
        drop(say);
        let refused = nodes.remove(&id, &check).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            NotLeading {
                site: "prague".parse().unwrap()
            }
            .to_string()
        );
        assert!(!at(&delivery.dir, NAME).exists() && !at(&waits.dir, NAME).exists());
    }
}

/// Meanwhile another leader delivers into the directory, or only its epoch is noted.
#[tokio::test]
async fn an_early_push_that_waits_for_its_seal_gets_no_name_from_an_earlier_leader() {
    let lab = Lab::new();
    let node = lab.node();
    let id = node.node("pve-01");
    let (first, second) = (image(&lab, 1), file(&lab, 10_000, 2));
    for same_name in [false, true] {
        let dir = node.dir(&format!("import-{same_name}"));
        let waits = streamed(dir.clone(), &first);
        let authority = leads(5);
        let old = controller(&lab, 1, &authority);
        let mut source = Source::new(&lab, &first);
        let early = early(&waits, &source);
        let (say, said) = verified();
        let meet = async {
            source.finish();
            has_come(&waits, 64 * MIB).await;
            let new = controller(&lab, 2, &leads(6));
            let mut theirs = streamed(dir.clone(), &second);
            if !same_name {
                theirs.file = "second.raw".parse().unwrap();
            }
            new.deliver(&id, &theirs).await.unwrap();
            let after = snapshot(&dir);
            say.send(Some(waits.clone())).unwrap();
            after
        };
        let (delivered, after) = tokio::join!(old.deliver_early(&id, &early, said), meet);
        assert!(delivered.is_none());
        assert_eq!(authority.is_outranked().await, epoch(6));
        let usual = old.deliver(&id, &waits).await;
        assert!(matches!(usual, Err(NodeError::NotLeading(_))), "{usual:?}");
        assert_eq!(snapshot(&dir), after);
        assert_eq!(at(&dir, NAME).exists(), same_name);
        // What arrived is built upon, unless a delivery of that name cleared it.
        assert_eq!(early_part(&waits).exists(), !same_name);
    }
}

/// Set for a test that is run as a controller of its own.
const ROLE: &str = "TALOS_ORDER_TEST_LEADER";

/// A leader in a process of its own: delivers a file slowly, and says how it went.
#[tokio::test]
async fn as_a_leader() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words: Vec<&str> = role.split('\n').collect();
    let [opts, host, port, dir, source] = words[..] else {
        panic!("{role}")
    };
    let authority = leads(5);
    let mut config = NodesConfig {
        ssh_opts: shell_words::split(opts).unwrap(),
        rsync_opts: shell_words::split(RSYNC_OPTS).unwrap(),
        authority: authority.clone(),
        ..plain_config()
    };
    config.rsync_opts.push("--bwlimit=1m".to_owned());
    let node = Node {
        id: "pve-01".parse().unwrap(),
        reach: Reach::Ssh {
            host: host.parse().unwrap(),
            user: None,
            port: Some(port.parse().unwrap()),
        },
    };
    let content = (PathBuf::from(source), fs::read(source).unwrap());
    let delivery = delivery(dir.parse().unwrap(), &content);
    let nodes = SystemNodes::new(config).unwrap();
    let result = nodes.deliver(&node, &delivery).await;
    println!("RESULT {result:?} LEADS {}", authority.fence().is_ok());
}

fn start_leader(lab: &Lab, node: &SshNode, dir: &Dir, source: &Path) -> Child {
    start_as("leaders_end::as_a_leader", ROLE, (lab, node, dir), source)
}

/// The lease of the first stands for two minutes. The second one does not wait for it.
#[tokio::test]
async fn a_leader_that_was_stopped_finds_its_follower_and_writes_nothing() {
    let lab = Lab::new();
    let (first, second) = (file(&lab, 9 * MIB, 1), file(&lab, 5 * MIB, 2));
    for stopped in ["controller", "its programs", "its sessions", "killed"] {
        let node = lab.node();
        let (id, dir) = (node.node("pve-01"), node.dir("iso"));
        let mut child = start_leader(&lab, &node, &dir, &first.0);
        let begun = delivery(dir.clone(), &first);
        until("the first is under way", || {
            fs::metadata(part(&begun)).is_ok_and(|facts| facts.len() > 100_000)
        })
        .await;
        let pids = match stopped {
            "controller" => vec![child.id()],
            "its sessions" => [vec![child.id()], node.sessions()].concat(),
            _ => [vec![child.id()], descendants(child.id())].concat(),
        };
        // Whoever stops a script that has the directory stops everybody, until it goes on.
        let directory = fs::File::open(dir.as_str()).unwrap();
        directory.lock().unwrap();
        let how = if stopped == "killed" {
            Signal::KILL
        } else {
            Signal::STOP
        };
        signal(&pids, how);
        directory.unlock().unwrap();
        let began = Instant::now();
        let new = controller(&lab, 2, &leads(6));
        let other = delivery(dir.clone(), &second);
        assert!(new.deliver(&id, &other).await.unwrap().copied);
        assert!(
            began.elapsed() < LEASE / 2,
            "{stopped}: {:?}",
            began.elapsed()
        );
        let after = snapshot(&dir);
        signal(&pids, Signal::CONT);
        let mut said = String::new();
        std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        child.wait().unwrap();
        let is_refused = said.contains("RESULT Err(Outranked") && said.contains("LEADS false")
            // Its connection may have been given up before it could ask.
            || stopped == "its sessions" && said.contains("RESULT Err(")
            || stopped == "killed" && !said.contains("RESULT");
        assert!(is_refused, "{stopped}: {said}");
        assert_eq!(snapshot(&dir), after, "{stopped}");
        assert!(after.iter().any(|(.., content)| *content == second.1));
        assert_eq!(words(&dir), word(6));
    }
}
