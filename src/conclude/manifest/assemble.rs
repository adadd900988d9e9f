//! From a run's values to an order's manifest. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::form::{
    CachePolicyForm, Catalogue, Decompressed, Download, Failed, Manifest, ManifestEntry,
    ManifestImage, ManifestTemplate, OrderForm, PushStatus, Pushed,
};
use super::results::Results;
use crate::facts::{StepId, VersionKnowledge};
use crate::model::{
    ArtifactId, GitCommit, NameTemplate, Order, OrderId, Position, Problem, PushTarget,
    RejectedOrder, SchematicSource, SourceRef, TalosVersion,
};
use crate::plan::{PositionWant, Resolved, Unplaced};

/// What every manifest of a run says alike.
#[derive(Debug, Clone)]
pub struct Context {
    /// The configuration file, if there was one.
    pub source_config: Option<String>,
    /// The revision of the orders, where they are under git.
    pub revision: Option<String>,
    /// Its commit, where the program fetches the orders.
    pub commit: Option<GitCommit>,
    /// The working directory: files are named by their whole path, so that a run
    /// from elsewhere writes the same.
    pub working_dir: PathBuf,
    /// Where images are kept.
    pub cache_dir: String,
    /// What goes from the cache, and when.
    pub cache_policy: CachePolicyForm,
    /// How file names are made.
    pub naming: NameTemplate,
    /// The host (and port) of the factory, which also serves the installers.
    pub factory_host: String,
}

impl Context {
    /// What a manifest says before it says anything of positions.
    fn head(
        &self,
        id: &OrderId,
        customer: Option<&String>,
        source: &SourceRef,
        now: Timestamp,
    ) -> Manifest {
        let config = self.source_config.as_deref();
        Manifest {
            generated_at: now,
            order: OrderForm {
                orderid: id.clone(),
                customer: customer.cloned(),
            },
            source_config: config.map(|file| self.whole(file)),
            source_orders: self.whole(&source.file),
            revision: self.revision.clone(),
            revision_author: self.commit.as_ref().map(|commit| commit.author.clone()),
            revision_date: self.commit.as_ref().and_then(|commit| commit.date),
            revision_subject: self.commit.as_ref().map(|commit| commit.subject.clone()),
            cache_policy: self.cache_policy.clone(),
            catalogue: None,
            errors: Vec::new(),
            entries: Vec::new(),
        }
    }

    fn whole(&self, file: &str) -> String {
        self.working_dir.join(file).display().to_string()
    }
}

/// Assembles the manifest of an order; `wants` are its positions, resolved.
pub fn assemble(
    order: &Order,
    wants: &[&PositionWant],
    results: &Results<'_>,
    context: &Context,
) -> Manifest {
    let mut entries: Vec<(usize, ManifestEntry)> = Vec::new();
    for (position, want) in order.positions.iter().zip(wants) {
        entries.push((position.index, entry(position, want, results, context)));
    }
    let failed = |name: &str, status: &str, error: String| {
        ManifestEntry::Failed(Failed {
            name: name.to_owned(),
            status: status.to_owned(),
            error,
            timestamp_utc: results.now,
        })
    };
    for rejected in &order.rejected {
        let problems: Vec<String> = rejected.problems.iter().map(Problem::headline).collect();
        let entry = failed(&rejected.name, "error", problems.join("\n"));
        entries.push((rejected.index, entry));
    }
    for skipped in &order.skipped {
        let why = format!("product {:?} is not handled here", skipped.product);
        entries.push((skipped.index, failed(&skipped.name, "skipped", why)));
    }
    entries.sort_by_key(|(index, _)| *index);
    let entries = entries.into_iter().map(|(_, entry)| entry).collect();
    Manifest {
        catalogue: catalogue(&results.observed.catalog.versions, results.now),
        entries,
        ..context.head(
            &order.id,
            order.customer.as_ref(),
            &order.source,
            results.now,
        )
    }
}

/// The manifest of an order that could not be used at all: what the last one said,
/// since what it delivered is still there, and the problems.
pub fn refused(
    order: &RejectedOrder,
    id: &OrderId,
    last: Option<Manifest>,
    context: &Context,
    now: Timestamp,
) -> Manifest {
    let errors = order.problems.iter().map(Problem::headline).collect();
    let head = context.head(id, order.customer.as_ref(), &order.source, now);
    match last.filter(|last| last.order.orderid == *id) {
        // What is refused is of this revision; the entries stay as they were.
        Some(last) => Manifest {
            errors,
            catalogue: last.catalogue,
            entries: last.entries,
            order: last.order,
            source_config: last.source_config,
            source_orders: last.source_orders,
            cache_policy: last.cache_policy,
            ..head
        },
        None => Manifest { errors, ..head },
    }
}

