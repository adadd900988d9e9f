//! The examples of the manual pages.

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
        "rollout",
        &[
            ("talos-order rollout", "The rings of all orders."),
            (
                "talos-order rollout promote homelab --to prod",
                "Begin the rings up to prod now.",
            ),
            (
                "talos-order rollout rollback homelab",
                "Deliver nothing more of an image that turned out to be bad.",
            ),
        ],
    ),
    (
        "rollout list",
        &[(
            "talos-order rollout list -o json",
            "The rings of all orders, for a script.",
        )],
    ),
    (
        "rollout show",
        &[(
            "talos-order rollout show homelab",
            "The rings of an order, with the nodes that are out of sync.",
        )],
    ),
    (
        "rollout promote",
        &[
            (
                "talos-order rollout promote homelab --to prod",
                "Begin the rings up to prod now.",
            ),
            (
                "talos-order rollout promote homelab",
                "Begin all rings now.",
            ),
        ],
    ),
    (
        "rollout pause",
        &[(
            "talos-order rollout pause homelab",
            "Begin no further ring of an order.",
        )],
    ),
    (
        "rollout resume",
        &[("talos-order rollout resume --all", "End every pause.")],
    ),
    (
        "rollout rollback",
        &[(
            "talos-order rollout rollback homelab",
            "Deliver nothing more of an image that turned out to be bad.",
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
