//! The configuration: as written (every key optional) and as used ([`Settings`]).
//!
//! Settings are plain values; what lives (clients, locks, processes) is made
//! from them in `app`.

mod settings;

pub use settings::{
    CachePolicy, Credentials, FactorySettings, GithubSettings, Limits, ManifestTarget,
    PushCommands, Settings, VersionsFrom,
};
