//! From the configuration as written to settings: parse, don't check.
//!
//! Every value goes through the type it becomes, so that what is accepted here
//! cannot be refused later; everything that is wrong is reported, not only the
//! first thing. The defaults of the old keys are those of the program that this
//! one replaces.

use std::collections::BTreeSet;
use std::time::Duration;

use super::api_node::file_server;
use super::clusters;
use super::dirs::DefaultDirs;
use super::file::{
    CachePolicyShape, ConfigFile, Defaults, FactoryShape, ManifestShape, PushDefaults,
    VersionSourceWord, Versions,
};
use super::fleet::{self, BesideFleet};
use super::inventory::inventory;
use super::literal_secrets;
use super::notifications;
use super::orders;
use super::rsync_opts;
use super::running;
use super::running_shape::LimitsShape;
use super::secrets::Secrets;
use super::settings::{
    CachePolicy, FactorySettings, GithubSettings, LimitSettings, ManifestTarget, PushSettings,
    Settings,
};
use super::sites;
use super::trust;
use super::values::{
    DAY, MINUTE, SSH_OPTS, duration, limit, method, number, path, rate, size, storage, url, words,
};
use super::web;
use super::{bucket_nodes, store};
use crate::model::{Arch, ListSource, NameTemplate, OrderDefaults, Problem, Proof};
use crate::orders::{read_rollout, read_windows};
use crate::yaml::{At, Document, ProblemReport, read};

const ISO_DIR: &str = "/var/lib/vz/template/iso";
const RSYNC_OPTS: &str = "-av --progress --inplace";
/// In the cache directory, so that a controller needs one directory only.
const STATE_DIR: &str = ".talos-order";
const KEEP_VERSIONS: u32 = 3;
const FACTORY_URL: &str = "https://factory.talos.dev/";
const GITHUB_URL: &str = "https://api.github.com/";

/// A week, so that an order which is taken out by mistake costs no download when
/// it comes back after the weekend.
const ORPHAN_GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The factory builds an image before it sends the first byte; minutes are usual.
const FIRST_BYTE: Duration = Duration::from_secs(15 * 60);
const IDLE: Duration = MINUTE;
/// Long enough for a node that is busy, short enough for one that is off.
const CONNECT: Duration = Duration::from_secs(15);
/// The factory limits how much it builds at once; more downloads only wait.
const DOWNLOADS: u32 = 3;
/// A build takes minutes of the factory's processors.
const BUILDS: u32 = 2;
/// An image of 100 MiB in three hours: slower is no transfer, it only holds a place.
const LEAST_RATE: u64 = 10 << 10;
const NODES: u32 = 8;
const RETRIES: u32 = 5;
/// 16 GiB: the factory's largest disks have half of that.
const IMAGE_SIZE: u64 = 16 << 30;

/// Settings from a parsed file.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn settings(
    doc: &Document,
    secrets: &Secrets<'_>,
    dirs: &DefaultDirs,
) -> Result<Settings, Vec<Problem>> {
    let mut report = ProblemReport::new(doc);
    let settings = if doc.root.is_null() {
        build(ConfigFile::default(), secrets, dirs, &mut report)
    } else {
        literal_secrets::refuse(&doc.root, &mut report);
        let file = read::<ConfigFile>(&doc.root, &mut report);
        build(file, secrets, dirs, &mut report)
    };
    match settings {
        Some(settings) if report.is_empty() => Ok(settings),
        _ => Err(report.finish()),
    }
}

