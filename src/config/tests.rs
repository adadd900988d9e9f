//! Defaults, precedence, secrets: what the gallery of bad input does not show.

use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::model::{
    Credentials, ListSource, OrderId, Proof, PushMethod, Reach, UploadUse, VmConfigs,
};

fn settings(text: &str) -> Settings {
    parse("config.yaml", text, &|_| None).unwrap_or_else(|why| panic!("{:#?}", why.problems()))
}

fn id(text: &str) -> OrderId {
    text.parse().expect("an id")
}

#[test]
fn an_empty_file_is_all_defaults() {
    for text in ["", "# only a remark\n", "{}", "defaults:\nnodes:\n"] {
        let settings = settings(text);
        assert_eq!(settings.cache_dir, Path::new("/var/cache/talos-sync"));
        assert_eq!(settings.orders.iso_dir.as_str(), "/var/lib/vz/template/iso");
        assert_eq!(settings.orders.import_dir, None);
        assert_eq!(settings.orders.arch.as_str(), "amd64");
        assert!(!settings.orders.push_enabled && !settings.orders.prefer_decompressed);
        assert_eq!(settings.push.ssh_opts, ["-o", "BatchMode=yes"]);
        assert_eq!(settings.push.rsync_opts, ["-av", "--progress", "--inplace"]);
        let policy = &settings.cache_policy;
        assert!(policy.enabled && !policy.purge_before);
        assert_eq!(policy.keep_versions, 3);
        assert_eq!(policy.orphan_grace, Duration::from_secs(7 * 86_400));
        assert_eq!(settings.manifest, ManifestTarget::WorkingDir);
        assert_eq!(settings.factory.url.as_str(), "https://factory.talos.dev/");
        assert_eq!(settings.github.api_url.as_str(), "https://api.github.com/");
        assert_eq!(settings.versions, [ListSource::Factory, ListSource::Github]);
    }
}

#[test]
fn a_controller_needs_no_key_of_its_own() {
    let settings = settings("defaults: {cache_dir: /c, cache_policy: {keep_versions: 9}}");
    assert_eq!(settings.state_dir, Path::new("/c/.talos-order"));
    assert!(!settings.owner.is_empty());
    let reconcile = &settings.reconcile;
    assert_eq!(reconcile.interval, Some(Duration::from_secs(600)));
    assert_eq!((reconcile.jitter, reconcile.cron.as_ref()), (5, None));
    assert_eq!(reconcile.debounce, Duration::from_secs(2));
    assert_eq!(reconcile.poll, Duration::from_secs(30));
    assert_eq!(reconcile.versions_interval, Duration::from_secs(3600));
    assert_eq!(reconcile.verify_interval, None);
    let prune = &settings.prune;
    assert!(!prune.enabled);
    assert_eq!((prune.max_files, prune.max_percent), (5, 20));
    assert_eq!(prune.grace, Duration::from_secs(7 * 86_400));
    assert_eq!(prune.keep_versions, 9);
    let vm_configs = VmConfigs::In("/etc/pve/nodes".parse().expect("a directory"));
    assert_eq!(prune.vm_configs, vm_configs);
    assert_eq!(settings.verify.rate, Some(50 << 20));
    assert_eq!(settings.verify.max_age, Duration::from_secs(30 * 86_400));
}

#[test]
fn off_none_and_false_are_words_for_nothing() {
    let settings = settings(
        "reconcile: {interval: off, cron: '0 3 * * 1-5', time_zone: Europe/Berlin, \
         verify_interval: off, debounce: 0s}\nverify: {rate: none}\n\
         prune: {vm_configs: false, max_files: 0}\nnodes:\n  \
         - {name: a, vm_configs: false, storage: nas, shared: true, prune: no}\n  - {name: b}\n",
    );
    assert_eq!(settings.reconcile.interval, None);
    assert_eq!(settings.reconcile.cron.as_deref(), Some("0 3 * * 1-5"));
    assert_eq!(settings.reconcile.verify_interval, None);
    assert_eq!(settings.verify.rate, None);
    assert_eq!(settings.prune.vm_configs, VmConfigs::Nowhere);
    let [a, b] = &settings.orders.inventory.nodes[..] else {
        panic!("two nodes");
    };
    assert_eq!((a.prune, b.prune), (Some(false), None));
    assert_eq!(a.vm_configs, Some(VmConfigs::Nowhere));
    let storage = a.storage.as_ref().expect("a storage");
    assert_eq!((storage.name.as_str(), storage.shared), ("nas", true));
    assert_eq!((&b.vm_configs, &b.storage), (&None, &None));
}

