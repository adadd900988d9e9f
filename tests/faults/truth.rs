//! What is recorded, held against what is there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::Digest;
use talos_order::facts::{Meta, RecordEntry, RemoteFile};
use talos_order::model::Sha256;

use crate::reader::finals;

/// Every record in the cache that is believed of a file which is not what it says.
pub fn lies_in_cache(cache: &Path) -> Vec<String> {
    let mut lies = Vec::new();
    for path in finals(cache) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let found = digest(&path);
        let sidecar = fs::read_to_string(cache.join(format!("{name}.sha256")));
        if let Ok(text) = sidecar
            && let Some(said) = text.split_whitespace().next()
            && said != found.to_string()
        {
            lies.push(format!("{name}.sha256 says {said}, it is {found}"));
        }
        let Ok(text) = fs::read(cache.join(format!(".{name}.meta.json"))) else {
            continue;
        };
        let Ok(meta) = serde_json::from_slice::<Meta>(&text) else {
            lies.push(format!("the record of {name} does not read"));
            continue;
        };
        let facts = facts(&path);
        let believed = meta.size == facts.size && meta.mtime_ns == facts.mtime;
        if believed && meta.sha256 != found {
            lies.push(format!(
                "the record of {name} says {}, it is {found}",
                meta.sha256
            ));
        }
    }
    lies
}

/// Every line in the records of a node that is believed of a file which is not what it
/// says. Records are wherever the node keeps them: hidden, one JSON object in a line.
pub fn lies_on_node(dir: &Path) -> Vec<String> {
    let mut lies = Vec::new();
    for record in records(dir) {
        let Ok(text) = fs::read_to_string(&record) else {
            continue;
        };
        let lines = text.lines();
        for entry in lines.filter_map(|line| serde_json::from_str::<RecordEntry>(line).ok()) {
            let path = dir.join(entry.name.as_str());
            if !path.is_file() || !entry.describes(&facts(&path)) {
                continue;
            }
            let found = digest(&path);
            if found != entry.sha256 {
                lies.push(format!(
                    "{} says {} of {}, it is {found}",
                    record.display(),
                    entry.sha256,
                    entry.name
                ));
            }
        }
    }
    lies
}

/// How many lines the records of a node hold.
pub fn recorded(dir: &Path) -> Vec<String> {
    let records = records(dir).into_iter();
    let texts = records.filter_map(|record| fs::read_to_string(record).ok());
    let mut names: Vec<String> = texts
        .flat_map(|text| {
            let lines = text.lines();
            let entries = lines.filter_map(|line| serde_json::from_str::<RecordEntry>(line).ok());
            entries
                .map(|entry| entry.name.to_string())
                .collect::<Vec<_>>()
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn records(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if path.is_dir() && name.starts_with('.') {
            found.extend(records(&path));
        } else if name.ends_with(".jsonl") {
            found.push(path);
        }
    }
    found
}

pub fn digest(path: &Path) -> Sha256 {
    let bytes = fs::read(path).unwrap_or_default();
    Sha256::from_bytes(sha2::Sha256::digest(&bytes).into())
}

fn facts(path: &Path) -> RemoteFile {
    let meta = fs::metadata(path).unwrap();
    RemoteFile {
        size: meta.len(),
        mtime: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
        inode: meta.ino(),
    }
}
