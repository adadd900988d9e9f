//! All metrics. `docs/metrics.md` describes them as an interface: a test compares the two,
//! and what is really exported.

use super::definition::{MetricDef, MetricKind};

macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) static $id: MetricDef = MetricDef {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*
        /// All of them, in the order of the documentation.
        #[cfg(test)]
        pub(super) static ALL: &[&MetricDef] = &[$(&$id),*];
    };
}

#[rustfmt::skip]
metrics! {
    BUILD_INFO: Gauge "talos_order_build_info" ["version"]
        "The program, always 1";
    RUNS: Counter "talos_order_runs_total" ["verdict", "trigger"]
        "Runs that ended";
    RUN_DURATION: Histogram "talos_order_run_duration_seconds" []
        "Duration of runs";
    RUNNING: Gauge "talos_order_running" []
        "1 while a run is in progress";
    RUNNING_SINCE: Gauge "talos_order_running_since_timestamp_seconds" []
        "Start of the run in progress";
    ACTIVE_STEPS: Gauge "talos_order_active_steps" ["kind"]
        "Steps in progress";
    LAST_RUN_START: Gauge "talos_order_last_run_start_timestamp_seconds" []
        "Start of the last run";
    LAST_RUN_END: Gauge "talos_order_last_run_end_timestamp_seconds" []
        "End of the last run";
    LAST_RUN_VERDICT: Gauge "talos_order_last_run_verdict" ["verdict"]
        "1 for the verdict of the last run, 0 for the others";
    LAST_LOOK: Gauge "talos_order_last_look_timestamp_seconds" []
        "End of the last run that could read the orders and plan";
    NEXT_RUN: Gauge "talos_order_next_run_timestamp_seconds" []
        "Start of the next run";
    NEXT_WINDOW: Gauge "talos_order_next_window_timestamp_seconds" []
        "When the first window opens that a step waits for";
    STEPS: Counter "talos_order_steps_total" ["kind", "result"]
        "Steps that ended";
    DRIFT_FOUND: Counter "talos_order_drift_found_total" []
        "Files that were in place and were found missing or changed, in each run";
    DRIFT_REPAIRED: Counter "talos_order_drift_repaired_total" []
        "Files of those that were put in place again";
    FETCHED: Counter "talos_order_fetched_bytes_total" []
        "Bytes downloaded from upstream";
    PUSHED: Counter "talos_order_pushed_bytes_total" ["node", "way"]
        "Size of the images delivered to a node";
    SENT: Counter "talos_order_sent_bytes_total" ["node", "way"]
        "Bytes sent to a node, where that is known";
    REMOVED: Counter "talos_order_removed_files_total" []
        "Files removed from cache and nodes";
    WAITING: Gauge "talos_order_waiting_requests" []
        "Requests that wait for a run";
    SUSPENDED: Gauge "talos_order_suspended" []
        "1 while everything is suspended";
    BLOCKED: Gauge "talos_order_blocked_steps" ["reason"]
        "Blocked steps of the last run";
    REMOVALS_HELD: Gauge "talos_order_removals_held" ["node"]
        "Removals from a node that wait for approval";
    ORDERS: Gauge "talos_order_orders" ["state"]
        "Orders";
    ORDER_READY: Gauge "talos_order_order_ready" ["order"]
        "1 if the order is in sync everywhere";
    ORDER_CONDITION: Gauge "talos_order_order_condition" ["order", "state", "reason"]
        "State of an order with its reason, always 1";
    ORDER_CHANGED: Gauge "talos_order_order_last_change_timestamp_seconds" ["order"]
        "When state or reason of an order changed";
    ORDER_SUCCESS: Gauge "talos_order_order_last_success_timestamp_seconds" ["order"]
        "End of the last run that found an order in sync";
    ORDER_POSITIONS: Gauge "talos_order_order_positions" ["order"]
        "Positions of an order";
    RING_STATE: Gauge "talos_order_rollout_ring_state" ["order", "version", "release", "ring", "state"]
        "State of a ring of an order with an image, always 1";
    RING_NODES: Gauge "talos_order_rollout_ring_nodes" ["order", "version", "release", "ring"]
        "Nodes of a ring that this controller works on";
    RING_BEHIND: Gauge "talos_order_rollout_ring_nodes_out_of_sync" ["order", "version", "release", "ring"]
        "Nodes of those that do not have the image as it should be";
    ROLLOUT_PAUSED: Gauge "talos_order_rollout_paused" ["order"]
        "1 while the rollouts of an order are paused";
    PAIR_READY: Gauge "talos_order_order_node_ready" ["order", "node"]
        "1 if the order is in sync on the node";
    PAIR_CONDITION: Gauge "talos_order_order_node_condition" ["order", "node", "state", "reason"]
        "State of an order on a node with its reason, always 1";
    PAIR_CHANGED: Gauge "talos_order_order_node_last_change_timestamp_seconds" ["order", "node"]
        "When state or reason of an order on a node changed";
    PAIR_SUCCESS: Gauge "talos_order_order_node_last_success_timestamp_seconds" ["order", "node"]
        "End of the last run that found an order on a node in sync";
    PAIRS_OMITTED: Gauge "talos_order_order_nodes_omitted" []
        "Pairs of order and node without numbers of their own";
    NODE_ORDERS: Gauge "talos_order_node_orders" ["node", "state"]
        "Orders that want something on a node";
    NODE_REACHABLE: Gauge "talos_order_node_reachable" ["node"]
        "1 if the node answered the last run";
    NODE_SEEN: Gauge "talos_order_node_last_seen_timestamp_seconds" ["node"]
        "When the node last answered";
    NODE_CIRCUIT: Gauge "talos_order_node_circuit_open" ["node"]
        "1 while the node is not asked because it did not answer";
    NODE_SUSPENDED: Gauge "talos_order_node_suspended" ["node"]
        "1 while the node is suspended";
    NODE_FREE: Gauge "talos_order_node_free_bytes" ["node", "directory"]
        "Free space for a directory of a node";
    NODE_FILES: Gauge "talos_order_node_files" ["node"]
        "Files on a node that were delivered by this program";
    NODE_BYTES: Gauge "talos_order_node_file_bytes" ["node"]
        "Size of those files";
    NODE_IN_USE: Gauge "talos_order_node_files_in_use" ["node"]
        "Files of those that a VM refers to";
    NODE_LINK: Gauge "talos_order_node_link_bytes_per_second" ["node"]
        "Speed of the link to a node, as last measured";
    NODE_TEMPLATES: Gauge "talos_order_node_templates" ["node", "state"]
        "Templates on a node that were made by this program";
    ARTIFACTS_WANTED: Gauge "talos_order_artifacts_wanted" []
        "Artifacts that the orders want";
    ARTIFACTS_PRESENT: Gauge "talos_order_artifacts_present" []
        "Artifacts of those that are in the cache";
    CACHE_FILES: Gauge "talos_order_cache_files" ["state"]
        "Files in the cache";
    CACHE_BYTES: Gauge "talos_order_cache_bytes" ["state"]
        "Size of the files in the cache";
    CACHE_FREE: Gauge "talos_order_cache_free_bytes" []
        "Free space for the cache";
    CLUSTER_REACHABLE: Gauge "talos_order_cluster_reachable" ["cluster"]
        "1 if the API of the cluster answered the last run";
    CERTIFICATE: Gauge "talos_order_certificate_expiry_timestamp_seconds" ["cluster", "node"]
        "End of validity of the certificate of a cluster node";
    VERSIONS: Gauge "talos_order_versions_timestamp_seconds" ["source"]
        "When the list of versions in use was current";
    REQUESTS: Counter "talos_order_upstream_requests_total" ["host", "code"]
        "Requests to an upstream";
    RATE_LEFT: Gauge "talos_order_upstream_rate_limit_remaining" ["host"]
        "Requests that an upstream still allows";
    RATE_RESET: Gauge "talos_order_upstream_rate_limit_reset_timestamp_seconds" ["host"]
        "When an upstream allows all requests again";
    STORE_IMAGES: Counter "talos_order_store_images_total" ["result"]
        "Images that the store of the fleet was used for";
    STORE_BYTES: Counter "talos_order_store_bytes_total" ["direction"]
        "Bytes of images read from the store and written to it";
    STORE_COLLECTED: Counter "talos_order_store_collected_total" ["kind"]
        "Objects removed from the store because no site wants them";
    STORE_COLLECTED_BYTES: Counter "talos_order_store_collected_bytes_total" []
        "Bytes of images removed from the store";
    STORE_OBJECTS: Gauge "talos_order_store_objects" ["kind"]
        "Objects in the store when unwanted images were last looked for";
    STORE_SIZE: Gauge "talos_order_store_size_bytes" []
        "Bytes of images in the store then";
    NOTIFIED: Counter "talos_order_notifications_delivered_total" ["provider"]
        "Messages that a provider of notifications confirmed";
    NOT_NOTIFIED: Counter "talos_order_notifications_failed_total" ["provider"]
        "Attempts to deliver a message that failed";
    NOTIFY_PENDING: Gauge "talos_order_notifications_pending" ["provider"]
        "Failures and recoveries that are not delivered yet";
    NOTIFY_FAILING: Gauge "talos_order_notifications_failing" ["provider"]
        "1 while the last attempt to deliver a message has failed";
    HOOK_CALLS: Counter "talos_order_hook_calls_total" ["hook", "result"]
        "Calls of a hook";
    SOURCE: Gauge "talos_order_source_info" ["revision", "state"]
        "The revision of the orders, always 1";
    SOURCE_COMMIT: Gauge "talos_order_source_commit_timestamp_seconds" []
        "When the commit of the orders was made";
    SOURCE_CHECK: Gauge "talos_order_source_last_check_timestamp_seconds" []
        "When the repository of the orders was last asked";
    SOURCE_SUCCESS: Gauge "talos_order_source_last_success_timestamp_seconds" []
        "When the repository of the orders last answered";
    SOURCE_FAILURES: Counter "talos_order_source_failures_total" []
        "Attempts to fetch the orders that failed";
    SOURCE_REJECTIONS: Counter "talos_order_source_rejections_total" []
        "Attempts to fetch the orders that found a revision that is refused";
    LEADER: Gauge "talos_order_leader" ["site"]
        "1 while this controller leads the site";
    EPOCH: Gauge "talos_order_leader_epoch" ["site"]
        "Epoch of the leader of the site, or of the last one";
    STORE_ANSWERS: Gauge "talos_order_store_answers" []
        "1 while the store tells of the sites of the fleet";
    SITE_FRESH: Gauge "talos_order_site_report_fresh" ["site"]
        "1 while the leader of the site renews its report";
    SITE_AGE: Gauge "talos_order_site_report_age_seconds" ["site"]
        "Age of the report of the site when it was last looked at";
    SITE_EPOCH: Gauge "talos_order_site_epoch" ["site"]
        "Epoch of the leader that wrote the report of the site";
    SITE_NODES: Gauge "talos_order_site_nodes" ["site"]
        "Nodes that orders name in the site";
    SITE_NODES_IN_SYNC: Gauge "talos_order_site_nodes_in_sync" ["site"]
        "Nodes of the site on which everything is in sync";
    SITE_NODES_UNREACHABLE: Gauge "talos_order_site_nodes_unreachable" ["site"]
        "Nodes of the site that do not answer";
    SITE_ORDERS: Gauge "talos_order_site_orders" ["site"]
        "Orders that are for the site";
    SITE_ORDERS_IN_SYNC: Gauge "talos_order_site_orders_in_sync" ["site"]
        "Orders of which everything in the site is in sync";
    CPU: Counter "process_cpu_seconds_total" []
        "Processor time of the process";
    STARTED: Gauge "process_start_time_seconds" []
        "Start of the process";
    RESIDENT: Gauge "process_resident_memory_bytes" []
        "Memory in use by the process";
    VIRTUAL: Gauge "process_virtual_memory_bytes" []
        "Address space of the process";
    FDS: Gauge "process_open_fds" []
        "Open files and connections of the process";
    MAX_FDS: Gauge "process_max_fds" []
        "Files and connections that the process may open";
    THREADS: Gauge "process_threads" []
        "Threads of the process";
}
