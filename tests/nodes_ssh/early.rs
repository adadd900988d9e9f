//! Deliveries that begin before their file is whole: what grows here grows there, under a
//! hidden name, and nothing has the final one before all of it is verified.

use std::os::unix::fs::FileExt;

use futures_util::FutureExt;
use talos_order::nodes::EarlyReceipt;
use talos_order::testing::GrowingFile;
use tokio::sync::oneshot;

use super::stream::{image, streamed};
use super::*;

/// A file that is written piece by piece, as a download is.
pub(super) struct Source {
    pub growing: GrowingFile,
    file: fs::File,
    bytes: Vec<u8>,
    at: usize,
}

impl Source {
    pub fn new(lab: &Lab, image: &(PathBuf, Vec<u8>)) -> Self {
        let path = lab.path().join(format!("growing-{}", fastrand::u64(..)));
        let (growing, file) = (GrowingFile::default(), open(&path));
        growing.begin(file.try_clone().unwrap());
        Self {
            growing,
            file,
            bytes: image.1.clone(),
            at: 0,
        }
    }

    /// Writes up to a place, and leaves holes for zeros.
    pub fn write(&mut self, to: usize) {
        while self.at < to {
            let end = to.min(self.at + 5000);
            let piece = &self.bytes[self.at..end];
            if piece.iter().any(|&byte| byte != 0) {
                self.file.write_all_at(piece, self.at as u64).unwrap();
            }
            self.at = end;
        }
        self.growing.grow(to as u64);
    }

    pub fn finish(&mut self) {
        self.write(self.bytes.len());
        self.file.set_len(self.at as u64).unwrap();
        self.growing.is_whole(self.at as u64);
    }
}

fn open(path: &Path) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    options.open(path).unwrap()
}

pub(super) fn early(delivery: &Delivery, source: &Source) -> EarlyDelivery {
    EarlyDelivery {
        dir: delivery.dir.clone(),
        file: delivery.file.clone(),
        source: source.growing.clone(),
        artifact: delivery.artifact.clone(),
        proof: delivery.proof,
        relay: None,
        receipt: EarlyReceipt::default(),
        meter: Arc::default(),
    }
}

/// The part that an early delivery writes to.
pub(super) fn early_part(delivery: &Delivery) -> PathBuf {
    let name = PartName::early(&delivery.file, &delivery.artifact);
    at(&delivery.dir, &name.to_string())
}

/// Waits until so many bytes of it are there, holes included.
pub(super) async fn has_come(delivery: &Delivery, length: usize) {
    let part = early_part(delivery);
    until("something arrives", || {
        fs::metadata(&part).is_ok_and(|facts| facts.len() >= length as u64)
    })
    .await;
}

pub(super) fn is_named(delivery: &Delivery) -> bool {
    at(&delivery.dir, NAME).exists()
}

/// What comes once the file is verified: what to deliver, or nothing.
pub(super) fn verified() -> (
    oneshot::Sender<Option<Delivery>>,
    impl Future<Output = Option<Delivery>> + Send,
) {
    let (say, said) = oneshot::channel();
    (say, async { said.await.unwrap() })
}

/// As whoever executes a plan does it: early, and where that comes to nothing as usual once
/// the file is verified.
pub(super) async fn deliver(
    nodes: &SystemNodes,
    id: &Node,
    early: &EarlyDelivery,
    verified: impl Future<Output = Option<Delivery>> + Send,
) -> Result<Option<Delivered>, NodeError> {
    let verified = verified.shared();
    let delivered = match nodes.deliver_early(id, early, verified.clone()).await {
        Some(delivered) => Ok(Some(delivered)),
        None => match verified.await {
            Some(delivery) => nodes.deliver(id, &delivery).await.map(Some),
            None => Ok(None),
        },
    };
    early.receipt.end(matches!(&delivered, Ok(Some(_))));
    delivered
}

