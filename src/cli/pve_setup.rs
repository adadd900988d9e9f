//! `pve-setup`: the commands that make an API token with the privileges it needs.

use clap::Args;

use super::exit::Exit;
use super::out;
use crate::proxmox::PveVersion;
use crate::proxmox::rights::{FetchRight, PveSetup};

/// What `pve-setup` prints commands for.
#[derive(Debug, Clone, Args)]
pub struct PveSetupArgs {
    /// A storage for images; repeatable
    #[arg(
        long,
        required = true,
        value_name = "NAME",
        num_args = 1..,
        value_parser = storage
    )]
    pub storage: Vec<String>,
    /// Also allow removing images
    #[arg(long)]
    pub prune: bool,
    /// The user that the token belongs to
    #[arg(
        long,
        value_name = "USER@REALM",
        default_value = "talos-order@pve",
        value_parser = user
    )]
    pub user: String,
    /// The name of the token
    #[arg(
        long,
        value_name = "NAME",
        default_value = "ctl",
        value_parser = token
    )]
    pub token: String,
    /// The oldest Proxmox VE version among the nodes, such as 8.1 [default: 8.2 or newer]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub pve_version: Option<PveVersion>,
}

/// Prints the commands; nothing is run.
pub(super) fn run(args: PveSetupArgs) -> anyhow::Result<Exit> {
    let setup = PveSetup {
        user: args.user,
        token: args.token,
        storages: args.storage,
        prune: args.prune,
        fetch_right: args
            .pve_version
            .map_or(FetchRight::default(), FetchRight::of),
    };
    out::data(&setup.script())?;
    Ok(Exit::Done)
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
        assert!(user("talos-order@pve").is_ok());
        for text in ["talos-order", "a@b@c", "a'b@pve", "@pve", "a@"] {
            assert!(user(text).is_err(), "{text}");
        }
    }
}
