//! Manifests as files: read leniently, compared without timestamps, written
//! atomically.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::conclude::manifest::{Manifest, ManifestEntry};
use crate::io::file::keep::{self, Found};
use crate::io::file::{atomic, make_way};
use crate::model::OrderId;

/// Why a manifest could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// The file system refused.
    #[error("cannot write manifest {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The value has no form in YAML.
    #[error("cannot write manifest {} as YAML: {message}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

/// More than any manifest has (an order of a hundred thousand pushes), in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Manifests up to this length together, in bytes, are compared in a moment.
const SMALL: usize = 256 << 10;

/// The last manifest; `None` if there is none that can be read, which is told.
pub(crate) fn read(path: &Path) -> Option<Manifest> {
    text_at(path).and_then(path, |text| parse(&text)).or_told()
}

/// The last manifest of an order for whoever reads nothing else: what cannot be read is
/// reported, and not taken for absent.
///
/// # Errors
/// That there is none, or why it cannot be read, as a sentence.
pub(crate) fn find(path: &Path, order: &OrderId) -> Result<Manifest, String> {
    let of_order = |manifest: Manifest| match &manifest.order.orderid {
        found if found == order => Ok(manifest),
        other => Err(format!("it is the one of order {other}")),
    };
    let found = text_at(path).and_then(path, |text| parse(&text).and_then(of_order));
    match found {
        Found::Content(manifest) => Ok(manifest),
        Found::Nothing => Err(format!(
            "there is no manifest {}: no run has been done for it",
            path.display()
        )),
        Found::Unreadable(why) => Err(format!("the manifest {why}")),
    }
}

/// What is there, as far as it is text.
fn text_at(path: &Path) -> Found<String> {
    keep::find(path, MAX_BYTES, |bytes| {
        String::from_utf8(bytes).map_err(|why| why.to_string())
    })
}

fn parse(text: &str) -> Result<Manifest, String> {
    serde_yaml::from_str(text).map_err(|why| {
        // The lines after the first one show the place.
        let why = why.to_string();
        why.lines().next().unwrap_or_default().to_owned()
    })
}

/// Writes a manifest unless the last one says the same; true if it was written.
///
/// # Errors
/// When the directory or the file cannot be written.
pub(crate) fn write(path: &Path, new: &Manifest) -> Result<bool, ManifestError> {
    let Some(Change { last, text }) = change(path, new)? else {
        return Ok(false);
    };
    let failed = |source| ManifestError::Write {
        path: path.to_owned(),
        source,
    };
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    last.make_way(path).map_err(failed)?;
    make_way(path).map_err(failed)?;
    atomic::write(path, text.as_bytes()).map_err(failed)?;
    Ok(true)
}

/// The difference between the last manifest and a new one, as a unified diff;
/// empty if they say the same.
///
/// # Errors
/// When a value has no form in YAML.
pub(crate) fn diff(path: &Path, new: &Manifest) -> Result<String, ManifestError> {
    let compared = compared(path, new)?;
    Ok(compared.map_or_else(String::new, |compared| compared.diff(path)))
}

/// The same where both are small: comparing two long texts with nothing in common takes
/// minutes, and a run is not to wait for that.
pub(crate) fn small_diff(path: &Path, new: &Manifest) -> Option<String> {
    let compared = compared(path, new).ok()??;
    let length = compared.before.len() + compared.after.len();
    (length <= SMALL).then(|| compared.diff(path))
}

/// Two manifests as texts.
struct ManifestTexts {
    before: String,
    after: String,
    /// The file of the first one.
    from: String,
}

fn compared(path: &Path, new: &Manifest) -> Result<Option<ManifestTexts>, ManifestError> {
    let Some(Change { last, text: after }) = change(path, new)? else {
        return Ok(None);
    };
    let (before, from) = match &last {
        Found::Content(last) => (text(path, last)?, path.display().to_string()),
        Found::Nothing | Found::Unreadable(_) => (String::new(), "/dev/null".to_owned()),
    };
    Ok(Some(ManifestTexts {
        before,
        after,
        from,
    }))
}

impl ManifestTexts {
    fn diff(&self, path: &Path) -> String {
        // Not `TextDiff`, which says the same: it is generic, and everything below it would
        // be compiled once more for this crate, a tenth of all its code.
        similar::udiff::unified_diff(
            similar::Algorithm::Myers,
            &self.before,
            &self.after,
            3,
            Some((&self.from, &path.display().to_string())),
        )
    }
}