#[tokio::test]
async fn what_grows_here_grows_there_and_gets_its_name_once_it_is_verified() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let id = node.node("pve-01");
    let image = image(&lab, 1);
    for proof in [Proof::Readback, Proof::Inline] {
        let mut delivery = streamed(node.dir(&format!("{proof:?}")), &image);
        delivery.proof = proof;
        let mut source = Source::new(&lab, &image);
        let early = early(&delivery, &source);
        let (say, said) = verified();
        let write = async {
            for mib in [1, 2, 21, 41] {
                source.write(mib * MIB + 300);
                has_come(&delivery, (mib * MIB).min(41 * MIB)).await;
                assert!(!is_named(&delivery));
            }
            source.finish();
            until("all is there", || {
                fs::metadata(early_part(&delivery)).is_ok_and(|part| part.len() == delivery.size)
            })
            .await;
            assert!(!is_named(&delivery));
            say.send(Some(delivery.clone())).unwrap();
        };
        let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
        let delivered = delivered.unwrap().unwrap();
        assert!(delivered.copied);
        let wire = delivered.wire_bytes.unwrap();
        assert!(
            wire > 6 * MIB as u64 && wire < 6 * MIB as u64 + 64 * 1024,
            "{wire}"
        );
        assert!(fs::read(at(&delivery.dir, NAME)).unwrap() == image.1);
        let facts = fs::metadata(at(&delivery.dir, NAME)).unwrap();
        assert!(facts.blocks() * 512 <= 6 * MIB as u64 + 64 * 1024);
        assert_eq!(facts.mode() & 0o777, 0o644);
        assert_eq!(names(&delivery.dir), [RECORD, NAME]);
        let state = look(&nodes, &id, &delivery.dir).await;
        assert!(delivered.entry.describes(&state.files[NAME]));
        assert_eq!(state.record[&delivery.file], delivered.entry);

        // The record says the same as after a usual delivery.
        let usual = streamed(node.dir(&format!("{proof:?}-usual")), &image);
        let mut expected = nodes.deliver(&id, &usual).await.unwrap().entry;
        (expected.mtime, expected.inode) = (delivered.entry.mtime, delivered.entry.inode);
        assert_eq!(delivered.entry, expected);
    }
}

/// Nothing but the part is there, and the usual delivery sends only what is missing.
pub(super) async fn assert_built_upon(
    nodes: &SystemNodes,
    id: &Node,
    delivery: &Delivery,
    bytes: &[u8],
    at_most: usize,
) {
    let left: Vec<String> = names(&delivery.dir);
    assert_eq!(left, [PARTS]);
    let part = fs::metadata(early_part(delivery)).unwrap();
    let delivered = nodes.deliver(id, delivery).await.unwrap();
    let wire = delivered.wire_bytes.unwrap();
    assert!(wire <= at_most as u64, "{wire}");
    assert!(fs::read(at(&delivery.dir, NAME)).unwrap() == bytes);
    assert_eq!(
        fs::metadata(at(&delivery.dir, NAME)).unwrap().ino(),
        part.ino()
    );
    assert_eq!(names(&delivery.dir), [RECORD, NAME]);
}

#[tokio::test]
async fn what_was_not_verified_stays_hidden_and_is_built_upon() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let id = node.node("pve-01");
    let image = image(&lab, 2);
    for (name, whole, is_given_up) in [
        ("whole", true, false),
        ("given-up", false, true),
        ("failed", false, false),
    ] {
        let delivery = streamed(node.dir(name), &image);
        let mut source = Source::new(&lab, &image);
        let early = early(&delivery, &source);
        let (say, said) = verified();
        let write = async {
            source.write(21 * MIB);
            has_come(&delivery, 21 * MIB).await;
            if whole {
                source.finish();
                has_come(&delivery, 64 * MIB).await;
            }
            if is_given_up {
                source.growing.give_up();
            }
            say.send(None).unwrap();
        };
        let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
        assert!(delivered.unwrap().is_none());
        let rest = if whole { 4096 } else { 3 * MIB + 4096 };
        assert_built_upon(&nodes, &id, &delivery, &image.1, rest).await;
    }
}

#[tokio::test]
async fn a_source_that_starts_over_with_other_bytes_is_delivered_once_it_is_verified() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let id = node.node("pve-01");
    let (first, second) = (image(&lab, 3), image(&lab, 4));
    let delivery = streamed(node.dir("import"), &second);
    let mut source = Source::new(&lab, &first);
    let early = early(&delivery, &source);
    let (say, said) = verified();
    let write = async {
        source.write(21 * MIB);
        has_come(&delivery, 21 * MIB).await;
        source.file.set_len(0).unwrap();
        source.growing.begin(source.file.try_clone().unwrap());
        (source.at, source.bytes) = (0, second.1.clone());
        source.finish();
        say.send(Some(delivery.clone())).unwrap();
    };
    let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
    assert!(delivered.unwrap().unwrap().copied);
    assert!(fs::read(at(&delivery.dir, NAME)).unwrap() == second.1);
    assert_eq!(names(&delivery.dir), [RECORD, NAME]);
}