fn catalogue(versions: &VersionKnowledge, now: Timestamp) -> Option<Catalogue> {
    match versions {
        // A list that is older than the run was not fetched by it. That one source
        // failed says nothing: another may have answered.
        VersionKnowledge::Known {
            source, fetched_at, ..
        } => Some(Catalogue {
            source: source.as_str().to_owned(),
            stale_since: (*fetched_at < now).then_some(*fetched_at),
        }),
        VersionKnowledge::NotNeeded | VersionKnowledge::Unknown { .. } => None,
    }
}

fn entry(
    position: &Position,
    want: &PositionWant,
    results: &Results<'_>,
    context: &Context,
) -> ManifestEntry {
    match &want.outcome {
        Ok(resolved) => {
            ManifestEntry::Image(Box::new(image(position, want, resolved, results, context)))
        }
        Err(why) => ManifestEntry::Failed(Failed {
            name: position.name.clone(),
            status: "error".to_owned(),
            error: why.to_string(),
            timestamp_utc: results.now,
        }),
    }
}

fn image(
    position: &Position,
    want: &PositionWant,
    resolved: &Resolved,
    results: &Results<'_>,
    context: &Context,
) -> ManifestImage {
    let path =
        |artifact: &ArtifactId| format!("{}/{}", context.cache_dir, context.naming.name(artifact));
    let meta = results.metas.get(&resolved.download);
    let fetch_trouble = [Some(&resolved.download), resolved.unpacked.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|artifact| results.fetching.get(artifact).map(|step| (*step).clone()))
        .chain(blocked_fetch(resolved, results, context))
        .find_map(|step| results.trouble(&step));
    let pushed: Vec<Pushed> = resolved
        .targets
        .iter()
        .map(|(target, file)| pushed(target, file, results))
        .chain(resolved.unplaced.iter().map(|one| unplaced(one, results)))
        .collect();
    let steps = resolved.targets.iter();
    let steps = steps.map(|(target, file)| StepId::push(target, file));
    let (left_out, troubled): (Vec<_>, Vec<_>) = pushed
        .iter()
        .zip(steps)
        .filter(|(push, _)| push.status != PushStatus::Ok)
        .partition(|(_, step)| results.is_left_out(step));
    let (status, error) = match (&fetch_trouble, troubled.first()) {
        (Some((PushStatus::Blocked, why)), _) => ("held", Some(why.clone())),
        (Some((_, why)), _) => ("error", Some(why.clone())),
        (None, Some((push, _))) => ("error", Some(format!("{}: {}", push.host, push.stderr))),
        // A run for some nodes did what it was asked for; the others still wait.
        (None, None) => match left_out.first() {
            Some((push, _)) => ("held", Some(push.stderr.clone())),
            None => ("ok", None),
        },
    };
    let templates = templates(want, results);
    let (status, error) = match templates.iter().find(|one| one.status != PushStatus::Ok) {
        Some(one) if status == "ok" => {
            let status = match one.status {
                PushStatus::Blocked => "held",
                _ => "error",
            };
            let error = format!("template {} on {}: {}", one.name, one.host, one.error);
            (status, Some(error))
        }
        _ => (status, error),
    };
    let dry = results.outcomes.is_none();
    ManifestImage {
        name: position.name.clone(),
        product: "talos".to_owned(),
        platform: position.platform,
        arch: position.arch,
        version: resolved.version.clone(),
        version_source: resolved.version_source.as_str().to_owned(),
        secureboot: position.secureboot,
        image_format: position.format,
        schematic_id: resolved.download.schematic,
        url: resolved.url.clone(),
        installer: installer(position, resolved, &context.factory_host),
        cache_dir: context.cache_dir.clone(),
        status: status.to_owned(),
        error,
        download: Download {
            path: path(&resolved.download),
            done: fetch_trouble.is_none() && (meta.is_some() || dry),
            sha256: meta.map(|meta| meta.sha256),
            // The size of a similar image is a figure for a plan, not for a record.
            size_bytes: meta.map(|meta| meta.size),
            provenance: meta.map(|meta| meta.provenance),
        },
        decompressed: resolved.unpacked.as_ref().map(|raw| {
            let meta = results.metas.get(raw);
            Decompressed {
                path: path(raw),
                sha256: meta.map(|meta| meta.sha256),
                size_bytes: meta.map(|meta| meta.size),
            }
        }),
        pushed,
        templates,
        features: features(position),
        timestamp_utc: results.now,
    }
}

