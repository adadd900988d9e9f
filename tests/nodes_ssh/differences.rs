//! rsync, where the node has a relative of the file: what both share is not sent, and what
//! was sent is not sent again.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::FlockOperation;

use super::fence::node_with_tool;
use super::stream::image;
use super::*;

const RELATIVE: &str = "relative.iso";

/// Some bytes more than are new, for what stands between them.
const AROUND: usize = 64 * 1024;

/// A node with a relative of a file that is to come.
struct Pair {
    lab: Lab,
    node: SshNode,
    relative: Vec<u8>,
    bytes: Vec<u8>,
    delivery: Delivery,
}

impl Pair {
    fn new(lab: Lab, node: SshNode, relative: Vec<u8>, bytes: Vec<u8>) -> Self {
        let dir = node.dir("iso");
        fs::create_dir_all(dir.as_str()).unwrap();
        fs::write(at(&dir, RELATIVE), &relative).unwrap();
        let path = lab.path().join("wanted");
        fs::write(&path, &bytes).unwrap();
        let mut delivery = delivery(dir, &(path, bytes));
        delivery.method = Method::Rsync {
            basis: Some(RELATIVE.parse().unwrap()),
        };
        Self {
            bytes: fs::read(&delivery.source).unwrap(),
            lab,
            node,
            relative,
            delivery,
        }
    }

    fn id(&self) -> Node {
        self.node.node("pve-01")
    }

    /// Where rsync finds bytes, under the name of the part.
    fn basis(&self) -> PathBuf {
        part(&self.delivery).with_extension("basis")
    }

    /// Delivers it and fails the test if more is sent than that.
    #[track_caller]
    fn deliver(&self, at_most: usize) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let nodes = system(&self.lab);
            let delivered = nodes.deliver(&self.id(), &self.delivery).await.unwrap();
            let wire = delivered.wire_bytes.unwrap();
            assert!(wire <= at_most as u64, "{wire}, from {caller}");
            let dir = &self.delivery.dir;
            assert!(fs::read(at(dir, NAME)).unwrap() == self.bytes);
            assert!(fs::read(at(dir, RELATIVE)).unwrap() == self.relative);
            assert_eq!(names(dir), [RECORD, RELATIVE, NAME]);
            // The relative is no other name of anything any more.
            assert_eq!(fs::metadata(at(dir, RELATIVE)).unwrap().nlink(), 1);
        }
    }
}

/// 8 MiB that do not compress, and so many in the place of others of it.
fn changed(lab: &Lab, out: usize, new: usize) -> (Vec<u8>, Vec<u8>) {
    let (_, relative) = file(lab, 8 * MIB, 31);
    let (_, more) = file(lab, new, 32);
    let bytes = [&relative[..3 * MIB], &more, &relative[3 * MIB + out..]].concat();
    (relative, bytes)
}

#[tokio::test]
async fn bytes_are_found_wherever_they_stand_in_the_relative() {
    // More than was there, less, and nothing at all of it where it was.
    for (out, new) in [(5000, 9000), (9000, 5000), (0, 300 * 1024), (300 * 1024, 0)] {
        let lab = Lab::new();
        let node = lab.node();
        let (relative, bytes) = changed(&lab, out, new);
        Pair::new(lab, node, relative, bytes)
            .deliver(new + AROUND)
            .await;
    }
    let lab = Lab::new();
    let node = lab.node();
    let (relative, _) = changed(&lab, 0, 0);
    let (first, second) = relative.split_at(5 * MIB);
    let bytes = [second, first].concat();
    Pair::new(lab, node, relative, bytes).deliver(AROUND).await;
}

#[tokio::test]
async fn zeros_are_holes_also_where_the_relative_has_data() {
    let lab = Lab::new();
    let node = lab.node();
    let (_, mut bytes) = image(&lab, 33);
    // In the middle, and at the end, where versions before 3.3.0 kept what was there.
    let mut relative = bytes.clone();
    let (_, noise) = file(&lab, 2 * MIB, 34);
    relative[30 * MIB..32 * MIB].copy_from_slice(&noise);
    relative[62 * MIB..].copy_from_slice(&noise);
    bytes.truncate(63 * MIB + 420);
    let pair = Pair::new(lab, node, relative, bytes);
    pair.deliver(AROUND).await;
    let facts = fs::metadata(at(&pair.delivery.dir, NAME)).unwrap();
    assert!(facts.blocks() * 512 <= 6 * MIB as u64 + 64 * 1024);
}

