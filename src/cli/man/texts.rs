//! What the manual pages say that clap has no place for.

pub(super) const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Success."),
    ("1", "Something failed or was rejected."),
    ("2", "The command line or the configuration is wrong."),
];

pub(super) const EXIT_STATUS_OF_PLAN: &[(&str, &str)] = &[
    (
        "0",
        "Success. With --detailed-exitcode: there is nothing to do.",
    ),
    ("1", "An order was rejected, or something is blocked."),
    (
        "2",
        "The command line or the configuration is wrong. With --detailed-exitcode: there are changes.",
    ),
];

pub(super) const EXIT_STATUS_OF_DIFF: &[(&str, &str)] = &[
    ("0", "There are no differences."),
    (
        "1",
        "Something failed, or cannot be compared: a node does not answer, an order is invalid.",
    ),
    (
        "2",
        "There are differences; or the command line or the configuration is wrong.",
    ),
];

/// Of the commands that Ctrl-C ends in the middle of their work.
pub(super) const INTERRUPTED: (&str, &str) = (
    "130",
    "A signal ended the run before it was complete; run again to continue.",
);

pub(super) const EXIT_STATUS_OF_STATUS: &[(&str, &str)] = &[
    ("0", "Everything is Ready or Suspended."),
    ("1", "Something is not, or there is no status yet."),
    ("2", "The command line or the configuration is wrong."),
];

pub(super) const EXIT_STATUS_OF_OUTPUTS: &[(&str, &str)] = &[
    (
        "0",
        "Success. Without --wait, this does not mean that everything is ready.",
    ),
    (
        "1",
        "Something that was asked for is not known, does not match, or is not ready in time.",
    ),
    ("2", "The command line or the configuration is wrong."),
];

pub(super) const EXIT_STATUS_OF_WAIT: &[(&str, &str)] = &[
    ("0", "Everything that is selected is Ready."),
    (
        "1",
        "The time is over, or something is Stalled or Suspended, or nothing matches.",
    ),
    ("2", "The command line or the configuration is wrong."),
];

pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "TALOS_ORDER_CONFIG",
        "The configuration file; --config overrides it.",
    ),
    (
        "TALOS_ORDER_ORDERS",
        "The orders, a file or a directory. It overrides the configuration; --orders overrides it.",
    ),
    ("TALOS_ORDER_LOG", "The log level; --log overrides it."),
    (
        "XDG_CONFIG_HOME, XDG_CACHE_HOME, XDG_STATE_HOME",
        "For users other than root: the default places of configuration, cache and state.",
    ),
    (
        "GITHUB_TOKEN",
        "A token that raises the rate limit of the GitHub API.",
    ),
    (
        "HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
        "The proxy for the Image Factory and GitHub, and the hosts that bypass it.",
    ),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "The trusted certificates, instead of those of the system.",
    ),
    ("NO_COLOR", "If it is set, the output has no colours."),
    ("TMPDIR", "The directory in which the demo works."),
];

pub(super) const FILES: &[(&str, &str)] = &[
    (
        "/etc/talos-order/config.yaml, ~/.config/talos-order/config.yaml, ./config.yaml",
        "The configuration. The user's own file is tried first, except for root.",
    ),
    ("/etc/talos-order/orders", "The orders of the services."),
    (
        "/var/cache/talos-sync, ~/.cache/talos-order",
        "The cache of images; the key defaults.cache_dir.",
    ),
    (
        "/var/lib/talos-order, ~/.local/state/talos-order",
        "State of the services and of a user; the key state_dir.",
    ),
    (
        "manifest-ORDERID.yaml",
        "The result of the last run for an order; the keys of manifest set the path.",
    ),
    (
        ".talos-order.jsonl",
        "On nodes, beside the images: the record of a directory.",
    ),
];

