//! Taking a download in: the cache's names and records around an intake.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::record::RecordDraft;
use super::{Cache, CacheError};
use crate::facts::{Meta, Provenance};
use crate::io::Meter;
use crate::io::file::atomic;
use crate::io::flow::growing::{GrowingFile, GrowingImage};
use crate::io::flow::intake::{Intake, Promise, Sealed, Spec};
use crate::io::flow::unpack::Unpack;
use crate::io::flow::{Sink, StagingError, Validator, temporary};
use crate::io::image::magic::ContentKind;
use crate::model::{ArtifactId, FileName, Format, Sha256};

/// A download to take in.
#[derive(Debug, Clone)]
pub(crate) struct Receive {
    pub download: ArtifactId,
    pub file: FileName,
    pub url: String,
    /// The unpacked form and its name, where it is wanted too.
    pub unpack: Option<(ArtifactId, FileName)>,
    /// The digest of the download that an order pins.
    pub pinned: Option<Sha256>,
    /// The digest of the download that the factory publishes.
    pub upstream: Option<Sha256>,
    /// The digest of the download in the store that it comes from.
    pub stored: Option<Sha256>,
    pub meter: Arc<Meter>,
    /// Told how far the files have come, for those who read them meanwhile.
    pub growing: GrowingImage,
}

/// What a download became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub download: Meta,
    /// The record of the unpacked form, where it was wanted.
    pub unpacked: Option<Meta>,
}

/// A download on its way into the cache; bytes go in through [`Sink`].
///
/// Dropping it leaves what has been written, and [`Incoming::leave`] all that has come. The
/// next [`Cache::receive`] for the same URL goes on from there: its position is then not
/// 0, and may already be the total, which leaves only [`Incoming::finish`] to do.
#[derive(Debug)]
pub(crate) struct Incoming {
    cache: Cache,
    intake: Intake,
    file: FileName,
    draft: RecordDraft,
    unpack: Option<(ArtifactId, FileName)>,
}

/// What an image of a format looks like.
pub(super) fn kind_of(format: Format) -> ContentKind {
    match format {
        Format::Iso => ContentKind::Iso,
        Format::Raw => ContentKind::Gpt,
        Format::RawXz => ContentKind::Xz,
        Format::RawZst => ContentKind::Zstd,
        Format::RawGz => ContentKind::Gzip,
        Format::Qcow2 => ContentKind::Qcow2,
    }
}

impl Cache {
    /// Makes ready to take a download in. Reads what is there of it already.
    ///
    /// # Errors
    /// If a name is taken by something foreign, or nothing can be written.
    pub(crate) async fn receive(&self, receive: Receive) -> Result<Incoming, CacheError> {
        let Receive {
            download,
            file,
            url,
            unpack,
            pinned,
            upstream,
            stored,
            meter,
            growing,
        } = receive;
        self.make_dir()?;
        self.make_way(&file)?;
        self.refuse_foreign(&file)?;
        let is_promised = pinned.or(upstream).or(stored).is_some();
        let unpacking = match &unpack {
            // Its digest proves that it is whole.
            None if is_promised => None,
            // Else nothing does but what is in it.
            None => download.format.codec().map(|codec| Unpack {
                codec,
                name: format!("the content of {file}"),
                kind: kind_of(Format::Raw),
                buffered: self.buffered,
                max: self.max,
                is_kept: false,
                growing: GrowingFile::default(),
            }),
            Some((artifact, name)) => {
                self.make_way(name)?;
                self.refuse_foreign(name)?;
                let codec = download
                    .format
                    .codec()
                    .ok_or_else(|| CacheError::NotCompressed { file: file.clone() })?;
                Some(Unpack {
                    codec,
                    name: name.to_string(),
                    kind: kind_of(artifact.format),
                    buffered: self.buffered,
                    max: self.max,
                    is_kept: true,
                    growing: growing.unpacked,
                })
            }
        };
        let promise = |by| move |sha256| Promise { sha256, by };
        let promises = [
            pinned.map(promise("the order pins")),
            upstream.map(promise("the factory publishes")),
            stored.map(promise("the index of the store says")),
        ];
        let provenance = match (pinned, upstream) {
            (Some(_), _) => Provenance::Pinned,
            (None, Some(_)) => Provenance::Upstream,
            (None, None) => Provenance::FirstSeen,
        };
        let intake = Intake::begin(Spec {
            dir: self.dir.clone(),
            name: file.to_string(),
            url: url.clone(),
            kind: kind_of(download.format),
            unpack: unpacking,
            max: self.max,
            promises: promises.into_iter().flatten().collect(),
            meter,
            growing: growing.download,
        })
        .await?;
        Ok(Incoming {
            cache: self.clone(),
            intake,
            file,
            draft: RecordDraft {
                artifact: download,
                url,
                unpacked_from: None,
                provenance,
                etag: None,
            },
            unpack,
        })
    }
}

impl Incoming {
    /// Why bytes were refused, with its type; [`Self::finish`] gives it too.
    pub(crate) fn failure(&self) -> Option<&StagingError> {
        self.intake.failure()
    }

    /// Says that nothing more comes now, and leaves what has come. Gives why bytes were
    /// refused, if they were.
    pub(crate) async fn leave(self) -> Option<CacheError> {
        self.intake.leave().await.map(CacheError::from)
    }

    /// Says that everything has come: checks it, records it and gives the files
    /// their names.
    ///
    /// # Errors
    /// Whatever is wrong. No name appears then that was not there before, except
    /// that the download may be complete where only its unpacked form failed to
    /// be recorded.
    pub(crate) async fn finish(self, now: Timestamp) -> Result<Received, CacheError> {
        let Self {
            cache,
            intake,
            file,
            mut draft,
            unpack,
        } = self;
        let sealed = intake.finish().await?;
        draft.etag = sealed.validator.as_ref().and_then(entity_tag);
        let dir = cache.clone();
        dir.on_thread("publish", move || {
            publish(&cache, &file, draft, sealed, unpack, now)
        })
        .await
    }
}

fn publish(
    cache: &Cache,
    file: &FileName,
    draft: RecordDraft,
    sealed: Sealed,
    unpack: Option<(ArtifactId, FileName)>,
    now: Timestamp,
) -> Result<Received, CacheError> {
    let download = cache.publish(file, sealed.download, draft.clone(), now)?;
    let unpacked = match sealed.unpacked.zip(unpack) {
        None => None,
        Some((staged, (artifact, name))) => {
            let draft = RecordDraft {
                artifact,
                unpacked_from: Some(download.sha256),
                ..draft
            };
            Some(cache.publish(&name, staged, draft, now)?)
        }
    };
    let record = temporary::record_of(cache.dir(), file.as_str());
    atomic::remove_if_there(&record).map_err(CacheError::io("remove", &record))?;
    cache.sync()?;
    Ok(Received { download, unpacked })
}

/// The entity tag, if that is what identified the version: it is quoted, a date
/// is not.
fn entity_tag(validator: &Validator) -> Option<String> {
    validator
        .value
        .ends_with('"')
        .then(|| validator.value.clone())
}

impl Sink for Incoming {
    fn position(&self) -> (u64, Option<Validator>) {
        self.intake.position()
    }

    async fn restart(&mut self) -> io::Result<()> {
        self.intake.restart().await
    }

    async fn expect(&mut self, total: Option<u64>, validator: Option<Validator>) -> io::Result<()> {
        self.intake.expect(total, validator).await
    }

    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.intake.write(bytes).await
    }
}