/// A manifest that says something new.
struct Change {
    last: Found<Manifest>,
    /// With the times of what did not change.
    text: String,
}

/// What a new manifest changes; `None` if the last one says the same.
fn change(path: &Path, new: &Manifest) -> Result<Option<Change>, ManifestError> {
    let old = text_at(path);
    // In most runs nothing has changed, and comparing texts costs a tenth of
    // reading what is there.
    if let Found::Content(old) = &old
        && differ_in_times_only(old, &text(path, new)?)
    {
        return Ok(None);
    }
    let last = old.and_then(path, |text| parse(&text));
    let before = match &last {
        Found::Content(last) => Some(last),
        Found::Nothing | Found::Unreadable(_) => None,
    };
    let new = keep_times(before, new);
    if before == Some(&new) {
        return Ok(None);
    }
    let text = text(path, &new)?;
    Ok(Some(Change { last, text }))
}

/// True if two texts are alike but for what makes no change: the times, and the
/// revision. Texts are written on one line each, so a line that begins with such a
/// key is one.
fn differ_in_times_only(old: &str, new: &str) -> bool {
    let key = |line: &str| {
        let key = line.split_once(':').map_or("", |(key, _)| key);
        let key_alone = key.trim_start();
        let is_time = ["generated_at", "timestamp_utc", "revision"].contains(&key_alone)
            || key_alone.starts_with("revision_");
        is_time.then(|| key.to_owned())
    };
    let (mut old, mut new) = (old.lines(), new.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return true,
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) if key(old).is_some() && key(old) == key(new) => {}
            _ => return false,
        }
    }
}

fn text(path: &Path, manifest: &Manifest) -> Result<String, ManifestError> {
    // Long values stay on their line: URLs and paths are there to be searched for.
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    serde_yaml::to_string_with_options(manifest, options).map_err(|error| ManifestError::Form {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

/// The new manifest with the times of whatever did not change.
fn keep_times(last: Option<&Manifest>, new: &Manifest) -> Manifest {
    let mut new = new.clone();
    let Some(last) = last else {
        return new;
    };
    let entries = last.entries.iter();
    let before: HashMap<&str, &ManifestEntry> =
        entries.map(|entry| (entry.name(), entry)).collect();
    for entry in &mut new.entries {
        if let Some(&before) = before.get(entry.name()) {
            let now = entry.set_time(before.time());
            if entry != before {
                entry.set_time(now);
            }
        }
    }
    // The revision goes with the time: another commit alone is no change.
    let dated_as_before = Manifest {
        generated_at: last.generated_at,
        revision: last.revision.clone(),
        revision_author: last.revision_author.clone(),
        revision_date: last.revision_date,
        revision_subject: last.revision_subject.clone(),
        ..new.clone()
    };
    match &dated_as_before == last {
        true => dated_as_before,
        false => new,
    }
}

impl ManifestEntry {
    fn name(&self) -> &str {
        match self {
            Self::Image(image) => &image.name,
            Self::Failed(failed) => &failed.name,
        }
    }

    fn time(&self) -> Timestamp {
        match self {
            Self::Image(image) => image.timestamp_utc,
            Self::Failed(failed) => failed.timestamp_utc,
        }
    }

    fn set_time(&mut self, time: Timestamp) -> Timestamp {
        let own = match self {
            Self::Image(image) => &mut image.timestamp_utc,
            Self::Failed(failed) => &mut failed.timestamp_utc,
        };
        std::mem::replace(own, time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_and_the_revision_are_no_change() {
        let same = |old: &str, new: &str| differ_in_times_only(old, new);
        let old = "generated_at: 1\nrevision: a\nentries:\n- name: a\n  timestamp_utc: 1\n";
        assert!(same(old, old));
        assert!(same(
            old,
            &old.replace('1', "2").replace(": a\ne", ": b\ne")
        ));
        assert!(!same(old, &old.replace("name: a", "name: b")));
        assert!(!same(old, &old.replace("revision: a\n", "")));
        assert!(!same(old, &old.replace("  timestamp_utc", "timestamp_utc")));
        assert!(!same(old, &format!("{old}- name: b\n")));
        assert!(!same("", old));
    }
}