/// The examples of a command, each with what it does; the program without one is "".
pub(super) const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            (
                "talos-order",
                "One run with the files of the configuration.",
            ),
            (
                "talos-order --config config.yaml --orders orders --dry-run",
                "Show what a run would do.",
            ),
        ],
    ),
    (
        "plan",
        &[
            ("talos-order plan", "Show what a run would do."),
            (
                "talos-order plan --out plan.json",
                "Save the plan, to review it and apply exactly this plan.",
            ),
            (
                "talos-order plan --detailed-exitcode -o json",
                "The same for a monitor: exit status 2 if there is something to do.",
            ),
            (
                "talos-order plan --order 'prod-*' --node pve-01 -v",
                "Show in detail what a run for some orders on one node would do.",
            ),
        ],
    ),
    (
        "diff",
        &[
            ("talos-order diff", "Show the differences from the orders."),
            (
                "talos-order diff --node pve-01 -o json",
                "One node, for a script.",
            ),
        ],
    ),
    (
        "apply",
        &[
            ("talos-order apply", "One run."),
            (
                "talos-order apply --order homelab",
                "One run for one order.",
            ),
            (
                "talos-order apply plan.json",
                "Apply a saved and reviewed plan if it is still current.",
            ),
            (
                "talos-order apply --lock-timeout 10m",
                "Wait up to ten minutes for another run to end.",
            ),
            (
                "talos-order apply --yes",
                "Prune files from nodes without asking on a terminal.",
            ),
        ],
    ),
    (
        "run",
        &[
            ("talos-order run", "The controller in the foreground."),
            (
                "talos-order run --once --log-format json",
                "One run that logs JSON, for a timer.",
            ),
        ],
    ),
    (
        "status",
        &[
            ("talos-order status -o json", "The status for a script."),
            (
                "talos-order status -o wide --order 'prod-*'",
                "Some orders, with all columns.",
            ),
            (
                "talos-order status --fleet",
                "All sites of the fleet, as its store knows them.",
            ),
        ],
    ),
    (
        "get",
        &[
            ("talos-order get orders", "The orders, one per line."),
            (
                "talos-order get nodes 'pve-*' -o wide",
                "Some nodes, with all columns.",
            ),
            (
                "talos-order get images -o name",
                "The file names of all images.",
            ),
        ],
    ),
    (
        "notify",
        &[
            (
                "talos-order notify test ops",
                "Send a sample to a provider, and print what it answers.",
            ),
            (
                "talos-order notify list",
                "What each provider was told, and what waits.",
            ),
        ],
    ),
    (
        "notify test",
        &[(
            "talos-order notify test ops",
            "Send a sample to a provider, and print what it answers.",
        )],
    ),
    (
        "notify list",
        &[(
            "talos-order notify list -o json",
            "What each provider was told, and what waits.",
        )],
    ),
    (
        "outputs",
        &[
            (
                "talos-order outputs --order workers",
                "The images and templates of an order, on each node.",
            ),
            (
                "talos-order outputs --order workers --wait --timeout 15m -o tfvars",
                "Wait until they are ready, and print them as variables for Terraform.",
            ),
            (
                "talos-order outputs --order workers --position worker --node pve-01 -o env",
                "One image and its template, for a shell.",
            ),
        ],
    ),
    (
        "history",
        &[("talos-order history -n 5", "The last five runs.")],
    ),
    (
        "events",
        &[(
            "talos-order events --watch",
            "Follow the steps as they finish.",
        )],
    ),
    (
        "suspend",
        &[
            ("talos-order suspend node pve-01", "Suspend a node."),
            ("talos-order suspend --all", "Suspend everything."),
        ],
    ),
    (
        "resume",
        &[("talos-order resume node pve-01", "Resume the node.")],
    ),
    (
        "approve",
        &[(
            "talos-order approve prune-pve-01",
            "Approve a prune that exceeds the budget; status shows its ID.",
        )],
    ),
    (
        "reconcile",
        &[(
            "talos-order reconcile --order homelab",
            "Start a run now and show the result for one order.",
        )],
    ),
    (
        "wait",
        &[
            (
                "talos-order wait --order homelab --timeout 15m",
                "Wait until an order is ready on all of its nodes.",
            ),
            (
                "talos-order wait --revision 2f6cd7a --timeout 30m",
                "After a push: wait until its orders are ready.",
            ),
        ],
    ),
    (
        "validate",
        &[
            ("talos-order validate", "Check configuration and orders."),
            (
                "talos-order validate -o github",
                "The same in a GitHub workflow: problems become annotations.",
            ),
        ],
    ),
    (
        "schematic",
        &[(
            "talos-order schematic schematic.yaml",
            "The ID of a customization.",
        )],
    ),
    (
        "versions",
        &[(
            "talos-order versions --minor v1.11",
            "The versions of a minor line.",
        )],
    ),
    (
        "schema",
        &[("talos-order schema orders", "The JSON Schema of orders.")],
    ),
    (
        "pve-setup",
        &[
            (
                "talos-order pve-setup --storage local",
                "The commands for a token that can put images on a storage.",
            ),
            (
                "talos-order pve-setup --storage local --storage nfs --prune",
                "The same for two storages, with permission to remove images.",
            ),
        ],
    ),
    (
        "demo",
        &[
            ("talos-order demo", "Run the demo in a new directory."),
            ("talos-order demo --clean", "Remove the files of the demo."),
        ],
    ),
    (
        "completions",
        &[(
            "talos-order completions bash",
            "The completions of bash, for ~/.local/share/bash-completion/completions/talos-order.",
        )],
    ),
    (
        "man",
        &[("talos-order man man1", "Write all pages into a directory.")],
    ),
];
