//! `pve-setup`: the commands that make an API token with the privileges it needs.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;

use super::exit::Exit;
use super::out;
use crate::app::{App, run_script};
use crate::model::{ClusterName, Login};
use crate::proxmox::PveVersion;
use crate::proxmox::rights::{DeliveryWay, FetchRight, PveSetup, TemplateNeed};

/// The user that a token belongs to where nobody says otherwise.
const USER: &str = "talos-order@pve";
/// The name of the token.
const TOKEN: &str = "ctl";

/// What `pve-setup` prints commands for.
#[derive(Debug, Clone, Args)]
pub struct PveSetupArgs {
    /// A storage for images; repeatable [default: those that orders name, with what is
    /// pruned there]
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = storage)]
    pub storage: Vec<String>,
    /// The cluster of the configuration that the token is for [default: the only one]
    #[arg(long, value_name = "NAME", conflicts_with = "storage")]
    pub cluster: Option<ClusterName>,
    /// A storage for the disks of templates; repeatable [default: those that orders name]
    #[arg(long, value_name = "NAME", value_parser = storage, requires = "storage")]
    pub template_storage: Vec<String>,
    /// A bridge for templates, perhaps with a VLAN; repeatable [default: vmbr0]
    #[arg(
        long,
        value_name = "NAME[/VLAN]",
        value_parser = bridge,
        requires = "template_storage"
    )]
    pub bridge: Vec<String>,
    /// Also allow removing images
    #[arg(long)]
    pub prune: bool,
    /// Also allow uploading images [default: as the cluster's upload]
    #[arg(long)]
    pub upload: bool,
    /// The user that the token belongs to [default: that of the cluster's token_id,
    /// else talos-order@pve]
    #[arg(long, value_name = "USER@REALM", value_parser = user)]
    pub user: Option<String>,
    /// The name of the token [default: that of the cluster's token_id, else ctl]
    #[arg(long, value_name = "NAME", value_parser = token)]
    pub token: Option<String>,
    /// The oldest Proxmox VE version among the nodes, such as 8.1 [default: 8.2 or newer]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub pve_version: Option<PveVersion>,
    /// Run the commands on this node over ssh, as root, instead of printing them
    #[arg(long, value_name = "HOST")]
    pub apply: Option<Login>,
}

/// Why it is not known what the commands are to be for.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    #[error("cluster {0} is not in the configuration")]
    UnknownCluster(ClusterName),
    #[error("the configuration has several clusters ({0}); choose one with --cluster")]
    SeveralClusters(String),
    #[error("no order puts an image on a storage of {0}; name one with --storage")]
    NoStorage(String),
    #[error("the commands failed on {host}: {why}")]
    Script { host: String, why: String },
}

/// Prints the commands, or has a node run them.
pub(super) async fn run(
    config: Option<&Path>,
    orders: Option<&Path>,
    args: PveSetupArgs,
) -> anyhow::Result<Exit> {
    let bridges = match args.bridge.is_empty() {
        true => vec!["vmbr0".to_owned()],
        false => args.bridge,
    };
    let templates = args
        .template_storage
        .into_iter()
        .map(|storage| TemplateNeed {
            storage,
            images: args.storage.clone(),
            bridges: bridges.clone(),
        });
    let mut setup = PveSetup {
        templates: templates.collect(),
        user: USER.to_owned(),
        token: TOKEN.to_owned(),
        storages: args.storage,
        delivery: Some(DeliveryWay::Fetch),
        read_back: false,
        prune: args.prune,
        pruned: BTreeSet::new(),
        fetch_right: args
            .pve_version
            .map_or(FetchRight::default(), FetchRight::of),
    };
    if setup.storages.is_empty() {
        configured(config, orders, args.cluster, &mut setup)?;
    }
    if args.upload && setup.delivery != Some(DeliveryWay::Upload) {
        setup.delivery = Some(DeliveryWay::FetchOrUpload);
    }
    setup.user = args.user.unwrap_or(setup.user);
    setup.token = args.token.unwrap_or(setup.token);
    let Some(login) = &args.apply else {
        out::data(&setup.script())?;
        return Ok(Exit::Done);
    };
    // Without a configuration ssh has its own.
    let app = App::offline(config).ok();
    let settings = app.as_ref().map(App::settings);
    let output = run_script(login, settings, &setup.script()).await?;
    // The secret of the token is in it, and is shown once: also where a later line failed.
    out::data(&output.stdout)?;
    if !output.stderr.is_empty() {
        out::note(output.stderr.trim_end());
    }
    if output.status.success() {
        return Ok(Exit::Done);
    }
    let why = match output.stderr.trim_end().lines().last() {
        Some(last) => last.to_owned(),
        None => output.status.to_string(),
    };
    let host = login.host.to_string();
    Err(SetupError::Script { host, why }.into())
}

