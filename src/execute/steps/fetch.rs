//! Downloads into the cache: from the store, or from the factory.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use crate::cache::{Cache, Receive, Received};
use crate::error::chain;
use crate::execute::downloads::{Fetch, WaitingFor};
use crate::execute::work::StepWork;
use crate::facts::{Fact, Failure};
use crate::io::Meter;
use crate::io::flow::growing::GrowingImage;
use crate::nodes::Nodes;
use crate::upstream::{
    ImageRequest, Located, RefusedImage, ShareableImage, StoreRefusal, StoredImage, Upstream,
};

impl<F: Upstream, N: Nodes> StepWork<F, N> {
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
            stored: None,
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
}

/// Downloads an image from where it is to be had. What the store has and is not right comes
/// from the factory after all, in the same step.
async fn download<F: Upstream>(
    factory: Arc<F>,
    cache: Arc<Cache>,
    receive: Receive,
    now: Timestamp,
) -> Result<Fact, Failure> {
    let request = ImageRequest {
        artifact: receive.download.clone(),
        url: receive.url.clone(),
        pinned: receive.pinned,
        meter: Arc::clone(&receive.meter),
    };
    let mut refused = None;
    let turn = loop {
        let image = match factory.locate(&request, refused.take()).await {
            Located::Factory(turn) => break turn,
            Located::Stored(image) => image,
        };
        match from_store(&*factory, &cache, receive.clone(), &image, now).await? {
            Ok(fact) => return Ok(fact),
            Err(why) => refused = Some(RefusedImage { image, why }),
        }
    };
    from_factory(&*factory, &cache, receive, now, turn).await
}

/// Downloads an image of the store. The inner error is about the store and what is in it;
/// the outer one would be the same with any bytes.
async fn from_store<F: Upstream>(
    factory: &F,
    cache: &Cache,
    mut receive: Receive,
    image: &StoredImage,
    now: Timestamp,
) -> Result<Result<Fact, StoreRefusal>, Failure> {
    receive.stored = Some(image.sha256);
    receive.upstream = image.is_vouched.then_some(image.sha256);
    let mut intake = cache.receive(receive).await?;
    let transferred = factory.download_stored(image, &mut intake).await;
    let wire_bytes = match (transferred, intake.failure().is_some()) {
        (Ok(wire_bytes), _) => wire_bytes,
        // The factory continues what the store began.
        (Err(why), false) => match intake.leave().await {
            None => return Ok(Err(why)),
            Some(error) if error.is_about_content() => {
                return Ok(Err(StoreRefusal::Wrong(chain(&error))));
            }
            Some(error) => return Err(error.into()),
        },
        // What refused the bytes knows more than whoever sent them.
        (Err(_), true) => 0,
    };
    let received = match intake.finish(now).await {
        Ok(received) => received,
        Err(error) if error.is_about_content() => {
            return Ok(Err(StoreRefusal::Wrong(chain(&error))));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Ok(fetched(factory, received, wire_bytes)))
}

/// Downloads an image from the factory, after asking who vouches for it, and shares it.
async fn from_factory<F: Upstream>(
    factory: &F,
    cache: &Cache,
    mut receive: Receive,
    now: Timestamp,
    turn: F::Turn,
) -> Result<Fact, Failure> {
    let (url, file) = (receive.url.clone(), cache.path(&receive.file));
    let vouched = factory.checksum(&url).await?;
    receive.upstream = vouched;
    let mut intake = cache.receive(receive).await?;
    let transferred = match factory.download(&url, &mut intake).await {
        Ok(transferred) => transferred,
        // What refused the bytes knows more than whoever sent them: whether that may
        // run, and a hint for the user.
        Err(error) => {
            let refused = intake.leave().await;
            return Err(refused.map_or_else(|| error.into(), Failure::from));
        }
    };
    let received = intake.finish(now).await?;
    let image = ShareableImage {
        meta: received.download.clone(),
        vouched,
        file,
    };
    factory.share(turn, image);
    Ok(fetched(factory, received, transferred.wire_bytes))
}

fn fetched<F: Upstream>(factory: &F, received: Received, wire_bytes: u64) -> Fact {
    for meta in std::iter::once(&received.download).chain(&received.unpacked) {
        factory.remember_size(&meta.artifact, meta.size);
    }
    Fact::Fetched {
        download: Box::new(received.download),
        unpacked: received.unpacked.map(Box::new),
        wire_bytes,
    }
}

#[cfg(test)]
mod tests;
