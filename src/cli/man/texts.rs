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