/// What is left of a delivery that was dropped after so many bytes. It needs 2 MiB that
/// the relative does not have, between 3 and 5.
async fn interrupted(after: usize) -> Pair {
    let lab = Lab::new();
    let node = lab.node();
    let (relative, bytes) = changed(&lab, 1000, 2 * MIB);
    let pair = Pair::new(lab, node, relative, bytes);
    let part = part(&pair.delivery);
    let (nodes, id) = (slow(&pair.lab, 1), pair.id());
    tokio::select! {
        result = nodes.deliver(&id, &pair.delivery) => panic!("{result:?}"),
        () = until("something arrives", || {
            fs::metadata(&part).is_ok_and(|facts| facts.len() > after as u64)
        }) => (),
    }
    assert!(pair.basis().join(part.file_name().unwrap()).exists());
    pair
}

#[tokio::test]
async fn what_was_sent_before_and_what_the_relative_has_are_not_sent_again() {
    let after = 4 * MIB;
    let pair = interrupted(after).await;
    pair.deliver(5 * MIB - after + AROUND).await;
}

#[tokio::test]
async fn a_part_that_is_cut_off_again_at_its_beginning_loses_nothing() {
    let after = 4 * MIB;
    let pair = interrupted(after).await;
    // As the next attempt leaves it: what arrived and the relative are the basis, and of
    // the part there is the beginning.
    let part = part(&pair.delivery);
    let basis = pair.basis().join(part.file_name().unwrap());
    let arrived = fs::read(&part).unwrap();
    fs::remove_file(&basis).unwrap();
    fs::write(&basis, [&arrived[..], &pair.relative].concat()).unwrap();
    fs::write(&part, &arrived[..100_000]).unwrap();
    pair.deliver(5 * MIB - after + AROUND).await;
}

#[tokio::test]
async fn the_rest_of_a_stream_is_used_as_well() {
    let lab = Lab::new();
    let node = lab.node();
    let (relative, bytes) = changed(&lab, 1000, 2 * MIB);
    let pair = Pair::new(lab, node, relative, bytes);
    let parts = at(&pair.delivery.dir, PARTS);
    fs::create_dir(&parts).unwrap();
    fs::write(part(&pair.delivery), &pair.bytes[..4 * MIB + 77]).unwrap();
    pair.deliver(MIB + AROUND).await;
}

#[tokio::test]
async fn a_storage_without_links_gets_a_copy() {
    let lab = Lab::new();
    let bin = lab.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/false", bin.join("ln")).unwrap();
    let node = lab.node_with(&format!(
        "ForceCommand PATH=\"{}:$PATH\"; eval \"$SSH_ORIGINAL_COMMAND\"\n",
        bin.display()
    ));
    let (relative, bytes) = changed(&lab, 5000, 9000);
    Pair::new(lab, node, relative, bytes)
        .deliver(9000 + AROUND)
        .await;
}

#[tokio::test]
async fn without_room_for_a_copy_everything_is_sent() {
    let lab = Lab::new();
    let mut node = lab.node();
    // Room for the file, the relative, and what has to stay free.
    if !node.mount_small("iso", 40) {
        return;
    }
    let (relative, bytes) = changed(&lab, 1000, 2 * MIB);
    let pair = Pair::new(lab, node, relative, bytes);
    fs::create_dir(at(&pair.delivery.dir, PARTS)).unwrap();
    let begun = &pair.bytes[..4 * MIB];
    fs::write(part(&pair.delivery), begun).unwrap();
    let before = fs::metadata(part(&pair.delivery)).unwrap();
    pair.deliver(pair.bytes.len() - begun.len() + AROUND).await;
    let after = fs::metadata(at(&pair.delivery.dir, NAME)).unwrap();
    assert_eq!(after.ino(), before.ino());
}

/// It would go on to write, perhaps when the file has its name.
#[tokio::test]
async fn what_an_earlier_rsync_still_writes_to_is_not_used() {
    let pair = interrupted(4 * MIB).await;
    let basis = fs::File::open(pair.basis()).unwrap();
    rustix::fs::flock(basis.as_fd(), FlockOperation::LockExclusive).unwrap();
    let left = fs::File::options()
        .write(true)
        .open(part(&pair.delivery))
        .unwrap();
    pair.deliver(2 * MIB + AROUND).await;
    left.write_all_at(&[7; 5000], 0).unwrap();
    assert!(fs::read(at(&pair.delivery.dir, NAME)).unwrap() == pair.bytes);
}

/// A node on which rsync does not get to its first byte while `broken` is there.
fn breaking(lab: &Lab) -> (SshNode, PathBuf) {
    let broken = lab.path().join("broken");
    let script = format!(
        "[ ! -e {} ] || exit 255\nexec /usr/bin/rsync \"$@\"",
        broken.display()
    );
    (node_with_tool(lab, "rsync", &script), broken)
}

