//! Leaders of one site, one after the other, and what a node makes of the earlier one.

use talos_order::model::LeaderEpoch;

use super::stream::streamed;
use super::*;

/// What nodes have in place of the owner: the beginning of its SHA-256.
pub(super) const HASH: &str = "8be0b544";

pub(super) fn epoch(number: u64) -> LeaderEpoch {
    LeaderEpoch::new(number)
}

/// The authority of a leader.
pub(super) fn leads(number: u64) -> Authority {
    let authority = Authority::of_site("prague".parse().unwrap());
    authority.grant(epoch(number), Duration::MAX);
    authority
}

/// One of the controllers of the site, with a cache of its own.
pub(super) fn controller(lab: &Lab, number: u32, authority: &Authority) -> SystemNodes {
    other(lab, |config| {
        config.instance = format!("{number:016x}");
        config.authority = authority.clone();
    })
}

pub(super) fn word(number: u64) -> String {
    format!("{HASH}/prague:{number}")
}

/// What stands behind the number of leases of a directory.
pub(super) fn words(dir: &Dir) -> String {
    let line = fs::read_to_string(at(dir, EPOCH)).unwrap();
    let (number, words) = line.trim_end().split_once(' ').unwrap_or((&line, ""));
    number.trim().parse::<u64>().unwrap();
    words.to_owned()
}

/// Everything in a directory but what arrives: name, inode number, time and content.
pub(super) fn snapshot(dir: &Dir) -> Vec<(String, u64, i64, Vec<u8>)> {
    let mut all: Vec<String> = names(dir);
    all.push(EPOCH.to_owned());
    all.retain(|name| name != PARTS);
    let facts = |name: String| {
        let found = fs::metadata(at(dir, &name)).ok()?;
        let content = fs::read(at(dir, &name)).unwrap_or_default();
        Some((name, found.ino(), found.mtime_nsec(), content))
    };
    all.into_iter().filter_map(facts).collect()
}

pub(super) fn leftover(dir: &Dir) -> Leftover {
    Leftover {
        dir: dir.clone(),
        part: PartName::new(&NAME.parse().unwrap(), &Sha256::from_bytes([7; 32])),
        idle: Duration::ZERO,
    }
}

/// Every kind of operation, each under an authority of its own.
async fn all_of(
    lab: &Lab,
    id: &Node,
    delivery: &Delivery,
    authority: impl Fn() -> Authority,
) -> Vec<(Authority, Result<(), NodeError>)> {
    let check = removal(delivery);
    let mut results = Vec::new();
    for kind in 0..4 {
        let authority = authority();
        let nodes = controller(lab, 1, &authority);
        let result = match kind {
            0 => nodes.deliver(id, delivery).await.map(drop),
            1 => nodes.remove(id, &check).await.map(drop),
            2 => nodes.verify(id, &check).await.map(drop),
            _ => {
                let leftover = leftover(&delivery.dir);
                nodes.clear(id, &leftover).await.map(drop)
            }
        };
        results.push((authority, result));
    }
    results
}

#[tokio::test]
async fn a_node_refuses_a_leader_that_another_one_followed() {
    let lab = Lab::new();
    let node = lab.node();
    let local = Node {
        id: "pve-01".parse().unwrap(),
        reach: Reach::Local,
    };
    let (first, second) = (file(&lab, 10_000, 1), file(&lab, 20_000, 2));
    for (id, name, method) in [
        (node.node("pve-01"), "remote", Method::Stream),
        (local, "local", Method::Copy),
    ] {
        let dir = node.dir(name);
        let mut older = streamed(dir.clone(), &first);
        older.method = method.clone();
        let old = controller(&lab, 1, &leads(5));
        assert!(old.deliver(&id, &older).await.unwrap().copied);
        assert_eq!(words(&dir), word(5));
        let mut newer = streamed(dir.clone(), &second);
        newer.method = method;
        let new = controller(&lab, 2, &leads(6));
        assert!(new.deliver(&id, &newer).await.unwrap().copied);
        assert_eq!(words(&dir), word(6));

        let before = snapshot(&dir);
        for (authority, result) in all_of(&lab, &id, &older, || leads(5)).await {
            match result {
                Err(error @ NodeError::Outranked { .. }) => {
                    assert!(error.is_transient() && error.hint().is_some());
                    let text = error.to_string();
                    assert!(text.contains("prague, with the epoch 6"), "{text}");
                }
                result => panic!("{name}: {result:?}"),
            }
            assert_eq!(authority.is_outranked().await, epoch(6));
            assert!(authority.fence().is_err());
            assert_eq!(snapshot(&dir), before, "{name}");
        }

        // What was outranked asks no node before it has a higher epoch.
        let authority = leads(5);
        let nodes = controller(&lab, 1, &authority);
        nodes.remove(&id, &removal(&older)).await.unwrap_err();
        let nowhere = Node {
            id: id.id.clone(),
            reach: Reach::Ssh {
                host: "127.0.0.1".parse().unwrap(),
                user: None,
                port: Some(1),
            },
        };
        authority.grant(epoch(6), Duration::MAX);
        let refused = nodes.remove(&nowhere, &removal(&older)).await;
        assert!(
            matches!(refused, Err(NodeError::NotLeading(_))),
            "{refused:?}"
        );
        authority.grant(epoch(7), Duration::MAX);
        assert!(nodes.deliver(&id, &older).await.unwrap().copied);
        assert_eq!(words(&dir), word(7));
        // A look needs no authority.
        assert!(look(&new, &id, &dir).await.files.contains_key(NAME));
    }
}