fn build(
    file: ConfigFile,
    secrets: &Secrets<'_>,
    dirs: &DefaultDirs,
    report: &mut ProblemReport<'_>,
) -> Option<Settings> {
    let web = web::settings(&file, secrets, report);
    let defaults = file.defaults.unwrap_or_default();
    let push = defaults.push.as_ref();
    let own_cache = path(defaults.cache_dir.as_ref(), report);
    // Whoever chose a cache directory has chosen the place of the state, too.
    let state = dirs.state.clone().filter(|_| own_cache.is_none());
    let cache_dir = own_cache.unwrap_or_else(|| dirs.cache.clone());
    let cache_policy = cache_policy(defaults.cache_policy.as_ref(), report);
    let commands = push_settings(push, report);
    let state_dir = path(file.state_dir.as_ref(), report)
        .or(state)
        .unwrap_or_else(|| cache_dir.join(STATE_DIR));
    let (orders_path, orders_git) = orders::orders(file.orders, secrets, report);
    let owner = running::owner(file.owner.as_ref(), report);
    let reconcile = running::reconcile(&file.reconcile.unwrap_or_default(), report);
    let prune = running::prune(
        &file.prune.unwrap_or_default(),
        defaults.prune.unwrap_or(false),
        cache_policy.keep_versions,
        report,
    );
    let verify = running::verify(&file.verify.unwrap_or_default(), report);
    let nodes = file.nodes.as_deref().unwrap_or_default();
    let shapes = file.clusters.as_deref().unwrap_or_default();
    let mut inventory = inventory(nodes, shapes, report);
    let sites = file.sites.as_deref().unwrap_or_default();
    let network = sites::network(sites, nodes, shapes, &inventory, report);
    inventory.sites = network.sites.keys().cloned().collect();
    let factory_shape = file.factory.unwrap_or_default();
    clusters::refuse_logins(shapes, &factory_shape, report);
    let clusters = clusters::clusters(shapes, nodes, secrets, report);
    inventory.discovered = clusters::discovered(&clusters);
    let beside = BesideFleet {
        has_store: file.store.is_some(),
        has_owner: file.owner.is_some(),
        sites,
        nodes,
        clusters: shapes,
        inventory: &inventory,
        prunes: defaults.prune.unwrap_or(false),
    };
    let fleet = fleet::fleet(file.fleet.as_ref(), &beside, report);
    let file_server = file_server(file.file_server.as_ref(), report);
    let order_defaults = order_defaults(&defaults, report);
    let windows = defaults.windows.as_deref().unwrap_or_default();
    let windows = read_windows(windows, report);
    let rollout = defaults.rollout.as_ref();
    let rollout = rollout.map(|rollout| read_rollout(rollout, &inventory, report).rollout);
    let rollout = rollout.unwrap_or_default();
    let naming = file
        .naming
        .and_then(|naming| naming.template)
        .and_then(|template| report.parse::<NameTemplate>(&template))
        .unwrap_or_default();
    let manifest = manifest(&file.manifest.unwrap_or_default(), report);
    let factory = factory(&factory_shape, secrets, report);
    let github = file.github.unwrap_or_default();
    let api_url = url(github.api_url.as_ref(), GITHUB_URL, report);
    let token = secrets.github(&github, report);
    let limits = limits(&file.limits.unwrap_or_default(), report);
    let patience = (limits.connect, limits.idle);
    let buckets = bucket_nodes::buckets(nodes, &inventory, patience, secrets, report);
    let store = store::store(file.store.as_ref(), patience, secrets, report);
    let notifications = notifications::notifications(file.notifications.as_ref(), secrets, report);
    Some(Settings {
        source: None,
        orders_path,
        orders_git,
        cache_dir,
        cache_policy,
        orders: OrderDefaults {
            factory_clusters: clusters::loading_from_factory(&clusters),
            in_fleet: fleet.is_some(),
            inventory,
            ..order_defaults?
        },
        naming,
        manifest,
        factory: factory?,
        github: GithubSettings {
            api_url: api_url?,
            token,
        },
        versions: sources(file.versions, report),
        push: commands,
        network,
        clusters,
        file_server,
        limits,
        store,
        fleet,
        owner: owner?,
        state_dir,
        reconcile,
        prune: prune?,
        windows,
        rollout,
        verify,
        notifications,
        web,
        buckets,
    })
}

fn order_defaults(shape: &Defaults, report: &mut ProblemReport<'_>) -> Option<OrderDefaults> {
    let push = shape.push.as_ref();
    let arch = match &shape.arch {
        Some(text) => report.parse_among::<Arch>(text, Arch::ALL.map(Arch::as_str)),
        None => Some(Arch::Amd64),
    };
    let iso_dir = match &shape.proxmox_default_iso_dir {
        Some(text) => report.image_dir(text),
        None => ISO_DIR.parse().ok(),
    };
    let import_dir = match &shape.proxmox_default_import_dir {
        Some(text) => report.image_dir(text).map(Some),
        None => Some(None),
    };
    let iso_storage = storage(
        shape.proxmox_default_iso_storage.as_ref(),
        (
            "proxmox_default_iso_dir",
            shape.proxmox_default_iso_dir.as_ref(),
        ),
        report,
    );
    let import_storage = storage(
        shape.proxmox_default_import_storage.as_ref(),
        (
            "proxmox_default_import_dir",
            shape.proxmox_default_import_dir.as_ref(),
        ),
        report,
    );
    Some(OrderDefaults {
        arch: arch?,
        push_enabled: push.and_then(|push| push.enabled).unwrap_or(false),
        prefer_decompressed: push
            .and_then(|push| push.prefer_decompressed)
            .unwrap_or(false),
        iso_dir: iso_dir?,
        import_dir: import_dir?,
        iso_storage: iso_storage?,
        import_storage: import_storage?,
        factory_clusters: BTreeSet::new(),
        in_fleet: false,
        inventory: crate::model::Inventory::default(),
    })
}

fn cache_policy(shape: Option<&CachePolicyShape>, report: &mut ProblemReport<'_>) -> CachePolicy {
    let none = CachePolicyShape::default();
    let shape = shape.unwrap_or(&none);
    let keep_versions = match &shape.keep_versions {
        Some(at) if at.value == 0 => {
            report.at_with_hint(
                at.place,
                "0 is too low; expected 1 or more",
                "`purge_before: true` empties the cache before every run",
            );
            KEEP_VERSIONS
        }
        Some(at) => at.value,
        None => KEEP_VERSIONS,
    };
    // Ten years are as good as for ever.
    let grace = Duration::ZERO..=3650 * DAY;
    CachePolicy {
        enabled: shape.enabled.unwrap_or(true),
        keep_versions,
        purge_before: shape.purge_before.unwrap_or(false),
        orphan_grace: duration(shape.orphan_grace.as_ref(), ORPHAN_GRACE, grace, report),
    }
}

