//! The configuration: as written (every key optional) and as used ([`Settings`]).
//!
//! [`load`] finds the file, [`parse`] makes settings of a text; everything that
//! is wrong with it is said at once. Settings are plain values; what lives
//! (clients, locks, processes) is made from them in `app`. Secrets never stand
//! in the file: it names environment variables or files that hold them.

#![expect(
    clippy::disallowed_methods,
    reason = "reads the configuration and the secrets it names"
)]

mod api_node;
mod bucket_nodes;
mod cluster_shape;
mod clusters;
mod dirs;
mod error;
mod file;
mod fleet;
mod fleet_shape;
mod hooks;
mod hooks_shape;
mod inventory;
mod inventory_shape;
mod literal_secrets;
mod notifications;
mod notifications_shape;
mod orders;
mod orders_shape;
mod provider_form;
mod provider_mail;
mod providers;
mod rsync_opts;
mod running;
mod running_shape;
mod secrets;
mod settings;
mod sites;
mod store;
mod store_shape;
mod trust;
mod validate;
mod values;
mod web;
mod web_shape;

use std::io;
use std::path::{Path, PathBuf};

pub use error::ConfigError;
pub use fleet::FleetSettings;
pub use notifications::{NotificationSettings, REASONS, RuleSettings};
pub use secrets::Secrets;
pub use settings::{
    CachePolicy, ClusterSettings, ClusterTrust, FactorySettings, FileServerSettings,
    GithubSettings, LimitSettings, ManifestTarget, PruneSettings, PushSettings, ReconcileSettings,
    Settings, VerifySettings, WebSettings,
};
pub use store::StoreSettings;

use dirs::{DefaultDirs, user_config};

use crate::io::file::input;
use crate::model::{Problem, visible_path};
use crate::yaml::{Document, MAX_BYTES, SourceText};

#[cfg(test)]
mod tests;

/// Where a configuration is looked for when none is named, and the user has none
/// in `$XDG_CONFIG_HOME`.
pub const SEARCHED: [&str; 2] = ["/etc/talos-order/config.yaml", "config.yaml"];

/// Reads the configuration: the file that is named, else the user's own, else the
/// first of [`SEARCHED`] that exists, else every value is a default.
///
/// Secrets are read as well, from the environment and from files.
///
/// # Errors
/// Where a named file is not there, a file cannot be read, or what it says
/// cannot be used.
pub fn load(path: Option<&Path>) -> Result<Settings, ConfigError> {
    load_with(path, &Secrets::of_this_process())
}

/// The same without reading any secret: for checking a configuration where the
/// secrets are not at hand, as in the CI of an orders repository.
///
/// # Errors
/// As [`load`].
pub fn load_without_secrets(path: Option<&Path>) -> Result<Settings, ConfigError> {
    load_with(path, &Secrets::NotNeeded)
}

fn load_with(path: Option<&Path>, secrets: &Secrets<'_>) -> Result<Settings, ConfigError> {
    let dirs = DefaultDirs::of_this_process();
    let Some((path, bytes)) = find(path)? else {
        return interpret(SourceText::new("the defaults", ""), secrets, &dirs);
    };
    let file = visible_path(&path);
    let source =
        SourceText::from_bytes(&file, &bytes).map_err(|problem| invalid(&file, *problem))?;
    let mut settings = interpret(source, secrets, &dirs)?;
    // A configuration of before this key is beside its orders in an installation
    // of the package.
    let beside = path.with_file_name("orders");
    let is_named = settings.orders_path.is_some() || settings.orders_git.is_some();
    if !is_named && beside.is_dir() {
        settings.orders_path = Some(beside);
    }
    settings.source = Some(path);
    Ok(settings)
}

/// Makes settings of a text. `env` answers for environment variables; files that
/// hold secrets are read.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong.
pub fn parse(
    file_name: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, ConfigError> {
    let source = SourceText::from_bytes(file_name, text.as_bytes())
        .map_err(|problem| invalid(file_name, *problem))?;
    interpret(source, &Secrets::From(env), &DefaultDirs::system())
}

/// Makes settings of a text and reads no secrets, from wherever they would come.
#[cfg(any(test, fuzzing))]
pub fn parse_without_secrets(file_name: &str, text: &str) -> Result<Settings, ConfigError> {
    let source = SourceText::from_bytes(file_name, text.as_bytes())
        .map_err(|problem| invalid(file_name, *problem))?;
    interpret(source, &Secrets::NotNeeded, &DefaultDirs::system())
}

/// The JSON Schema of the configuration file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(file::ConfigFile).to_value()
}

fn interpret(
    source: SourceText,
    secrets: &Secrets<'_>,
    dirs: &DefaultDirs,
) -> Result<Settings, ConfigError> {
    let file = source.file.to_string();
    let doc = Document::parse(source).map_err(|problem| invalid(&file, *problem))?;
    validate::settings(&doc, secrets, dirs)
        .map_err(|problems| ConfigError::Invalid { file, problems })
}

fn invalid(file: &str, problem: Problem) -> ConfigError {
    ConfigError::Invalid {
        file: file.to_owned(),
        problems: vec![problem],
    }
}

/// Where the configuration of this user belongs.
pub(crate) fn usual_file() -> PathBuf {
    dirs::own_config().unwrap_or_else(|| PathBuf::from(SEARCHED[0]))
}

/// The file to read, with its bytes; `None` where no file is named or found.
fn find(named: Option<&Path>) -> Result<Option<(PathBuf, Vec<u8>)>, ConfigError> {
    if let Some(path) = named {
        return match read(path) {
            Ok(bytes) => Ok(Some((path.to_owned(), bytes))),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Err(ConfigError::Missing {
                path: path.to_owned(),
            }),
            Err(source) => Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            }),
        };
    }
    for path in user_config().into_iter().chain(SEARCHED.map(PathBuf::from)) {
        match read(&path) {
            Ok(bytes) => return Ok(Some((path, bytes))),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            // A file that is there and cannot be read was meant: falling through
            // to the next one would silently run with other settings.
            Err(source) => {
                return Err(ConfigError::Read { path, source });
            }
        }
    }
    Ok(None)
}

/// The bytes of a file, at most one more than is accepted.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    input::read(path, MAX_BYTES)
}
