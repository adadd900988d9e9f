//! The images that were built or read from files, kept as long as there is room.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::image;
use super::options::StubOptions;
use crate::model::ArtifactId;

/// Bytes of built images that are kept; the least recently asked one goes first.
const ROOM: usize = 256 << 20;

type Key = (ArtifactId, u64);

#[derive(Debug, Clone)]
pub(super) struct BuiltImage {
    pub bytes: Bytes,
    /// Strong, quoted; follows from the bytes.
    pub etag: String,
}

/// Builds images once and keeps them.
#[derive(Debug, Default)]
pub(super) struct Images {
    shelf: Mutex<Shelf>,
    builds: Arc<Mutex<Builds>>,
}

/// What was built, and how much of it at once.
#[derive(Debug, Default)]
struct Builds {
    begun: Vec<String>,
    running: usize,
    most: usize,
}

/// A build under way.
struct Building(Arc<Mutex<Builds>>);

impl Building {
    fn begin(builds: &Arc<Mutex<Builds>>, artifact: &ArtifactId) -> Self {
        let mut all = builds.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{}/{}", artifact.version, artifact.factory_file());
        all.begun.push(name);
        all.running += 1;
        all.most = all.most.max(all.running);
        Self(Arc::clone(builds))
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .running -= 1;
    }
}

#[derive(Debug, Default)]
struct Shelf {
    clock: u64,
    images: HashMap<Key, ShelfSlot>,
}

#[derive(Debug)]
struct ShelfSlot {
    used: u64,
    /// Filled by the first who asks; the others wait instead of building, too.
    cell: Arc<OnceCell<BuiltImage>>,
}

impl Images {
    /// The image, read now if it is given as a file, and built if it is not.
    pub(super) async fn get(
        &self,
        artifact: ArtifactId,
        options: &StubOptions,
        generation: u64,
    ) -> io::Result<BuiltImage> {
        let cell = self.reserve((artifact.clone(), generation));
        let file = options.files.get(&artifact).cloned();
        let (disk_bytes, build_time) = (options.disk_bytes, options.build_time);
        let builds = Arc::clone(&self.builds);
        // A build goes on when whoever asked for it has gone.
        let image = tokio::spawn(async move {
            let built = cell
                .get_or_try_init(async || {
                    let _building = Building::begin(&builds, &artifact);
                    tokio::time::sleep(build_time).await;
                    let build = move || match file {
                        Some(path) => std::fs::read(path).map(finish),
                        None => image::build(&artifact, disk_bytes, generation).map(finish),
                    };
                    tokio::task::spawn_blocking(build)
                        .await
                        .map_err(io::Error::other)?
                })
                .await;
            built.cloned()
        });
        let image = image.await.map_err(io::Error::other)??;
        self.make_room();
        Ok(image)
    }

    /// What was built, in the order in which it began.
    pub(super) fn builds(&self) -> Vec<String> {
        self.of_builds(|builds| builds.begun.clone())
    }

    /// How many builds went on at once, at most.
    pub(super) fn most_at_once(&self) -> usize {
        self.of_builds(|builds| builds.most)
    }

    fn of_builds<T>(&self, ask: impl Fn(&Builds) -> T) -> T {
        ask(&self.builds.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reserve(&self, key: Key) -> Arc<OnceCell<BuiltImage>> {
        let mut shelf = self.lock();
        shelf.clock += 1;
        let used = shelf.clock;
        let slot = shelf.images.entry(key).or_insert_with(|| ShelfSlot {
            used,
            cell: Arc::default(),
        });
        slot.used = used;
        Arc::clone(&slot.cell)
    }

    fn make_room(&self) {
        let mut shelf = self.lock();
        let size = |slot: &ShelfSlot| slot.cell.get().map_or(0, |image| image.bytes.len());
        let mut total: usize = shelf.images.values().map(size).sum();
        // One image stays, however large: somebody just asked for it.
        while total > ROOM && shelf.images.len() > 1 {
            let oldest = shelf.images.iter().min_by_key(|(_, slot)| slot.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            total -= shelf.images.remove(&key).as_ref().map_or(0, size);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn finish(bytes: Vec<u8>) -> BuiltImage {
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let digest = crate::model::Sha256::from_bytes(digest).to_string();
    BuiltImage {
        etag: format!("\"{}\"", &digest[..32]),
        bytes: bytes.into(),
    }
}