/// The steps that would have brought the files in, had they not been blocked.
fn blocked_fetch(resolved: &Resolved, results: &Results<'_>, context: &Context) -> Vec<StepId> {
    if results.blocked.is_empty() {
        return Vec::new();
    }
    let artifacts = [Some(&resolved.download), resolved.unpacked.as_ref()];
    artifacts
        .into_iter()
        .flatten()
        .flat_map(|artifact| {
            let file = context.naming.name(artifact);
            [StepId::fetch(&file), StepId::unpack(&file)]
        })
        .filter(|id| results.blocked.contains_key(id))
        .collect()
}

fn pushed(target: &PushTarget, file: &crate::model::FileName, results: &Results<'_>) -> Pushed {
    let id = StepId::push(target, file);
    let (status, stderr) = results
        .trouble(&id)
        .unwrap_or((PushStatus::Ok, String::new()));
    let recorded = results.recorded(&id);
    // What is the same as in the cache is not said once more for each node.
    let recorded = recorded.filter(|entry| entry.image_sha256.is_some());
    let recorded = recorded.filter(|_| status == PushStatus::Ok);
    Pushed {
        host: target.node.to_string(),
        path: target.dir.join(file),
        volume: results.volume(target, file),
        sha256: recorded.map(|entry| entry.sha256),
        size_bytes: recorded.map(|entry| entry.size),
        status,
        stderr,
    }
}

/// A storage whose directory is not known stands for the path there.
fn unplaced(unplaced: &Unplaced, results: &Results<'_>) -> Pushed {
    let target = &unplaced.target;
    let trouble = results.trouble(&StepId::storage(target));
    let (status, stderr) = trouble.unwrap_or((PushStatus::Blocked, String::new()));
    Pushed {
        host: target.node.to_string(),
        path: format!("{}:{}/", target.storage, target.content.name()),
        volume: None,
        sha256: None,
        size_bytes: None,
        status,
        stderr,
    }
}

/// The templates that a position wants.
fn templates(want: &PositionWant, results: &Results<'_>) -> Vec<ManifestTemplate> {
    let planned = results.templates.iter();
    let planned = planned.filter(|(_, one)| one.wanted_by.contains(&want.position));
    let shown = planned.map(|(create, one)| {
        let switch = StepId::switch_template(&one.node, &one.name);
        let trouble = results.trouble(create).or_else(|| results.trouble(&switch));
        let (status, error) = trouble.unwrap_or((PushStatus::Ok, String::new()));
        ManifestTemplate {
            host: one.node.to_string(),
            name: one.name.to_string(),
            vmid: one.vmid,
            storage: one.storage.to_string(),
            tags: one.tags.clone(),
            status,
            error,
        }
    });
    shown.collect()
}

/// The installer image that belongs to an image: one per platform from Talos
/// 1.10 on, one for all platforms before.
fn installer(position: &Position, resolved: &Resolved, factory_host: &str) -> String {
    let per_platform =
        |version: &TalosVersion| version.minor() >= "v1.10".parse().expect("a minor");
    let platform = if per_platform(&resolved.version) {
        format!("{}-", position.platform)
    } else {
        String::new()
    };
    let secureboot = if position.secureboot {
        "-secureboot"
    } else {
        ""
    };
    format!(
        "{factory_host}/{platform}installer{secureboot}/{}:{}",
        resolved.download.schematic, resolved.version
    )
}

/// What of a position an entry lists, by which it can also be told from a changed one.
pub(in crate::conclude) fn features(position: &Position) -> BTreeMap<String, serde_json::Value> {
    let mut features = BTreeMap::new();
    let mut add = |name: &str, value: serde_json::Value| features.insert(name.to_owned(), value);
    if let SchematicSource::Customization(schematic) = &position.schematic {
        let customization = &schematic.customization;
        if !customization.official_extensions.is_empty() {
            add(
                "system_extensions",
                customization.official_extensions.clone().into(),
            );
        }
        if !customization.extra_kernel_args.is_empty() {
            add(
                "extra_kernel_args",
                customization.extra_kernel_args.clone().into(),
            );
        }
        if let Some(overlay) = &schematic.overlay {
            add("overlay", overlay.name.clone().into());
        }
    }
    add("decompress_raw", position.unpack.into());
    let is_pushed = !position.targets.is_empty() || !position.storages.is_empty();
    add("push", is_pushed.into());
    features
}
