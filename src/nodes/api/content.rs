//! What is sent of an image: the file of the cache, or the qcow2 that is made from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use tokio::sync::OnceCell;

use crate::io::flow::convert::{Qcow2Form, RawFacts};
use crate::model::{Sha256, StoredForm};
use crate::nodes::error::NodeError;
use crate::nodes::interface::Delivery;
use crate::proxmox::UploadContent;

/// What is sent of an image, with its size and digest.
#[derive(Debug, Clone)]
pub(super) struct SentContent {
    pub size: u64,
    pub sha256: Sha256,
    source: Arc<ContentSource>,
}

#[derive(Debug)]
struct ContentSource {
    file: File,
    /// The form that is sent, where it is not the file itself.
    form: Option<Arc<Qcow2Form>>,
}

impl ContentSource {
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &self.form {
            None => self.file.read_exact_at(buffer, at),
            Some(form) => form.read_at(&self.file, at, buffer),
        }
    }
}

/// The forms of raw images, by their digests: of many nodes the first one waits for it.
#[derive(Debug, Default)]
pub(super) struct ConvertedImages(Mutex<BTreeMap<Sha256, Arc<OnceCell<Arc<Qcow2Form>>>>>);

/// How many forms are kept: each has some kilobytes.
const KEPT: usize = 64;

impl ConvertedImages {
    async fn get(&self, delivery: &Delivery, file: &File) -> io::Result<Arc<Qcow2Form>> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if cells.len() >= KEPT && !cells.contains_key(&delivery.sha256) {
                cells.clear();
            }
            Arc::clone(cells.entry(delivery.sha256).or_default())
        };
        let form = cell.get_or_try_init(|| convert(delivery, file)).await?;
        Ok(Arc::clone(form))
    }
}

async fn convert(delivery: &Delivery, file: &File) -> io::Result<Arc<Qcow2Form>> {
    let known = RawFacts {
        size: delivery.size,
        sha256: delivery.sha256,
        data: delivery.data,
    };
    let file = file.try_clone()?;
    let made = tokio::task::spawn_blocking(move || Qcow2Form::of(&file, &known));
    made.await.map_err(io::Error::other)?.map(Arc::new)
}

impl SentContent {
    /// What a delivery sends.
    pub(super) async fn of(
        delivery: &Delivery,
        converted: &ConvertedImages,
    ) -> Result<Self, NodeError> {
        let unread = |why| NodeError::Source {
            path: delivery.source.clone(),
            source: why,
        };
        let file = open(&delivery.source, delivery.size).await;
        let file = file.map_err(unread)?;
        let form = match delivery.form {
            StoredForm::Same => None,
            StoredForm::Qcow2 => Some(converted.get(delivery, &file).await.map_err(unread)?),
        };
        let (size, sha256) = match &form {
            None => (delivery.size, delivery.sha256),
            Some(form) => (form.len(), form.sha256()),
        };
        Ok(Self {
            size,
            sha256,
            source: Arc::new(ContentSource { file, form }),
        })
    }

    /// A part of it, in pieces of this many bytes.
    pub(super) fn pieces(
        &self,
        range: Range<u64>,
        piece: usize,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let source = Arc::clone(&self.source);
        stream::try_unfold(range, move |range| {
            let source = Arc::clone(&source);
            async move {
                let length = (range.end - range.start).min(piece as u64);
                if length == 0 {
                    return Ok(None);
                }
                let read = move || {
                    let mut buffer = BytesMut::zeroed(length as usize);
                    source.read_at(range.start, &mut buffer)?;
                    Ok(buffer.freeze())
                };
                let bytes = tokio::task::spawn_blocking(read).await;
                let bytes = bytes.map_err(io::Error::other)?;
                bytes.map(|bytes| Some((bytes, range.start + length..range.end)))
            }
        })
    }
}

async fn open(path: &Path, expected: u64) -> io::Result<File> {
    let file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    match size == expected {
        true => Ok(file.into_std().await),
        false => Err(io::Error::other(format!(
            "it has {size} bytes, and should have {expected}"
        ))),
    }
}

impl UploadContent for SentContent {
    fn length(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.source.read_at(at, buffer)
    }
}