/// Takes from configuration and orders what the command line does not say.
fn configured(
    config: Option<&Path>,
    orders: Option<&Path>,
    cluster: Option<ClusterName>,
    setup: &mut PveSetup,
) -> anyhow::Result<()> {
    let app = App::offline(config)?;
    let orders = app.orders(&app.known_orders(orders)?)?;
    let clusters = &app.settings().clusters;
    let cluster = match (cluster, clusters.len()) {
        (Some(name), _) if !clusters.contains_key(&name) => {
            return Err(SetupError::UnknownCluster(name).into());
        }
        (Some(name), _) => Some(name),
        (None, 0 | 1) => clusters.keys().next().cloned(),
        (None, _) => {
            let names: Vec<&str> = clusters.keys().map(ClusterName::as_str).collect();
            return Err(SetupError::SeveralClusters(names.join(", ")).into());
        }
    };
    let used = app.cluster_use(&orders, cluster.as_ref());
    if used.storages.is_empty() {
        let place = cluster.map_or_else(
            || "a node".to_owned(),
            |cluster| format!("cluster {cluster}"),
        );
        return Err(SetupError::NoStorage(place).into());
    }
    let need = used.need(setup.fetch_right);
    setup.delivery = used.delivery();
    setup.read_back = need.read_back;
    for need in need.storages {
        if need.prune {
            setup.pruned.insert(need.storage.clone());
        }
        setup.storages.push(need.storage);
    }
    setup.templates = used.template_needs();
    if let Some(known) = cluster.and_then(|cluster| clusters.get(&cluster)) {
        let (user, token) = known.token_id.parts();
        (setup.user, setup.token) = (user.to_owned(), token.to_owned());
    }
    Ok(())
}

/// A name of the part that the shell and `pveum` take as it is.
fn plain(text: &str, kind: &str, more: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    match text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not {kind}")),
    }
}

/// The name of a storage.
fn storage(text: &str) -> Result<String, String> {
    plain(text, "the name of a Proxmox VE storage", "-_.")
}

/// The name of a bridge, perhaps with a VLAN.
fn bridge(text: &str) -> Result<String, String> {
    let kind = "the name of a bridge; expected NAME or NAME/VLAN";
    let (name, vlan) = match text.split_once('/') {
        Some((name, vlan)) => (name, Some(vlan)),
        None => (text, None),
    };
    plain(name, kind, "-_.")?;
    match vlan.map(str::parse::<u16>) {
        None | Some(Ok(1..=4094)) => Ok(text.to_owned()),
        Some(_) => Err(format!("{text:?} is not {kind}")),
    }
}

/// The name of a token.
fn token(text: &str) -> Result<String, String> {
    plain(text, "the name of an API token", "-_.")
}

/// A user with its realm.
fn user(text: &str) -> Result<String, String> {
    let kind = "a user of Proxmox VE; expected USER@REALM";
    match text.split_once('@') {
        Some((name, realm)) if !realm.contains('@') => {
            plain(name, kind, "-_.+")?;
            plain(realm, kind, "-_.")?;
            Ok(text.to_owned())
        }
        _ => Err(format!("{text:?} is not {kind}")),
    }
}

/// A version of Proxmox VE.
fn version(text: &str) -> Result<PveVersion, String> {
    text.parse()
        .map_err(|why: crate::model::Invalid| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_shell_would_read_gets_through() {
        for text in ["local", "nfs-images", "tank_1.b"] {
            assert!(storage(text).is_ok(), "{text}");
        }
        for text in ["", "a b", "$(x)", "a;b", "-x", "a/b", "1a"] {
            assert!(storage(text).is_err(), "{text}");
        }
        for text in ["vmbr0", "vmbr0/20", "lan.1"] {
            assert!(bridge(text).is_ok(), "{text}");
        }
        for text in ["vmbr0/", "vmbr0/0", "vmbr0/4095", "vmbr0/x", "a b", "../x"] {
            assert!(bridge(text).is_err(), "{text}");
        }
        assert!(user("talos-order@pve").is_ok());
        for text in ["talos-order", "a@b@c", "a'b@pve", "@pve", "a@"] {
            assert!(user(text).is_err(), "{text}");
        }
    }
}
