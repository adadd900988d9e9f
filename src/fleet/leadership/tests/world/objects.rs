//! The objects of the simulated store that reports and instructions are in, and the ways of
//! processes to them. The program's own code reads and writes them.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

use jiff::Timestamp;
use serde::Deserialize;

use super::Time;

/// An object.
#[derive(Debug, Clone)]
pub(super) struct WorldObject {
    pub bytes: Bytes,
    /// When it got there, and when it was sent.
    pub modified: Time,
    pub sent: Time,
    /// Somebody without the key of the fleet wrote it.
    pub is_forged: bool,
}

/// All of them, by key.
pub(super) type ObjectMap = BTreeMap<String, WorldObject>;

/// The objects, as everybody sees them. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct WorldObjects(Arc<Mutex<ObjectsState>>);

#[derive(Debug, Default)]
struct ObjectsState {
    objects: ObjectMap,
    was_restored: bool,
}

/// A write under a condition.
#[derive(Debug, Clone)]
pub(super) struct ObjectPut {
    key: String,
    bytes: Bytes,
    mode: PutMode,
    sent: Time,
}

/// What becomes of the requests that somebody sends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RequestFate {
    #[default]
    Fine,
    /// None of them gets there.
    Lost,
    /// That with this number does not get there.
    Fails(usize),
    /// Its answer is lost.
    LosesAnswer(usize),
    /// It gets there when nobody waits for it any more.
    IsLate(usize),
}

/// The way of one process to the objects. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct ObjectsWay {
    objects: WorldObjects,
    state: Arc<Mutex<WayState>>,
}

#[derive(Debug, Default)]
struct WayState {
    now: Time,
    fate: RequestFate,
    sent: usize,
    has_failed: bool,
    late: Vec<ObjectPut>,
}

impl ObjectPut {
    /// True for the report of a site.
    pub(super) fn is_report(&self) -> bool {
        self.key.ends_with("/report.json")
    }
}

impl WorldObjects {
    pub(super) fn way(&self) -> ObjectsWay {
        ObjectsWay {
            objects: self.clone(),
            state: Arc::default(),
        }
    }

    /// As they are now.
    pub(super) fn copy(&self) -> ObjectMap {
        self.0.lock().unwrap().objects.clone()
    }

    /// Somebody replaces one, or removes it.
    pub(super) fn forge(&self, key: &str, bytes: Option<Vec<u8>>, now: Time) {
        let objects = &mut self.0.lock().unwrap().objects;
        let object = bytes.map(|bytes| WorldObject {
            bytes: bytes.into(),
            modified: now,
            sent: now,
            is_forged: true,
        });
        match object {
            Some(object) => objects.insert(key.to_owned(), object),
            None => objects.remove(key),
        };
    }

    /// The report that is there, with the epoch of its leader.
    pub(super) fn report(&self, key: &str) -> Option<(WorldObject, u64)> {
        let object = self.0.lock().unwrap().objects.get(key)?.clone();
        let age: ReportAge = serde_json::from_slice(&object.bytes).unwrap();
        Some((object, age.epoch))
    }

    /// They are as they were; with a time as if they had been written then.
    pub(super) fn restore(&self, mut objects: ObjectMap, written: Option<Time>) {
        if let Some(time) = written {
            for object in objects.values_mut() {
                object.modified = time;
            }
        }
        let mut state = self.0.lock().unwrap();
        state.objects = objects;
        state.was_restored = true;
    }

    /// A write gets there; its tag, if it was accepted.
    pub(super) fn put(&self, put: ObjectPut, now: Time) -> Result<String> {
        let mut state = self.0.lock().unwrap();
        let found = state.objects.get(&put.key);
        let path = put.key.clone();
        match (&put.mode, found) {
            (PutMode::Create, Some(_)) => {
                let source = "there is one".into();
                return Err(Error::AlreadyExists { path, source });
            }
            (PutMode::Update(version), found)
                if found.map(|found| tag(&found.bytes)) != version.e_tag =>
            {
                let source = "it is another one".into();
                return Err(Error::Precondition { path, source });
            }
            _ => {}
        }
        if let Some(found) = found {
            replaces_older(&put.key, &found.bytes, &put.bytes, state.was_restored);
        }
        let tag = tag(&put.bytes);
        let object = WorldObject {
            bytes: put.bytes,
            modified: now,
            sent: put.sent,
            is_forged: false,
        };
        state.objects.insert(put.key, object);
        Ok(tag)
    }
}