#[test]
fn of_several_manifest_keys_the_first_in_rank_counts() {
    let all = "path: /c/m.yaml\n  dir: /b\n  path_template: \"/a/{orderid}.yaml\"";
    let cases = [
        (all, "/a/x.yaml"),
        ("path: /c/m.yaml\n  dir: /b", "/b/manifest-x.yaml"),
        ("path: /c/m.yaml", "/c/m-x.yaml"),
        ("path: manifest", "manifest-x"),
    ];
    for (keys, path) in cases {
        let target = settings(&format!("manifest:\n  {keys}\n")).manifest;
        assert_eq!(target.path(&id("x"), None), Path::new(path));
    }
    assert_eq!(
        settings("").manifest.path(&id("x"), None),
        Path::new("manifest-x.yaml")
    );
}

#[test]
fn options_are_words_and_lengths_of_time_have_units() {
    let settings = settings(
        "defaults:\n  push:\n    ssh_opts: \"-o 'ProxyCommand=ssh -W %h:%p bastion' -i /k\"\n    \
         rsync_opts: \"\"\n  cache_policy:\n    orphan_grace: 1d 12h\nlimits:\n  idle: 90s\n",
    );
    assert_eq!(
        settings.push.ssh_opts,
        ["-o", "ProxyCommand=ssh -W %h:%p bastion", "-i", "/k"]
    );
    assert!(settings.push.rsync_opts.is_empty());
    assert_eq!(
        settings.cache_policy.orphan_grace,
        Duration::from_secs(36 * 3600)
    );
    assert_eq!(settings.limits.idle, Duration::from_secs(90));
}

#[test]
fn base_urls_end_with_a_slash_and_keep_their_path() {
    let settings = settings("factory: {url: \"http://127.0.0.1:8080/f\"}\n");
    assert_eq!(settings.factory.url.as_str(), "http://127.0.0.1:8080/f/");
    let image = settings.factory.url.join("image/x").expect("a path");
    assert_eq!(image.as_str(), "http://127.0.0.1:8080/f/image/x");
}

#[test]
fn secrets_come_from_the_environment_and_from_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("password");
    std::fs::write(&file, "from a file\n").expect("written");
    let env = |name: &str| match name {
        "TOKEN" => Some("from the environment".to_owned()),
        "GITHUB_TOKEN" => Some(" gh \n".to_owned()),
        _ => None,
    };
    let bearer = parse("c", "factory: {token_env: TOKEN}", &env).expect("settings");
    let Credentials::Bearer(token) = bearer.factory.credentials else {
        panic!("a token");
    };
    assert_eq!(token.expose_secret(), "from the environment");
    assert_eq!(bearer.github.token.expect("a token").expose_secret(), "gh");

    let text = format!(
        "factory: {{username: me, password_file: \"{}\"}}",
        file.display()
    );
    let basic = parse("c", &text, &env).expect("settings");
    let Credentials::Basic { username, password } = basic.factory.credentials else {
        panic!("a password");
    };
    assert_eq!(
        (username.as_str(), password.expose_secret()),
        ("me", "from a file")
    );
}

#[test]
fn a_check_needs_no_secrets() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, "factory: {token_file: /nonexistent/token}\n").expect("written");
    assert!(load(Some(&file)).is_err());
    let settings = load_without_secrets(Some(&file)).expect("settings");
    assert_eq!(settings.source, Some(file));
    assert!(matches!(settings.factory.credentials, Credentials::None));
}

