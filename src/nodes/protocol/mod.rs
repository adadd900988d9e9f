//! The protocol between the controller and a node: small scripts, the frame around
//! their answers, and the record that they keep beside the files.
//!
//! The same scripts run through `sh` over ssh and on this machine. `scripts/` holds them;
//! each begins with its arguments, its answers and its exit codes. [`script`] puts them
//! together with a call, [`answer`] takes the frame away, [`failure`] turns what a script
//! reports into an error, and [`listing`] and [`references`] read what a look at a node
//! found, [`storages`] how it describes its storages, [`vms`] and [`vm_config`] which
//! virtual machines there are and how they are configured. [`record`] has the form of the record on both sides.

pub(crate) mod answer;
pub(crate) mod failure;
pub(crate) mod listing;
pub(crate) mod qm;
pub(crate) mod record;
pub(crate) mod references;
pub(crate) mod script;
pub(crate) mod storages;
pub(crate) mod vm_config;
pub(crate) mod vms;

/// The private directory in a directory on a node; `scripts/private.sh` makes it.
pub(crate) const PARTS: &str = ".talos-order.parts";
