//! A toy executor: it does what a plan says to the world that it was made for.

use talos_order::facts::{
    CacheState, CachedFile, NodeState, Observed, Provenance, RecordEntry, RemoteFile,
};
use talos_order::model::{ArtifactId, FileName, Sha256};
use talos_order::plan::{Action, Plan};

use crate::machines_executor;
use crate::universe::{entry, meta, now};

/// The world after every step of a plan has succeeded.
pub fn apply(plan: &Plan, observed: &Observed) -> Observed {
    apply_seen(plan, observed, &mut |_| {})
}

/// The same; `seen` looks at the world after every change of a template.
pub fn apply_seen(plan: &Plan, observed: &Observed, seen: &mut dyn FnMut(&Observed)) -> Observed {
    let mut after = observed.clone();
    for step in &plan.steps {
        match &step.action {
            Action::Register { .. } => {}
            Action::CreateTemplate(_)
            | Action::SwitchTemplate(_)
            | Action::RemoveTemplate { .. } => {
                machines_executor::execute(step, &mut after, seen);
            }
            Action::Fetch {
                url,
                download,
                file,
                unpack,
                pinned,
                ..
            } => {
                fill(&mut after.cache, download, file, url, *pinned);
                if let Some((raw, name)) = unpack {
                    fill(&mut after.cache, raw, name, url, None);
                }
            }
            Action::Unpack {
                from_file,
                to,
                file,
                ..
            } => {
                let url = after.cache.files[from_file].meta.url.clone();
                fill(&mut after.cache, to, file, &url, None);
            }
            Action::Push {
                target,
                cache_file,
                file,
                bytes,
                ..
            } => {
                let meta = after.cache.files[cache_file].meta.clone();
                let Some(NodeState::Listed { dirs, .. }) = after.nodes.get_mut(&target.node) else {
                    panic!("{} goes to a node that does not answer", step.id.text());
                };
                // What is adopted takes no room.
                let taken = bytes.bytes().filter(|_| !step.why.is_unrecorded());
                let taken = taken.unwrap_or(0);
                for dir in dirs.values_mut() {
                    dir.free_bytes = dir.free_bytes.map(|free| free.saturating_sub(taken));
                }
                let dir = dirs.entry(target.dir.clone()).or_default();
                let found = RemoteFile {
                    size: 1000,
                    mtime: 5,
                    inode: 6,
                };
                dir.files.insert(file.to_string(), found);
                let entry = RecordEntry {
                    placed_at: after.now,
                    ..entry(file, &meta.artifact, meta.sha256)
                };
                dir.record.insert(file.clone(), entry);
                dir.parts.retain(|part, _| part.file() != file);
                // What could not be read was set aside.
                dir.unread = None;
            }
            Action::PruneCache { file, .. } => {
                after.cache.files.remove(file);
            }
            Action::VerifyNode { .. } | Action::VerifyCache { .. } => {
                after.memory.verified.insert(step.id.clone(), after.now);
            }
            Action::PruneNode { target, file, .. } => {
                let Some(NodeState::Listed { dirs, .. }) = after.nodes.get_mut(&target.node) else {
                    panic!("{} goes to a node that does not answer", step.id.text());
                };
                let dir = dirs.get_mut(&target.dir).expect("a listed directory");
                dir.files.remove(file.as_str());
                dir.record.remove(file);
            }
            Action::ClearPart { target, part, .. } => {
                let Some(NodeState::Listed { dirs, .. }) = after.nodes.get_mut(&target.node) else {
                    panic!("{} goes to a node that does not answer", step.id.text());
                };
                let dir = dirs.get_mut(&target.dir).expect("a listed directory");
                assert!(
                    dir.parts.remove(part).is_some(),
                    "{} is there",
                    step.id.text()
                );
            }
            Action::ClearPartial { file, .. } => {
                after.cache.partial.remove(file);
            }
        }
    }
    after
}

fn fill(
    cache: &mut CacheState,
    artifact: &ArtifactId,
    file: &FileName,
    url: &str,
    pinned: Option<Sha256>,
) {
    let mut meta = meta(artifact, 9, 0);
    meta.url = url.to_owned();
    meta.completed_at = now();
    if let Some(pinned) = pinned {
        meta.sha256 = pinned;
        meta.provenance = Provenance::Pinned;
    }
    cache.partial.remove(file);
    let cached = CachedFile {
        meta,
        size: Some(1000),
        untouched: true,
        fault: None,
    };
    cache.files.insert(file.clone(), cached);
}