fn push_settings(shape: Option<&PushDefaults>, report: &mut ProblemReport<'_>) -> PushSettings {
    let none = PushDefaults::default();
    let shape = shape.unwrap_or(&none);
    let rsync_opts = words(shape.rsync_opts.as_ref(), RSYNC_OPTS, report);
    if let (Some(at), Some((option, why))) =
        (shape.rsync_opts.as_ref(), rsync_opts::refused(&rsync_opts))
    {
        report.at_with_hint(
            at.place,
            format!("{option} cannot be used for deliveries: {why}"),
            "remove it; the default is `-av --progress --inplace`",
        );
    }
    PushSettings {
        ssh_opts: words(shape.ssh_opts.as_ref(), SSH_OPTS, report),
        // Whoever copies the default into the file has chosen nothing.
        rsync_opts_set: !rsync_opts.iter().eq(RSYNC_OPTS.split(' ')),
        rsync_opts,
        method: method(shape.method.as_ref(), report).unwrap_or_default(),
        proof: shape
            .verify
            .as_ref()
            .and_then(|at| report.parse_among(at, Proof::ALL.iter().map(|proof| proof.as_str())))
            .unwrap_or_default(),
        bandwidth: limit(shape.bandwidth_limit.as_ref(), report),
        create: shape.create.unwrap_or(false),
    }
}

fn manifest(shape: &ManifestShape, report: &mut ProblemReport<'_>) -> ManifestTarget {
    let template = shape.path_template.as_ref().and_then(|at| {
        let path = path(Some(at), report)?;
        match ManifestTarget::template(&path.to_string_lossy()) {
            Ok(target) => Some(target),
            Err(invalid) => {
                report.invalid(at.place, invalid);
                None
            }
        }
    });
    let dir = path(shape.dir.as_ref(), report).map(ManifestTarget::Dir);
    let file = path(shape.path.as_ref(), report);
    if let (Some(at), Some(path)) = (&shape.path, &file)
        && (path.file_name().is_none() || at.value.ends_with('/'))
    {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a file", at.value),
            "use `manifest.dir` for a directory",
        );
    }
    template
        .or(dir)
        .or(file.map(ManifestTarget::Path))
        .unwrap_or(ManifestTarget::WorkingDir)
}

fn factory(
    shape: &FactoryShape,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<FactorySettings> {
    let credentials = secrets.factory(shape, report);
    let ca = trust::ca_file(shape, secrets, report);
    let verify = trust::verify(shape, secrets, report);
    Some(FactorySettings {
        url: url(shape.url.as_ref(), FACTORY_URL, report)?,
        credentials,
        ca,
        verify,
    })
}

fn sources(shape: Option<Versions>, report: &mut ProblemReport<'_>) -> Vec<ListSource> {
    let Some(words) = shape.and_then(|versions| versions.sources) else {
        return vec![ListSource::Factory, ListSource::Github];
    };
    if words.value.is_empty() {
        report.at(
            words.place,
            "the list is empty; expected factory, github or both, in query order",
        );
    }
    let mut sources = Vec::new();
    for word in &words.value {
        let source = match word.value {
            VersionSourceWord::Factory => ListSource::Factory,
            VersionSourceWord::Github => ListSource::Github,
        };
        if sources.contains(&source) {
            report.at(word.place, "this source is already in the list");
        } else {
            sources.push(source);
        }
    }
    sources
}

fn limits(shape: &LimitsShape, report: &mut ProblemReport<'_>) -> LimitSettings {
    let downloads = number(shape.downloads.as_ref(), DOWNLOADS, 1..=32, report);
    let nodes = number(shape.nodes.as_ref(), NODES, 1..=256, report);
    let retries = number(shape.retries.as_ref(), RETRIES, 0..=100, report);
    let builds = number(shape.builds.as_ref(), BUILDS, 1..=32, report);
    let least_rate = rate(shape.least_rate.as_ref(), LEAST_RATE, report).unwrap_or(0);
    // A limit of nothing would fail everything; one of more than a day is none.
    let range = Duration::from_secs(1)..=DAY;
    let mut wait = |at: Option<&At<String>>, default| duration(at, default, range.clone(), report);
    LimitSettings {
        downloads: downloads as usize,
        nodes: nodes as usize,
        first_byte: wait(shape.first_byte.as_ref(), FIRST_BYTE),
        idle: wait(shape.idle.as_ref(), IDLE),
        connect: wait(shape.connect.as_ref(), CONNECT),
        look: wait(shape.look.as_ref(), MINUTE),
        rate_window: wait(shape.rate_window.as_ref(), MINUTE),
        least_rate,
        builds: builds as usize,
        retries,
        image_size: size(shape.image_size.as_ref(), IMAGE_SIZE, report),
    }
}