#[test]
fn secrets_are_never_shown() {
    let env = |_: &str| Some("hunter2".to_owned());
    let settings = parse("c", "factory: {token_env: TOKEN}", &env).expect("settings");
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn a_named_file_must_be_there() {
    let why = load(Some(Path::new("/nonexistent/config.yaml"))).expect_err("missing");
    assert!(matches!(why, ConfigError::Missing { .. }));
    assert!(why.hint().is_some());
    let why = load(Some(Path::new("/"))).expect_err("a directory");
    assert!(matches!(why, ConfigError::Read { .. }));
}

#[test]
fn nodes_take_their_host_from_their_name() {
    let settings = settings(
        "nodes:\n  - name: pve-01\n  - {name: two, host: \"root@fe80::1%vmbr0\", port: 0x16}\n  \
         - {name: here, local: yes}\n",
    );
    let addresses: Vec<String> = settings
        .orders
        .inventory
        .nodes
        .iter()
        .map(|entry| entry.node.reach.address())
        .collect();
    assert_eq!(addresses, ["pve-01", "root@[fe80::1%vmbr0]:22", "local"]);
    assert_eq!(settings.orders.inventory.nodes[2].node.reach, Reach::Local);
}

proptest! {
    /// No customer's name leads out of the directory or makes a hidden file.
    #[test]
    fn a_customer_is_one_harmless_part_of_a_path(customer in ".{0,80}") {
        let target = ManifestTarget::template("/m/{customer}/{orderid}.yaml").expect("a template");
        let path = target.path(&id("x"), Some(&customer));
        let parts: Vec<_> = path.components().collect();
        prop_assert_eq!(parts.len(), 4);
        let part = parts[2].as_os_str().to_str().expect("plain text");
        prop_assert!(part != ".." && !part.starts_with(['.', '-']));
    }
}

#[test]
fn nodes_of_a_site_know_each_other_and_who_serves_them() {
    let settings = settings(
        "defaults: {push: {method: stream, verify: inline, bandwidth_limit: 2MiB}}\n\
         nodes:\n\
         - {name: a, site: far, push_method: rsync, bandwidth_limit: 512KiB}\n\
         - {name: b, site: far, bandwidth_limit: none}\n\
         - {name: c}\n\
         sites:\n\
         - {name: far, relay: a, ssh_opts: -o User=root, at_once: 2}\n\
         - {name: near}\n",
    );
    let push = &settings.push;
    assert_eq!(
        (push.method, push.proof),
        (PushMethod::Stream, Proof::Inline)
    );
    assert_eq!(push.bandwidth, Some(2 << 20));
    let of_nodes = settings.orders.inventory.nodes.iter();
    let of_nodes: Vec<_> = of_nodes
        .map(|entry| (entry.push_method, entry.bandwidth_limit))
        .collect();
    let first = (Some(PushMethod::Rsync), Some(512 << 10));
    assert_eq!(of_nodes, [first, (None, None), (None, None)]);
    let network = &settings.network;
    let node = |name: &str| name.parse().expect("a node");
    let relay = |name: &str| {
        network
            .relay_of(&node(name))
            .map(|(relay, _)| relay.clone())
    };
    let relays = ["a", "b", "c"].map(relay);
    assert_eq!(relays, [None, Some(node("a")), None]);
    let sites: Vec<_> = network.sites.values().collect();
    assert_eq!(sites[0].ssh_opts, ["-o", "User=root"]);
    assert_eq!((sites[0].at_once, sites[1].at_once), (Some(2), None));
    assert_eq!(sites[1].ssh_opts, ["-o", "BatchMode=yes"]);
}

#[test]
fn options_for_rsync_that_repeat_the_default_choose_nothing() {
    for (text, set) in [
        ("", false),
        (
            "defaults: {push: {rsync_opts: -av  --progress --inplace}}",
            false,
        ),
        ("defaults: {push: {rsync_opts: -av --inplace}}", true),
        ("defaults: {push: {rsync_opts: \"\"}}", true),
    ] {
        assert_eq!(settings(text).push.rsync_opts_set, set, "{text}");
    }
}

#[test]
fn a_node_is_reached_as_it_says_or_else_as_its_cluster_does() {
    let text = "clusters:\n\
         - {name: lab, endpoints: [\"https://a:8006\"], token_id: u@pve!t, token_env: T, \
         transport: api, upload: fallback}\n\
         - {name: old, endpoints: [\"https://b:8006\"], token_id: u@pve!t, token_env: T}\n\
         nodes:\n\
         - {name: a, cluster: lab, pve_name: pve-01, iso_storage: local}\n\
         - {name: b, cluster: lab, transport: ssh, host: 10.0.0.2}\n\
         - {name: c, cluster: old}\n\
         - {name: d, cluster: old, transport: api}\n\
         file_server: {address: \"::1\", port: 8088, url: \"http://c.lan:80\"}\n";
    let settings = parse("config.yaml", text, &|_| Some("secret".to_owned()));
    let settings = settings.unwrap_or_else(|why| panic!("{:#?}", why.problems()));
    let nodes = &settings.orders.inventory.nodes;
    let reached: Vec<_> = nodes
        .iter()
        .map(|entry| entry.node.reach.address())
        .collect();
    assert_eq!(reached, ["lab/pve-01", "10.0.0.2", "c", "old/d"]);
    let uploads: Vec<_> = settings
        .clusters
        .values()
        .map(|lab| lab.api.upload)
        .collect();
    assert_eq!(uploads, [UploadUse::Fallback, UploadUse::Never]);
    let server = &settings.file_server;
    assert_eq!(server.address, "::1".parse().ok());
    assert_eq!((server.port, server.url.is_some()), (8088, true));
}

#[test]
fn a_cluster_whose_nodes_are_described_is_not_asked_for_others() {
    let text = "clusters:\n\
         - {name: a, endpoints: [\"https://a:8006\"], token_id: u@pve!t, token_env: T}\n\
         - {name: b, endpoints: [\"https://b:8006\"], token_id: u@pve!t, token_env: T}\n\
         - {name: c, endpoints: [\"https://c:8006\"], token_id: u@pve!t, token_env: T, \
         discover: true}\n\
         - {name: d, endpoints: [\"https://d:8006\"], token_id: u@pve!t, token_env: T, \
         discover: false}\n\
         nodes: [{name: one, cluster: b}, {name: two, cluster: c}]\n";
    let settings = parse("config.yaml", text, &|_| Some("secret".to_owned()));
    let settings = settings.unwrap_or_else(|why| panic!("{:#?}", why.problems()));
    let discovered = settings.orders.inventory.discovered.keys();
    assert_eq!(
        discovered.map(ToString::to_string).collect::<Vec<_>>(),
        ["a", "c"]
    );
}

#[test]
fn orders_are_a_path_or_a_repository() {
    let path = settings("orders: ./fleet");
    assert_eq!(path.orders_path.as_deref(), Some(Path::new("./fleet")));
    let path = settings("orders: {path: ./fleet}");
    assert_eq!(path.orders_path.as_deref(), Some(Path::new("./fleet")));
    assert!(path.orders_git.is_none());
    let git = settings("orders: {git: {url: https://git.example.org/fleet.git}}");
    assert_eq!(git.orders_path, None);
    let git = git.orders_git.expect("a repository");
    assert_eq!(git.reference.to_string(), "branch main");
    assert_eq!(git.path.as_str(), "");
    assert_eq!(git.interval, Duration::from_secs(60));
    assert_eq!(git.timeout, Duration::from_secs(60));
    assert!(git.verify.is_none() && git.auth.login.is_none() && !git.allow_rewind);
}

#[test]
fn signatures_are_asked_for_where_keys_are_given() {
    let verify = |text: &str| {
        let text = format!("orders: {{git: {{url: /srv/fleet.git, verify: {text}}}}}");
        settings(&text).orders_git.expect("a repository").verify
    };
    assert!(verify("{ssh_allowed_signers: /a}").is_some());
    assert!(verify("{mode: head, gpg_keys: /a}").is_some());
    assert!(verify("{mode: none, gpg_keys: /a}").is_none());
    assert!(verify("{mode: none}").is_none());
}

#[test]
fn an_address_of_a_repository_is_not_taken_for_a_path() {
    for text in [
        "https://git.example.org/fleet.git",
        "git@git.example.org:fleet.git",
    ] {
        let why = parse("config.yaml", &format!("orders: {text}"), &|_| None);
        let why = why.expect_err("it is refused");
        assert!(why.problems()[0].message.contains("not a path"), "{text}");
    }
}
