//! Why the program could not start.

use std::path::PathBuf;
use std::sync::Arc;

use crate::bucket::BucketError;
use crate::cache::CacheError;
use crate::config::ConfigError;
use crate::model::{ClusterName, visible_path};
use crate::nodes::NodeError;
use crate::orders::OrdersError;
use crate::proxmox::PveError;
use crate::source::SourceError;
use crate::upstream::UpstreamError;

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The orders are not there.
    #[error(transparent)]
    Orders(#[from] OrdersError),
    /// There is nothing that could be fetched.
    #[error("cannot get the orders")]
    Source(#[source] Arc<SourceError>),
    /// No orders were named.
    #[error("no orders specified")]
    NoOrders,
    /// Neither orders were named nor was there a configuration to name them.
    #[error("no orders specified, and no configuration found")]
    Unconfigured {
        /// Where a configuration is looked for first.
        usual: PathBuf,
    },
    /// The upstream's client could not be made.
    #[error("cannot set up the Image Factory client")]
    Upstream(#[source] UpstreamError),
    /// The nodes' programs could not be prepared.
    #[error("cannot set up access to the nodes")]
    Nodes(#[source] NodeError),
    /// The client of a cluster could not be made.
    #[error("cannot set up access to the cluster {name}")]
    Cluster {
        /// Its name in the configuration.
        name: ClusterName,
        /// Why.
        #[source]
        source: Box<PveError>,
    },
    /// The client of a bucket could not be made.
    #[error("cannot set up access to a bucket")]
    Bucket(#[source] BucketError),
    /// The client of the store could not be made.
    #[error("cannot set up access to the store")]
    Store(#[source] BucketError),
    /// Another run holds the cache, or it cannot be written.
    #[error("cannot use the cache")]
    Cache(#[source] CacheError),
}

impl StartError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint().map(str::to_owned),
            Self::Orders(error) => Some(error.hint().to_owned()),
            Self::Source(error) => error.hint(),
            Self::NoOrders => Some(
                "specify a file or a directory with --orders PATH, or with the key `orders` in \
                 config.yaml"
                    .to_owned(),
            ),
            Self::Unconfigured { usual } => Some(format!(
                "write {}, with the orders in a directory `orders` beside it; you can copy both from \
                 examples/start. Or use --config FILE and --orders PATH. `talos-order demo` is an \
                 offline example",
                visible_path(usual)
            )),
            Self::Upstream(error) => error.hint().map(str::to_owned),
            Self::Nodes(error) => error.hint(),
            Self::Cluster { source, .. } => source.hint(),
            Self::Bucket(error) => error.hint().map(str::to_owned),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Cache(error) => error.hint().map(str::to_owned),
        }
    }
}
