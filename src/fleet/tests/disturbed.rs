//! A bucket in memory whose answers go wrong on purpose.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::bucket::Bucket;

/// What goes wrong with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreFault {
    /// They fail, and nothing was done.
    Fails,
    /// They fail, and everything was done.
    LosesAnswer,
    /// They never end.
    Hangs,
    /// They are done after everything else that goes on.
    Waits,
    /// What is read ends after so many bytes; a list ends after so many objects, and nothing
    /// tells of it.
    Cuts(usize),
    /// Another byte comes in place of this one, or of the last one before it.
    Changes(usize),
}

#[derive(Debug)]
struct Rule {
    verb: &'static str,
    key: String,
    fault: StoreFault,
    times: usize,
}

/// A bucket in memory. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct DisturbedStore {
    inner: Arc<InMemory>,
    rules: Arc<Mutex<Vec<Rule>>>,
    asked: Arc<Mutex<Vec<String>>>,
    clock: Arc<Mutex<StoreClock>>,
}

/// How far the clock of the store is ahead, now and when each object was written.
#[derive(Debug, Default)]
struct StoreClock {
    ahead: Duration,
    of_writes: BTreeMap<String, Duration>,
}

impl DisturbedStore {
    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::over(Arc::new(self.clone()), "s3://memory")
    }

    /// The same objects as somebody else sees them, whose requests go wrong apart from these.
    pub(crate) fn apart(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            clock: Arc::clone(&self.clock),
            ..Self::default()
        }
    }

    /// The next so many requests with this verb (`get`, `put`, `parts`, `list`, `delete`)
    /// and a key that contains this go wrong.
    pub(crate) fn inject(&self, verb: &'static str, key: &str, fault: StoreFault, times: usize) {
        let key = key.to_owned();
        self.rules.lock().unwrap().push(Rule {
            verb,
            key,
            fault,
            times,
        });
    }

    /// Time goes by for the store.
    pub(crate) fn advance(&self, time: Duration) {
        self.clock.lock().unwrap().ahead += time;
    }

    /// An object is written now.
    fn note_write(&self, location: &Path) {
        let mut clock = self.clock.lock().unwrap();
        let ahead = clock.ahead;
        clock.of_writes.insert(location.to_string(), ahead);
    }

    fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let clock = self.clock.lock().unwrap();
        let ahead = clock.of_writes.get(meta.location.as_ref());
        meta.last_modified += ahead.copied().unwrap_or_default();
        meta
    }

    /// Everything is right again.
    pub(crate) fn recover(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// Every request since the last time, as `VERB KEY`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn fault(&self, verb: &str, key: &str) -> Option<StoreFault> {
        self.asked.lock().unwrap().push(format!("{verb} {key}"));
        let mut rules = self.rules.lock().unwrap();
        let is_it = |rule: &&mut Rule| rule.verb == verb && key.contains(&rule.key);
        let rule = rules.iter_mut().find(is_it)?;
        let fault = rule.fault;
        rule.times -= 1;
        rules.retain(|rule| rule.times > 0);
        Some(fault)
    }
}

/// Does it and says that it failed, or the like.
async fn disturbed<T>(
    fault: Option<StoreFault>,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    match fault {
        Some(StoreFault::Fails) => return Err(failure()),
        Some(StoreFault::Hangs) => std::future::pending().await,
        Some(StoreFault::Waits) => {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        _ => {}
    }
    let done = work.await;
    match fault {
        Some(StoreFault::LosesAnswer) => Err(failure()),
        _ => done,
    }
}

fn failure() -> Error {
    Error::Generic {
        store: "memory",
        source: "it is on fire".into(),
    }
}

#[async_trait]
impl ObjectStore for DisturbedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let fault = self.fault("put", location.as_ref());
        let put = async {
            let put = self.inner.put_opts(location, payload, options).await?;
            self.note_write(location);
            Ok(put)
        };
        disturbed(fault, put).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.fault("parts", location.as_ref());
        self.note_write(location);
        disturbed(fault, self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.fault("get", location.as_ref());
        let got = disturbed(fault, self.inner.get_opts(location, options)).await?;
        let (meta, range, attributes) = (
            self.dated(got.meta.clone()),
            got.range.clone(),
            got.attributes.clone(),
        );
        let extensions = got.extensions.clone();
        let bytes = got.bytes().await?;
        let (bytes, end) = match fault {
            Some(StoreFault::Cuts(length)) => (bytes.slice(..length), Some(Err(failure()))),
            Some(StoreFault::Changes(at)) => {
                let mut changed = bytes.to_vec();
                let at = at.min(changed.len() - 1);
                changed[at] ^= 0x55;
                (Bytes::from(changed), None)
            }
            _ => (bytes, None),
        };
        let pieces: Vec<_> = bytes.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        let pieces = pieces.into_iter().map(Ok).chain(end);
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::iter(pieces).boxed()),
            meta,
            range,
            attributes,
            extensions,
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let own = self.clone();
        locations
            .and_then(move |path| {
                let own = own.clone();
                async move {
                    let fault = own.fault("delete", path.as_ref());
                    let removed = async {
                        let one = stream::iter([Ok(path.clone())]).boxed();
                        own.inner.delete_stream(one).try_collect::<Vec<_>>().await
                    };
                    disturbed(fault, removed).await.map(|_| path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let own = self.clone();
        let listed = self.inner.list(prefix).map_ok(move |meta| own.dated(meta));
        match self.fault("list", prefix.map_or("", |path| path.as_ref())) {
            Some(StoreFault::Hangs) => stream::pending().boxed(),
            Some(StoreFault::Cuts(length)) => listed.take(length).boxed(),
            Some(_) => stream::iter([Err(failure())]).boxed(),
            None => listed.boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for DisturbedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}