/// The push ended between making ready and its first byte: a link holds the blocks of the
/// relative, and there is no part that says so.
async fn broken_off(pair: &Pair, broken: &Path) -> PartName {
    fs::write(broken, "").unwrap();
    let ended = system(&pair.lab).deliver(&pair.id(), &pair.delivery).await;
    assert!(matches!(ended, Err(NodeError::Rsync { .. })), "{ended:?}");
    fs::remove_file(broken).unwrap();
    assert!(pair.basis().exists() && !part(&pair.delivery).exists());
    PartName::new(&pair.delivery.file, &pair.delivery.sha256)
}

#[tokio::test]
async fn what_rsync_had_not_begun_with_is_seen_and_can_be_cleared() {
    let lab = Lab::new();
    let (node, broken) = breaking(&lab);
    let (relative, bytes) = changed(&lab, 1000, 2 * MIB);
    let pair = Pair::new(lab, node, relative, bytes);
    let name = broken_off(&pair, &broken).await;
    let (nodes, id, dir) = (system(&pair.lab), pair.id(), &pair.delivery.dir);
    // As old as the relative is, the link is new.
    let relative = fs::File::options().write(true).open(at(dir, RELATIVE));
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    relative.unwrap().set_modified(long_ago).unwrap();
    let seen = look(&nodes, &id, dir).await.parts[&name];
    assert_eq!(seen.bytes, 0, "the file that it is a link to is there");
    assert!(seen.idle_seconds < 600, "{seen:?}");

    fs::remove_file(at(dir, RELATIVE)).unwrap();
    let held = look(&nodes, &id, dir).await.parts[&name];
    assert!(held.bytes >= 8 * MIB as u64, "{held:?}");

    let leftover = |idle| Leftover {
        dir: dir.clone(),
        part: name.clone(),
        idle: Duration::from_secs(idle),
    };
    let young = nodes.clear(&id, &leftover(3600)).await.unwrap();
    assert_eq!(young, Cleared::Unfinished);
    let reader = fs::File::open(pair.basis()).unwrap();
    rustix::fs::flock(reader.as_fd(), FlockOperation::LockExclusive).unwrap();
    let busy = nodes.clear(&id, &leftover(0)).await.unwrap();
    assert_eq!(busy, Cleared::Unfinished);
    drop(reader);
    assert!(pair.basis().exists());
    let gone = nodes.clear(&id, &leftover(0)).await.unwrap();
    assert_eq!(gone, Cleared::Gone);
    assert!(!at(dir, PARTS).exists(), "{:?}", names(dir));
    assert!(look(&nodes, &id, dir).await.parts.is_empty());
}

#[tokio::test]
async fn the_next_image_of_the_name_clears_what_rsync_had_not_begun_with() {
    let lab = Lab::new();
    let (node, broken) = breaking(&lab);
    let (relative, bytes) = changed(&lab, 1000, 2 * MIB);
    let pair = Pair::new(lab, node, relative, bytes);
    broken_off(&pair, &broken).await;
    let mut other = delivery(pair.delivery.dir.clone(), &file(&pair.lab, MIB, 5));
    other.method = Method::Rsync { basis: None };
    let delivered = system(&pair.lab).deliver(&pair.id(), &other).await;
    assert!(delivered.unwrap().copied);
    assert!(!pair.basis().exists());
}

/// The disk was full because of what was there to send less.
#[tokio::test]
async fn a_push_has_the_room_that_its_own_basis_takes() {
    let lab = Lab::new();
    let (mut node, broken) = breaking(&lab);
    if !node.mount_small("iso", 40) {
        return;
    }
    let (relative, bytes) = changed(&lab, 1000, 2 * MIB);
    let mut pair = Pair::new(lab, node, relative, bytes);
    broken_off(&pair, &broken).await;
    // The file that it was made of goes, others come: 9 MiB and what has to stay free fit
    // only without the basis.
    let dir = pair.delivery.dir.clone();
    fs::remove_file(at(&dir, RELATIVE)).unwrap();
    pair.relative = file(&pair.lab, MIB, 6).1;
    fs::write(at(&dir, RELATIVE), &pair.relative).unwrap();
    let filler = at(&dir, ".filler");
    fs::write(&filler, vec![1; 8 * MIB]).unwrap();
    let free = look(&system(&pair.lab), &pair.id(), &dir).await.free_bytes;
    let need = pair.bytes.len() as u64 + 16 * MIB as u64;
    assert!((need - 8 * MIB as u64..need).contains(&free.unwrap()));
    let delivered = system(&pair.lab).deliver(&pair.id(), &pair.delivery).await;
    assert!(delivered.unwrap().copied);
    assert!(fs::read(at(&dir, NAME)).unwrap() == pair.bytes);
    assert!(!pair.basis().exists());
}
