//! Deliveries that begin before their file is whole: what grows here grows there, under a
//! hidden name, and nothing has the final one before all of it is verified.

use std::os::unix::fs::FileExt;

use talos_order::testing::GrowingFile;
use tokio::sync::oneshot;

use super::stream::{image, limited, streamed};
use super::*;

/// A file that is written piece by piece, as a download is.
struct Source {
    growing: GrowingFile,
    file: fs::File,
    bytes: Vec<u8>,
    path: PathBuf,
    at: usize,
}

impl Source {
    fn new(lab: &Lab, image: &(PathBuf, Vec<u8>)) -> Self {
        let path = lab.path().join(format!("growing-{}", fastrand::u64(..)));
        let (growing, file) = (GrowingFile::default(), open(&path));
        growing.begin(file.try_clone().unwrap());
        Self {
            growing,
            file,
            bytes: image.1.clone(),
            path,
            at: 0,
        }
    }

    /// Writes up to a place, and leaves holes for zeros.
    fn write(&mut self, to: usize) {
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

    fn finish(&mut self) {
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

fn early(delivery: &Delivery, source: &Source) -> EarlyDelivery {
    EarlyDelivery {
        dir: delivery.dir.clone(),
        file: delivery.file.clone(),
        source: source.growing.clone(),
        artifact: delivery.artifact.clone(),
        proof: delivery.proof,
        meter: Arc::default(),
    }
}

/// The part that an early delivery writes to.
fn early_part(delivery: &Delivery) -> PathBuf {
    let name = PartName::early(&delivery.file, &delivery.artifact);
    at(&delivery.dir, &name.to_string())
}

/// Waits until so many bytes of it are there, holes included.
async fn has_come(delivery: &Delivery, length: usize) {
    let part = early_part(delivery);
    until("something arrives", || {
        fs::metadata(&part).is_ok_and(|facts| facts.len() >= length as u64)
    })
    .await;
}

fn is_named(delivery: &Delivery) -> bool {
    at(&delivery.dir, NAME).exists()
}

/// What comes once the file is verified: what to deliver, or nothing.
fn verified() -> (
    oneshot::Sender<Option<Delivery>>,
    impl Future<Output = Option<Delivery>> + Send,
) {
    let (say, said) = oneshot::channel();
    (say, async { said.await.unwrap() })
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
        let (delivered, ()) = tokio::join!(nodes.deliver_early(&id, &early, said), write);
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