/// What is to be known of a report to compare it with another one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct ReportAge {
    /// Of the leader that wrote it.
    epoch: u64,
    written: Timestamp,
}

/// No report replaces that of a later leader, or one that was written later. After a store was
/// restored, what was written later may be of an earlier epoch, and counts.
fn replaces_older(key: &str, before: &[u8], after: &[u8], was_restored: bool) {
    if !key.ends_with("/report.json") {
        return;
    }
    let age = |bytes: &[u8]| serde_json::from_slice::<ReportAge>(bytes).unwrap();
    let (before, after) = (age(before), age(after));
    assert!(
        after.written > before.written && (was_restored || after.epoch >= before.epoch),
        "{key}, {before:?}, is replaced by {after:?}"
    );
}

/// As servers do, from the bytes.
fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl ObjectsWay {
    /// Requests are sent now.
    pub(super) fn begin(&self, now: Time, fate: RequestFate) {
        *self.state.lock().unwrap() = WayState {
            now,
            fate,
            ..WayState::default()
        };
    }

    /// True if every request since then got there and back; and the writes that are still on
    /// their way.
    pub(super) fn end(&self) -> (bool, Vec<ObjectPut>) {
        let state = std::mem::take(&mut *self.state.lock().unwrap());
        (!state.has_failed, state.late)
    }

    /// A request is sent; an error if it does not get there, and whether its answer does.
    fn sends(&self, put: Option<&ObjectPut>) -> Result<(Time, bool)> {
        let mut state = self.state.lock().unwrap();
        let number = state.sent;
        state.sent += 1;
        let is_answered = state.fate != RequestFate::LosesAnswer(number);
        let is_late = state.fate == RequestFate::IsLate(number);
        let gets_there =
            !is_late && ![RequestFate::Lost, RequestFate::Fails(number)].contains(&state.fate);
        state.has_failed |= !gets_there || !is_answered;
        if is_late {
            state.late.extend(put.cloned());
        }
        match gets_there {
            true => Ok((state.now, is_answered)),
            false => Err(failure()),
        }
    }

    fn request<T>(
        &self,
        put: Option<&ObjectPut>,
        does: impl FnOnce(Time) -> Result<T>,
    ) -> Result<T> {
        let (now, is_answered) = self.sends(put)?;
        let done = does(now);
        if is_answered { done } else { Err(failure()) }
    }
}

fn failure() -> Error {
    Error::Generic {
        store: "simulated",
        source: "it does not answer".into(),
    }
}

fn meta(key: &str, object: &WorldObject) -> ObjectMeta {
    let mut last_modified = ObjectMeta {
        location: Path::from(key),
        last_modified: Default::default(),
        size: object.bytes.len() as u64,
        e_tag: Some(tag(&object.bytes)),
        version: None,
    };
    last_modified.last_modified += Duration::from_millis(super::DAY_BEGINS + object.modified);
    last_modified
}

#[async_trait]
impl ObjectStore for ObjectsWay {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let put = ObjectPut {
            key: location.to_string(),
            bytes: Bytes::from(payload),
            mode: options.mode,
            sent: self.state.lock().unwrap().now,
        };
        self.request(Some(&put), |now| {
            let e_tag = self.objects.put(put.clone(), now)?;
            Ok(PutResult {
                e_tag: Some(e_tag),
                version: None,
                extensions: Default::default(),
            })
        })
    }

    async fn get_opts(&self, location: &Path, _: GetOptions) -> Result<GetResult> {
        self.request(None, |_| {
            let objects = &self.objects.0.lock().unwrap().objects;
            let Some(object) = objects.get(location.as_ref()) else {
                let (path, source) = (location.to_string(), "there is none".into());
                return Err(Error::NotFound { path, source });
            };
            let bytes = object.bytes.clone();
            Ok(GetResult {
                meta: meta(location.as_ref(), object),
                range: 0..bytes.len() as u64,
                payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
                attributes: Default::default(),
                extensions: Default::default(),
            })
        })
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.map_or("", |path| path.as_ref());
        let listed = self.request(None, |_| {
            let objects = &self.objects.0.lock().unwrap().objects;
            let listed = objects.iter().filter(|(key, _)| key.starts_with(prefix));
            Ok(listed
                .map(|(key, object)| Ok(meta(key, object)))
                .collect::<Vec<_>>())
        });
        let listed = listed.unwrap_or_else(|error| vec![Err(error)]);
        stream::iter(listed).boxed()
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(failure())
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::iter([Err(failure())]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(failure())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(failure())
    }
}

impl fmt::Display for ObjectsWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}
