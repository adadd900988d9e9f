//! Steps of this machine: registrations, downloads, and the files of the cache.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use crate::cache::{Cache, CacheError, Receive};
use crate::execute::downloads::{Fetch, WaitingFor};
use crate::execute::work::{StepWork, failed};
use crate::facts::{Fact, Failure, Outcome};
use crate::io::Meter;
use crate::io::flow::growing::GrowingImage;
use crate::model::{ArtifactId, FileName, SchematicId};
use crate::nodes::Nodes;
use crate::upstream::Upstream;

impl<F: Upstream, N: Nodes> StepWork<F, N> {
    pub(in crate::execute) async fn register(
        &self,
        schematic: SchematicId,
        expected: SchematicId,
        document: &str,
    ) -> Outcome {
        match self.context.factory.register(schematic, document).await {
            // The answer is the authority. Everything planned under another id is
            // moot then; the id is remembered and the next look plans anew.
            Ok(id) if id != expected => Outcome::Outdated {
                what: format!("the factory returned id {id} for schematic {schematic}"),
            },
            Ok(id) => Outcome::Done {
                fact: Fact::Registered { id },
            },
            Err(error) => failed(error),
        }
    }

    /// Begins a download that may outlive this run.
    pub(in crate::execute) fn begin(
        &self,
        fetch: Fetch,
        meter: Arc<Meter>,
        permit: OwnedSemaphorePermit,
    ) -> WaitingFor {
        let growing = GrowingImage::default();
        let receive = Receive {
            download: fetch.download.clone(),
            file: fetch.file.clone(),
            url: fetch.url.clone(),
            unpack: fetch.unpack.clone(),
            pinned: fetch.pinned,
            upstream: None,
            meter: Arc::clone(&meter),
            growing: growing.clone(),
        };
        let work = download(
            Arc::clone(&self.context.factory),
            Arc::clone(&self.context.cache),
            receive,
            self.context.now,
        );
        let downloads = &self.context.downloads;
        downloads.begin(fetch, meter, growing, permit, work)
    }

    pub(in crate::execute) fn learn_fetched(&self, fact: &Fact, fetch: &Fetch) {
        if let Fact::Fetched {
            download, unpacked, ..
        } = fact
        {
            self.learn(download, &fetch.file);
            if let (Some(meta), Some((_, file))) = (unpacked, &fetch.unpack) {
                self.learn(meta, file);
            }
        }
    }

    pub(in crate::execute) async fn unpack(
        &self,
        from_file: &FileName,
        to: &ArtifactId,
        file: &FileName,
        meter: &Arc<Meter>,
    ) -> Result<Fact, Failure> {
        let from = self.known(from_file)?;
        let meta = self
            .context
            .cache
            .unpack(
                from_file,
                &from,
                to.clone(),
                file,
                Arc::clone(meter),
                self.context.now,
            )
            .await?;
        self.learn(&meta, file);
        Ok(Fact::Unpacked {
            meta: Box::new(meta),
        })
    }

    /// A left-over is removed like a file: what is beside the name goes with it.
    pub(in crate::execute) fn remove(&self, file: &FileName) -> Result<Fact, Failure> {
        let bytes = self.context.cache.remove(file)?;
        Ok(Fact::Removed { bytes })
    }

    /// A damaged file is replaced by a step of the next plan, as on a node.
    pub(in crate::execute) async fn verify_in_cache(&self, file: &FileName, bytes: u64) -> Outcome {
        match self.context.cache.verify(file).await {
            Ok(()) => Outcome::Done {
                fact: Fact::Verified { bytes },
            },
            Err(damage @ CacheError::Damaged { .. }) => Outcome::Outdated {
                what: damage.to_string(),
            },
            Err(error) => failed(error),
        }
    }
}

/// Everything that an image's fetch asks of the factory, and what comes of it: first
/// who vouches for it, then the image.
async fn download<F: Upstream>(
    factory: Arc<F>,
    cache: Arc<Cache>,
    mut receive: Receive,
    now: Timestamp,
) -> Result<Fact, Failure> {
    let url = receive.url.clone();
    receive.upstream = factory.checksum(&url).await?;
    let mut intake = cache.receive(receive).await?;
    let transferred = match factory.download(&url, &mut intake).await {
        Ok(transferred) => transferred,
        // What refused the bytes knows more than whoever sent them: whether that may
        // run, and a hint for the user.
        Err(error) if intake.failure().is_some() => {
            let refused = intake.finish(now).await;
            return Err(refused.err().map_or_else(|| error.into(), Failure::from));
        }
        Err(error) => return Err(error.into()),
    };
    let received = intake.finish(now).await?;
    for meta in std::iter::once(&received.download).chain(&received.unpacked) {
        factory.remember_size(&meta.artifact, meta.size);
    }
    Ok(Fact::Fetched {
        download: Box::new(received.download),
        unpacked: received.unpacked.map(Box::new),
        wire_bytes: transferred.wire_bytes,
    })
}
