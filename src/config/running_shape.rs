//! As written: how much happens at once, when runs start, what is pruned and read back.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::At;

/// How much happens at once, and how long things may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsShape {
    /// Downloads at once, 1 to 32. Default: 3
    #[schemars(range(min = 1, max = 32))]
    pub downloads: Option<At<u32>>,
    /// Nodes worked on at once, 1 to 256. Default: 8
    #[schemars(range(min = 1, max = 256))]
    pub nodes: Option<At<u32>>,
    /// How many times an interrupted transfer is resumed, 0 to 100. Default: 5
    #[schemars(range(max = 100))]
    pub retries: Option<At<u32>>,
    /// How long to wait for the first byte of an image, which the factory may
    /// have to build first. Default: 15m
    pub first_byte: Option<At<String>>,
    /// Images that are waited for at once until their first byte comes: as many as
    /// the factory may have to build, 1 to 32. Default: 2
    #[schemars(range(min = 1, max = 32))]
    pub builds: Option<At<u32>>,
    /// How long a transfer may make no progress. Default: 60s
    pub idle: Option<At<String>>,
    /// How many bytes of an image come in a second at least, on average over
    /// rate_window, such as 10KiB; none for no such limit. Default: 10KiB
    pub least_rate: Option<At<String>>,
    /// The time over which least_rate is measured. Default: 60s
    pub rate_window: Option<At<String>>,
    /// How long to wait for a connection. Default: 15s
    pub connect: Option<At<String>>,
    /// How long a look at a node may take altogether. Default: 60s
    pub look: Option<At<String>>,
    /// The largest image that is accepted, packed or unpacked, such as 32GiB. A
    /// download that goes on for longer is aborted. Default: 16GiB
    pub image_size: Option<At<String>>,
}

/// When the controller looks at orders, versions and nodes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconcileShape {
    /// How long after a run the next one begins, if nothing happens before; off
    /// where cron says it all. Default: 10m
    pub interval: Option<At<String>>,
    /// By how many per cent an interval is made longer or shorter at random, 0 to
    /// 50, so that several controllers do not ask all at once. Default: 5
    #[schemars(range(max = 50))]
    pub jitter: Option<At<u32>>,
    /// When further runs start: minute, hour, day, month and weekday, with
    /// seconds before them if wanted. Default: none
    pub cron: Option<At<String>>,
    /// The time zone that cron is meant in, such as Europe/Berlin. Default: the
    /// machine's own
    pub time_zone: Option<At<String>>,
    /// How long the orders must be quiet before a change starts a run. Default: 2s
    pub debounce: Option<At<String>>,
    /// How often the orders are polled for changes without a file system
    /// event. Default: 30s
    pub poll: Option<At<String>>,
    /// How often released versions are listed. Default: 1h
    pub versions_interval: Option<At<String>>,
    /// How often files are read back that were not for verify.max_age; off for
    /// never. Default: off
    pub verify_interval: Option<At<String>>,
}

/// What goes from nodes, and how much of it at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PruneShape {
    /// How many files one run prunes from a node without approval. Default: 5
    pub max_files: Option<At<u32>>,
    /// The same as per cent of the files that were placed there, 0 to 100; the
    /// larger of the two applies. Default: 20
    #[schemars(range(max = 100))]
    pub max_percent: Option<At<u32>>,
    /// How long a file stays that no order wants any more. Default: 7d
    pub grace: Option<At<String>>,
    /// How many versions of one kind of image stay, at least 1. Wanted images are always
    /// kept. Default: defaults.cache_policy.keep_versions
    #[schemars(range(min = 1))]
    pub keep_versions: Option<At<u32>>,
    /// The directory on a node with the configurations of all virtual machines, or
    /// false where there are none. Default: /etc/pve/nodes
    #[schemars(extend("type" = ["string", "boolean"]))]
    pub vm_configs: Option<At<String>>,
}

/// How delivered and cached files are read back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyShape {
    /// How many bytes are read in a second, such as 50MiB, or none for as many as
    /// there can be. Default: 50MiB
    pub rate: Option<At<String>>,
    /// How long ago a file was read back at most. Default: 30d
    pub max_age: Option<At<String>>,
}