#[tokio::test]
async fn a_seal_of_other_data_names_nothing() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let id = node.node("pve-01");
    let (image, other) = (image(&lab, 5), image(&lab, 6));
    let mut delivery = streamed(node.dir("import"), &image);
    delivery.data = streamed(node.dir("import"), &other).data;
    let mut source = Source::new(&lab, &image);
    let early = early(&delivery, &source);
    source.finish();
    let (say, said) = verified();
    let write = async {
        has_come(&delivery, 64 * MIB).await;
        say.send(Some(delivery.clone())).unwrap();
    };
    let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
    let error = delivered.unwrap_err();
    assert!(
        matches!(error, NodeError::DigestDiffers { .. }),
        "{error:?}"
    );
    assert_eq!(names(&delivery.dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_session_that_ends_at_any_point_leaves_what_the_next_one_builds_upon() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let id = node.node("pve-01");
    let image = image(&lab, 7);
    let mut delivery = streamed(node.dir("import"), &image);
    // Killed there, dropped here.
    for (round, mib) in [1, 21, 41, 64].into_iter().enumerate() {
        delivery.dir = node.dir(&format!("import-{round}"));
        let mut source = Source::new(&lab, &image);
        let early = early(&delivery, &source);
        let (say, said) = verified();
        let mut push = Box::pin(deliver(&nodes, &id, &early, said));
        let write = async {
            source.write(mib * MIB);
            if mib == 64 {
                source.finish();
            }
            has_come(&delivery, mib * MIB).await;
        };
        tokio::select! {
            result = &mut push => panic!("{result:?}"),
            () = write => {}
        }
        if round % 2 == 0 {
            drop(push);
        } else {
            for pid in node.sessions() {
                let words = fs::read_to_string(format!("/proc/{pid}/cmdline"));
                if words.is_ok_and(|words| words.starts_with("sh\0")) {
                    kill(pid);
                }
            }
            source.finish();
            // It is delivered as usual.
            say.send(Some(delivery.clone())).unwrap();
            let delivered = push.await.unwrap().unwrap();
            let wire = delivered.wire_bytes.unwrap();
            assert!(wire < (5 * MIB + 4096) as u64, "{wire}");
            assert!(fs::read(at(&delivery.dir, NAME)).unwrap() == image.1);
            assert_eq!(names(&delivery.dir), [RECORD, NAME]);
            continue;
        }
        let rest = if mib == 1 { 5 * MIB } else { 2 * MIB } + 4096;
        assert_built_upon(&nodes, &id, &delivery, &image.1, rest).await;
    }
}

#[tokio::test]
async fn others_work_in_the_directory_while_a_download_takes_its_time() {
    let lab = Lab::new();
    let node = lab.node();
    // One session at a time: what waits for a download does not count.
    let nodes = other(&lab, |config| config.sessions = 1);
    let id = node.node("pve-01");
    let image = image(&lab, 8);
    let delivery = streamed(node.dir("import"), &image);
    let mut source = Source::new(&lab, &image);
    let early = early(&delivery, &source);
    let (say, said) = verified();
    let write = async {
        source.write(MIB);
        has_come(&delivery, MIB).await;
        let mut second = delivery.clone();
        second.file = "second.raw".parse().unwrap();
        assert!(nodes.deliver(&id, &second).await.unwrap().copied);
        // So does another controller, which has the lease when this one wants it.
        let theirs = other(&lab, |config| config.owner = "other".to_owned());
        let mut third = delivery.clone();
        third.file = "third.raw".parse().unwrap();
        assert!(theirs.deliver(&id, &third).await.unwrap().copied);
        assert!(!is_named(&delivery) && early_part(&delivery).exists());
        source.finish();
        has_come(&delivery, 64 * MIB).await;
        say.send(Some(delivery.clone())).unwrap();
    };
    let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
    assert!(delivered.unwrap().unwrap().copied);
    let all = [RECORD, "second.raw", NAME, "third.raw"];
    assert_eq!(names(&delivery.dir), all);
    let state = look(&nodes, &id, &delivery.dir).await;
    assert_eq!(state.record.len(), 3);
}

#[tokio::test]
async fn what_a_usual_delivery_left_is_the_beginning_of_an_early_one() {
    let lab = Lab::new();
    let (node, nodes) = (lab.node(), system(&lab));
    let id = node.node("pve-01");
    let image = image(&lab, 10);
    let other = self::image(&lab, 11);
    // What is there is its beginning, or that of something else.
    for (name, begun, at_most) in [
        ("right", &image.1[..30 * MIB + 77], 2 * MIB + 8192),
        ("wrong", &other.1[..30 * MIB + 77], 6 * MIB + 65536),
    ] {
        let delivery = streamed(node.dir(name), &image);
        fs::create_dir_all(at(&delivery.dir, PARTS)).unwrap();
        fs::write(part(&delivery), begun).unwrap();
        let inode = fs::metadata(part(&delivery)).unwrap().ino();
        let mut source = Source::new(&lab, &image);
        let early = early(&delivery, &source);
        let (say, said) = verified();
        let write = async {
            for mib in [1, 40, 50] {
                source.write(mib * MIB);
            }
            source.finish();
            has_come(&delivery, 64 * MIB).await;
            say.send(Some(delivery.clone())).unwrap();
        };
        let (delivered, ()) = tokio::join!(deliver(&nodes, &id, &early, said), write);
        let wire = delivered.unwrap().unwrap().wire_bytes.unwrap();
        assert!(wire <= at_most as u64, "{name}: {wire}");
        assert!(fs::read(at(&delivery.dir, NAME)).unwrap() == image.1);
        assert_eq!(fs::metadata(at(&delivery.dir, NAME)).unwrap().ino(), inode);
        assert_eq!(names(&delivery.dir), [RECORD, NAME]);
    }
}