#[tokio::test]
async fn a_single_controller_keeps_out_of_what_leaders_with_its_owner_manage() {
    let lab = Lab::new();
    let node = lab.node();
    let local = Node {
        id: "pve-01".parse().unwrap(),
        reach: Reach::Local,
    };
    let content = file(&lab, 1000, 1);
    for (id, name, method) in [
        (node.node("pve-01"), "remote", Method::Stream),
        (local, "local", Method::Copy),
    ] {
        let dir = node.dir(name);
        let mut delivery = streamed(dir.clone(), &content);
        delivery.method = method;
        let leader = controller(&lab, 1, &leads(5));
        leader.deliver(&id, &delivery).await.unwrap();
        let before = snapshot(&dir);
        for (_, result) in all_of(&lab, &id, &delivery, Authority::single).await {
            match result {
                Err(error @ NodeError::OfFleet { .. }) => {
                    assert!(!error.is_transient());
                    assert!(error.to_string().contains("the site prague"), "{error}");
                    assert!(error.hint().unwrap().contains("fleet of the same owner"));
                }
                result => panic!("{name}: {result:?}"),
            }
            assert_eq!(snapshot(&dir), before);
        }
        // Another owner is another matter, with leaders or without.
        let theirs = other(&lab, |config| config.owner = "other".to_owned());
        let mut second = delivery.clone();
        second.file = "second.iso".parse().unwrap();
        theirs.deliver(&id, &second).await.unwrap();
        assert_eq!(words(&dir), word(5));
        let theirs = other(&lab, |config| {
            config.owner = "other".to_owned();
            config.authority = leads(3);
        });
        theirs.remove(&id, &removal(&second)).await.unwrap();
        assert_eq!(words(&dir), format!("{} d9298a10/prague:3", word(5)));
        leader.remove(&id, &removal(&delivery)).await.unwrap();
        assert_eq!(words(&dir), format!("{} d9298a10/prague:3", word(5)));
    }
}

#[tokio::test]
async fn a_leader_takes_over_at_once_what_an_earlier_one_left() {
    let lab = Lab::new();
    let node = lab.node();
    let id = node.node("pve-01");
    let content = file(&lab, 1000, 1);
    let until = jiff::Timestamp::now().as_second() + 100;
    let berlin = format!("{HASH}/berlin:5");
    for (number, (of, is_free)) in [
        (word(5), true),
        // Of the same leadership, of a later one that the file does not know of, of another
        // site, or of no leader.
        (word(6), false),
        (word(7), false),
        (berlin, false),
        (String::new(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let dir = node.dir(&format!("iso-{number}"));
        fs::create_dir_all(dir.as_str()).unwrap();
        let of = if of.is_empty() { of } else { format!("+{of}") };
        let lease = format!("{until} 0123456789abcdef pve-01@00000000000000ff{of} {OWNER}\n");
        fs::write(at(&dir, LOCK), &lease).unwrap();
        let nodes = other(&lab, |config| {
            config.lease = Duration::from_secs(1);
            config.authority = leads(6);
        });
        let delivery = delivery(dir.clone(), &content);
        let began = Instant::now();
        match nodes.deliver(&id, &delivery).await {
            Ok(_) if is_free => assert!(began.elapsed() < Duration::from_secs(60)),
            Err(NodeError::Locked { owner, by, .. }) if !is_free => {
                assert_eq!((owner.as_str(), by.as_str()), (OWNER, "00000000000000ff"));
                assert_eq!(fs::read_to_string(at(&dir, LOCK)).unwrap(), lease);
                assert!(!at(&dir, NAME).exists());
            }
            result => panic!("{of}: {result:?}"),
        }
        assert_eq!(words(&dir), word(6), "{of}: noted, also behind a lease");
    }
}

/// A node on which the directory cannot be held: what was checked may have changed a moment
/// later, but everything is checked all the same.
#[tokio::test]
async fn a_node_without_flock_refuses_earlier_leaders_as_well() {
    let lab = Lab::new();
    let bin = lab.path().join("without-flock");
    fs::create_dir(&bin).unwrap();
    for entry in ["/usr/bin", "/bin"]
        .into_iter()
        .flat_map(|dir| fs::read_dir(dir).unwrap())
    {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name != "flock" && !bin.join(name).exists() {
            let _ = std::os::unix::fs::symlink(&path, bin.join(name));
        }
    }
    let node = lab.node_with(&format!(
        "ForceCommand PATH={}; export PATH; eval \"$SSH_ORIGINAL_COMMAND\"\n",
        bin.display()
    ));
    let (id, dir) = (node.node("pve-01"), node.dir("iso"));
    let (first, second) = (file(&lab, 10_000, 1), file(&lab, 20_000, 2));
    let (older, newer) = (
        streamed(dir.clone(), &first),
        streamed(dir.clone(), &second),
    );
    let old = controller(&lab, 1, &leads(5));
    old.deliver(&id, &older).await.unwrap();
    let new = controller(&lab, 2, &leads(6));
    new.deliver(&id, &newer).await.unwrap();
    let before = snapshot(&dir);
    for (_, result) in all_of(&lab, &id, &older, || leads(5)).await {
        assert!(
            matches!(result, Err(NodeError::Outranked { .. })),
            "{result:?}"
        );
        assert_eq!(snapshot(&dir), before);
    }
}
